#include "common/base/version.h"
#include "services/imap/capability.h"
#include "services/imap/command.h"
#include "services/imap/condstore.h"
#include "services/imap/metadata.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/shared.h"

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

/* RFC 9051 6.1.2: the time to ask for news. Who may not have any succeeds, too; so does who may not
 * even know that a mailbox of another is still there, or that it is gone. */
enum session_next cmd_noop(struct imap *imap, struct cursor *args)
{
    struct err err;
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    if (imap->account && !imap_review(imap))
        return respond_session_ended(imap);
    if (!imap->selected.view || imap->selected.revoked)
        return respond_ok(imap, "nothing done");
    struct backend_call call = imap_call_on(imap, imap->selected.view);
    bool ok = view_refresh(imap->selected.view, imap->server->backend, &call, true, &err);
    if (!ok && err.kind != ERR_FORBIDDEN && err.kind != ERR_NOT_FOUND)
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
    respond_untagged(imap, "NAMESPACE ((\"\" \"/\")) %s NIL",
                     shared_is_shown(imap) ? "((\"" SHARED_NAMESPACE "/\" \"/\"))" : "NIL");
    return respond_ok(imap, "namespaces given");
}

/* ---- ENABLE (RFC 9051 6.3.1) */

enum enabled {
    ENABLED_REV2 = 1,
    ENABLED_UTF8 = 2,
    ENABLED_CONDSTORE = 4,
    ENABLED_QRESYNC = 8,
    ENABLED_UIDONLY = 16,
    ENABLED_METADATA = 32,
};

static const struct {
    struct str name;
    unsigned what; /* enum enabled */
} enabled_by[] = {
    {STR_INIT("IMAP4rev2"), ENABLED_REV2 | ENABLED_UTF8},
    {STR_INIT("UTF8=ACCEPT"), ENABLED_UTF8},
    {STR_INIT("CONDSTORE"), ENABLED_CONDSTORE},
    {STR_INIT("QRESYNC"), ENABLED_QRESYNC | ENABLED_CONDSTORE},
    {STR_INIT("UIDONLY"), ENABLED_UIDONLY},
    {STR_INIT("METADATA"), ENABLED_METADATA},
};

/* Tells what was enabled, and CONDSTORE when that came with QRESYNC. */
static void enable(struct imap *imap, struct str name)
{
    unsigned what = 0;
    for (size_t i = 0; i < ARRAY_LEN(enabled_by); i++)
        if (str_eq_nocase(name, enabled_by[i].name) && imap_has_capability(imap, name))
            what = enabled_by[i].what;
    if (what == 0)
        return;
    buf_printf(imap_out(imap), " %.*s", STR_ARG(name));
    if ((what & ENABLED_QRESYNC) && !imap->condstore)
        buf_append(imap_out(imap), STR(" CONDSTORE"));
    imap->rev2 = imap->rev2 || (what & ENABLED_REV2);
    imap->utf8 = imap->utf8 || (what & ENABLED_UTF8);
    imap->condstore = imap->condstore || (what & ENABLED_CONDSTORE);
    imap->qresync = imap->qresync || (what & ENABLED_QRESYNC);
    if (what & ENABLED_METADATA)
        metadata_enable(imap);
    imap->uid_only = imap->uid_only || (what & ENABLED_UIDONLY);
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
    bool had_condstore = imap->condstore, had_qresync = imap->qresync;
    buf_append(imap_out(imap), STR("* ENABLED"));
    while (cursor_skip(args, ' '))
        enable(imap, parse_atom(args, "capability"));
    buf_append(imap_out(imap), STR("\r\n"));
    if (imap->condstore != had_condstore || imap->qresync != had_qresync)
        condstore_tell_highest(imap);
    return respond_ok(imap, "enabled");
}

/* ---- COMPRESS (RFC 4978) */

/* "COMPRESS" SP algorithm. The answer is the last that is not compressed. */
enum session_next cmd_compress(struct imap *imap, struct cursor *args)
{
    struct err err;
    parse_space(args);
    struct str algorithm = parse_atom(args, "algorithm");
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    if (!str_eq_nocase(algorithm, STR("DEFLATE")))
        return respond_no(imap, "no such compression");
    if (session_is_compressed(imap->session))
        return respond_no(imap, "[COMPRESSIONACTIVE] compressed already");
    return respond_ok_then(imap, SESSION_COMPRESS, "compressed from here on");
}
