#include "services/store/account.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/sys/file.h"
#include "common/sys/rwlock.h"
#include "services/store/erase.h"
#include "services/store/first_mailboxes.h"
#include "services/store/leaving.h"
#include "services/store/mailbox.h"
#include "services/store/message_files.h"
#include "services/store/publish.h"
#include "services/store/recover.h"
#include "services/store/text_worker.h"
#include "services/store/upgrade.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define GROUP_MAX 64 /* changes in one transaction */
#define WRITER_CACHE_KIB 512
/* For changes of at least so many messages. New messages of 100,000 stand all over indexes of 6
 * MiB.
 */
#define MANY_MESSAGES 256
#define MANY_CACHE_KIB (32 << 10)
#define READER_CACHE_KIB 256
#define READERS_IDLE_MAX 2
/* The write-ahead log is copied back when it has 1 MiB: about 35 deliveries. Then it is written
 * from its start again, without growing, which saves the disk work; and a delivery that waits for
 * the copying waits for little (bench-store_commit shows the slowest). */
#define WAL_PAGES "PRAGMA wal_autocheckpoint=256"
#define CHANGE_ARENA_MAX (64u << 20)
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
    atomic_fetch_sub(&c->account->messages, c->messages);
    atomic_fetch_sub(&c->account->kept, c->kept);
    atomic_fetch_sub(&c->account->kept_messages, c->kept_messages);
    c->used = c->messages = c->kept = c->kept_messages = 0;
}

/* Runs in the group's transaction, perhaps on another caller's thread. */
static bool run_change(struct db *db, void *ctx, struct err *err)
{
    struct running *r = ctx;
    const struct change_request *request = r->request;
    bool has_key = !str_is_empty(request->key);
    r->change.db = db;
    if (request->message_count >= MANY_MESSAGES)
        TRY(db_widen_cache(db, MANY_CACHE_KIB, err));
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
    bool ok =
        db_group_run_with_file(account->group, run_change, &r, DB_DURABLE, request->file_sync, err);
    if (!ok)
        unuse(&r.change); /* when it was the commit that failed */
    if (request->file_count > 0) {
        if (ok && !r.was_made_before) {
            pthread_rwlock_unlock(&account->files_lock);
            text_worker_note_new(account, request->first_file, request->file_count);
        } else {
            account_drop_ids(account, request->first_file, request->file_count);
        }
    }
    if (ok && !r.was_made_before) {
        publish_change(&r.change);
        if (r.change.kept > 0)
            erase_note_kept(account);
    }
    array_release(&r.change.mailbox_ids);
    array_release(&r.change.thread_ids);
    return ok;
}

bool account_change_taking(struct account *account, const struct change_request *request,
                           struct err *err)
{
    pthread_rwlock_rdlock(&account->move_lock);
    bool ok = account_change(account, request, err);
    pthread_rwlock_unlock(&account->move_lock);
    return ok;
}

bool account_change_once(struct account *account, const struct change_type *type, void *op,
                         struct err *err)
{
    struct arena arena;
    arena_init(&arena, CHANGE_ARENA_MAX);
    struct change_request request = {.type = type, .op = op, .arena = &arena};
    bool ok = account_change(account, &request, err);
    arena_release(&arena);
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

static bool over_quota(const struct change *c, uint64_t limit, const char *unit, struct err *err)
{
    err_set(err, ERR_LIMIT, "account %" PRIu64 " is over its quota of %" PRIu64 " %s",
            c->account->id, limit, unit);
    return err_reply(err, REPLY_OVER_QUOTA);
}

bool change_use(struct change *c, uint64_t bytes, uint64_t quota_bytes, struct err *err)
{
    uint64_t quota_messages = c->account->store->config->quota_messages;
    int64_t used = atomic_fetch_add(&c->account->used, (int64_t)bytes) + (int64_t)bytes;
    int64_t messages = atomic_fetch_add(&c->account->messages, 1) + 1;
    c->used += (int64_t)bytes;
    c->messages++;
    if (used > 0 && (uint64_t)used > quota_bytes)
        return over_quota(c, quota_bytes, "bytes", err);
    if (quota_messages > 0 && messages > 0 && (uint64_t)messages > quota_messages)
        return over_quota(c, quota_messages, "messages", err);
    return true;
}

void change_unuse(struct change *c, uint64_t bytes)
{
    atomic_fetch_sub(&c->account->used, (int64_t)bytes);
    atomic_fetch_sub(&c->account->messages, 1);
    atomic_fetch_add(&c->account->kept, (int64_t)bytes);
    atomic_fetch_add(&c->account->kept_messages, 1);
    c->used -= (int64_t)bytes;
    c->messages--;
    c->kept += (int64_t)bytes;
    c->kept_messages++;
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

/* ---- Opening and closing */

/* What a new account has (spec 20 1.2). Repeats itself when a crash ended the first attempt. */
static bool make_contents(struct db *db, void *ctx, struct err *err)
{
    const struct account *account = ctx;
    struct db_query q = db_query(db, ACCOUNT_ADD);
    db_bind_u64(&q, MAILBOX_FIRST_MODSEQ);
    db_bind_i64(&q, clock_wall_s() / 2 + 1); /* 32 bits suffice beyond 2100 */
    return db_run(&q, err) &&
           first_mailboxes_add(db, account->store->config, (uint32_t)(clock_wall_s() / 2), err);
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
                     db_group_run(account->group, make_contents, account, DB_DURABLE, err));
}

static void init_locks(struct account *account)
{
    pthread_mutex_init(&account->readers_lock, NULL);
    pthread_mutex_init(&account->prepare_lock, NULL);
    pthread_mutex_init(&account->import_lock, NULL);
    pthread_mutex_init(&account->erase_lock, NULL);
    pthread_mutex_init(&account->upgrade_lock, NULL);
    pthread_mutex_init(&account->acl_lock, NULL);
    ready_files_init(&account->ready);
    change_log_init(&account->changes);
    text_index_init(&account->text,
                    layout_account_text_db(account->store->settings->data, account->id));
    /* Verification, which is rare, must not wait for a pause in the deliveries; nor a move to
     * another account for one in the moves. */
    rwlock_init_writers_first(&account->files_lock);
    rwlock_init_writers_first(&account->move_lock);
}

bool account_start(struct account *account, struct err *err)
{
    init_locks(account);
    if (open_database(account, err) && recover_account(account, err) &&
        upgrade_look(account, err)) {
        leaving_try_settle(account);
        text_worker_note_open(account);
        return true;
    }
    account_stop(account);
    return account_wrap_error(account->store, account->id, err);
}

void account_stop(struct account *account)
{
    ready_files_drop(account);
    account_mark_clean(account);
    for (size_t i = 0; i < account->readers.len; i++)
        db_close(account->readers.items[i].db);
    array_release(&account->readers);
    db_group_free(account->group);
    db_close(account->db);
    junk_rules_release(&account->junk_rules);
    ready_files_release(&account->ready);
    change_log_release(&account->changes);
    text_index_release(&account->text);
    pthread_rwlock_destroy(&account->files_lock);
    pthread_rwlock_destroy(&account->move_lock);
    pthread_mutex_destroy(&account->prepare_lock);
    pthread_mutex_destroy(&account->import_lock);
    pthread_mutex_destroy(&account->erase_lock);
    pthread_mutex_destroy(&account->upgrade_lock);
    pthread_mutex_destroy(&account->acl_lock);
    pthread_mutex_destroy(&account->readers_lock);
}
