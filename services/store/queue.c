/* Opening and closing the queue, telling deliverers of work, and sweeping. */
#include "services/store/queue_private.h"

#include "common/base/array.h"
#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/sys/file.h"
#include "proto/events.pb-c.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CACHE_KIB 8192
#define READER_CACHE_KIB 1024
#define GROUP_MAX 64
#define SWEEP_PAUSE_MS 200   /* what ends meanwhile is swept together */
#define SWEEP_EVERY_MS 10000 /* also when nothing ends */
#define FORGET_EVERY_MS 60000
#define MEASURE_EVERY_MS 5000
#define MEASURE_SHARE 100 /* of the time, at most one such part is spent on measuring */

struct str queue_text(struct str s)
{
    return str_is_null(s) ? STR("") : s;
}

void queue_nudge(struct queue *queue, int64_t due_ms)
{
    if (!queue->store->events.queue || atomic_exchange(&queue->nudged, true))
        return;
    Mailrail__QueueHasWork event = MAILRAIL__QUEUE_HAS_WORK__INIT;
    event.due_ms = due_ms;
    event_publish(queue->store->events.queue, "queue", &event.base);
}

/* ---- Sweeping */

void queue_want_sweep(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool is_first = !queue->wants_sweep;
    queue->wants_sweep = true;
    pthread_mutex_unlock(&queue->lock);
    if (is_first)
        pthread_cond_signal(&queue->wake);
}

struct sweep {
    ARRAY_OF(uint64_t) base_ids;
    int64_t now_ms;
};

static bool read_erases(struct db *db, void *ctx, struct err *err)
{
    struct sweep *sweep = ctx;
    struct db_query q = db_query(db, Q_ERASES);
    while (db_step(&q))
        array_push(&sweep->base_ids, db_column_u64(&q, 0));
    return db_done(&q, err);
}

static bool forget_erased(struct db *db, void *ctx, struct err *err)
{
    struct sweep *sweep = ctx;
    for (size_t i = 0; i < sweep->base_ids.len; i++) {
        struct db_query q = db_query(db, Q_REMOVE_ERASE);
        db_bind_u64(&q, sweep->base_ids.items[i]);
        TRY(db_run(&q, err));
    }
    return true;
}

static bool forget_old(struct db *db, void *ctx, struct err *err)
{
    struct sweep *sweep = ctx;
    struct db_query keys = db_query(db, Q_FORGET_KEYS);
    db_bind_i64(&keys, sweep->now_ms / QUEUE_HOUR_MS - 1);
    TRY(db_run(&keys, err));
    struct db_query outgoing = db_query(db, Q_FORGET_OUTGOING);
    db_bind_i64(&outgoing, (sweep->now_ms - QUEUE_DAY_MS) / QUEUE_MINUTE_MS);
    return db_run(&outgoing, err);
}

/* The rows that ask for it are durable, so a file that is gone already was removed before a power
 * failure took back the row's end. */
static bool remove_file(struct queue *queue, uint64_t base_id, struct err *err)
{
    struct layout_path path = layout_queue_message(queue->store->settings->data, base_id);
    if (unlink(path.text) == 0 || errno == ENOENT)
        return true;
    return err_set_errno(err, errno, "remove %s", path.text);
}

void queue_keep_files(struct queue *queue, bool keep)
{
    if (keep)
        pthread_mutex_lock(&queue->files_lock);
    else
        pthread_mutex_unlock(&queue->files_lock);
}

bool queue_sweep(struct queue *queue, int64_t now_ms, struct err *err)
{
    struct sweep sweep = {.now_ms = now_ms};
    pthread_mutex_lock(&queue->files_lock);
    bool ok = db_group_run(queue->group, read_erases, &sweep, 0, err);
    for (size_t i = 0; ok && i < sweep.base_ids.len; i++)
        ok = remove_file(queue, sweep.base_ids.items[i], err);
    pthread_mutex_unlock(&queue->files_lock);
    if (ok && sweep.base_ids.len > 0)
        ok = db_group_run(queue->group, forget_erased, &sweep, 0, err);
    array_release(&sweep.base_ids);
    if (!ok || now_ms < queue->forget_ms)
        return ok;
    queue->forget_ms = now_ms + FORGET_EVERY_MS;
    return db_group_run(queue->group, forget_old, &sweep, 0, err);
}

/* Waits, with the lock held, for the end or, with `for_work`, for something to sweep. */
static void wait_ms(struct queue *queue, int64_t ms, bool for_work)
{
    struct timespec until = clock_timespec(clock_monotonic_ms() + ms);
    int rc = 0;
    while (rc == 0 && !queue->is_stopping && !(for_work && queue->wants_sweep))
        rc = pthread_cond_timedwait(&queue->wake, &queue->lock, &until);
}

bool queue_count_due(struct queue *queue, int64_t now_ms, struct queue_length *ret, struct err *err)
{
    pthread_mutex_lock(&queue->reader_lock);
    struct db_query q = db_query(queue->reader, Q_COUNT_DUE);
    db_bind_i64(&q, now_ms);
    if (db_step(&q))
        *ret = (struct queue_length){db_column_i64(&q, 0), db_column_i64(&q, 1)};
    bool ok = db_done(&q, err);
    pthread_mutex_unlock(&queue->reader_lock);
    return ok;
}

/* For who scales deliverers by the work that there is. */
static void measure(struct queue *queue)
{
    struct queue_length length = {0};
    struct err err;
    if (!queue_count_due(queue, clock_wall_ms(), &length, &err)) {
        log_error(&queue->store->log, "measure the queue", LOG_ERR(&err));
        return;
    }
    metric_set(metric_with(queue->messages, "due", NULL), length.due);
    metric_set(metric_with(queue->messages, "later", NULL), length.all - length.due);
}

/* Returns when to measure again: a long queue takes long to count. */
static int64_t measure_at_times(struct queue *queue, int64_t due_ms)
{
    int64_t now_ms = clock_monotonic_ms();
    if (!queue->messages || now_ms < due_ms)
        return due_ms;
    measure(queue);
    int64_t pause_ms = (clock_monotonic_ms() - now_ms) * MEASURE_SHARE;
    return now_ms + (pause_ms > MEASURE_EVERY_MS ? pause_ms : MEASURE_EVERY_MS);
}

static void *sweep_until_closed(void *arg)
{
    struct queue *queue = arg;
    int64_t measure_ms = 0;
    struct err err;
    pthread_mutex_lock(&queue->lock);
    while (!queue->is_stopping) {
        queue->wants_sweep = false;
        pthread_mutex_unlock(&queue->lock);
        if (!queue_sweep(queue, clock_wall_ms(), &err))
            log_error(&queue->store->log, "sweep of the queue", LOG_ERR(&err));
        measure_ms = measure_at_times(queue, measure_ms);
        pthread_mutex_lock(&queue->lock);
        wait_ms(queue, SWEEP_EVERY_MS, true);
        wait_ms(queue, SWEEP_PAUSE_MS, false);
    }
    pthread_mutex_unlock(&queue->lock);
    return NULL;
}

/* ---- Opening and closing */

static bool open_files(struct queue *queue, struct err *err)
{
    struct str data = queue->store->settings->data;
    struct layout_path path = layout_queue_db(data);
    TRY(directory_make(layout_queue_message_directory(data, 0).text, 0770, err));
    queue->db = db_open(path.text, &queue_schema, DB_READ_WRITE, CACHE_KIB, err);
    if (!queue->db)
        return false;
    /* Texts that left are not overwritten where that alone would write a page. */
    TRY(db_exec(queue->db, "PRAGMA secure_delete=FAST", err));
    TRY(db_exec(queue->db, queue_derived_sql, err));
    TRY(queue_load_ids(queue, err));
    queue->group = db_group_new(queue->db, GROUP_MAX);
    queue->reader = db_open(path.text, &queue_schema, DB_READ_ONLY, READER_CACHE_KIB, err);
    return queue->reader && queue_remove_leftovers(queue, err);
}

bool queue_open(struct store *store, struct err *err)
{
    struct queue *queue = xcalloc(1, sizeof(*queue));
    queue->store = store;
    pthread_mutex_init(&queue->reader_lock, NULL);
    pthread_mutex_init(&queue->files_lock, NULL);
    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    queue->made_directory = UINT64_MAX;
    if (store->metrics)
        queue->messages = metrics_gauge(
            store->metrics, "mailrail_queue_messages",
            "Recipients in the queue: to be tried now, or later (held ones too)", "state", NULL);
    if (!open_files(queue, err)) {
        queue_close(queue);
        return false;
    }
    if (pthread_create(&queue->sweeper, NULL, sweep_until_closed, queue) != 0)
        BUG("no thread for the queue");
    queue->has_sweeper = true;
    store->queue = queue;
    return true;
}

void queue_close(struct queue *queue)
{
    if (!queue)
        return;
    if (queue->has_sweeper) {
        pthread_mutex_lock(&queue->lock);
        queue->is_stopping = true;
        pthread_cond_signal(&queue->wake);
        pthread_mutex_unlock(&queue->lock);
        pthread_join(queue->sweeper, NULL);
    }
    db_close(queue->reader);
    db_group_free(queue->group);
    db_close(queue->db);
    pthread_cond_destroy(&queue->wake);
    pthread_mutex_destroy(&queue->lock);
    pthread_mutex_destroy(&queue->reader_lock);
    pthread_mutex_destroy(&queue->files_lock);
    free(queue);
}
