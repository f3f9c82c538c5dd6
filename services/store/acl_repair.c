#include "services/store/acl.h"

#include "services/store/accounts.h"
#include "services/store/directory_shares.h"
#include "services/store/job.h"

#include <inttypes.h>

/* What rights must follow that happens elsewhere: accounts that are removed, and databases that
 * were put together anew. */

bool acl_accounts_read(struct db *db, struct acl_accounts *ret, struct err *err)
{
    *ret = (struct acl_accounts){0};
    struct db_query q = db_query(db, ACL_ACCOUNTS);
    while (db_step(&q)) {
        struct acl_account a = {db_column_u64(&q, 0), db_column_u64(&q, 1) != 0};
        array_push(&ret->list, a);
    }
    if (db_done(&q, err))
        return true;
    acl_accounts_release(ret);
    return false;
}

void acl_accounts_release(struct acl_accounts *accounts)
{
    array_release(&accounts->list);
}

/* ---- Accounts that are gone */

static bool run_forget(struct change *c, void *op, struct err *err)
{
    const uint64_t *account_id = op;
    struct db_query q = db_query(c->db, ACL_FORGET);
    db_bind_u64(&q, *account_id);
    return db_run(&q, err);
}

/* Under acl_lock: a grant that is under way comes before it. */
static bool forget(struct account *account, uint64_t account_id, struct err *err)
{
    static const struct change_type type = {.run = run_forget};
    struct change_request request = {.type = &type, .op = &account_id};
    return account_change(account, &request, err);
}

static bool forget_in(struct store *store, uint64_t owner, uint64_t account_id, struct err *err)
{
    struct account *account;
    TRY(account_open(store, owner, &account, err));
    pthread_mutex_lock(&account->acl_lock);
    bool ok = forget(account, account_id, err);
    pthread_mutex_unlock(&account->acl_lock);
    account_release(account);
    return ok;
}

void acl_forget_account(struct store *store, uint64_t account_id)
{
    struct arena arena;
    struct err err;
    uint64_t *owners = NULL;
    size_t count = 0;
    arena_init(&arena, 16u << 20);
    if (!directory_owners(store, account_id, SIZE_MAX, &arena, &owners, &count, &err))
        log_warn(&store->log, "rights of a removed account are left", LOG_ERR(&err));
    for (size_t i = 0; i < count; i++)
        if (!forget_in(store, owners[i], account_id, &err) && err.kind != ERR_NOT_FOUND)
            log_warn(&store->log, "rights of a removed account are left",
                     LOG_U64("owner", owners[i]), LOG_ERR(&err));
    arena_release(&arena);
}

/* ---- The repair */

static bool run_forget_lost(struct change *c, void *op, struct err *err)
{
    uint64_t *count = op;
    struct db_query q = db_query(c->db, ACL_FORGET_LOST);
    TRY(db_run(&q, err));
    *count = db_changes(c->db);
    return true;
}

/* Rights to mailboxes that do not exist. */
static bool forget_lost(struct account *account, struct job *job, struct err *err)
{
    static const struct change_type type = {.run = run_forget_lost};
    uint64_t count = 0;
    struct change_request request = {.type = &type, .op = &count};
    TRY(account_change(account, &request, err));
    if (count > 0)
        job_line(job, "%" PRIu64 " rights to mailboxes that do not exist are taken away", count);
    return true;
}

static bool repair_one(struct account *account, const struct acl_account *a, struct job *job,
                       struct err *err)
{
    uint64_t version;
    bool is_there;
    if (a->id != ACL_ANYONE &&
        !directory_credential_version(account->store, a->id, &version, err)) {
        if (err->kind != ERR_NOT_FOUND)
            return false;
        job_line(job, "rights of account %" PRIu64 ", which is gone, are taken away", a->id);
        return forget(account, a->id, err);
    }
    TRY(directory_has_share(account->store, account->id, a->id, &is_there, err));
    if (is_there || !a->is_reader)
        return true;
    job_line(job, "the directory knows again that account %" PRIu64 " has rights here", a->id);
    return directory_set_share(account->store, account->id, a->id, true, err);
}

static bool read_accounts(struct account *account, struct acl_accounts *ret, struct err *err)
{
    struct db *db;
    TRY(account_read_begin(account, &db, err));
    bool ok = acl_accounts_read(db, ret, err);
    account_read_end(account, db);
    return ok;
}

bool acl_repair(struct account *account, struct job *job, struct err *err)
{
    struct acl_accounts accounts = {0};
    pthread_mutex_lock(&account->acl_lock);
    bool ok = forget_lost(account, job, err) && read_accounts(account, &accounts, err);
    for (size_t i = 0; ok && i < accounts.list.len; i++)
        ok = repair_one(account, &accounts.list.items[i], job, err);
    pthread_mutex_unlock(&account->acl_lock);
    acl_accounts_release(&accounts);
    return ok;
}
