#include "services/queue-deliverer/verdict.h"

#include "common/text/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Made fit for a log, a DSN and the bus: valid UTF-8 without control characters. */
static void set_text(struct verdict *v, struct str text)
{
    struct str cut = utf8_truncate_bytes(text, sizeof(v->text) - 1);
    bool valid = utf8_is_valid(cut);
    for (size_t i = 0; i < cut.len; i++) {
        unsigned char c = (unsigned char)cut.ptr[i];
        bool control = (c < 0x20 && c != '\n') || c == 0x7f;
        v->text[i] = control ? ' ' : c >= 0x80 && !valid ? '?' : cut.ptr[i];
    }
    v->text[cut.len] = '\0';
}

struct verdict verdict_of_reply(const struct smtp_reply *reply)
{
    struct verdict v = {.code = reply->code};
    v.kind = smtp_reply_is_positive(reply)    ? VERDICT_DELIVERED
             : smtp_reply_is_permanent(reply) ? VERDICT_PERMANENT
                                              : VERDICT_TEMPORARY;
    memcpy(v.enhanced, reply->enhanced, sizeof(v.enhanced));
    set_text(&v, reply->text);
    return v;
}

struct verdict verdict_of_err(const struct err *err)
{
    struct verdict v = {.kind = VERDICT_TEMPORARY};
    set_text(&v, str_from_cstr(err->detail));
    return v;
}

struct verdict verdict_of_call(const struct err *err)
{
    struct verdict v = verdict_of_err(err);
    if (err_is_transient(err->kind))
        v.kind = VERDICT_POSTPONED;
    return v;
}

/* RFC 3463 2 */
static uint8_t class_of(enum verdict_kind kind)
{
    switch (kind) {
    case VERDICT_PERMANENT:
        return 5;
    case VERDICT_TEMPORARY:
    case VERDICT_POSTPONED:
        return 4;
    case VERDICT_DELIVERED:
    case VERDICT_OPEN:
        break;
    }
    return 2;
}

struct verdict verdict_make(enum verdict_kind kind, unsigned subject, unsigned detail,
                            const char *format, ...)
{
    struct verdict v = {.kind = kind};
    v.enhanced[0] = class_of(kind);
    v.enhanced[1] = (uint8_t)subject;
    v.enhanced[2] = (uint8_t)detail;
    va_list args;
    va_start(args, format);
    vsnprintf(v.text, sizeof(v.text), format, args);
    va_end(args);
    return v;
}

struct verdict_status verdict_status(const struct verdict *v)
{
    struct verdict_status status;
    unsigned class = class_of(v->kind);
    if (v->enhanced[0] == class)
        snprintf(status.text, sizeof(status.text), "%u.%u.%u", class, v->enhanced[1],
                 v->enhanced[2]);
    else
        snprintf(status.text, sizeof(status.text), "%u.0.0", class);
    return status;
}
