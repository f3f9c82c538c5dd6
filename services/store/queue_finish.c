/* Results: what deliverers report, and the end of messages. */
#include "services/store/queue_private.h"

#include "common/base/arena.h"
#include "services/store/queue_backoff.h"

#define DIALED_MAX 4096
#define ERROR_MAX 512

bool queue_destination_due(struct db *db, struct str domain, int64_t due_ms, struct err *err)
{
    struct db_query q = db_query(db, Q_DESTINATION_DUE);
    db_bind_str(&q, domain);
    db_bind_i64(&q, due_ms);
    return db_run(&q, err);
}

bool queue_refresh_destination(struct db *db, struct str domain, struct err *err)
{
    struct db_query first = db_query(db, Q_FIRST_WAITING);
    db_bind_str(&first, domain);
    bool waits = db_step(&first);
    int64_t due_ms = waits ? db_column_i64(&first, 0) : 0;
    TRY(db_done(&first, err));
    struct db_query q = db_query(db, waits ? Q_SET_DESTINATION : Q_REMOVE_DESTINATION);
    db_bind_str(&q, domain);
    if (waits)
        db_bind_i64(&q, due_ms);
    return db_run(&q, err);
}

/* Content goes at once, a file by its erase row, so that no crash forgets it. */
static bool remove_text(struct db *db, uint64_t base_id, struct err *err)
{
    struct db_query content = db_query(db, Q_REMOVE_CONTENT);
    db_bind_u64(&content, base_id);
    TRY(db_run(&content, err));
    if (db_changes(db) > 0)
        return true;
    struct db_query erase = db_query(db, Q_ADD_ERASE);
    db_bind_u64(&erase, base_id);
    return db_run(&erase, err);
}

bool queue_remove_message(struct db *db, uint64_t id, uint64_t base_id, struct err *err)
{
    struct db_query q = db_query(db, Q_REMOVE);
    db_bind_u64(&q, id);
    TRY(db_run(&q, err));
    struct db_query last = db_query(db, Q_REMOVE_LAST);
    db_bind_u64(&last, base_id);
    TRY(db_run(&last, err));
    if (db_changes(db) > 0)
        return remove_text(db, base_id, err);
    struct db_query count = db_query(db, Q_COUNT_DOWN);
    db_bind_u64(&count, base_id);
    return db_run(&count, err);
}

/* ---- Results */

struct finish {
    struct queue_result *results;
    size_t count;
    int64_t now_ms;
    struct arena arena;
    bool ended;    /* some message left the queue */
    bool released; /* some message is due again at once */
};

/* A message as its row says, when a result comes for it. */
struct state {
    bool exists;
    uint64_t lease;
    bool is_leased;
    uint64_t base_id;
    struct str domain; /* in the arena, as dialed */
    unsigned attempts, max_attempts;
    struct str dialed;
    int64_t next_attempt_ms; /* as the lease planned it */
    unsigned postponed;
};

static bool read_state(struct db *db, struct finish *f, uint64_t id, struct state *ret,
                       struct err *err)
{
    *ret = (struct state){0};
    struct db_query q = db_query(db, Q_STATE);
    db_bind_u64(&q, id);
    if (db_step(&q)) {
        ret->exists = true;
        ret->lease = db_column_u64(&q, 0);
        ret->is_leased = db_column_i64(&q, 1) > 0;
        ret->base_id = db_column_u64(&q, 2);
        ret->domain = db_column_copy(&q, 3, &f->arena);
        ret->attempts = (unsigned)db_column_u64(&q, 4);
        ret->max_attempts = (unsigned)db_column_u64(&q, 5);
        ret->dialed = db_column_copy(&q, 6, &f->arena);
        ret->next_attempt_ms = db_column_i64(&q, 7);
        ret->postponed = (unsigned)db_column_u64(&q, 8);
    }
    return db_done(&q, err);
}

/* Old entries first, as many whole lines as there is room for. */
static struct str join_dialed(struct finish *f, struct str old, struct str added)
{
    if (added.len == 0)
        return queue_text(old);
    while (old.len > 0 && old.len + added.len > DIALED_MAX)
        str_cut(old, '\n', NULL, &old);
    return arena_printf(&f->arena, "%.*s%.*s", STR_ARG(old), STR_ARG(added));
}

/* What the result makes of the message that stays. The lease has counted the attempt already. */
static struct state after_result(struct finish *f, enum queue_outcome outcome,
                                 const struct state *before)
{
    struct state after = *before;
    bool released = outcome == QUEUE_RELEASED;
    bool postponed = outcome == QUEUE_POSTPONED && before->postponed < QUEUE_POSTPONED_MAX;
    f->released |= released;
    if ((released || postponed) && before->attempts > 0)
        after.attempts--;
    if (released)
        after.next_attempt_ms = f->now_ms;
    if (postponed)
        after.next_attempt_ms = f->now_ms + queue_pause_ms(before->postponed);
    if (!released)
        after.postponed = postponed ? before->postponed + 1 : 0;
    return after;
}

static bool return_message(struct db *db, struct finish *f, const struct queue_result *result,
                           const struct state *state, struct err *err)
{
    struct state after = after_result(f, result->outcome, state);
    struct db_query q = db_query(db, Q_RETRY);
    db_bind_u64(&q, after.attempts);
    db_bind_i64(&q, after.next_attempt_ms);
    db_bind_u64(&q, after.postponed);
    db_bind_str(&q, join_dialed(f, state->dialed, result->dialed));
    db_bind_str(&q, queue_text(str_slice(result->error, 0, ERROR_MAX)));
    db_bind_u64(&q, result->hold.queue_id);
    return db_run(&q, err) && queue_destination_due(db, state->domain, after.next_attempt_ms, err);
}

static bool is_end(const struct queue_result *result, const struct state *state)
{
    switch (result->outcome) {
    case QUEUE_RELEASED:
    case QUEUE_POSTPONED:
        return false;
    case QUEUE_TEMPORARY:
        return state->attempts >= state->max_attempts;
    case QUEUE_DELIVERED:
    case QUEUE_PERMANENT:
        break;
    }
    return true;
}

/* A late result is still used while nobody else has the message: it is the truth. One that was used
 * already finds the message gone, or no longer leased. */
static bool record(struct db *db, struct finish *f, struct queue_result *result, struct err *err)
{
    struct state state;
    TRY(read_state(db, f, result->hold.queue_id, &state, err));
    result->hold.lost = state.exists && state.lease != result->hold.lease;
    if (!state.exists || result->hold.lost)
        return true;
    if (is_end(result, &state)) {
        f->ended = true;
        return queue_remove_message(db, result->hold.queue_id, state.base_id, err);
    }
    return !state.is_leased || return_message(db, f, result, &state, err);
}

static bool finish(struct db *db, void *ctx, struct err *err)
{
    struct finish *f = ctx;
    for (size_t i = 0; i < f->count; i++)
        TRY(record(db, f, &f->results[i], err));
    if (f->arena.exhausted)
        return err_set(err, ERR_LIMIT, "finish: too much at once");
    return true;
}

bool queue_finish(struct queue *queue, struct queue_result *results, size_t count, int64_t now_ms,
                  struct err *err)
{
    struct finish f = {.results = results, .count = count, .now_ms = now_ms};
    arena_init(&f.arena, 16 << 20);
    bool ok = db_group_run(queue->group, finish, &f, DB_DURABLE, err);
    arena_release(&f.arena);
    if (!ok)
        return err_wrap(err, "finish");
    if (f.ended)
        queue_want_sweep(queue);
    /* A lane has room again for whoever needs it, or something waits for another deliverer. */
    if (atomic_exchange(&queue->behind, false) || f.released)
        queue_nudge(queue, now_ms);
    return true;
}
