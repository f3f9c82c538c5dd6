/* Out of the queue: which due messages go to a deliverer that has room. */
#include "services/store/queue_private.h"

#include "common/base/array.h"
#include "services/store/queue_backoff.h"

#include <errno.h>
#include <sys/random.h>

/* RFC 5321 4.5.3.1.8: every server takes 100 recipients in one transaction. */
#define GROUP_RECIPIENTS_MAX 100
/* What a deliverer may have of one lane: enough to keep its connection busy until it comes again.
 */
#define LANE_MESSAGES_MAX 32
#define LANES_MAX 64
#define EXPIRED_MAX 1000 /* at once */
/* What the groups of one reply may bring along; the bus carries 64 MiB, and one more group fits. */
#define BAGGAGE_MAX (8u << 20)

struct lane {
    unsigned count; /* messages leased */
    bool is_foreign;
};

/* One call. */
struct lease {
    struct queue *queue;
    const struct queue_lease_request *request;
    int64_t now_ms;
    struct arena *arena;
    struct queue_lease_reply *reply;
    ARRAY_OF(struct queue_leased) taken;
    size_t baggage; /* bytes of what is given once for each group taken */
    uint64_t number;
    /* Of the destination in hand. */
    struct str domain;
    ARRAY_OF(struct queue_leased) waiting;
    struct lane lanes[LANES_MAX + 1]; /* from 1 */
};

static unsigned lane_count(const struct lease *l)
{
    return (unsigned)l->queue->store->config->queue_connections_per_domain;
}

/* ---- Leases that ran out */

struct expired {
    uint64_t id;
    struct str domain;
    bool unheard; /* never confirmed */
};

static bool return_one(struct db *db, const struct lease *l, const struct expired *e,
                       struct err *err)
{
    struct db_query q = db_query(db, e->unheard ? Q_RETURN_UNHEARD : Q_RETURN_EXPIRED);
    db_bind_u64(&q, e->id);
    if (e->unheard)
        db_bind_i64(&q, l->now_ms);
    return db_run(&q, err) && queue_refresh_destination(db, e->domain, err);
}

/* Of leases that ran out: what is still leased by them was extended, so that it came. */
static bool forget_unconfirmed(struct db *db, const struct lease *l, struct err *err)
{
    struct db_query q = db_query(db, Q_FORGET_UNCONFIRMED);
    db_bind_i64(&q, l->now_ms);
    return db_run(&q, err);
}

static bool return_expired(struct db *db, struct lease *l, struct err *err)
{
    ARRAY_OF(struct expired) found = {0};
    struct db_query q = db_query(db, Q_EXPIRED);
    db_bind_i64(&q, l->now_ms);
    db_bind_u64(&q, EXPIRED_MAX);
    while (db_step(&q)) {
        struct expired e = {db_column_u64(&q, 0), db_column_copy(&q, 1, l->arena),
                            db_column_u64(&q, 2) != 0};
        array_push(&found, e);
    }
    bool ok = db_done(&q, err);
    for (size_t i = 0; ok && i < found.len; i++)
        ok = return_one(db, l, &found.items[i], err);
    if (ok && found.len < EXPIRED_MAX)
        ok = forget_unconfirmed(db, l, err);
    array_release(&found);
    return ok;
}

/* ---- Lanes */

static bool read_lanes(struct db *db, struct lease *l, struct err *err)
{
    for (size_t i = 0; i <= LANES_MAX; i++)
        l->lanes[i] = (struct lane){0};
    struct db_query q = db_query(db, Q_LANES);
    db_bind_str(&q, l->domain);
    while (db_step(&q)) {
        uint64_t lane = db_column_u64(&q, 0);
        if (lane > LANES_MAX)
            continue;
        l->lanes[lane].count = (unsigned)db_column_u64(&q, 2);
        l->lanes[lane].is_foreign = !str_eq(db_column_str(&q, 1), l->request->deliverer);
    }
    return db_done(&q, err);
}

/* The emptiest lane that is free or ours; 0 when there is no room. */
static unsigned choose_lane(const struct lease *l)
{
    unsigned best = 0;
    for (unsigned lane = 1; lane <= lane_count(l); lane++) {
        const struct lane *at = &l->lanes[lane];
        if (at->is_foreign || at->count >= LANE_MESSAGES_MAX)
            continue;
        if (best == 0 || at->count < l->lanes[best].count)
            best = lane;
    }
    return best;
}

/* ---- Taking */

static bool read_submission(struct db *db, struct lease *l, uint64_t base_id,
                            const struct queue_submission **ret, struct err *err)
{
    struct queue_submission *s = arena_new(l->arena, struct queue_submission);
    if (!s)
        return err_set(err, ERR_LIMIT, "lease: too much at once");
    struct db_query q = db_query(db, Q_READ_SUBMISSION);
    db_bind_u64(&q, base_id);
    if (db_step(&q)) {
        s->account_id = db_column_u64(&q, 0);
        s->account = db_column_copy(&q, 1, l->arena);
        s->mail_from.localpart = db_column_copy(&q, 2, l->arena);
        s->mail_from.domain = db_column_copy(&q, 3, l->arena);
        s->file_size = db_column_u64(&q, 4);
        s->prefix = db_column_copy(&q, 5, l->arena);
        s->structure = db_column_copy(&q, 6, l->arena);
        s->has_8bit = db_column_u64(&q, 7) != 0;
        s->smtputf8 = db_column_u64(&q, 8) != 0;
        s->tls = (unsigned)db_column_u64(&q, 9);
        s->message_id = db_column_copy(&q, 10, l->arena);
        s->subject = db_column_copy(&q, 11, l->arena);
        s->future_release = db_column_copy(&q, 12, l->arena);
        s->cid = db_column_u64(&q, 13);
        s->queued_ms = db_column_i64(&q, 14);
    }
    *ret = s;
    l->baggage += s->prefix.len + s->structure.len;
    TRY(db_done(&q, err));
    return !l->arena->exhausted || err_set(err, ERR_LIMIT, "lease: too much at once");
}

/* Null when the text is a file. */
static bool read_content(struct db *db, struct lease *l, uint64_t base_id, struct str *ret,
                         struct err *err)
{
    struct db_query q = db_query(db, Q_READ_CONTENT);
    db_bind_u64(&q, base_id);
    *ret = db_step(&q) ? db_column_copy(&q, 0, l->arena) : STR_NULL;
    l->baggage += ret->len;
    TRY(db_done(&q, err));
    return !l->arena->exhausted || err_set(err, ERR_LIMIT, "lease: too much at once");
}

static void plan(struct lease *l, struct queue_leased *m)
{
    int64_t base_ms = (int64_t)l->queue->store->config->queue_retry_ms;
    uint64_t random = 0;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        random = m->queue_id;
    m->next_attempt_ms = l->now_ms + queue_backoff_ms(base_ms, m->attempt, random);
    m->last_attempt_planned_ms =
        m->next_attempt_ms + queue_backoff_sum_ms(base_ms, m->attempt + 1, m->max_attempts);
    m->notify_delay = m->attempt == QUEUE_DELAY_NOTICE_ATTEMPT && m->attempt < m->max_attempts;
}

static bool take(struct db *db, struct lease *l, struct queue_leased *m, struct err *err)
{
    m->lease = l->number;
    plan(l, m);
    struct db_query q = db_query(db, Q_TAKE);
    db_bind_i64(&q, l->now_ms);
    db_bind_i64(&q, m->next_attempt_ms);
    db_bind_u64(&q, m->lease);
    db_bind_i64(&q, l->now_ms + (int64_t)l->request->lease_ms);
    db_bind_str(&q, l->request->deliverer);
    db_bind_u64(&q, m->lane);
    db_bind_u64(&q, m->queue_id);
    TRY(db_run(&q, err));
    array_push(&l->taken, *m);
    return true;
}

/* The waiting, due messages of the destination, first come, first served. */
static bool read_waiting(struct db *db, struct lease *l, struct err *err)
{
    size_t max = l->request->max_messages - l->taken.len + GROUP_RECIPIENTS_MAX;
    struct db_query q = db_query(db, Q_WAITING);
    db_bind_str(&q, l->domain);
    db_bind_i64(&q, l->now_ms);
    db_bind_u64(&q, max);
    l->waiting.len = 0;
    while (l->waiting.len < max && db_step(&q)) {
        struct queue_leased m = {
            .queue_id = db_column_u64(&q, 0),
            .base_id = db_column_u64(&q, 1),
            .recipient = {db_column_copy(&q, 2, l->arena), l->domain},
            .attempt = (unsigned)db_column_u64(&q, 3) + 1,
            .max_attempts = (unsigned)db_column_u64(&q, 4),
            .dialed = db_column_copy(&q, 5, l->arena),
        };
        array_push(&l->waiting, m);
    }
    return db_done(&q, err);
}

/* Spec 10 C3: recipients of one submission that have come equally far travel together. */
static bool same_group(const struct queue_leased *a, const struct queue_leased *b)
{
    return a->base_id == b->base_id && a->attempt == b->attempt;
}

static bool take_group(struct db *db, struct lease *l, size_t first, unsigned lane, struct err *err)
{
    struct queue_leased *waiting = l->waiting.items;
    const struct queue_submission *submission = NULL;
    size_t taken = 0;
    TRY(read_submission(db, l, waiting[first].base_id, &submission, err));
    TRY(read_content(db, l, waiting[first].base_id, &waiting[first].content, err));
    for (size_t i = first; i < l->waiting.len && taken < GROUP_RECIPIENTS_MAX; i++) {
        struct queue_leased *m = &waiting[i];
        if (m->lease != 0 || !same_group(m, &waiting[first]))
            continue;
        m->submission = submission;
        m->lane = lane;
        TRY(take(db, l, m, err));
        taken++;
    }
    l->lanes[lane].count += (unsigned)taken;
    return true;
}

static bool has_room(const struct lease *l)
{
    return l->taken.len < l->request->max_messages && l->baggage < BAGGAGE_MAX;
}

/* False in `*ret_any` when nothing is due there. */
static bool take_from_destination(struct db *db, struct lease *l, bool *ret_any, struct err *err)
{
    TRY(read_waiting(db, l, err));
    *ret_any = l->waiting.len > 0;
    for (size_t i = 0; i < l->waiting.len; i++) {
        if (l->waiting.items[i].lease != 0)
            continue;
        unsigned lane = has_room(l) ? choose_lane(l) : 0;
        if (lane == 0) {
            l->reply->more = true;
            break;
        }
        TRY(take_group(db, l, i, lane, err));
    }
    return true;
}

/* ---- Destinations */

typedef ARRAY_OF(struct str) domain_array;

/* Domains that may have due messages, the longest due first; in arena. */
static bool read_destinations(struct db *db, struct lease *l, domain_array *domains,
                              struct err *err)
{
    struct db_query q = db_query(db, Q_DUE_DESTINATIONS);
    db_bind_i64(&q, l->now_ms);
    while (db_step(&q))
        array_push(domains, db_column_copy(&q, 0, l->arena));
    return db_done(&q, err);
}

static bool take_from_all(struct db *db, struct lease *l, const domain_array *domains,
                          struct err *err)
{
    unsigned used = 0;
    for (size_t i = 0; i < domains->len; i++) {
        bool any;
        if (used >= l->request->max_domains || !has_room(l)) {
            l->reply->more = true;
            break;
        }
        l->domain = domains->items[i];
        TRY(read_lanes(db, l, err));
        if (choose_lane(l) == 0) {
            l->reply->more = true;
            continue;
        }
        TRY(take_from_destination(db, l, &any, err));
        if (!any)
            TRY(queue_refresh_destination(db, l->domain, err));
        used += any;
    }
    return true;
}

/* The earlier one, where 0 is none. */
static bool earlier(struct db_query *q, int64_t *due_ms, struct err *err)
{
    if (db_step(q) && !db_column_is_null(q, 0)) {
        int64_t ms = db_column_i64(q, 0);
        if (*due_ms == 0 || ms < *due_ms)
            *due_ms = ms;
    }
    return db_done(q, err);
}

/* Messages that are not due yet, and leases that run out. */
static bool find_next_due(struct db *db, struct lease *l, struct err *err)
{
    struct db_query next = db_query(db, Q_NEXT_DESTINATION);
    db_bind_i64(&next, l->now_ms);
    TRY(earlier(&next, &l->reply->next_due_ms, err));
    struct db_query expiry = db_query(db, Q_NEXT_EXPIRY);
    return earlier(&expiry, &l->reply->next_due_ms, err);
}

static bool add_unconfirmed(struct db *db, const struct lease *l, struct err *err)
{
    if (l->taken.len == 0)
        return true;
    struct db_query q = db_query(db, Q_ADD_UNCONFIRMED);
    db_bind_u64(&q, l->number);
    db_bind_i64(&q, l->now_ms + (int64_t)l->request->lease_ms);
    return db_run(&q, err);
}

static bool lease(struct db *db, void *ctx, struct err *err)
{
    struct lease *l = ctx;
    domain_array domains = {0};
    bool ok = return_expired(db, l, err) && read_destinations(db, l, &domains, err) &&
              take_from_all(db, l, &domains, err) && add_unconfirmed(db, l, err) &&
              find_next_due(db, l, err);
    array_release(&domains);
    return ok;
}

bool queue_lease(struct queue *queue, const struct queue_lease_request *request, int64_t now_ms,
                 struct arena *arena, struct queue_lease_reply *ret, struct err *err)
{
    *ret = (struct queue_lease_reply){0};
    struct lease l = {
        .queue = queue, .request = request, .now_ms = now_ms, .arena = arena, .reply = ret};
    /* Not a counter: a lease that a power failure took back must not get the number of the next. */
    if (getrandom(&l.number, sizeof(l.number), 0) != (ssize_t)sizeof(l.number))
        return err_set_errno(err, errno, "random number for a lease");
    l.number = (l.number >> 1) | 1;
    atomic_store(&queue->nudged, false);
    bool ok = db_group_run(queue->group, lease, &l, 0, err);
    if (ret->more)
        atomic_store(&queue->behind, true);
    if (ok && l.taken.len > 0) {
        ret->messages = arena_new_array(arena, l.taken.len, struct queue_leased);
        ret->count = l.taken.len;
        if (ret->messages)
            memcpy(ret->messages, l.taken.items, l.taken.len * sizeof(*ret->messages));
        else /* the leases run out by themselves */
            ok = err_set(err, ERR_LIMIT, "lease: too much at once");
    }
    array_release(&l.waiting);
    array_release(&l.taken);
    return ok;
}

/* ---- Keeping */

static bool confirm(struct db *db, void *ctx, struct err *err)
{
    const uint64_t *lease = ctx;
    struct db_query q = db_query(db, Q_CONFIRM);
    db_bind_u64(&q, *lease);
    return db_run(&q, err);
}

bool queue_confirm(struct queue *queue, uint64_t lease, struct err *err)
{
    return db_group_run(queue->group, confirm, &lease, 0, err);
}

struct extend {
    struct queue_hold *holds;
    size_t count;
    int64_t until_ms;
};

static bool extend(struct db *db, void *ctx, struct err *err)
{
    struct extend *e = ctx;
    for (size_t i = 0; i < e->count; i++) {
        struct db_query q = db_query(db, Q_EXTEND);
        db_bind_i64(&q, e->until_ms);
        db_bind_u64(&q, e->holds[i].queue_id);
        db_bind_u64(&q, e->holds[i].lease);
        TRY(db_run(&q, err));
        e->holds[i].lost = db_changes(db) == 0;
    }
    return true;
}

bool queue_extend(struct queue *queue, struct queue_hold *holds, size_t count, int64_t until_ms,
                  struct err *err)
{
    struct extend e = {.holds = holds, .count = count, .until_ms = until_ms};
    return db_group_run(queue->group, extend, &e, 0, err);
}
