#include "services/store/access.h"

#include "services/store/directory_shares.h"
#include "services/store/flags.h"
#include "services/store/mailbox_name.h"
#include "services/store/token.h"

/* Does the owner share anything with the caller? Else his account is not even opened: strangers do
 * not make work, and learn nothing from the time that it takes. One that was removed shares
 * nothing, though it stays open for as long as anybody uses it. */
static bool shares(struct store *store, uint64_t owner, uint64_t caller, struct err *err)
{
    bool found;
    TRY(directory_has_share(store, owner, caller, &found, err));
    if (!found && !store->config->forbid_anyone)
        TRY(directory_has_share(store, owner, ACL_ANYONE, &found, err));
    return found || err_set(err, ERR_NOT_FOUND, "no such mailbox");
}

bool access_open(struct store *store, struct str token, uint64_t owner, struct access *ret,
                 struct err *err)
{
    struct token_session session;
    *ret = (struct access){0};
    TRY(token_check(store, token, TOKEN_MAILBOXES, &session, err));
    ret->caller_id = session.account_id;
    ret->is_own = owner == 0 || owner == session.account_id;
    if (!ret->is_own && !shares(store, owner, ret->caller_id, err))
        return false;
    return account_open(store, ret->is_own ? session.account_id : owner, &ret->account, err);
}

void access_close(struct access *a)
{
    account_release(a->account);
}

/* ---- Rights */

bool access_name(const struct access *a, struct str name, struct arena *arena, struct str *ret,
                 struct err *err)
{
    if (mailbox_name_check(name, arena, ret, err))
        return true;
    if (!a->is_own && err->kind == ERR_SYNTAX)
        err_set(err, ERR_NOT_FOUND, "no mailbox can have that name");
    return false;
}

static bool find_mailbox(const struct access *a, struct db *db, struct access_place place,
                         struct arena *arena, struct mailbox *ret, struct err *err)
{
    struct str name;
    if (place.mailbox_id != 0)
        return mailbox_by_id(db, place.mailbox_id, arena, ret, err);
    return access_name(a, place.name, arena, &name, err) &&
           mailbox_by_name(db, name, arena, ret, err);
}

bool access_rights(const struct access *a, struct access_place place, struct arena *arena,
                   struct granted *ret, struct err *err)
{
    struct db *db;
    struct mailbox m = {.id = 0};
    *ret = (struct granted){.rights = a->is_own ? RIGHTS_ALL : 0};
    if (a->is_own)
        return true;
    TRY(account_read_begin(a->account, &db, err));
    bool found = find_mailbox(a, db, place, arena, &m, err);
    bool ok = found ? acl_rights(a->account->store, db, m.id, a->caller_id, &ret->rights, err)
                    : err->kind == ERR_NOT_FOUND;
    account_read_end(a->account, db);
    ret->mailbox_id = m.id;
    return ok;
}

static bool refuse(uint32_t rights, struct err *err)
{
    if (!(rights & RIGHT_LOOKUP))
        return err_set(err, ERR_NOT_FOUND, "no such mailbox");
    err_set(err, ERR_FORBIDDEN, "rights %x do not suffice", rights);
    return err_reply(err, "you have no right to do that");
}

bool access_need(const struct access *a, struct access_place place, uint32_t needed,
                 struct arena *arena, struct granted *ret, struct err *err)
{
    TRY(access_rights(a, place, arena, ret, err));
    return (ret->rights & needed) == needed || refuse(ret->rights, err);
}

bool access_need_any(const struct access *a, struct access_place place, uint32_t some,
                     struct arena *arena, struct granted *ret, struct err *err)
{
    TRY(access_rights(a, place, arena, ret, err));
    return ((ret->rights & RIGHT_LOOKUP) && (ret->rights & some)) || refuse(ret->rights, err);
}

static bool exists(const struct access *a, struct str name, struct arena *arena, bool *ret,
                   struct err *err)
{
    struct db *db;
    struct mailbox m;
    TRY(account_read_begin(a->account, &db, err));
    *ret = mailbox_by_name(db, name, arena, &m, err);
    account_read_end(a->account, db);
    return *ret || err->kind == ERR_NOT_FOUND;
}

bool access_need_parent(const struct access *a, struct str name, struct arena *arena,
                        struct granted *ret, struct err *err)
{
    bool found = false;
    *ret = (struct granted){.rights = RIGHTS_ALL};
    if (a->is_own)
        return true;
    TRY(access_name(a, name, arena, &name, err));
    while (!found && !str_is_null(name = mailbox_name_parent(name)))
        TRY(exists(a, name, arena, &found, err));
    if (!found)
        return refuse(0, err);
    return access_need(a, (struct access_place){.name = name}, RIGHT_CREATE, arena, ret, err);
}

bool access_need_own(const struct access *a, struct err *err)
{
    if (a->is_own)
        return true;
    err_set(err, ERR_FORBIDDEN, "only the owner may do that");
    return err_reply(err, "only the owner may do that");
}

uint32_t access_flags(uint32_t rights)
{
    uint32_t flags = 0;
    if (rights & RIGHT_SEEN)
        flags |= FLAG_SEEN;
    if (rights & RIGHT_DELETE_MESSAGES)
        flags |= FLAG_DELETED;
    if (rights & RIGHT_WRITE)
        flags |= (uint32_t)FLAGS_ALL & ~(uint32_t)(FLAG_SEEN | FLAG_DELETED);
    return flags;
}

/* ---- Messages */

static bool is_in(struct db *db, uint64_t mailbox_id, uint64_t id, bool *ret, struct err *err)
{
    struct db_query q = db_query(db, MESSAGE_PLACE);
    db_bind_u64(&q, id);
    *ret = db_step(&q) && db_column_u64(&q, 0) == mailbox_id;
    return db_done(&q, err);
}

bool access_hide(const struct access *a, struct db *db, uint64_t mailbox_id, const uint64_t *ids,
                 size_t count, struct arena *arena, const uint64_t **ret, struct err *err)
{
    *ret = ids;
    if (a->is_own)
        return true;
    uint64_t *shown = arena_new_array(arena, count, uint64_t);
    if (!shown)
        return err_set(err, ERR_LIMIT, "too many messages in one call");
    for (size_t i = 0; i < count; i++) {
        bool in;
        TRY(is_in(db, mailbox_id, ids[i], &in, err));
        shown[i] = in ? ids[i] : 0;
    }
    *ret = shown;
    return true;
}
