#include "common/db/group.h"

#include "common/base/array.h"
#include "common/base/bug.h"
#include "common/base/list.h"
#include "common/sys/file.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

/* One caller of db_group_run. It lives on that caller's stack; the leader writes the outcome and
 * then `done`, after which it must not touch it again. */
struct waiter {
    struct list_link link;
    db_group_change *change;
    void *ctx;
    unsigned flags;
    struct file_sync *file; /* on disk before the commit; NULL: none */
    bool ok;
    bool done;
    struct err err;
    pthread_cond_t wake;
};

struct directory {
    char path[1024];
};

struct db_group {
    struct db *db;
    unsigned group_max;
    pthread_mutex_t lock; /* of `waiting`, `is_committing`, and every waiter's `done` */
    struct list_link waiting;
    bool is_committing;
    ARRAY_OF(struct directory) directories; /* of the present transaction; leader only */
    atomic_uint_fast64_t commits;
    atomic_uint_fast64_t changes;
};

struct db_group *db_group_new(struct db *db, unsigned group_max)
{
    struct db_group *g = xcalloc(1, sizeof(*g));
    g->db = db;
    g->group_max = group_max > 0 ? group_max : 1;
    pthread_mutex_init(&g->lock, NULL);
    list_init(&g->waiting);
    return g;
}

void db_group_free(struct db_group *group)
{
    if (!group)
        return;
    BUG_ON(group->is_committing || !list_is_empty(&group->waiting));
    pthread_mutex_destroy(&group->lock);
    array_release(&group->directories);
    free(group);
}

void db_group_sync_directory(struct db_group *group, const char *path)
{
    for (size_t i = 0; i < group->directories.len; i++)
        if (strcmp(group->directories.items[i].path, path) == 0)
            return;
    struct directory d;
    int n = snprintf(d.path, sizeof(d.path), "%s", path);
    BUG_ON(n < 0 || (size_t)n >= sizeof(d.path));
    array_push(&group->directories, d);
}

/* Runs one change in a savepoint of its own, when it is not alone in the transaction. */
static bool apply(struct db *db, struct waiter *w, bool alone)
{
    if (alone)
        return w->change(db, w->ctx, &w->err);
    TRY(db_savepoint(db, &w->err));
    bool ok = w->change(db, w->ctx, &w->err);
    if (ok)
        db_savepoint_keep(db);
    else
        db_savepoint_undo(db);
    return ok;
}

static bool sync_directories(struct db_group *g, struct err *err)
{
    for (size_t i = 0; i < g->directories.len; i++)
        TRY(directory_sync(g->directories.items[i].path, err));
    return true;
}

static bool sync_file(struct waiter *w, struct err *err)
{
    return !w->file || file_sync_end(w->file, err);
}

static bool sync_files(struct list_link *batch, struct err *err)
{
    LIST_FOREACH(link, batch)
    {
        struct waiter *w = CONTAINER_OF(link, struct waiter, link);
        TRY(!w->ok || sync_file(w, err));
    }
    return true;
}

static void fail_all(struct list_link *batch, const struct err *err)
{
    LIST_FOREACH(link, batch)
    {
        struct waiter *w = CONTAINER_OF(link, struct waiter, link);
        if (!w->ok)
            continue;
        w->ok = false;
        w->err = *err;
    }
}

/* The transaction of a whole group; every waiter's `ok` and `err` are set. */
static void commit_batch(struct db_group *g, struct list_link *batch, size_t count)
{
    struct err err;
    bool durable = false;
    size_t applied = 0;
    LIST_FOREACH(link, batch)
    {
        struct waiter *w = CONTAINER_OF(link, struct waiter, link);
        durable |= (w->flags & DB_DURABLE) != 0;
        w->ok = true; /* until something fails */
    }
    g->directories.len = 0;
    if (!db_begin(g->db, durable, &err)) {
        fail_all(batch, &err);
        return;
    }
    LIST_FOREACH(link, batch)
    {
        struct waiter *w = CONTAINER_OF(link, struct waiter, link);
        w->ok = apply(g->db, w, count == 1);
        applied += w->ok;
        /* A full disk may end the whole transaction, not only the step. A savepoint after that
         * would begin another one, so nobody gets further. */
        if (!db_in_transaction(g->db)) {
            err_set(&err, ERR_TEMPORARY, "the transaction was taken back: %s",
                    w->ok ? "unknown reason" : w->err.detail);
            fail_all(batch, &err);
            return;
        }
    }
    if (applied == 0) {
        db_rollback(g->db);
    } else if (!sync_files(batch, &err) || !sync_directories(g, &err)) {
        db_rollback(g->db);
        fail_all(batch, &err);
    } else if (!db_commit(g->db, &err)) {
        fail_all(batch, &err);
    } else {
        g->commits++;
        g->changes += applied;
    }
}

/* Called with the lock held; moves at most group_max waiters to `batch`. */
static size_t take_batch(struct db_group *g, struct list_link *batch)
{
    size_t count = 0;
    list_init(batch);
    while (count < g->group_max && !list_is_empty(&g->waiting)) {
        list_append(batch, list_take_first(&g->waiting));
        count++;
    }
    return count;
}

static void wake_batch(struct list_link *batch)
{
    for (struct list_link *link; (link = list_take_first(batch));) {
        struct waiter *w = CONTAINER_OF(link, struct waiter, link);
        w->done = true;
        pthread_cond_signal(&w->wake);
    }
}

/* The next leader is whoever waits first; it takes over when it wakes up. */
static void wake_next_leader(struct db_group *g)
{
    g->is_committing = false;
    if (!list_is_empty(&g->waiting))
        pthread_cond_signal(&CONTAINER_OF(g->waiting.next, struct waiter, link)->wake);
}

/* Called with the lock held, which is let go during the commit. */
static void lead(struct db_group *g)
{
    struct list_link batch;
    g->is_committing = true;
    size_t count = take_batch(g, &batch);
    pthread_mutex_unlock(&g->lock);
    commit_batch(g, &batch, count);
    pthread_mutex_lock(&g->lock);
    wake_batch(&batch);
    wake_next_leader(g);
}

static bool is_committing(struct db_group *group)
{
    pthread_mutex_lock(&group->lock);
    bool is = group->is_committing;
    pthread_mutex_unlock(&group->lock);
    return is;
}

bool db_group_run_with_file(struct db_group *group, db_group_change *change, void *ctx,
                            unsigned flags, struct file_sync *file, struct err *err)
{
    struct waiter me = {.change = change, .ctx = ctx, .flags = flags, .file = file};
    TRY(!file || !is_committing(group) || sync_file(&me, err));
    pthread_cond_init(&me.wake, NULL);
    pthread_mutex_lock(&group->lock);
    list_append(&group->waiting, &me.link);
    while (!me.done) {
        if (group->is_committing)
            pthread_cond_wait(&me.wake, &group->lock);
        else
            lead(group); /* perhaps of a group without us, when many wait ahead */
    }
    pthread_mutex_unlock(&group->lock);
    pthread_cond_destroy(&me.wake);
    if (!me.ok)
        *err = me.err;
    return me.ok;
}

bool db_group_run(struct db_group *group, db_group_change *change, void *ctx, unsigned flags,
                  struct err *err)
{
    return db_group_run_with_file(group, change, ctx, flags, NULL, err);
}

void db_group_counts(struct db_group *group, uint64_t *ret_commits, uint64_t *ret_changes)
{
    *ret_commits = group->commits;
    *ret_changes = group->changes;
}
