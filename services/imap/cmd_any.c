#include "common/base/version.h"
#include "services/imap/capability.h"
#include "services/imap/command.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"

#define ID_FIELDS_MAX 30 /* RFC 2971 3.3 */

/* Commands for any state, and those after login that concern no mailbox. */

/* RFC 9051 6.1.1 */
enum session_next cmd_capability(struct imap *imap, struct cursor *args)
{
    struct err err;
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    buf_append(imap_out(imap), STR("* "));
    capability_write(imap, imap_out(imap));
    buf_append(imap_out(imap), STR("\r\n"));
    return respond_ok(imap, "capabilities listed");
}

/* RFC 9051 6.1.2: the time to ask for news. */
enum session_next cmd_noop(struct imap *imap, struct cursor *args)
{
    struct err err;
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    struct backend_call call = imap_call(imap);
    if (imap->selected.view &&
        !view_refresh(imap->selected.view, imap->server->backend, &call, true, &err))
        return respond_err(imap, &err);
    return respond_ok(imap, "nothing done");
}

/* RFC 9051 6.1.3 */
enum session_next cmd_logout(struct imap *imap, struct cursor *args)
{
    struct err err;
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    respond_bye(imap, "logging out");
    return respond_ok_then(imap, SESSION_CLOSE, "logged out");
}

/* ---- ID (RFC 2971) */

struct id_field {
    struct str name;
    struct str value;
};

static bool has_field(const struct id_field *fields, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq_nocase(fields[i].name, name))
            return true;
    return false;
}

/* id-params-list = "(" *(string SP nstring) ")" / nil */
static size_t take_fields(struct cursor *c, struct arena *arena, struct id_field *fields)
{
    if (cursor_skip_nocase(c, STR("NIL")))
        return 0;
    size_t count = 0;
    cursor_expect(c, '(');
    while (!cursor_at_end(c) && !cursor_next_is(c, ')')) {
        if (count > 0)
            parse_space(c);
        struct id_field field = {.name = parse_string(c, arena)};
        parse_space(c);
        field.value = parse_nstring(c, arena);
        if (count == ID_FIELDS_MAX)
            cursor_fail_too_long(c, "list of fields");
        else if (has_field(fields, count, field.name))
            cursor_fail(c, "each field once");
        else
            fields[count++] = field;
    }
    cursor_expect(c, ')');
    return count;
}

enum session_next cmd_id(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct id_field fields[ID_FIELDS_MAX];
    parse_space(args);
    size_t count = take_fields(args, &imap->arena, fields);
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    for (size_t i = 0; i < count; i++)
        log_debug(session_log(imap->session), "client id", LOG_STR("field", fields[i].name),
                  LOG_STR("value", str_slice(fields[i].value, 0, 200)));
    if (imap->state == STATE_NOT_AUTHENTICATED) /* strangers need not know the version */
        respond_untagged(imap, "ID (\"name\" \"Mailrail\")");
    else
        respond_untagged(imap, "ID (\"name\" \"Mailrail\" \"version\" \"%s\")", MAILRAIL_VERSION);
    return respond_ok(imap, "identified");
}

/* ---- NAMESPACE (RFC 9051 6.3.10) */

enum session_next cmd_namespace(struct imap *imap, struct cursor *args)
{
    struct err err;
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    respond_untagged(imap, "NAMESPACE ((\"\" \"/\")) NIL NIL");
    return respond_ok(imap, "one namespace");
}

/* ---- ENABLE (RFC 9051 6.3.1) */

/* True when it is something that ENABLE knows and the account may use. */
static bool enable(struct imap *imap, struct str name)
{
    bool rev2 = str_eq_nocase(name, STR("IMAP4rev2"));
    bool known = rev2 || str_eq_nocase(name, STR("UTF8=ACCEPT"));
    if (!known || !imap_has_capability(imap, name))
        return false;
    imap->rev2 = imap->rev2 || rev2;
    imap->utf8 = true;
    return true;
}

/* "ENABLE" 1*(SP capability): others are ignored. */
enum session_next cmd_enable(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct cursor check = *args;
    do {
        parse_space(&check);
        parse_atom(&check, "capability");
    } while (!cursor_at_end(&check));
    if (!cursor_finish(&check, &err))
        return respond_syntax(imap, &err);
    buf_append(imap_out(imap), STR("* ENABLED"));
    while (cursor_skip(args, ' ')) {
        struct str name = parse_atom(args, "capability");
        if (enable(imap, name))
            buf_printf(imap_out(imap), " %.*s", STR_ARG(name));
    }
    buf_append(imap_out(imap), STR("\r\n"));
    return respond_ok(imap, "enabled");
}
