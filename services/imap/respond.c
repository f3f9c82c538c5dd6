#include "services/imap/respond.h"

#include "common/base/clock.h"
#include "common/text/utf7.h"
#include "common/text/utf8.h"
#include "services/imap/announce.h"
#include "services/imap/command.h"
#include "services/imap/metadata.h"
#include "services/imap/condstore.h"
#include "services/imap/notify.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 1024
#define QUOTED_MAX 1024 /* longer strings go out as literals */

/* ---- The end of a command */

/* RFC 9051 7.5.1: no EXPUNGE, and by spec 2.18 nothing else, in commands by message number. */
static bool may_tell(const struct imap *imap)
{
    if (!imap->row || (imap->row->flags & COMMAND_SILENT))
        return false;
    return imap->uid || !(imap->row->flags & COMMAND_NUMBERS);
}

static bool may_announce(const struct imap *imap)
{
    return imap->state == STATE_SELECTED && may_tell(imap);
}

/* Names of mailboxes that others changed (spec 2.18). NOTIFY tells them at other times. */
static bool tell_names(struct imap *imap)
{
    bool may = may_tell(imap) && !imap->notify && !(imap->row->flags & COMMAND_NAMES);
    return !may || notify_report(imap);
}

static void count_command(struct imap *imap)
{
    if (!imap->server->commands)
        return;
    static const char *const results[] = {"ok", "no", "bad"};
    struct str rest = str_skip(imap->final, imap->tag.len + 1);
    size_t result = str_starts_with(rest, STR("OK")) ? 0 : str_starts_with(rest, STR("NO")) ? 1 : 2;
    char verb[32] = "unknown";
    if (imap->row && !str_copy_cstr(imap->row->verb, verb, sizeof(verb)))
        verb[0] = '\0';
    struct metric *seconds = metric_with(imap->server->commands, verb, results[result], NULL);
    metric_observe_us(seconds, clock_monotonic_us() - imap->started_us);
}

static enum session_next finish(struct imap *imap)
{
    if (may_announce(imap) && !announce(imap)) {
        if (imap->announcement.broken)
            return SESSION_ABORT;
        imap->more = finish;
        return SESSION_MORE;
    }
    if (!tell_names(imap)) {
        imap->more = finish;
        return SESSION_MORE;
    }
    enum session_next next = imap->final_next;
    if (imap->row && (imap->row->flags & COMMAND_NUMBERS) && !imap->uid)
        condstore_tell_delayed(imap);
    buf_append(imap_out(imap), imap->final);
    count_command(imap);
    imap_command_reset(imap);
    return next;
}

/* Changes that store told of are fetched first, so that they are announced with this answer. When
 * store is away they wait. */
static void refresh(struct imap *imap)
{
    struct err err;
    struct backend_call call = imap_call_on(imap, imap->selected.view);
    if (!imap->selected.revoked && view_is_stale(imap->selected.view) &&
        !view_refresh(imap->selected.view, imap->server->backend, &call, false, &err))
        log_debug(session_log(imap->session), "view not refreshed", LOG_ERR(&err));
}

static enum session_next end_command(struct imap *imap, enum session_next next, const char *result,
                                     const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    BUG_ON(len < 0);
    char *text = arena_alloc(&imap->arena, (size_t)len + 1);
    if (text)
        vsnprintf(text, (size_t)len + 1, format, args);
    imap->final =
        arena_printf(&imap->arena, "%.*s %s %s\r\n", STR_ARG(imap->tag), result, text ? text : "");
    if (str_is_null(imap->final)) /* the command filled its arena */
        imap->final = STR("* BYE [ALERT] out of memory\r\n"), next = SESSION_CLOSE;
    imap->final_next = next;
    if (may_announce(imap))
        refresh(imap);
    metadata_tell(imap);
    return finish(imap);
}

#define END_COMMAND(next, result)                                                                  \
    va_list args;                                                                                  \
    va_start(args, format);                                                                        \
    enum session_next then = end_command(imap, next, result, format, args);                        \
    va_end(args);                                                                                  \
    return then

enum session_next respond_ok(struct imap *imap, const char *format, ...)
{
    END_COMMAND(SESSION_READ, "OK");
}

enum session_next respond_ok_then(struct imap *imap, enum session_next next, const char *format,
                                  ...)
{
    END_COMMAND(next, "OK");
}

enum session_next respond_no(struct imap *imap, const char *format, ...)
{
    END_COMMAND(SESSION_READ, "NO");
}

enum session_next respond_bad(struct imap *imap, const char *format, ...)
{
    END_COMMAND(SESSION_READ, "BAD");
}

enum session_next respond_bad_charset(struct imap *imap)
{
    return respond_no(imap, "[BADCHARSET (US-ASCII UTF-8)] unknown charset");
}

enum session_next respond_syntax(struct imap *imap, const struct err *err)
{
    if (err->kind == ERR_LIMIT)
        return respond_bad(imap, "[TOOBIG] %s", err->detail);
    if (err->reply[0])
        return respond_bad(imap, "%s", err->reply);
    return respond_bad(imap, "%s", err->detail);
}

/* Failures of store as IMAP sees them (RFC 9051 7.1). */
static const struct {
    enum err_kind kind;
    const char *code;
    const char *text;
    enum log_level level; /* an error when only an administrator can end it */
} failures[] = {
    {ERR_SYNTAX, "[CANNOT] ", "not a name that can be used", LOG_DEBUG},
    {ERR_STATE, "", "not possible", LOG_DEBUG},
    {ERR_LIMIT, "[LIMIT] ", "too large or too many", LOG_DEBUG},
    {ERR_NOT_FOUND, "[NONEXISTENT] ", "no such mailbox", LOG_DEBUG},
    {ERR_CONFLICT, "[ALREADYEXISTS] ", "exists already", LOG_DEBUG},
    {ERR_TEMPORARY, "[UNAVAILABLE] ", "not possible now, try again later", LOG_WARN},
    {ERR_TIMEOUT, "[UNAVAILABLE] ", "took too long, try again later", LOG_WARN},
    {ERR_UNAVAILABLE, "[UNAVAILABLE] ", "the mail store does not answer, try again later",
     LOG_WARN},
    {ERR_CORRUPT, "[CORRUPTION] ", "stored data is damaged", LOG_ERROR},
    {ERR_INTERNAL, "[SERVERBUG] ", "internal failure", LOG_ERROR},
    {ERR_FORBIDDEN, "[NOPERM] ", "you have no right to do that", LOG_DEBUG},
    {ERR_NO_SPACE, "[UNAVAILABLE] ", "the server has no space left, try again later", LOG_ERROR},
};

/* Missing rights are ERR_FORBIDDEN: what store denies is the token itself. The
 * password was changed, or the account is gone; a client that stayed would only see failures. */
enum session_next respond_session_ended(struct imap *imap)
{
    log_info(session_log(imap->session), "session ended by store");
    return respond_bye(imap, "your session has ended, log in again");
}

enum session_next respond_err(struct imap *imap, const struct err *err)
{
    size_t row = 0;
    if (err->kind == ERR_DENIED)
        return respond_session_ended(imap);
    while (row + 1 < ARRAY_LEN(failures) && failures[row].kind != err->kind)
        row++;
    LOG_AT(failures[row].level, session_log(imap->session), "command failed",
           LOG_STR("command", imap->row ? imap->row->verb : STR("")), LOG_ERR(err), LOG_END);
    if (err->reply[0] == '[') /* store knows a better code */
        return respond_no(imap, "%s", err->reply);
    return respond_no(imap, "%s%s", failures[row].code,
                      err->reply[0] ? err->reply : failures[row].text);
}

/* ---- Lines */

static void append_line(struct imap *imap, const char *start, const char *format, va_list args)
{
    char text[TEXT_MAX];
    if (vsnprintf(text, sizeof(text), format, args) < 0)
        BUG("answer");
    buf_printf(imap_out(imap), "%s%s\r\n", start, text);
}

void respond_untagged(struct imap *imap, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append_line(imap, "* ", format, args);
    va_end(args);
}

void respond_continue(struct imap *imap, struct str text)
{
    buf_append(imap_out(imap), STR("+ "));
    buf_append(imap_out(imap), text);
    buf_append(imap_out(imap), STR("\r\n"));
}

enum session_next respond_bye(struct imap *imap, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append_line(imap, "* BYE ", format, args);
    va_end(args);
    return SESSION_CLOSE;
}

/* ---- Strings */

enum string_form {
    STRING_PLAIN,   /* in quotes as it is */
    STRING_ESCAPED, /* in quotes, some characters after a backslash */
    STRING_LITERAL,
};

/* quoted = DQUOTE *QUOTED-CHAR DQUOTE, without NUL, CR and LF. One look at each character without a
 * branch: a FETCH of all envelopes is mostly this. */
static enum string_form form_of(struct str text, bool utf8)
{
    unsigned forbidden = 0, special = 0, all = 0;
    if (text.len > QUOTED_MAX)
        return STRING_LITERAL;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        forbidden |= (unsigned)(c == '\0') | (unsigned)(c == '\r') | (unsigned)(c == '\n');
        special |= (unsigned)(c == '"') | (unsigned)(c == '\\');
        all |= c;
    }
    if (forbidden || (!utf8 && all >= 0x80))
        return STRING_LITERAL;
    return special ? STRING_ESCAPED : STRING_PLAIN;
}

static void append_quoted(struct buf *out, struct str text)
{
    char *at = buf_reserve(out, text.len + 2);
    if (!at)
        return;
    *at++ = '"';
    if (text.len > 0)
        memcpy(at, text.ptr, text.len);
    at[text.len] = '"';
    buf_commit(out, text.len + 2);
}

void respond_string(struct buf *out, struct str text, bool utf8)
{
    enum string_form form = form_of(text, utf8);
    if (form == STRING_LITERAL) {
        buf_append_char(out, '{');
        buf_append_u64(out, text.len);
        buf_append(out, STR("}\r\n"));
        buf_append(out, text);
        return;
    }
    if (form == STRING_PLAIN) {
        append_quoted(out, text);
        return;
    }
    buf_append_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            buf_append_char(out, '\\');
        buf_append_char(out, text.ptr[i]);
    }
    buf_append_char(out, '"');
}

void respond_nstring(struct buf *out, struct str text, bool utf8)
{
    if (str_is_null(text))
        buf_append(out, STR("NIL"));
    else
        respond_string(out, text, utf8);
}

/* Names that are atoms go out bare, as clients are used to. */
void respond_mailbox(struct imap *imap, struct buf *out, struct str name)
{
    if (!imap->utf8)
        name = utf7_encode(name, &imap->arena);
    bool atom = name.len > 0 && !str_eq_nocase(name, STR("NIL"));
    for (size_t i = 0; atom && i < name.len; i++)
        atom = is_imap_astring((unsigned char)name.ptr[i]);
    if (atom)
        buf_append(out, name);
    else
        respond_string(out, name, imap->utf8);
}
