/* Start, end, and the scheduler: when to lease, how much, and keeping leases. */
#include "services/queue-deliverer/deliverer.h"

#include "common/base/array.h"
#include "common/base/clock.h"
#include "common/service/spool.h"

#define LEASE_PAUSE_MS 20 /* between leases while there is much to do: each takes some messages */
#define CONNECT_PAUSE_MS 50
#define FAILED_PAUSE_MS 1000
#define POLL_MS 30000 /* events may be lost */
#define TICK_MS 1000  /* for idle connections and leases, while there are any */
#define DOMAINS_MAX 100
#define RECORD_MS 1000 /* of the time to drain, at most: for recording what is given back */

/* ---- Leases */

/* A lease that store does not hear to have come is given back, attempts not counted. */
static void begin_jobs(struct deliverer *d, struct backend_lease *leased, bool confirmed)
{
    for (struct list_link *link; (link = list_take_first(&leased->jobs));) {
        struct job *job = CONTAINER_OF(link, struct job, link);
        list_append(&d->jobs, &job->all);
        d->outstanding += (unsigned)job->recipient_count;
        if (confirmed)
            lanes_add(d, job);
        else
            results_add(d, job);
    }
}

/* A store of the release before this one has no such call: it counts without it. */
static bool confirm(struct deliverer *d, const struct backend_lease *leased)
{
    struct err err;
    if (leased->number == 0 || backend_confirm(&d->backend, leased->number, &err) ||
        err.kind == ERR_NOT_FOUND)
        return true;
    log_warn(&d->service->log, "a lease cannot be confirmed", LOG_ERR(&err));
    return false;
}

/* Asks for as much as there is room for. The lock is let go during the calls. */
static int64_t lease(struct deliverer *d, unsigned room, unsigned domains)
{
    struct backend_lease leased;
    struct err err;
    if (!backend_has_queue(&d->backend)) /* nobody shall wait for it, who may have to end */
        return CONNECT_PAUSE_MS;
    d->has_work = false;
    pthread_mutex_unlock(&d->lock);
    bool ok =
        backend_lease(&d->backend, room, domains, (unsigned)d->config->lease_ms, &leased, &err);
    bool confirmed = ok && confirm(d, &leased);
    pthread_mutex_lock(&d->lock);
    int64_t now_ms = clock_monotonic_ms();
    if (!ok) {
        log_warn(&d->service->log, "no lease", LOG_ERR(&err));
        d->has_work = true;
        return FAILED_PAUSE_MS;
    }
    begin_jobs(d, &leased, confirmed);
    d->next_due_ms = now_ms + POLL_MS;
    if (leased.next_due_in_ms >= 0 && leased.next_due_in_ms < POLL_MS)
        d->next_due_ms = now_ms + leased.next_due_in_ms;
    d->left_behind = leased.more;
    return LEASE_PAUSE_MS;
}

static bool needs_extension(const struct deliverer *d, const struct job *job, int64_t now_ms)
{
    return !job->lost && job->lease_until_ms - now_ms < (int64_t)d->config->lease_ms * 2 / 3;
}

typedef ARRAY_OF(struct backend_hold) hold_array;

static void collect_holds(struct deliverer *d, int64_t now_ms, hold_array *holds)
{
    LIST_FOREACH(link, &d->jobs)
    {
        const struct job *job = CONTAINER_OF(link, struct job, all);
        for (size_t i = 0; needs_extension(d, job, now_ms) && i < job->recipient_count; i++) {
            struct backend_hold hold = {job->recipients[i].queue_id, job->recipients[i].lease,
                                        false};
            array_push(holds, hold);
        }
    }
}

static bool is_lost(const hold_array *holds, uint64_t queue_id)
{
    for (size_t i = 0; i < holds->len; i++)
        if (holds->items[i].queue_id == queue_id)
            return holds->items[i].lost;
    return false;
}

/* Jobs that ended meanwhile are not on the list any more; those that came are not due. */
static void apply_extension(struct deliverer *d, int64_t now_ms, const hold_array *holds)
{
    LIST_FOREACH(link, &d->jobs)
    {
        struct job *job = CONTAINER_OF(link, struct job, all);
        if (!needs_extension(d, job, now_ms))
            continue;
        job->lease_until_ms = now_ms + (int64_t)d->config->lease_ms;
        for (size_t i = 0; i < job->recipient_count; i++)
            job->lost |= is_lost(holds, job->recipients[i].queue_id);
    }
}

static void extend_leases(struct deliverer *d, int64_t now_ms)
{
    hold_array holds = {0};
    struct err err;
    collect_holds(d, now_ms, &holds);
    if (holds.len > 0) {
        pthread_mutex_unlock(&d->lock);
        bool ok = backend_extend(&d->backend, holds.items, holds.len, (unsigned)d->config->lease_ms,
                                 &err);
        pthread_mutex_lock(&d->lock);
        if (ok)
            apply_extension(d, now_ms, &holds);
        else
            log_warn(&d->service->log, "leases cannot be extended", LOG_ERR(&err));
    }
    array_release(&holds);
}

/* ---- The loop */

static void wait_until(struct deliverer *d, int64_t deadline_ms)
{
    struct timespec until = clock_timespec(deadline_ms);
    if (deadline_ms <= clock_monotonic_ms())
        return;
    pthread_cond_timedwait(&d->wake, &d->lock, &until);
}

static void schedule(struct deliverer *d)
{
    int64_t not_before_ms = 0, tick_ms = clock_monotonic_ms() + TICK_MS;
    while (!d->draining) {
        int64_t now_ms = clock_monotonic_ms();
        if (now_ms >= tick_ms) {
            lanes_close_idle(d, now_ms);
            extend_leases(d, now_ms);
            tick_ms = now_ms + TICK_MS;
        }
        d->has_work |= now_ms >= d->next_due_ms;
        unsigned busy = lanes_busy(d);
        bool room = d->outstanding < d->config->messages_max && busy < d->config->threads;
        if (d->has_work && room && now_ms >= not_before_ms) {
            uint64_t domains = d->config->threads - busy;
            int64_t pause_ms = lease(d, (unsigned)(d->config->messages_max - d->outstanding),
                                     (unsigned)(domains < DOMAINS_MAX ? domains : DOMAINS_MAX));
            not_before_ms = clock_monotonic_ms() + pause_ms;
            continue;
        }
        int64_t until_ms = d->next_due_ms > now_ms ? d->next_due_ms : tick_ms;
        if (d->has_work && room && not_before_ms < until_ms)
            until_ms = not_before_ms;
        if (d->lanes.len > 0 && tick_ms < until_ms)
            until_ms = tick_ms;
        d->wants_room = d->has_work && !room;
        wait_until(d, until_ms);
    }
}

/* What has begun to talk may end. After the time for it the queue gets back what it can have
 * (handover.h), and only leases of messages that may have been taken are left to run out. Threads
 * may still be waiting for somebody when the process ends: they can do no harm any more. */
static void end_attempts(struct deliverer *d)
{
    int64_t drain_ms = (int64_t)d->service->settings->drain_ms;
    int64_t end_ms = clock_monotonic_ms() + drain_ms;
    int64_t talk_end_ms = end_ms - (drain_ms < 4 * RECORD_MS ? drain_ms / 4 : RECORD_MS);
    lanes_drain(d);
    while (lanes_awaited(d) > 0 && clock_monotonic_ms() < talk_end_ms)
        wait_until(d, talk_end_ms);
    lanes_give_back(d);
    while ((d->unrecorded > 0 || lanes_awaited(d) > 0) && clock_monotonic_ms() < end_ms)
        wait_until(d, end_ms);
}

void deliverer_run(struct service *service)
{
    struct deliverer *d = service->state;
    pthread_mutex_lock(&d->lock);
    schedule(d);
    end_attempts(d);
    pthread_mutex_unlock(&d->lock);
}

/* ---- Life cycle */

static void wake(void *user)
{
    struct deliverer *d = user;
    pthread_mutex_lock(&d->lock);
    d->has_work = true;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
}

static void on_event(void *user, struct str topic, struct str payload)
{
    (void)topic;
    (void)payload;
    wake(user);
}

static void init(struct deliverer *d, struct service *service)
{
    pthread_condattr_t monotonic;
    d->service = service;
    d->config = service->config;
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&d->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_cond_init(&d->work, NULL);
    pthread_cond_init(&d->results, NULL);
    list_init(&d->jobs);
    list_init(&d->runnable);
    list_init(&d->idle);
    list_init(&d->finished);
    map_init(&d->lanes);
    d->has_work = true;
}

bool deliverer_start(struct service *service, struct err *err)
{
    struct deliverer *d = arena_new(&service->arena, struct deliverer);
    if (!d)
        return err_set(err, ERR_LIMIT, "out of memory");
    service->state = d;
    init(d, service);
    spool_clean(service->settings->data, "queue-deliverer");
    TRY(backend_open(&d->backend, service, err));
    delivery_init(&d->delivery, &d->backend, service);
    const struct event_handler handler = {.event = on_event, .reconnected = wake, .user = d};
    d->events = service_subscribe(service, "queueevents", &handler, err);
    if (!d->events)
        return false;
    event_subscribe(d->events, "queue");
    return results_start(d, err);
}

void deliverer_drain(struct service *service)
{
    struct deliverer *d = service->state;
    pthread_mutex_lock(&d->lock);
    d->draining = true;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
}

/* Threads that are still in a delivery use all this until the process ends. */
void deliverer_stop(struct service *service)
{
    struct deliverer *d = service->state;
    if (!d)
        return;
    event_subscriber_free(d->events);
    pthread_mutex_lock(&d->lock);
    bool all_done = d->outstanding == 0 && lanes_busy(d) == 0 && d->backend.dns;
    d->results_end = true;
    pthread_cond_signal(&d->results);
    pthread_mutex_unlock(&d->lock);
    service->is_busy = !all_done;
    if (!all_done)
        return;
    pthread_join(d->recorder, NULL);
    backend_close(&d->backend);
    map_release(&d->lanes);
}

bool deliverer_ready(struct service *service, struct err *err)
{
    const struct deliverer *d = service->state;
    return backend_is_ready(&d->backend, err);
}
