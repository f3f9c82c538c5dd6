#include "services/store/acl.h"

#include "common/base/clock.h"
#include "services/store/directory_shares.h"
#include "services/store/mailbox_name.h"
#include "services/store/publish.h"

#define INDEX_TURNS 100

/* Of all mailboxes of an account, when others make one. */
#define ROOM_MAILBOXES 10000
#define ROOM_NAMES (2u << 20) /* bytes */
#define ROOM_ENTRIES 100000

/* ---- Reading */

bool acl_read(struct db *db, uint64_t mailbox_id, struct arena *arena, struct acl *ret,
              struct err *err)
{
    *ret = (struct acl){0};
    struct db_query q = db_query(db, ACL_LIST);
    db_bind_u64(&q, mailbox_id);
    while (db_step(&q)) {
        struct acl_entry entry = {.account_id = db_column_u64(&q, 0),
                                  .negative = db_column_u64(&q, 1) != 0,
                                  .identifier = db_column_copy(&q, 2, arena),
                                  .rights = (uint32_t)db_column_u64(&q, 3)};
        array_push(&ret->entries, entry);
    }
    if (db_done(&q, err))
        return true;
    acl_release(ret);
    return false;
}

void acl_release(struct acl *acl)
{
    array_release(&acl->entries);
}

/* RFC 4314 2: all that is granted, without all that is denied. */
bool acl_rights(const struct store *store, struct db *db, uint64_t mailbox_id, uint64_t account_id,
                uint32_t *ret, struct err *err)
{
    uint32_t granted = 0, denied = 0;
    struct db_query q = db_query(db, ACL_OF);
    db_bind_u64(&q, mailbox_id);
    db_bind_u64(&q, account_id);
    while (db_step(&q)) {
        uint32_t rights = (uint32_t)db_column_u64(&q, 1);
        bool counts = db_column_u64(&q, 2) != ACL_ANYONE || !store->config->forbid_anyone;
        if (db_column_u64(&q, 0) != 0)
            denied |= rights;
        else if (counts)
            granted |= rights;
    }
    *ret = granted & ~denied;
    return db_done(&q, err);
}

/* ---- Changing */

static const struct acl_entry *find_entry(const struct acl *acl, const struct acl_entry *wanted)
{
    for (size_t i = 0; i < acl->entries.len; i++) {
        const struct acl_entry *entry = &acl->entries.items[i];
        if (entry->account_id == wanted->account_id && entry->negative == wanted->negative)
            return entry;
    }
    return NULL;
}

static uint32_t new_rights(const struct acl_set *op, uint32_t old)
{
    if (op->mode == ACL_MODE_ADD)
        return old | op->entry.rights;
    return op->mode == ACL_MODE_REMOVE ? old & ~op->entry.rights : op->entry.rights;
}

static bool write_entry(struct db *db, uint64_t mailbox_id, const struct acl_entry *entry,
                        struct err *err)
{
    struct db_query q = db_query(db, entry->rights != 0 ? ACL_SET : ACL_REMOVE);
    db_bind_u64(&q, mailbox_id);
    db_bind_u64(&q, entry->account_id);
    db_bind_u64(&q, entry->negative);
    if (entry->rights != 0) {
        db_bind_str(&q, entry->identifier);
        db_bind_u64(&q, entry->rights);
    }
    return db_run(&q, err);
}

static bool run(struct change *c, void *ctx, struct err *err)
{
    const struct acl_set *op = ctx;
    struct mailbox m;
    struct acl acl;
    TRY(mailbox_by_name(c->db, op->mailbox, c->arena, &m, err) &&
        mailbox_is_checked(&m, op->checked_id, err));
    TRY(acl_read(c->db, m.id, c->arena, &acl, err));
    const struct acl_entry *old = find_entry(&acl, &op->entry);
    struct acl_entry entry = op->entry;
    entry.rights = new_rights(op, old ? old->rights : 0);
    bool fits = old || acl.entries.len < ACL_ENTRIES_MAX;
    acl_release(&acl);
    if (!fits)
        return err_set(err, ERR_LIMIT, "too many entries in the access list");
    c->rights_changed = true;
    return write_entry(c->db, m.id, &entry, err);
}

/* The change is not kept under a key: done twice it is the same. */
static void save(const void *op, struct buf *out)
{
    (void)op, (void)out;
}

static void load(void *op, struct wire *w, struct arena *arena)
{
    (void)op, (void)w, (void)arena;
}

static bool has_reader(struct account *account, uint64_t reader, bool *ret, struct err *err)
{
    struct db *db;
    TRY(account_read_begin(account, &db, err));
    struct db_query q = db_query(db, ACL_HAS_READER);
    db_bind_u64(&q, reader);
    *ret = db_step(&q);
    bool ok = db_done(&q, err);
    account_read_end(account, db);
    return ok;
}

/* Each change of the index makes a new snapshot of the directory, for all: one account may cause so
 * many of them, and one more each second. The lock is held. */
static bool take_turn(struct account *account, int64_t max)
{
    int64_t now = clock_monotonic_ms() / 1000, passed = now - account->acl_turns_s;
    if (account->acl_turns_s == 0 || passed >= account->acl_turns_taken)
        account->acl_turns_taken = 0;
    else
        account->acl_turns_taken -= passed;
    account->acl_turns_s = now;
    if (account->acl_turns_taken >= max)
        return false;
    account->acl_turns_taken++;
    return true;
}

static bool need_turn(struct account *account, struct err *err)
{
    if (take_turn(account, INDEX_TURNS))
        return true;
    err_set(err, ERR_STATE, "too many new readers");
    return err_reply(err, "[LIMIT] too many changes of rights, try again later");
}

bool acl_take_guess(struct account *account, struct err *err)
{
    pthread_mutex_lock(&account->acl_lock);
    bool ok = need_turn(account, err);
    pthread_mutex_unlock(&account->acl_lock);
    return ok;
}

/* Who was not in it does not hear of the owner, and has to be told that there is something new. */
static bool add_to_index(struct account *account, uint64_t reader, bool *ret_is_new,
                         struct err *err)
{
    bool is_there;
    TRY(directory_has_share(account->store, account->id, reader, &is_there, err));
    *ret_is_new = !is_there;
    return is_there || (need_turn(account, err) &&
                        directory_set_share(account->store, account->id, reader, true, err));
}

/* What stays in the index costs a look, and spares the next grant its turn. */
static bool remove_from_index(struct account *account, uint64_t reader, struct err *err)
{
    bool is_there;
    TRY(directory_has_share(account->store, account->id, reader, &is_there, err));
    return !is_there || !take_turn(account, INDEX_TURNS / 2) ||
           directory_set_share(account->store, account->id, reader, false, err);
}

/* The index first, and out of it last: a process that is killed in between leaves an owner in it
 * who shares nothing. */
static bool set_with_index(struct account *account, const struct change_request *request,
                           const struct acl_set *op, struct err *err)
{
    uint64_t reader = op->entry.account_id;
    bool still, is_new = false;
    if (op->mode != ACL_MODE_REMOVE && !op->entry.negative && op->entry.rights != 0)
        TRY(add_to_index(account, reader, &is_new, err));
    TRY(account_change(account, request, err) && has_reader(account, reader, &still, err));
    if (is_new)
        publish_share(account->store, reader);
    return still || remove_from_index(account, reader, err);
}

bool acl_set(struct account *account, const struct acl_set *op, struct arena *arena,
             struct err *err)
{
    static const struct change_type type = {.kind = 'A', .run = run, .save = save, .load = load};
    struct acl_set canonical = *op;
    struct change_request request = {.type = &type, .op = &canonical, .arena = arena};
    TRY(mailbox_name_check(op->mailbox, arena, &canonical.mailbox, err));
    pthread_mutex_lock(&account->acl_lock);
    bool ok = set_with_index(account, &request, &canonical, err);
    pthread_mutex_unlock(&account->acl_lock);
    return ok;
}

bool acl_check_room(struct change *c, struct err *err)
{
    bool fits = true;
    struct db_query q = db_query(c->db, ACL_ROOM);
    if (db_step(&q))
        fits = db_column_u64(&q, 0) <= ROOM_MAILBOXES && db_column_u64(&q, 1) <= ROOM_NAMES &&
               db_column_u64(&q, 2) <= ROOM_ENTRIES;
    TRY(db_done(&q, err));
    if (fits)
        return true;
    err_set(err, ERR_LIMIT, "others make too many mailboxes");
    return err_reply(err, "there are too many mailboxes for others to make more");
}

bool acl_copy(struct change *c, uint64_t from, uint64_t to, struct err *err)
{
    struct db_query q = db_query(c->db, ACL_COPY);
    db_bind_u64(&q, from);
    db_bind_u64(&q, to);
    return db_run(&q, err);
}

bool acl_remove(struct change *c, uint64_t mailbox_id, struct err *err)
{
    struct acl acl;
    TRY(acl_read(c->db, mailbox_id, c->arena, &acl, err));
    c->rights_changed = c->rights_changed || acl.entries.len > 0;
    acl_release(&acl);
    struct db_query q = db_query(c->db, ACL_REMOVE_ALL);
    db_bind_u64(&q, mailbox_id);
    return db_run(&q, err);
}
