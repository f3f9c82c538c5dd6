#include "services/store/text_worker.h"

#include "common/base/clock.h"
#include "common/base/map.h"
#include "services/store/text_fill.h"

#include <sys/resource.h>

#define ROUND_MS 1000
#define BATCH 256
#define NICE 10
#define REST_MAX_MS 1000
#define QUIET_MS 3000             /* no new message for so long: a burst is over */
#define PATIENCE_MS 60000         /* a burst that does not end waits no longer */
#define NEW_MAX 100000            /* ranges; of more it only knows that there are some */
#define GONE_INTERVAL_MS 3600000  /* after a message was erased: nothing of it stays longer */
#define FAILURE_INTERVAL_MS 60000 /* before the next attempt */

/* What is to be done for an account. */
struct text_task {
    uint64_t account_id;
    bool is_off;
    /* To be compared then; CLOCK_NEVER: no need. */
    int64_t compare_ms;
    int64_t not_before_ms; /* after a failure */
    bool discard;
    struct message_ids fresh;              /* first id and count by turns */
    int64_t first_fresh_ms, last_fresh_ms; /* when they came */
    /* Of the worker's thread alone: what the comparison found. */
    struct message_ids missing;
    size_t done; /* of these */
};

struct text_worker {
    struct store *store;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stop;
    bool is_stopping;
    struct map tasks; /* by account id; they stay */
};

/* ---- Notes */

static struct text_task *task_of(struct text_worker *w, uint64_t id)
{
    struct text_task *task = map_get_u64(&w->tasks, id);
    if (task)
        return task;
    task = xcalloc(1, sizeof(*task));
    task->account_id = id;
    map_put_u64(&w->tasks, id, task);
    return task;
}

/* A task that is new compares at once. */
static struct text_task *begin_note(struct account *account)
{
    struct text_worker *w = account->store->text_worker;
    if (!w)
        return NULL;
    pthread_mutex_lock(&w->lock);
    return task_of(w, account->id);
}

static void end_note(struct account *account)
{
    pthread_mutex_unlock(&account->store->text_worker->lock);
}

static void compare_at(struct text_task *task, int64_t at_ms)
{
    if (at_ms < task->compare_ms)
        task->compare_ms = at_ms;
}

void text_worker_note_open(struct account *account)
{
    if (begin_note(account))
        end_note(account);
}

void text_worker_note_new(struct account *account, uint64_t first_id, size_t count)
{
    struct text_task *task = begin_note(account);
    if (!task)
        return;
    struct message_ids *fresh = &task->fresh;
    task->last_fresh_ms = clock_monotonic_ms();
    if (fresh->len == 0)
        task->first_fresh_ms = task->last_fresh_ms;
    if (fresh->len >= 2 && fresh->items[fresh->len - 2] + array_last(fresh) == first_id) {
        array_last(fresh) += count;
    } else if (fresh->len < 2 * NEW_MAX) {
        array_push(fresh, first_id);
        array_push(fresh, count);
    } else {
        compare_at(task, 0);
    }
    end_note(account);
}

void text_worker_note_gone(struct account *account)
{
    struct text_task *task = begin_note(account);
    if (!task)
        return;
    compare_at(task, clock_monotonic_ms() + GONE_INTERVAL_MS);
    end_note(account);
}

void text_worker_note_changed(struct account *account, bool rebuild)
{
    struct text_task *task = begin_note(account);
    if (!task)
        return;
    compare_at(task, 0);
    task->is_off = false;
    task->not_before_ms = 0;
    task->discard |= rebuild;
    end_note(account);
}

/* ---- Work */

/* One piece of work, taken off the task. */
struct piece {
    bool discard;
    bool compare;
    uint64_t ids[BATCH];
    size_t count;
};

/* Deliveries go first: what came meanwhile is read when they pause, in larger pieces. A search
 * reads the files of those that wait. */
static bool is_fresh_due(const struct text_task *task, int64_t now_ms)
{
    return now_ms - task->last_fresh_ms >= QUIET_MS || now_ms - task->first_fresh_ms >= PATIENCE_MS;
}

static void take_fresh(struct text_task *task, struct piece *piece)
{
    struct message_ids *fresh = &task->fresh;
    while (fresh->len > 0 && piece->count < BATCH) {
        uint64_t *first = &fresh->items[fresh->len - 2], *count = &fresh->items[fresh->len - 1];
        while (*count > 0 && piece->count < BATCH) {
            piece->ids[piece->count++] = (*first)++;
            --*count;
        }
        if (*count == 0)
            fresh->len -= 2;
    }
}

/* What just came is searched for most. */
static bool take_piece(struct text_worker *w, struct text_task *task, struct piece *piece)
{
    int64_t now_ms = clock_monotonic_ms();
    *piece = (struct piece){0};
    pthread_mutex_lock(&w->lock);
    if (task->not_before_ms <= now_ms) {
        piece->discard = task->discard;
        piece->compare = task->discard || task->compare_ms <= now_ms;
        if (piece->compare)
            task->compare_ms = CLOCK_NEVER;
        task->discard = false;
        if (task->is_off)
            task->fresh.len = 0;
        if (!piece->compare && is_fresh_due(task, now_ms))
            take_fresh(task, piece);
        while (!piece->compare && piece->count < BATCH && task->done < task->missing.len)
            piece->ids[piece->count++] = task->missing.items[task->done++];
    }
    pthread_mutex_unlock(&w->lock);
    return piece->compare || piece->count > 0;
}

static void forget_fresh(struct text_worker *w, struct text_task *task)
{
    pthread_mutex_lock(&w->lock);
    task->fresh.len = 0;
    pthread_mutex_unlock(&w->lock);
}

static bool is_fresh(const struct text_task *task, uint64_t id)
{
    const struct message_ids *fresh = &task->fresh;
    for (size_t i = 0; i < fresh->len; i += 2) {
        if (id >= fresh->items[i] && id - fresh->items[i] < fresh->items[i + 1])
            return true;
    }
    return false;
}

/* What came while it compared is both: once is enough. */
static void forget_missing_fresh(struct text_worker *w, struct text_task *task)
{
    size_t kept = 0;
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < task->missing.len; i++) {
        if (!is_fresh(task, task->missing.items[i]))
            task->missing.items[kept++] = task->missing.items[i];
    }
    task->missing.len = kept;
    pthread_mutex_unlock(&w->lock);
}

static bool compare(struct text_worker *w, struct text_task *task, struct account *account,
                    bool discard, struct err *err)
{
    bool again = false;
    task->missing.len = task->done = 0;
    forget_fresh(w, task); /* it is among what it finds to be missing */
    if (discard)
        TRY(text_index_discard(&account->text, err));
    TRY(text_fill_compare(account, &task->missing, &again, err));
    forget_missing_fresh(w, task);
    if (!again)
        return true;
    pthread_mutex_lock(&w->lock);
    compare_at(task, 0);
    pthread_mutex_unlock(&w->lock);
    return true;
}

static bool work_on(struct text_worker *w, struct text_task *task, const struct piece *piece,
                    struct account *account, struct err *err)
{
    bool is_off = !atomic_load(&account->text.is_on);
    pthread_mutex_lock(&w->lock);
    task->is_off = is_off;
    pthread_mutex_unlock(&w->lock);
    if (is_off) {
        array_release(&task->missing);
        task->done = 0;
        return text_index_discard(&account->text, err);
    }
    if (piece->compare)
        return compare(w, task, account, piece->discard, err);
    TRY(text_fill_add(account, piece->ids, piece->count, err));
    if (task->done == task->missing.len) {
        array_release(&task->missing);
        task->done = 0;
    }
    return true;
}

/* What was not done is found again by comparing. A damaged index is made anew by that, at once. */
static void fail(struct text_worker *w, struct text_task *task, const struct text_index *index,
                 const struct err *err)
{
    bool damaged = index && atomic_load(&index->is_damaged);
    if (!index || !atomic_load(&index->is_distrusted))
        log_warn(&w->store->log,
                 damaged ? "the text index is damaged, it is made anew"
                         : "cannot keep the text index up",
                 LOG_U64("account", task->account_id), LOG_ERR(err));
    pthread_mutex_lock(&w->lock);
    compare_at(task, 0);
    task->not_before_ms = clock_monotonic_ms() + (damaged ? ROUND_MS : FAILURE_INTERVAL_MS);
    pthread_mutex_unlock(&w->lock);
}

static void forget(struct text_worker *w, struct text_task *task)
{
    pthread_mutex_lock(&w->lock);
    map_remove_u64(&w->tasks, task->account_id);
    pthread_mutex_unlock(&w->lock);
    array_release(&task->fresh);
    array_release(&task->missing);
    free(task);
}

/* False when there is nothing to be done for this account, now. */
static bool work(struct text_worker *w, struct text_task *task)
{
    struct err err;
    struct piece piece;
    struct account *account = NULL;
    if (!take_piece(w, task, &piece))
        return false;
    if (!account_open(w->store, task->account_id, &account, &err)) {
        if (err.kind == ERR_NOT_FOUND) /* it was removed */
            forget(w, task);
        else
            fail(w, task, NULL, &err);
        return false;
    }
    if (!work_on(w, task, &piece, account, &err))
        fail(w, task, &account->text, &err);
    account_release(account);
    return true;
}

/* Returns whether to go on. */
static bool rest(struct text_worker *w, int64_t ms)
{
    struct timespec until = clock_timespec(clock_wall_ms() + ms);
    pthread_mutex_lock(&w->lock);
    if (!w->is_stopping)
        pthread_cond_timedwait(&w->stop, &w->lock, &until);
    bool go_on = !w->is_stopping;
    pthread_mutex_unlock(&w->lock);
    return go_on;
}

static void list_tasks(struct text_worker *w, struct message_ids *ret)
{
    size_t at = 0;
    ret->len = 0;
    pthread_mutex_lock(&w->lock);
    for (struct map_entry *e; (e = map_next(&w->tasks, &at));)
        array_push(ret, e->number);
    pthread_mutex_unlock(&w->lock);
}

/* Tasks are removed by this thread alone. */
static struct text_task *find_task(struct text_worker *w, uint64_t id)
{
    pthread_mutex_lock(&w->lock);
    struct text_task *task = map_get_u64(&w->tasks, id);
    pthread_mutex_unlock(&w->lock);
    return task;
}

/* One piece of each account in turn, so that a large one does not keep the others waiting. */
static bool go_around(struct text_worker *w, struct message_ids *accounts)
{
    bool any = true, go_on = true;
    while (any && go_on) {
        any = false;
        list_tasks(w, accounts);
        for (size_t i = 0; i < accounts->len && go_on; i++) {
            int64_t began_ms = clock_monotonic_ms();
            struct text_task *task = find_task(w, accounts->items[i]);
            if (!task || !work(w, task))
                continue;
            any = true;
            int64_t took_ms = clock_monotonic_ms() - began_ms;
            go_on = rest(w, took_ms < REST_MAX_MS ? took_ms : REST_MAX_MS);
        }
    }
    return go_on;
}

static void *run(void *user)
{
    struct text_worker *w = user;
    struct message_ids accounts = {0};
    (void)!setpriority(PRIO_PROCESS, 0, NICE); /* on Linux: of this thread */
    while (rest(w, ROUND_MS) && go_around(w, &accounts))
        ;
    array_release(&accounts);
    return NULL;
}

/* ---- Starting and stopping */

void text_worker_free(struct text_worker *w)
{
    size_t at = 0;
    if (!w)
        return;
    for (struct map_entry *e; (e = map_next(&w->tasks, &at));) {
        struct text_task *task = e->value;
        array_release(&task->fresh);
        array_release(&task->missing);
        free(task);
    }
    map_release(&w->tasks);
    pthread_cond_destroy(&w->stop);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

struct text_worker *text_worker_start(struct store *store, struct err *err)
{
    struct text_worker *w = xcalloc(1, sizeof(*w));
    w->store = store;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->stop, NULL);
    map_init(&w->tasks);
    int failure = pthread_create(&w->thread, NULL, run, w);
    if (failure == 0)
        return w;
    text_worker_free(w);
    err_set_errno(err, failure, "start a thread");
    return NULL;
}

void text_worker_stop(struct text_worker *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->is_stopping = true;
    pthread_cond_signal(&w->stop);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
}
