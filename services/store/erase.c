#include "services/store/erase.h"

#include "common/base/clock.h"

#include <errno.h>
#include <unistd.h>

#define BATCH 1000
#define DONE_KEPT_S (7 * 86400) /* longer than any caller repeats a call */

bool erase_later(struct change *c, const struct entry *e, struct err *err)
{
    struct db_query q = db_query(c->db, RECIPIENT_REMOVE);
    db_bind_u64(&q, e->id);
    TRY(db_run(&q, err));
    int64_t now_s = clock_wall_s();
    q = db_query(c->db, ERASE_ADD);
    db_bind_u64(&q, e->id);
    db_bind_i64(&q, now_s);
    db_bind_u64(&q, e->size);
    TRY(db_run(&q, err));
    accounts_schedule_erase(c->account->accounts, c->account->id,
                            now_s + (int64_t)c->account->store->config->erase_after_s);
    return true;
}

struct batch {
    struct account *account;
    uint64_t ids[BATCH];
    size_t len;
    int64_t size;
};

static int64_t expunged_before(const struct account *account)
{
    return clock_wall_s() - (int64_t)account->store->config->erase_after_s;
}

static bool find_due(struct batch *b, struct err *err)
{
    struct db *db;
    TRY(account_read_begin(b->account, &db, err));
    struct db_query q = db_query(db, ERASE_DUE);
    db_bind_i64(&q, expunged_before(b->account));
    db_bind_u64(&q, BATCH);
    while (b->len < BATCH && db_step(&q)) {
        b->ids[b->len++] = db_column_u64(&q, 0);
        b->size += db_column_i64(&q, 1);
    }
    bool ok = db_done(&q, err);
    account_read_end(b->account, db);
    return ok;
}

static bool remove_files(const struct batch *b, struct err *err)
{
    for (size_t i = 0; i < b->len; i++) {
        struct layout_path path = account_message_path(b->account, b->ids[i]);
        if (unlink(path.text) < 0 && errno != ENOENT)
            return err_set_errno(err, errno, "remove %s", path.text);
    }
    return true;
}

static bool run_one(struct db *db, enum account_statement statement, uint64_t id, struct err *err)
{
    struct db_query q = db_query(db, statement);
    db_bind_u64(&q, id);
    return db_run(&q, err);
}

static bool remove_rows(struct db *db, void *ctx, struct err *err)
{
    const struct batch *b = ctx;
    for (size_t i = 0; i < b->len; i++) {
        TRY(run_one(db, MESSAGE_REMOVE, b->ids[i], err));
        TRY(run_one(db, ERASE_REMOVE, b->ids[i], err));
        /* The id is never used again, though no row remembers it. */
        TRY(run_one(db, ACCOUNT_RAISE_MESSAGE_ID, b->ids[i], err));
    }
    return true;
}

/* Files first: a crash in between finds the rows again, and the missing files are no surprise.
 * Rows and files must not be compared meanwhile. */
static bool erase_batch(struct batch *b, struct err *err)
{
    pthread_rwlock_rdlock(&b->account->files_lock);
    bool ok = remove_files(b, err) && db_group_run(b->account->group, remove_rows, b, 0, err);
    if (ok)
        atomic_fetch_sub(&b->account->used, b->size);
    pthread_rwlock_unlock(&b->account->files_lock);
    return ok;
}

static bool purge_done(struct db *db, void *ctx, struct err *err)
{
    (void)ctx;
    struct db_query q = db_query(db, DONE_PURGE);
    db_bind_i64(&q, clock_wall_s() - DONE_KEPT_S);
    return db_run(&q, err);
}

/* When the next message is due; 0 when none waits. */
static bool next_due(struct account *account, int64_t *ret_at_s, struct err *err)
{
    struct db *db;
    TRY(account_read_begin(account, &db, err));
    struct db_query q = db_query(db, ERASE_NEXT);
    bool any = db_step(&q) && !db_column_is_null(&q, 0);
    *ret_at_s = any ? db_column_i64(&q, 0) + (int64_t)account->store->config->erase_after_s : 0;
    bool ok = db_done(&q, err);
    account_read_end(account, db);
    return ok;
}

bool account_tend(struct account *account, struct err *err)
{
    for (bool more = true; more;) {
        struct batch b = {.account = account};
        TRY(find_due(&b, err));
        more = b.len == BATCH;
        if (b.len > 0 && !erase_batch(&b, err))
            return false;
    }
    TRY(db_group_run(account->group, purge_done, NULL, 0, err));
    int64_t at_s;
    TRY(next_due(account, &at_s, err));
    if (at_s != 0)
        accounts_schedule_erase(account->accounts, account->id, at_s + 1);
    return true;
}
