#include "services/store/erase.h"

#include "common/base/clock.h"
#include "common/sys/file.h"
#include "services/store/directory.h"
#include "services/store/import.h"
#include "services/store/leaving.h"
#include "services/store/message_files.h"
#include "services/store/training.h"
#include "services/store/text_worker.h"

#include <errno.h>
#include <unistd.h>

#define BATCH 1000
#define KEPT_MIN (64 << 20)     /* bytes that may wait, whatever the quota */
#define DONE_KEPT_S (7 * 86400) /* longer than any caller repeats a call */

static int64_t grace_s(const struct account *account)
{
    return (int64_t)account->store->config->erase_after_s;
}

bool erase_later(struct change *c, const struct entry *e, struct err *err)
{
    TRY(training_note(c, e->id, e->flags, 0, err));
    struct db_query q = db_query(c->db, RECIPIENT_REMOVE);
    db_bind_u64(&q, e->id);
    TRY(db_run(&q, err));
    int64_t now_s = clock_wall_s();
    q = db_query(c->db, ERASE_ADD);
    db_bind_u64(&q, e->id);
    db_bind_i64(&q, now_s);
    db_bind_u64(&q, e->size);
    TRY(db_run(&q, err));
    change_unuse(c, e->size);
    accounts_schedule_erase(c->account->accounts, c->account->id, now_s + grace_s(c->account));
    return true;
}

struct batch {
    struct account *account;
    uint64_t ids[BATCH];
    size_t len;
    /* What was removed: no more than that counts, should two look after an account at a time. */
    int64_t messages;
    int64_t size;
};

/* Takes what the query finds (message, size) until so many bytes are together, and ends reading. */
static bool take_rows(struct batch *b, struct db *db, struct db_query *q, int64_t bytes,
                      struct err *err)
{
    while (bytes > 0 && b->len < BATCH && db_step(q)) {
        b->ids[b->len++] = db_column_u64(q, 0);
        bytes -= db_column_i64(q, 1);
    }
    bool ok = db_done(q, err);
    account_read_end(b->account, db);
    return ok;
}

static bool find_due(struct batch *b, struct err *err)
{
    struct db *db;
    TRY(account_read_begin(b->account, &db, err));
    struct db_query q = db_query(db, ERASE_DUE);
    db_bind_i64(&q, clock_wall_s() - grace_s(b->account));
    db_bind_u64(&q, BATCH);
    return take_rows(b, db, &q, INT64_MAX, err);
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

static bool remove_mark(struct db *db, struct batch *b, uint64_t id, struct err *err)
{
    struct db_query q = db_query(db, ERASE_REMOVE);
    db_bind_u64(&q, id);
    if (db_step(&q)) {
        b->messages++;
        b->size += db_column_i64(&q, 0);
    }
    return db_done(&q, err);
}

static bool remove_rows(struct db *db, void *ctx, struct err *err)
{
    struct batch *b = ctx;
    b->messages = b->size = 0;
    for (size_t i = 0; i < b->len; i++) {
        TRY(run_one(db, MESSAGE_REMOVE, b->ids[i], err));
        TRY(remove_mark(db, b, b->ids[i], err));
        /* The id is never used again, though no row remembers it. */
        TRY(run_one(db, ACCOUNT_RAISE_MESSAGE_ID, b->ids[i], err));
    }
    return true;
}

/* Files first: a crash in between finds the rows again, and the missing files are no surprise.
 * Rows and files must not be compared meanwhile. */
static bool erase_batch(struct batch *b, struct err *err)
{
    pthread_mutex_lock(&b->account->erase_lock);
    pthread_rwlock_rdlock(&b->account->files_lock);
    bool ok = remove_files(b, err) && db_group_run(b->account->group, remove_rows, b, 0, err);
    if (ok) {
        atomic_fetch_sub(&b->account->kept, b->size);
        atomic_fetch_sub(&b->account->kept_messages, b->messages);
        text_worker_note_gone(b->account);
    }
    pthread_rwlock_unlock(&b->account->files_lock);
    pthread_mutex_unlock(&b->account->erase_lock);
    return ok;
}

/* ---- Too much that waits */

static int64_t disk_free(const struct account *account)
{
    struct layout_path path = layout_account(account->store->settings->data, account->id);
    return directory_free_bytes(path.text);
}

/* The most bytes that may wait because of the quota. An account that the directory no longer has is
 * erased whole. */
static int64_t kept_max_by_quota(const struct account *account)
{
    struct err err;
    struct store *store = account->store;
    uint64_t quota = store->config->quota_bytes;
    if (store->directory && /* tests have none */
        !directory_account_quota(store, account->id, &quota, &err))
        return INT64_MAX;
    return quota > KEPT_MIN ? (int64_t)quota : KEPT_MIN;
}

static int64_t kept_max(const struct account *account)
{
    int64_t by_quota = kept_max_by_quota(account), by_disk = disk_free(account);
    return by_quota < by_disk ? by_quota : by_disk;
}

void erase_note_kept(struct account *account)
{
    int64_t kept = atomic_load(&account->kept);
    if (kept > disk_free(account) || (kept > KEPT_MIN && kept > kept_max_by_quota(account)))
        accounts_schedule_erase(account->accounts, account->id, clock_wall_s());
}

/* The oldest of so many bytes together, without those that the junk filter has to read. */
static bool find_oldest(struct batch *b, int64_t bytes, struct err *err)
{
    struct db *db;
    TRY(account_read_begin(b->account, &db, err));
    struct db_query q = db_query(db, ERASE_OLDEST);
    db_bind_u64(&q, BATCH);
    return take_rows(b, db, &q, bytes, err);
}

static bool erase_oldest(struct account *account, int64_t kept_to, struct err *err)
{
    for (bool more = true; more && atomic_load(&account->kept) > kept_to;) {
        struct batch b = {.account = account};
        TRY(find_oldest(&b, atomic_load(&account->kept) - kept_to, err));
        more = b.len > 0;
        if (more && !erase_batch(&b, err))
            return false;
    }
    return true;
}

/* Makes more room than needed, so that who goes on expunging does not have all that waits sorted
 * by age each second. If all the rest waits for the junk filter, the filter has to start anew. */
static bool erase_excess(struct account *account, struct err *err)
{
    int64_t max = kept_max(account);
    if (atomic_load(&account->kept) <= max)
        return true;
    int64_t kept_to = max - max / 8;
    TRY(erase_oldest(account, kept_to, err));
    return atomic_load(&account->kept) <= max ||
           (training_expire(account, INT64_MAX, err) && erase_oldest(account, kept_to, err));
}

/* ---- Looking after an account */

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
    db_bind_i64(&q, grace_s(account));
    db_bind_i64(&q, TRAINING_WAIT_S);
    bool any = db_step(&q) && !db_column_is_null(&q, 0);
    *ret_at_s = any ? db_column_i64(&q, 0) : 0;
    bool ok = db_done(&q, err);
    account_read_end(account, db);
    return ok;
}

static void settle_moves(struct account *account)
{
    pthread_rwlock_wrlock(&account->move_lock);
    leaving_try_settle(account);
    pthread_rwlock_unlock(&account->move_lock);
}

bool account_tend(struct account *account, struct err *err)
{
    settle_moves(account);
    TRY(training_expire(account, clock_wall_s() - TRAINING_WAIT_S, err));
    for (bool more = true; more;) {
        struct batch b = {.account = account};
        TRY(find_due(&b, err));
        more = b.len == BATCH;
        if (b.len > 0 && !erase_batch(&b, err))
            return false;
    }
    TRY(erase_excess(account, err));
    TRY(db_group_run(account->group, purge_done, NULL, 0, err));
    TRY(import_expire(account, err));
    int64_t at_s;
    TRY(next_due(account, &at_s, err));
    if (at_s != 0)
        accounts_schedule_erase(account->accounts, account->id, at_s + 1);
    return true;
}
