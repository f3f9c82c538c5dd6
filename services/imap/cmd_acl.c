#include "services/imap/acl.h"
#include "services/imap/command.h"
#include "services/imap/names.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/rights.h"
#include "services/imap/shared.h"

/*
 * ACL (RFC 4314). The owner of a mailbox has all rights, always; of others an identifier is an
 * address, the name of an account, or "anyone", with "-" in front for what it is denied.
 */

struct acl_arguments {
    struct str shown; /* the mailbox as the client names it */
    struct str identifier;
    struct str rights;
    /* After resolve. */
    struct backend_call call;
    struct str mailbox;
};

/* SP mailbox [SP identifier [SP rights]] */
static bool take_arguments(struct imap *imap, struct cursor *c, unsigned count,
                           struct acl_arguments *ret, struct err *err)
{
    *ret = (struct acl_arguments){0};
    parse_space(c);
    ret->shown = name_take(imap, c);
    if (count > 1) {
        parse_space(c);
        ret->identifier = parse_astring(c, &imap->arena);
    }
    if (count > 2) {
        parse_space(c);
        ret->rights = parse_astring(c, &imap->arena);
    }
    return cursor_finish(c, err);
}

static bool resolve(struct imap *imap, struct acl_arguments *a, struct err *err)
{
    a->call = imap_call(imap);
    return shared_find(imap, a->shown, &a->call, &a->mailbox, err);
}

static bool ask(struct imap *imap, struct acl_arguments *a, bool all, struct rights_list *ret,
                struct err *err)
{
    TRY(resolve(imap, a, err));
    struct rights_query query = {.name = a->mailbox, .all = all, .identifier = a->identifier};
    return backend_rights(imap->server->backend, &a->call, &query, ret, err);
}

/* ---- SETACL, DELETEACL (3.1, 3.2) */

static enum session_next set(struct imap *imap, struct acl_arguments *a, enum rights_mode mode,
                             unsigned rights)
{
    struct err err;
    struct rights_entry entry = {a->identifier, rights};
    if (!resolve(imap, a, &err) ||
        !backend_set_rights(imap->server->backend, &a->call, a->mailbox, &entry, mode, &err))
        return respond_err(imap, &err);
    return respond_ok(imap, "rights set");
}

/* mod-rights = ["+" / "-"] rights */
enum session_next cmd_setacl(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct acl_arguments a;
    unsigned rights;
    enum rights_mode mode = RIGHTS_REPLACE;
    if (!take_arguments(imap, args, 3, &a, &err))
        return respond_syntax(imap, &err);
    struct str letters = a.rights;
    if (str_starts_with(letters, STR("+")))
        mode = RIGHTS_ADD;
    else if (str_starts_with(letters, STR("-")))
        mode = RIGHTS_REMOVE;
    if (!rights_parse(mode == RIGHTS_REPLACE ? letters : str_skip(letters, 1), &rights))
        return respond_bad(imap, "unknown right");
    return set(imap, &a, mode, rights);
}

enum session_next cmd_deleteacl(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct acl_arguments a;
    if (!take_arguments(imap, args, 2, &a, &err))
        return respond_syntax(imap, &err);
    return set(imap, &a, RIGHTS_REPLACE, 0);
}

/* ---- GETACL, LISTRIGHTS, MYRIGHTS (3.3 to 3.5) */

/* A string in any case: an identifier may look like a list of rights. */
static void write_identifier(struct imap *imap, struct str identifier)
{
    buf_append_char(imap_out(imap), ' ');
    respond_string(imap_out(imap), identifier, imap->utf8);
}

/* "ACL" SP mailbox *(SP identifier SP rights) */
enum session_next cmd_getacl(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct acl_arguments a;
    struct rights_list list;
    struct buf *out = imap_out(imap);
    if (!take_arguments(imap, args, 1, &a, &err))
        return respond_syntax(imap, &err);
    if (!ask(imap, &a, true, &list, &err))
        return respond_err(imap, &err);
    buf_append(out, STR("* ACL "));
    respond_mailbox(imap, out, a.shown);
    for (size_t i = 0; i < list.len; i++) {
        write_identifier(imap, list.entries[i].identifier);
        buf_append_char(out, ' ');
        rights_write(out, list.entries[i].rights);
    }
    buf_append(out, STR("\r\n"));
    return respond_ok(imap, "rights given");
}

/* "LISTRIGHTS" SP mailbox SP identifier SP rights *(SP rights): what he has anyhow, and what he
 * can be given. */
enum session_next cmd_listrights(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct acl_arguments a;
    struct rights_list list;
    struct buf *out = imap_out(imap);
    if (!take_arguments(imap, args, 2, &a, &err))
        return respond_syntax(imap, &err);
    struct str typed = a.identifier;
    if (str_starts_with(typed, STR("-")))
        a.identifier = str_skip(typed, 1);
    if (!ask(imap, &a, true, &list, &err))
        return respond_err(imap, &err);
    buf_append(out, STR("* LISTRIGHTS "));
    respond_mailbox(imap, out, a.shown);
    write_identifier(imap, typed);
    buf_append_char(out, ' ');
    if (list.identifier_is_owner) {
        rights_write(out, RIGHTS_ALL);
    } else {
        buf_append(out, STR("\"\" "));
        rights_write_apart(out);
    }
    buf_append(out, STR("\r\n"));
    return respond_ok(imap, "rights listed");
}

void acl_write_mine(struct imap *imap, struct str mailbox, unsigned rights)
{
    struct buf *out = imap_out(imap);
    buf_append(out, STR("* MYRIGHTS "));
    respond_mailbox(imap, out, mailbox);
    buf_append_char(out, ' ');
    rights_write(out, rights);
    buf_append(out, STR("\r\n"));
}

/* RFC 4314 4: any of these lets one ask. */
#define ASKING                                                                                     \
    (RIGHT_LOOKUP | RIGHT_READ | RIGHT_INSERT | RIGHT_CREATE | RIGHT_DELETE | RIGHT_ADMINISTER)

enum session_next cmd_myrights(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct acl_arguments a;
    struct rights_list list;
    if (!take_arguments(imap, args, 1, &a, &err))
        return respond_syntax(imap, &err);
    if (!ask(imap, &a, false, &list, &err))
        return respond_err(imap, &err);
    if (!(list.rights & ASKING))
        return respond_no(imap, "[NONEXISTENT] no such mailbox");
    acl_write_mine(imap, a.shown, list.rights);
    return respond_ok(imap, "rights given");
}
