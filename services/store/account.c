#include "services/store/account.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/sys/file.h"
#include "services/store/mailbox.h"
#include "services/store/publish.h"
#include "services/store/recover.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define GROUP_MAX 64 /* changes in one transaction */
#define WRITER_CACHE_KIB 512
#define READER_CACHE_KIB 256
#define READERS_IDLE_MAX 2
/* The write-ahead log is copied back when it has 1 MiB: about 35 deliveries. Then it is written
 * from its start again, without growing, which saves the disk work; and a delivery that waits for
 * the copying waits for little (bench-store_commit shows the slowest). */
#define WAL_PAGES "PRAGMA wal_autocheckpoint=256"
#define RESULT_MAX (16u << 20) /* bytes of a result kept under a key */

/* ---- Changes */

struct running {
    struct change change;
    const struct change_request *request;
    bool was_made_before;
};

static bool load_result(const struct change_request *request, struct str saved, struct err *err)
{
    struct wire w = wire_init(saved);
    if (wire_take_u8(&w, "kind of call") != request->type->kind)
        return err_set(err, ERR_CONFLICT, "the key was used for another kind of call");
    request->type->load(request->op, &w, request->arena);
    return wire_finish(&w, err);
}

static bool find_result(struct running *r, struct err *err)
{
    struct str saved = STR_NULL;
    struct db_query q = db_query(r->change.db, DONE_FIND);
    db_bind_blob(&q, r->request->key);
    if (db_step(&q))
        saved = db_column_copy(&q, 0, r->request->arena);
    TRY(db_done(&q, err));
    r->was_made_before = !str_is_null(saved);
    return !r->was_made_before || load_result(r->request, saved, err);
}

static bool keep_result(struct running *r, struct err *err)
{
    struct buf result;
    buf_init(&result, RESULT_MAX);
    wire_put_u8(&result, r->request->type->kind);
    r->request->type->save(r->request->op, &result);
    bool ok = !result.overflow || err_set(err, ERR_LIMIT, "the result is too large to be kept");
    if (ok) {
        struct db_query q = db_query(r->change.db, DONE_ADD);
        db_bind_blob(&q, r->request->key);
        db_bind_i64(&q, clock_wall_s());
        db_bind_blob(&q, buf_str(&result));
        ok = db_run(&q, err);
    }
    buf_release(&result);
    return ok;
}

static void unuse(struct change *c)
{
    atomic_fetch_sub(&c->account->used, c->used);
    c->used = 0;
}

/* Runs in the group's transaction, perhaps on another caller's thread. */
static bool run_change(struct db *db, void *ctx, struct err *err)
{
    struct running *r = ctx;
    const struct change_request *request = r->request;
    bool has_key = !str_is_empty(request->key);
    r->change.db = db;
    if (has_key && !find_result(r, err))
        return false;
    if (r->was_made_before)
        return true;
    if (request->type->run(&r->change, request->op, err) && (!has_key || keep_result(r, err)))
        return true;
    unuse(&r->change);
    return false;
}

bool account_change(struct account *account, const struct change_request *request, struct err *err)
{
    BUG_ON(request->key.len > CHANGE_KEY_MAX);
    struct running r = {.change = {.account = account, .arena = request->arena},
                        .request = request};
    bool ok = db_group_run(account->group, run_change, &r, DB_DURABLE, err);
    if (!ok)
        unuse(&r.change); /* when it was the commit that failed */
    if (request->file_count > 0) {
        if (ok && !r.was_made_before)
            pthread_rwlock_unlock(&account->files_lock);
        else
            account_drop_ids(account, request->first_file, request->file_count);
    }
    if (ok && !r.was_made_before)
        publish_change(&r.change);
    array_release(&r.change.mailbox_ids);
    return ok;
}

uint64_t change_modseq(struct change *c)
{
    if (c->modseq == 0)
        c->modseq = atomic_fetch_add(&c->account->modseq, 1) + 1;
    return c->modseq;
}

void change_mailbox(struct change *c, uint64_t mailbox_id)
{
    for (size_t i = 0; i < c->mailbox_ids.len; i++) {
        if (c->mailbox_ids.items[i] == mailbox_id)
            return;
    }
    array_push(&c->mailbox_ids, mailbox_id);
}

bool change_use(struct change *c, int64_t bytes, uint64_t quota_bytes, struct err *err)
{
    int64_t used = atomic_fetch_add(&c->account->used, bytes) + bytes;
    c->used += bytes;
    if (bytes <= 0 || used <= 0 || (uint64_t)used <= quota_bytes)
        return true;
    err_set(err, ERR_LIMIT, "account %" PRIu64 " is over its quota of %" PRIu64 " bytes",
            c->account->id, quota_bytes);
    return err_reply(err, "over quota");
}

/* ---- Reading */

bool account_read_begin(struct account *account, struct db **ret, struct err *err)
{
    struct db *db = NULL;
    pthread_mutex_lock(&account->readers_lock);
    if (account->readers.len > 0)
        db = account->readers.items[--account->readers.len].db;
    pthread_mutex_unlock(&account->readers_lock);
    if (!db) {
        struct layout_path path = layout_account_db(account->store->settings->data, account->id);
        db = db_open(path.text, &account_schema, DB_READ_ONLY, READER_CACHE_KIB, err);
    }
    if (!db)
        return false;
    if (!db_begin_read(db, err)) {
        db_close(db);
        return false;
    }
    *ret = db;
    return true;
}

void account_read_end(struct account *account, struct db *db)
{
    db_rollback(db);
    pthread_mutex_lock(&account->readers_lock);
    bool keep = account->readers.len < READERS_IDLE_MAX;
    if (keep)
        array_push(&account->readers, (struct reader){db});
    pthread_mutex_unlock(&account->readers_lock);
    if (!keep)
        db_close(db);
}

/* ---- Files */

static bool set_unclean(struct db *db, void *ctx, struct err *err)
{
    uint64_t *from = ctx;
    struct db_query q = db_query(db, ACCOUNT_SET_UNCLEAN);
    if (from)
        db_bind_u64(&q, *from);
    else
        db_bind_null(&q);
    return db_run(&q, err);
}

/* Once in the life of an open account: should the process die, the next start looks from here on
 * for files without a row (recover.h). */
static bool mark_unclean(struct account *account, uint64_t from, struct err *err)
{
    if (account->is_marked_unclean)
        return true;
    TRY(db_group_run(account->group, set_unclean, &from, 0, err));
    account->is_marked_unclean = true;
    return true;
}

static bool make_directories(struct account *account, uint64_t first, uint64_t last,
                             struct err *err)
{
    uint64_t d = first / LAYOUT_FILES_PER_DIRECTORY;
    if (d < account->ready_directories)
        d = account->ready_directories;
    for (; d <= last / LAYOUT_FILES_PER_DIRECTORY; d++) {
        struct layout_path path = layout_message_directory(
            account->store->settings->data, account->id, d * LAYOUT_FILES_PER_DIRECTORY);
        TRY(directory_make_durable(path.text, 0770, 2, err)); /* msg/ and the account's */
        account->ready_directories = d + 1;
    }
    return true;
}

bool account_take_ids(struct account *account, size_t count, uint64_t *ret_first, struct err *err)
{
    pthread_rwlock_rdlock(&account->files_lock);
    pthread_mutex_lock(&account->prepare_lock);
    uint64_t first = atomic_fetch_add(&account->message_id, count) + 1;
    bool ok = mark_unclean(account, first, err) &&
              make_directories(account, first, first + count - 1, err);
    pthread_mutex_unlock(&account->prepare_lock);
    if (ok)
        *ret_first = first;
    else
        pthread_rwlock_unlock(&account->files_lock);
    return ok;
}

void account_drop_ids(struct account *account, uint64_t first, size_t count)
{
    for (uint64_t id = first; id < first + count; id++)
        unlink(account_message_path(account, id).text);
    pthread_rwlock_unlock(&account->files_lock);
}

struct layout_path account_message_path(const struct account *account, uint64_t id)
{
    return layout_message(account->store->settings->data, account->id, id);
}

void change_sync_file(struct change *c, uint64_t id)
{
    struct layout_path path =
        layout_message_directory(c->account->store->settings->data, c->account->id, id);
    db_group_sync_directory(c->account->group, path.text);
}

/* ---- Opening and closing */

/* What a new account has (spec 20 1.2). Repeats itself when a crash ended the first attempt. */
static bool make_contents(struct db *db, void *ctx, struct err *err)
{
    (void)ctx;
    struct db_query q = db_query(db, ACCOUNT_ADD);
    db_bind_u64(&q, MAILBOX_FIRST_MODSEQ);
    db_bind_i64(&q, clock_wall_s() / 2 + 1); /* 32 bits suffice beyond 2100 */
    return db_run(&q, err) && mailbox_add_defaults(db, (uint32_t)(clock_wall_s() / 2), err);
}

static bool is_new(struct account *account, bool *ret, struct err *err)
{
    struct db_query q = db_query(account->db, ACCOUNT_READ);
    *ret = !db_step(&q);
    return db_done(&q, err);
}

static bool open_database(struct account *account, struct err *err)
{
    struct str data = account->store->settings->data;
    struct layout_path directory = layout_account(data, account->id);
    TRY(directory_make(directory.text, 0770, err));
    account->db = db_open(layout_account_db(data, account->id).text, &account_schema, DB_READ_WRITE,
                          WRITER_CACHE_KIB, err);
    if (!account->db || !db_exec(account->db, WAL_PAGES, err))
        return false;
    account->group = db_group_new(account->db, GROUP_MAX);
    bool make;
    TRY(is_new(account, &make, err));
    return !make || (directory_make_durable(directory.text, 0770, 2, err) &&
                     db_group_run(account->group, make_contents, NULL, DB_DURABLE, err));
}

static void init_locks(struct account *account)
{
    pthread_mutex_init(&account->readers_lock, NULL);
    pthread_mutex_init(&account->prepare_lock, NULL);
    /* Verification, which is rare, must not wait for a pause in the deliveries. */
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&account->files_lock, &attr);
    pthread_rwlockattr_destroy(&attr);
}

bool account_start(struct account *account, struct err *err)
{
    init_locks(account);
    if (open_database(account, err) && recover_account(account, err))
        return true;
    account_stop(account);
    return err_wrap(err, "account %" PRIu64, account->id);
}

void account_stop(struct account *account)
{
    struct err err;
    if (account->is_marked_unclean && !db_group_run(account->group, set_unclean, NULL, 0, &err))
        log_warn(&account->store->log, "account could not be marked as closed",
                 LOG_U64("account", account->id), LOG_ERR(&err));
    for (size_t i = 0; i < account->readers.len; i++)
        db_close(account->readers.items[i].db);
    array_release(&account->readers);
    db_group_free(account->group);
    db_close(account->db);
    junk_rules_release(&account->junk_rules);
    pthread_rwlock_destroy(&account->files_lock);
    pthread_mutex_destroy(&account->prepare_lock);
    pthread_mutex_destroy(&account->readers_lock);
}
