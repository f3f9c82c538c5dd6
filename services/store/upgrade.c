#include "services/store/upgrade.h"

#include "common/base/array.h"
#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/mail/structure.h"

#include <errno.h>
#include <stdlib.h>

#define LOG_EVERY_MS 10000
#define RETRY_S 60

static const struct {
    enum upgrade_kind kind;
    const char *name;
    uint64_t version; /* the newest */
    upgrade_function *step;
} kinds[] = {
    /* In this order: threads are found by what structures say. */
    {UPGRADE_STRUCTURE, "structures", STRUCTURE_VERSION, upgrade_structures},
    {UPGRADE_THREADS, "threads", UPGRADE_THREADS_DONE, upgrade_threads},
};

/* Accounts that wait for the thread. */
struct upgrades {
    struct store *store;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_stopping;
    ARRAY_OF(uint64_t) account_ids;
    pthread_t thread;
    struct metric *waiting;
    struct metric_family *messages;
};

/* ---- The state of an account */

static bool read_state(struct db *db, enum upgrade_kind kind, struct upgrade_state *ret,
                       struct err *err)
{
    struct db_query q = db_query(db, UPGRADE_READ);
    db_bind_u64(&q, kind);
    *ret = (struct upgrade_state){.version = 0};
    if (db_step(&q))
        *ret = (struct upgrade_state){db_column_u64(&q, 0), db_column_u64(&q, 1)};
    return db_done(&q, err);
}

bool upgrade_save(struct db *db, enum upgrade_kind kind, const struct upgrade_state *state,
                  struct err *err)
{
    struct db_query q = db_query(db, UPGRADE_SET);
    db_bind_u64(&q, kind);
    db_bind_u64(&q, state->version);
    db_bind_u64(&q, state->at);
    return db_run(&q, err);
}

bool upgrade_note_thread(struct change *c, uint64_t message_id, struct err *err)
{
    if (!atomic_load(&c->account->threads_pending))
        return true;
    struct db_query q = db_query(c->db, UNTHREADED_ADD);
    db_bind_u64(&q, message_id);
    return db_run(&q, err);
}

/* ---- Steps */

struct restart {
    enum upgrade_kind kind;
};

static bool run_restart(struct db *db, void *ctx, struct err *err)
{
    const struct restart *r = ctx;
    return upgrade_save(db, r->kind, &(struct upgrade_state){.version = 0}, err);
}

static bool restart(struct account *account, enum upgrade_kind kind, struct err *err)
{
    struct restart r = {kind};
    if (kind == UPGRADE_THREADS)
        atomic_store(&account->threads_pending, true);
    return db_group_run(account->group, run_restart, &r, DB_DURABLE, err);
}

static bool read_step(struct account *account, enum upgrade_kind kind, struct upgrade_step *ret,
                      struct err *err)
{
    struct db *db;
    *ret = (struct upgrade_step){.messages = 0};
    TRY(account_read_begin(account, &db, err));
    bool ok = read_state(db, kind, &ret->state, err);
    account_read_end(account, db);
    return ok;
}

static void count_step(struct account *account, size_t kind, const struct upgrade_step *step)
{
    const struct upgrades *upgrades = account->store->upgrades;
    if (upgrades && step->messages > 0)
        metric_add(metric_with(upgrades->messages, kinds[kind].name, NULL),
                   (int64_t)step->messages);
}

/* One step at a time: the background and a repair may be at the same account. */
static bool run_step(struct account *account, size_t kind, struct upgrade_step *step,
                     struct job *job, bool *ret_done, struct err *err)
{
    pthread_mutex_lock(&account->upgrade_lock);
    bool ok = read_step(account, kinds[kind].kind, step, err);
    *ret_done = ok && step->state.version == kinds[kind].version;
    if (ok && !*ret_done)
        ok = kinds[kind].step(account, step, job, err);
    if (*ret_done && kinds[kind].kind == UPGRADE_THREADS)
        atomic_store(&account->threads_pending, false);
    pthread_mutex_unlock(&account->upgrade_lock);
    count_step(account, kind, step);
    return ok;
}

static bool is_stopping(struct store *store)
{
    struct upgrades *upgrades = store->upgrades;
    if (!upgrades)
        return false;
    pthread_mutex_lock(&upgrades->lock);
    bool stopping = upgrades->is_stopping;
    pthread_mutex_unlock(&upgrades->lock);
    return stopping;
}

static void log_progress(struct account *account, size_t kind, uint64_t messages, uint64_t failed,
                         bool is_done)
{
    log_info(&account->store->log,
             is_done ? "stored data upgraded" : "stored data is being upgraded",
             LOG_U64("account", account->id), LOG_CSTR("what", kinds[kind].name),
             LOG_U64("messages", messages), LOG_U64("of", account_all_messages(account)),
             LOG_U64("failed", failed));
}

static bool run_kind(struct account *account, size_t kind, struct job *job, struct err *err)
{
    bool is_done = false;
    uint64_t messages = 0, failed = 0;
    int64_t logged_ms = clock_monotonic_ms();
    while (!is_done) {
        struct upgrade_step step;
        if (is_stopping(account->store))
            return err_set(err, ERR_TEMPORARY, "stopped");
        TRY(job_goes_on(job, err) && run_step(account, kind, &step, job, &is_done, err));
        messages += step.messages;
        failed += step.failed;
        job_advance(job, step.messages);
        if (clock_monotonic_ms() - logged_ms > LOG_EVERY_MS) {
            logged_ms = clock_monotonic_ms();
            log_progress(account, kind, messages, failed, false);
        }
    }
    if (messages > 0)
        log_progress(account, kind, messages, failed, true);
    return true;
}

static size_t kind_index(enum upgrade_kind kind)
{
    size_t i = 0;
    while (kinds[i].kind != kind)
        i++;
    return i;
}

bool upgrade_is_done(struct account *account, enum upgrade_kind kind, bool *ret, struct err *err)
{
    struct upgrade_step step;
    TRY(read_step(account, kind, &step, err));
    *ret = step.state.version == kinds[kind_index(kind)].version;
    return true;
}

bool upgrade_run(struct account *account, enum upgrade_kind kind, bool again, struct job *job,
                 struct err *err)
{
    return (!again || restart(account, kind, err)) && run_kind(account, kind_index(kind), job, err);
}

/* ---- In the background */

static void add_waiting(struct upgrades *upgrades, uint64_t account_id)
{
    bool is_there = false;
    pthread_mutex_lock(&upgrades->lock);
    for (size_t i = 0; i < upgrades->account_ids.len; i++)
        is_there |= upgrades->account_ids.items[i] == account_id;
    if (!is_there)
        array_push(&upgrades->account_ids, account_id);
    metric_set(upgrades->waiting, (int64_t)upgrades->account_ids.len);
    pthread_cond_signal(&upgrades->changed);
    pthread_mutex_unlock(&upgrades->lock);
}

bool upgrade_look(struct account *account, struct err *err)
{
    bool is_old = false;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct upgrade_state state;
        TRY(read_state(account->db, kinds[i].kind, &state, err));
        bool is_kind_old = state.version != kinds[i].version;
        is_old |= is_kind_old;
        if (is_kind_old && kinds[i].kind == UPGRADE_THREADS)
            atomic_store(&account->threads_pending, true);
    }
    if (is_old && account->store->upgrades)
        add_waiting(account->store->upgrades, account->id);
    return true;
}

static bool upgrade_account(struct store *store, uint64_t id, struct err *err)
{
    struct account *account = NULL;
    if (!account_open(store, id, &account, err))
        return err->kind == ERR_NOT_FOUND; /* it was removed */
    bool ok = true;
    for (size_t i = 0; ok && i < ARRAY_LEN(kinds); i++)
        ok = run_kind(account, i, NULL, err);
    account_release(account);
    return ok;
}

/* The next account; waits for one. 0: it is time to stop. */
static uint64_t next_account(struct upgrades *upgrades)
{
    pthread_mutex_lock(&upgrades->lock);
    while (!upgrades->is_stopping && upgrades->account_ids.len == 0)
        pthread_cond_wait(&upgrades->changed, &upgrades->lock);
    uint64_t id = upgrades->is_stopping ? 0 : upgrades->account_ids.items[0];
    pthread_mutex_unlock(&upgrades->lock);
    return id;
}

static void remove_waiting(struct upgrades *upgrades)
{
    pthread_mutex_lock(&upgrades->lock);
    array_remove(&upgrades->account_ids, 0, 1);
    metric_set(upgrades->waiting, (int64_t)upgrades->account_ids.len);
    pthread_mutex_unlock(&upgrades->lock);
}

static void wait_to_retry(struct upgrades *upgrades)
{
    struct timespec until = clock_timespec(clock_wall_ms() + RETRY_S * 1000);
    int rc = 0;
    pthread_mutex_lock(&upgrades->lock);
    while (rc == 0 && !upgrades->is_stopping)
        rc = pthread_cond_timedwait(&upgrades->changed, &upgrades->lock, &until);
    pthread_mutex_unlock(&upgrades->lock);
}

static void *work(void *user)
{
    struct upgrades *upgrades = user;
    struct err err;
    for (uint64_t id; (id = next_account(upgrades)) != 0;) {
        bool ok = upgrade_account(upgrades->store, id, &err);
        remove_waiting(upgrades);
        if (ok || is_stopping(upgrades->store))
            continue;
        log_error(&upgrades->store->log, "cannot upgrade stored data", LOG_U64("account", id),
                  LOG_ERR(&err));
        add_waiting(upgrades, id);
        wait_to_retry(upgrades);
    }
    return NULL;
}

static void free_upgrades(struct upgrades *upgrades)
{
    array_release(&upgrades->account_ids);
    pthread_cond_destroy(&upgrades->changed);
    pthread_mutex_destroy(&upgrades->lock);
    free(upgrades);
}

bool upgrades_open(struct store *store, struct err *err)
{
    struct upgrades *upgrades = xcalloc(1, sizeof(*upgrades));
    upgrades->store = store;
    pthread_mutex_init(&upgrades->lock, NULL);
    pthread_cond_init(&upgrades->changed, NULL);
    upgrades->waiting = metric_with(metrics_gauge(store->metrics, "mailrail_store_upgrades_waiting",
                                                  "Accounts whose stored data is old", NULL),
                                    NULL);
    upgrades->messages =
        metrics_counter(store->metrics, "mailrail_store_upgraded_messages_total",
                        "Messages that were brought up to date, or repaired", "what", NULL);
    store->upgrades = upgrades;
    int failure = pthread_create(&upgrades->thread, NULL, work, upgrades);
    if (failure == 0)
        return true;
    store->upgrades = NULL;
    free_upgrades(upgrades);
    return err_set_errno(err, failure, "start a thread");
}

void upgrades_stop(struct upgrades *upgrades)
{
    if (!upgrades)
        return;
    pthread_mutex_lock(&upgrades->lock);
    upgrades->is_stopping = true;
    pthread_cond_broadcast(&upgrades->changed);
    pthread_mutex_unlock(&upgrades->lock);
    pthread_join(upgrades->thread, NULL);
}

void upgrades_free(struct upgrades *upgrades)
{
    if (upgrades)
        free_upgrades(upgrades);
}
