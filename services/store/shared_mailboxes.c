#include "services/store/shared_mailboxes.h"

#include "services/store/directory_shares.h"
#include "services/store/mailbox_name.h"
#include "services/store/mailboxes_reply.h"

#include <string.h>

/* Others must not be able to break one's List. What is beyond these is left out: of one owner, and
 * of all. */
#define OWNERS_MAX 1000
#define OWNER_MAILBOXES_MAX 1000
#define OWNER_NAMES_MAX (256u << 10) /* bytes */
#define MAILBOXES_MAX 10000
#define NAMES_MAX (2u << 20)
#define SCRATCH (4u << 20) /* for what is read of one owner */

/* ---- Listing */

struct amount {
    size_t mailboxes;
    size_t names; /* bytes */
};

struct shared_walk {
    struct store *store;
    const struct access *access;
    struct arena *arena;
    struct arena scratch;
    struct amount of_owner; /* of the present one */
    struct amount of_all;
    ARRAY_OF(Mailrail__MailboxInfo *) found;
    uint64_t *unread; /* owners, with room for all */
    size_t unread_count;
};

static void count_mailbox(struct amount *amount, const Mailrail__MailboxInfo *info)
{
    amount->mailboxes++;
    amount->names += strlen(info->name);
}

static bool is_full(const struct shared_walk *w)
{
    return w->of_owner.mailboxes >= OWNER_MAILBOXES_MAX || w->of_owner.names >= OWNER_NAMES_MAX ||
           w->of_all.mailboxes >= MAILBOXES_MAX || w->of_all.names >= NAMES_MAX;
}

static bool add_mailbox(struct shared_walk *w, struct db *db, uint64_t owner, struct str who,
                        const struct mailbox *m, struct err *err)
{
    uint32_t rights;
    struct mailbox shown = *m;
    TRY(acl_rights(w->store, db, m->id, w->access->caller_id, &rights, err));
    shown.name =
        arena_printf(&w->scratch, MAILBOX_OTHERS "/%.*s/%.*s", STR_ARG(who), STR_ARG(m->name));
    Mailrail__MailboxInfo *info = reply_mailbox(&shown, w->arena);
    if (!info)
        return reply_no_room(err);
    info->owner = owner;
    info->rights = rights;
    if (!(rights & RIGHT_READ)) /* RFC 4314 4: STATUS wants it */
        info->total = info->deleted = info->unread = info->unseen = info->size = 0;
    array_push(&w->found, info);
    count_mailbox(&w->of_owner, info);
    count_mailbox(&w->of_all, info);
    return true;
}

static bool add_all(struct shared_walk *w, struct db *db, uint64_t owner, struct str who,
                    struct err *err)
{
    struct mailbox_list list;
    TRY(mailbox_list_shared(w->store, db, w->access->caller_id, OWNER_MAILBOXES_MAX + 1,
                            &w->scratch, &list, err));
    bool ok = true;
    size_t i = 0;
    for (; ok && i < list.mailboxes.len && !is_full(w); i++)
        ok = add_mailbox(w, db, owner, who, &list.mailboxes.items[i], err);
    if (ok && i < list.mailboxes.len)
        log_info(&w->store->log, "shared mailboxes left out: too many", LOG_U64("owner", owner),
                 LOG_U64("account", w->access->caller_id));
    mailbox_list_release(&list);
    return ok;
}

static bool read_owner(struct shared_walk *w, uint64_t owner, struct err *err)
{
    struct account *account = NULL;
    struct db *db;
    struct str who;
    TRY(directory_who(w->store, owner, &w->scratch, &who, err) &&
        account_open(w->store, owner, &account, err));
    bool ok = account_read_begin(account, &db, err);
    if (ok) {
        ok = add_all(w, db, owner, who, err);
        account_read_end(account, db);
    }
    account_release(account);
    return ok;
}

/* An owner whose mailboxes cannot be read, whyever, takes away none of the others'. One who was
 * removed meanwhile shares nothing. */
static void add_owner(struct shared_walk *w, uint64_t owner)
{
    struct err err;
    arena_reset(&w->scratch);
    if (read_owner(w, owner, &err) || err.kind == ERR_NOT_FOUND)
        return;
    w->unread[w->unread_count++] = owner;
    log_warn(&w->store->log, "mailboxes that an account shares are not listed",
             LOG_U64("owner", owner), LOG_ERR(&err));
}

static bool append_found(const struct shared_walk *w, Mailrail__ListReply *reply, struct err *err)
{
    size_t own = reply->n_mailboxes;
    Mailrail__MailboxInfo **all =
        arena_new_array(w->arena, own + w->found.len, Mailrail__MailboxInfo *);
    if (!all)
        return reply_no_room(err);
    for (size_t i = 0; i < own; i++)
        all[i] = reply->mailboxes[i];
    for (size_t i = 0; i < w->found.len; i++)
        all[own + i] = w->found.items[i];
    reply->mailboxes = all;
    reply->n_mailboxes = own + w->found.len;
    return true;
}

bool shared_list(const struct access *access, struct arena *arena, Mailrail__ListReply *reply,
                 struct err *err)
{
    struct shared_walk w = {.store = access->account->store, .access = access, .arena = arena};
    uint64_t *owners;
    size_t count;
    /* Own mailboxes come first: all is still to be packed, and unpacked in less room. */
    if (arena->used > arena->limit / 4) {
        log_warn(&w.store->log, "no room for mailboxes of others",
                 LOG_U64("account", access->caller_id));
        return true;
    }
    TRY(directory_owners(w.store, access->caller_id, OWNERS_MAX, arena, &owners, &count, err));
    w.unread = arena_new_array(arena, count, uint64_t);
    if (!w.unread)
        return reply_no_room(err);
    arena_init(&w.scratch, SCRATCH);
    for (size_t i = 0; i < count && !is_full(&w); i++) {
        add_owner(&w, owners[i]);
        w.of_owner = (struct amount){0};
    }
    arena_release(&w.scratch);
    reply->owners = owners;
    reply->n_owners = count;
    reply->unread_owners = w.unread;
    reply->n_unread_owners = w.unread_count;
    bool ok = append_found(&w, reply, err);
    array_release(&w.found);
    return ok;
}

bool find_owner(struct rpc_call *call, const struct access *access,
                const Mailrail__FindOwnerRequest *request, Mailrail__FindOwnerReply *reply,
                struct err *err)
{
    uint64_t owner;
    TRY(directory_find_who(call->user, str_from_cstr(request->who), call->arena, &owner, err));
    reply->owner = owner == access->caller_id ? 0 : owner;
    return true;
}

/* ---- Who has which rights */

static bool add_entry(Mailrail__GetRightsReply *reply, struct str sign, struct str identifier,
                      uint32_t rights, struct arena *arena, struct err *err)
{
    Mailrail__RightsEntry *entry = arena_new(arena, Mailrail__RightsEntry);
    if (!entry)
        return reply_no_room(err);
    mailrail__rights_entry__init(entry);
    entry->identifier =
        arena_cstr(arena, arena_printf(arena, "%.*s%.*s", STR_ARG(sign), STR_ARG(identifier)));
    entry->rights = rights;
    reply->entries[reply->n_entries++] = entry;
    return entry->identifier || reply_no_room(err);
}

/* Whom an entry means now: by what it says, as long as that leads to the account; an address may
 * have moved to another one. STR_NULL: an account that is gone has left its entry behind, which
 * nobody can use, for ids are not used again. */
static struct str called(struct store *store, const struct acl_entry *entry, struct arena *arena)
{
    uint64_t now;
    struct str who;
    struct err ignored;
    if (entry->account_id == ACL_ANYONE ||
        (directory_find_who(store, entry->identifier, arena, &now, &ignored) &&
         now == entry->account_id))
        return entry->identifier;
    return directory_who(store, entry->account_id, arena, &who, &ignored) ? who : STR_NULL;
}

static bool add_entries(struct store *store, uint64_t owner, const struct acl *acl,
                        Mailrail__GetRightsReply *reply, struct arena *arena, struct err *err)
{
    struct str who;
    reply->entries = arena_new_array(arena, acl->entries.len + 1, Mailrail__RightsEntry *);
    if (!reply->entries)
        return reply_no_room(err);
    TRY(directory_who(store, owner, arena, &who, err));
    TRY(add_entry(reply, STR(""), who, RIGHTS_ALL, arena, err));
    for (size_t i = 0; i < acl->entries.len; i++) {
        const struct acl_entry *entry = &acl->entries.items[i];
        struct str sign = entry->negative ? STR("-") : STR("");
        struct str name = called(store, entry, arena);
        if (!str_is_null(name))
            TRY(add_entry(reply, sign, name, entry->rights, arena, err));
    }
    return true;
}

static bool read_acl(const struct access *access, struct access_place place, struct arena *arena,
                     struct acl *ret, struct err *err)
{
    struct db *db;
    struct mailbox m;
    struct str name = place.name;
    if (place.mailbox_id == 0)
        TRY(mailbox_name_check(name, arena, &name, err));
    TRY(account_read_begin(access->account, &db, err));
    bool ok = (place.mailbox_id != 0 ? mailbox_by_id(db, place.mailbox_id, arena, &m, err)
                                     : mailbox_by_name(db, name, arena, &m, err)) &&
              acl_read(db, m.id, arena, ret, err);
    account_read_end(access->account, db);
    return ok;
}

#define NOBODY UINT64_MAX /* as an account id */

/* Who is meant by an identifier without its sign. ERR_STATE: nobody is. */
static bool find_identifier(struct store *store, struct str identifier, struct arena *arena,
                            uint64_t *ret, struct err *err)
{
    *ret = ACL_ANYONE;
    if (str_eq(identifier, STR("anyone")))
        return true;
    if (directory_find_who(store, identifier, arena, ret, err))
        return true;
    if (err->kind == ERR_NOT_FOUND) {
        err_set(err, ERR_STATE, "no account %.*s", STR_ARG(identifier));
        err_reply(err, "nobody here is called so");
    }
    return false;
}

bool get_rights(struct rpc_call *call, const struct access *access,
                const Mailrail__GetRightsRequest *request, Mailrail__GetRightsReply *reply,
                struct err *err)
{
    struct acl acl;
    struct access_place place = {request->mailbox_id, str_from_cstr(request->name)};
    struct str identifier = str_from_cstr(request->identifier);
    uint64_t owner = account_id(access->account), who = ACL_ANYONE;
    struct granted granted;
    if (request->all)
        TRY(access_need(access, place, RIGHT_ADMINISTER, call->arena, &granted, err));
    else /* RFC 4314 4: MYRIGHTS */
        TRY(access_rights(access, place, call->arena, &granted, err));
    if (granted.rights == 0)
        return err_set(err, ERR_NOT_FOUND, "no such mailbox");
    if (!access->is_own)
        place.mailbox_id = granted.mailbox_id;
    reply->rights = granted.rights;
    TRY(read_acl(access, place, call->arena, &acl, err));
    bool ok = !request->all || add_entries(call->user, owner, &acl, reply, call->arena, err);
    acl_release(&acl);
    if (ok && identifier.len > 0) /* who is nobody could be given the same rights as anybody */
        ok = find_identifier(call->user, identifier, call->arena, &who, err) ||
             err->kind == ERR_STATE;
    reply->identifier_is_owner = who == owner;
    return ok;
}

/* Has the account an entry? And whose is the one that says `identifier`, 0 for nobody's? */
static void look_up(const struct acl *acl, const struct acl_entry *wanted, bool *ret_has_entry,
                    uint64_t *ret_left_over)
{
    *ret_has_entry = false;
    *ret_left_over = 0;
    for (size_t i = 0; i < acl->entries.len; i++) {
        const struct acl_entry *entry = &acl->entries.items[i];
        if (entry->negative != wanted->negative)
            continue;
        if (entry->account_id == wanted->account_id)
            *ret_has_entry = true;
        else if (str_eq(entry->identifier, wanted->identifier))
            *ret_left_over = entry->account_id;
    }
}

/* What is taken from who is nobody is taken, as from who has nothing. What is granted cannot be,
 * and must not seem to be: who mistypes a name has to know. */
static bool refuse_nobody(const struct access *access, bool takes_away, const struct err *failure,
                          struct acl_set *op, struct err *err)
{
    op->entry.account_id = NOBODY;
    if (failure->kind == ERR_STATE && takes_away)
        return true;
    if (failure->kind == ERR_STATE)
        TRY(acl_take_guess(access->account, err));
    *err = *failure;
    return false;
}

/* Whom the change is about. An address may have gone, or moved to another account, since it was
 * given rights: to take them away it still leads to the account that has them. */
static bool find_target(struct store *store, const struct access *access, struct access_place place,
                        struct acl_set *op, struct arena *arena, struct err *err)
{
    struct acl acl;
    bool has_entry;
    uint64_t left_over;
    struct err failure;
    bool takes_away = op->mode == ACL_MODE_REMOVE || op->entry.rights == 0;
    op->entry.account_id = 0;
    bool is_known =
        find_identifier(store, op->entry.identifier, arena, &op->entry.account_id, &failure);
    if (is_known && !takes_away)
        return true;
    TRY(read_acl(access, place, arena, &acl, err));
    look_up(&acl, &op->entry, &has_entry, &left_over);
    acl_release(&acl);
    if (left_over != 0 && !(is_known && has_entry))
        op->entry.account_id = left_over;
    else if (!is_known)
        return refuse_nobody(access, takes_away, &failure, op, err);
    return true;
}

static bool check_anyone(struct store *store, const struct acl_set *op, struct err *err)
{
    bool grants = op->mode != ACL_MODE_REMOVE && op->entry.rights != 0 && !op->entry.negative;
    if (op->entry.account_id != ACL_ANYONE || !grants || !store->config->forbid_anyone)
        return true;
    err_set(err, ERR_FORBIDDEN, "anyone is forbidden");
    return err_reply(err, "this server lets nobody share with anyone");
}

static bool check_owner(const struct access *access, const struct acl_set *op, struct err *err)
{
    if (op->entry.account_id != account_id(access->account))
        return true;
    err_set(err, ERR_STATE, "rights of the owner");
    return err_reply(err, "the owner has all rights, always");
}

bool set_rights(struct rpc_call *call, const struct access *access,
                const Mailrail__SetRightsRequest *request, Mailrail__Empty *reply, struct err *err)
{
    (void)reply;
    struct granted granted;
    struct str identifier = str_from_cstr(request->identifier);
    struct access_place place = {.name = str_from_cstr(request->name)};
    struct acl_set op = {.mailbox = place.name, .mode = (enum acl_mode)request->mode};
    op.entry.negative = str_starts_with(identifier, STR("-"));
    op.entry.identifier = op.entry.negative ? str_skip(identifier, 1) : identifier;
    op.entry.rights = request->rights;
    if ((int)request->mode < 0 || (int)request->mode > ACL_MODE_REMOVE)
        return err_set(err, ERR_SYNTAX, "unknown mode %d", (int)request->mode);
    if ((request->rights & ~(uint32_t)RIGHTS_ALL) != 0)
        return err_set(err, ERR_SYNTAX, "unknown rights %x", request->rights);
    TRY(access_need(access, place, RIGHT_ADMINISTER, call->arena, &granted, err));
    op.checked_id = place.mailbox_id = granted.mailbox_id;
    TRY(find_target(call->user, access, place, &op, call->arena, err));
    if (op.entry.account_id == NOBODY)
        return true;
    return check_anyone(call->user, &op, err) && check_owner(access, &op, err) &&
           acl_set(access->account, &op, call->arena, err);
}
