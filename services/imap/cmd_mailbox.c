#include "services/imap/command.h"
#include "services/imap/names.h"
#include "services/imap/notify.h"
#include "services/imap/objectid.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/shared.h"

/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 9051 6.3.4 to 6.3.8). */

#define NOBODY UINT64_MAX /* as an account id */

/* RFC 6154 3: the special uses that a mailbox can be given, as store knows them. */
static const struct str special_uses[] = {STR_INIT("\\Archive"), STR_INIT("\\Drafts"),
                                          STR_INIT("\\Junk"), STR_INIT("\\Sent"),
                                          STR_INIT("\\Trash")};

struct create {
    struct str name;
    struct str special_use; /* empty: none */
    bool refused;           /* a use that cannot be given, or more than one */
};

static void take_use(struct cursor *c, struct create *create)
{
    cursor_expect(c, '\\');
    struct str atom = parse_atom(c, "special use");
    struct str use = str_make(atom.ptr - 1, atom.len + 1);
    for (size_t i = 0; !cursor_failed(c) && i < ARRAY_LEN(special_uses); i++) {
        if (!str_eq_nocase(use, special_uses[i]))
            continue;
        bool another = create->special_use.len > 0 && !str_eq(create->special_use, special_uses[i]);
        create->refused = create->refused || another;
        create->special_use = special_uses[i];
        return;
    }
    create->refused = true;
}

/* "CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"] */
static bool take_create(struct imap *imap, struct cursor *c, struct create *create, struct err *err)
{
    parse_space(c);
    create->name = name_take(imap, c);
    if (cursor_skip(c, ' ')) {
        cursor_expect_nocase(c, STR("(USE ("));
        while (!cursor_at_end(c) && !cursor_next_is(c, ')')) {
            take_use(c, create);
            cursor_skip(c, ' ');
        }
        cursor_expect_nocase(c, STR("))"));
    }
    return cursor_finish(c, err);
}

/* The next list of mailboxes that this session is told from has to have its change. That of others'
 * is always a new one. */
static void note_modseq(struct imap *imap, const struct backend_call *call, uint64_t modseq)
{
    if (call->owner == 0)
        account_renamed(imap->account, modseq);
}

/* RFC 8474 4.1: the tagged answer says which mailbox it is now. */
static enum session_next respond_created(struct imap *imap, uint64_t owner, uint64_t mailbox_id)
{
    struct buf id;
    if (!imap_has_capability(imap, STR("OBJECTID")))
        return respond_ok(imap, "created");
    buf_init(&id, 128);
    objectid_write(&id, OBJECTID_MAILBOX, owner, mailbox_id);
    enum session_next next = respond_ok(imap, "[MAILBOXID %.*s] created", STR_ARG(buf_str(&id)));
    buf_release(&id);
    return next;
}

/* Only the owner is subscribed to what is made. */
static void tell_created(struct imap *imap, struct str prefix, struct str name, struct str old_name)
{
    struct buf *out = imap_out(imap);
    buf_append(out, prefix.len > 0 ? STR("* LIST () \"/\" ") : STR("* LIST (\\Subscribed) \"/\" "));
    name = arena_printf(&imap->arena, "%.*s%.*s", STR_ARG(prefix), STR_ARG(name));
    respond_mailbox(imap, out, name);
    if (imap->rev2 && old_name.len > 0) {
        buf_append(out, STR(" (\"OLDNAME\" ("));
        respond_string(out, old_name, imap->utf8);
        buf_append(out, STR("))"));
    }
    buf_append(out, STR("\r\n"));
    notify_own(imap, NOTIFY_MAILBOX_NAME | (prefix.len > 0 ? 0u : NOTIFY_SUBSCRIPTION), true, false,
               name);
}

enum session_next cmd_create(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct create create = {0};
    if (!take_create(imap, args, &create, &err))
        return respond_syntax(imap, &err);
    if (create.refused)
        return respond_no(imap, "[USEATTR] a mailbox has one special use at most: \\Archive, "
                                "\\Drafts, \\Junk, \\Sent or \\Trash");
    struct str name = create.name;
    while (name.len > 1 && str_ends_with(name, STR("/")))
        name.len--;
    struct created_mailbox created;
    uint64_t modseq;
    struct str own_name;
    struct backend_call call = imap_call(imap);
    if (!shared_find(imap, name, &call, &own_name, &err) ||
        !backend_create(imap->server->backend, &call, own_name, create.special_use, &created,
                        &modseq, &err))
        return respond_err(imap, &err);
    struct str prefix = call.owner != 0 ? str_slice(name, 0, name.len - own_name.len) : STR("");
    note_modseq(imap, &call, modseq);
    for (size_t i = 0; i < created.names.len; i++) {
        struct str made = created.names.names[i];
        bool altered =
            i + 1 == created.names.len && !str_eq_nocase(str_skip(create.name, prefix.len), made);
        tell_created(imap, prefix, made, altered ? create.name : STR_NULL);
    }
    return respond_created(imap, shared_owner(imap, &call), created.id);
}

/* As store writes it. */
static struct str as_written(struct imap *imap, struct str name)
{
    return name_fix_inbox(name, &imap->arena);
}

static bool take_name(struct imap *imap, struct cursor *c, struct str *ret, struct err *err)
{
    parse_space(c);
    *ret = name_take(imap, c);
    return cursor_finish(c, err);
}

enum session_next cmd_delete(struct imap *imap, struct cursor *args)
{
    struct err err;
    uint64_t modseq;
    struct str name, own_name;
    if (!take_name(imap, args, &name, &err))
        return respond_syntax(imap, &err);
    struct backend_call call = imap_call(imap);
    if (shared_find(imap, name, &call, &own_name, &err) &&
        backend_delete(imap->server->backend, &call, own_name, &modseq, &err)) {
        note_modseq(imap, &call, modseq);
        notify_own(imap, NOTIFY_MAILBOX_NAME, false, false, as_written(imap, name));
        return respond_ok(imap, "deleted");
    }
    if (err.kind == ERR_CONFLICT)
        return respond_no(imap, "[HASCHILDREN] the mailbox has children");
    return respond_err(imap, &err);
}

/* Whose mailbox a name would be. Nobody has the name of an account that does not exist: the answer
 * does not tell that. */
static bool find_side(struct imap *imap, struct str *name, struct backend_call *call,
                      struct err *err)
{
    *call = imap_call(imap);
    if (shared_find(imap, *name, call, name, err))
        return true;
    call->owner = NOBODY;
    return err->kind == ERR_NOT_FOUND;
}

/* With what is below it, and the levels above that were missing; of another's the client is told
 * of these, which it may not be able to see. Inbox only gives its messages away. */
static void note_renamed(struct imap *imap, struct str from, bool from_inbox, struct str to)
{
    if (!from_inbox)
        notify_own(imap, NOTIFY_MAILBOX_NAME, false, true, from);
    notify_own(imap, NOTIFY_MAILBOX_NAME, true, true, to);
    for (size_t i = 1; i < to.len && !shared_is_name(to); i++)
        if (to.ptr[i] == '/')
            notify_own(imap, NOTIFY_MAILBOX_NAME, true, false, str_slice(to, 0, i));
}

enum session_next cmd_rename(struct imap *imap, struct cursor *args)
{
    struct err err;
    uint64_t modseq;
    parse_space(args);
    struct str from = name_take(imap, args);
    parse_space(args);
    struct str to = name_take(imap, args);
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    struct str told_from = as_written(imap, from), told_to = as_written(imap, to);
    struct backend_call call, target;
    if (!find_side(imap, &from, &call, &err) || !find_side(imap, &to, &target, &err))
        return respond_err(imap, &err);
    if (call.owner != target.owner && (call.owner == 0 || target.owner == 0))
        return respond_no(imap, "[CANNOT] a mailbox stays with its owner");
    if (call.owner != target.owner || call.owner == NOBODY)
        return respond_no(imap, "[NONEXISTENT] no such mailbox");
    if (!backend_rename(imap->server->backend, &call, from, to, &modseq, &err))
        return respond_err(imap, &err);
    note_modseq(imap, &call, modseq);
    note_renamed(imap, told_from, str_eq_nocase(from, STR("Inbox")), told_to);
    if (imap->selected.view) /* Inbox gives its messages away; else only the name is new */
        view_nudge(imap->selected.view, UINT64_MAX);
    return respond_ok(imap, "renamed");
}

static enum session_next subscription(struct imap *imap, struct cursor *args, bool subscribed)
{
    struct err err;
    uint64_t modseq;
    struct str name;
    if (!take_name(imap, args, &name, &err))
        return respond_syntax(imap, &err);
    struct backend_call call = imap_call(imap);
    if (!backend_set_subscribed(imap->server->backend, &call, name, subscribed, &modseq, &err))
        return respond_err(imap, &err);
    note_modseq(imap, &call, modseq);
    notify_own(imap, NOTIFY_SUBSCRIPTION, subscribed, false, as_written(imap, name));
    return respond_ok(imap, subscribed ? "subscribed" : "unsubscribed");
}

enum session_next cmd_subscribe(struct imap *imap, struct cursor *args)
{
    return subscription(imap, args, true);
}

enum session_next cmd_unsubscribe(struct imap *imap, struct cursor *args)
{
    return subscription(imap, args, false);
}
