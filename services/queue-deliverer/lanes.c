/* Lanes and the threads that work on them. */
#include "services/queue-deliverer/deliverer.h"

#include "common/base/bug.h"
#include "common/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Lanes */

static struct lane *find_lane(struct deliverer *d, const struct job *job)
{
    char text[300];
    int n = snprintf(text, sizeof(text), "%.*s/%u", STR_ARG(job->domain), job->lane);
    struct str key = str_make(text, n > 0 && (size_t)n < sizeof(text) ? (size_t)n : 0);
    struct lane *lane = map_get(&d->lanes, key);
    if (lane)
        return lane;
    lane = xcalloc(1, sizeof(*lane) + key.len);
    char *copy = (char *)(lane + 1);
    memcpy(copy, key.ptr, key.len);
    lane->key = str_make(copy, key.len);
    list_init(&lane->link);
    list_init(&lane->jobs);
    map_put(&d->lanes, key, lane);
    return lane;
}

static void free_lane(struct deliverer *d, struct lane *lane)
{
    list_remove(&lane->link);
    map_remove(&d->lanes, lane->key);
    free(lane);
}

unsigned lanes_busy(const struct deliverer *d)
{
    unsigned waiting = 0;
    LIST_FOREACH(link, &d->runnable)
    waiting++;
    return d->running + waiting;
}

unsigned lanes_awaited(struct deliverer *d)
{
    unsigned count = lanes_busy(d);
    struct map_entry *entry;
    size_t at = 0;
    while ((entry = map_next(&d->lanes, &at))) {
        const struct lane *lane = entry->value;
        count -= lane->job && handover_is_all_given_back(lane->job);
    }
    return count;
}

/* ---- Threads */

static void *work(void *arg);

/* A thread more when all are busy; they end with the process. */
static void provide_thread(struct deliverer *d)
{
    pthread_t thread;
    pthread_attr_t attributes;
    if (d->idle_threads > 0) {
        pthread_cond_signal(&d->work);
        return;
    }
    if (d->threads >= d->config->threads)
        return; /* one will be free */
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attributes, work, d) == 0)
        d->threads++;
    else if (d->threads == 0)
        BUG("no thread for deliveries");
    pthread_attr_destroy(&attributes);
}

static void make_runnable(struct deliverer *d, struct lane *lane)
{
    list_remove(&lane->link);
    list_append(&d->runnable, &lane->link);
    provide_thread(d);
}

void lanes_add(struct deliverer *d, struct job *job)
{
    struct lane *lane = find_lane(d, job);
    bool was_empty = list_is_empty(&lane->jobs);
    list_append(&lane->jobs, &job->link);
    if (was_empty && !lane->running)
        make_runnable(d, lane);
}

/* One job on the lane's thread; the lock is let go meanwhile. */
static void run_job(struct deliverer *d, struct lane *lane, struct job *job)
{
    bool lost = job->lost;
    lane->job = job;
    pthread_mutex_unlock(&d->lock);
    if (!lost)
        delivery_run(&d->delivery, &lane->track, job);
    pthread_mutex_lock(&d->lock);
    lane->job = NULL;
    results_add(d, job);
}

static bool run_jobs(struct deliverer *d, struct lane *lane)
{
    bool worked = false;
    for (struct list_link *link; (link = list_take_first(&lane->jobs)); worked = true)
        run_job(d, lane, CONTAINER_OF(link, struct job, link));
    return worked;
}

/* Saying goodbye takes a moment; the lock is let go meanwhile. */
static void close_connection(struct deliverer *d, struct lane *lane)
{
    if (!lane->track.client)
        return;
    pthread_mutex_unlock(&d->lock);
    track_close(&lane->track);
    pthread_mutex_lock(&d->lock);
}

/* A lane that ran empty keeps its connection for a moment. One that comes here without work was
 * idle for that long, and closes it. */
static void run_lane(struct deliverer *d, struct lane *lane)
{
    lane->running = true;
    d->running++;
    do {
        bool worked = run_jobs(d, lane);
        if (!worked || d->draining || d->config->idle_connection_ms == 0)
            close_connection(d, lane);
    } while (!list_is_empty(&lane->jobs));
    lane->running = false;
    d->running--;
    if (lane->track.client) {
        lane->idle_since_ms = clock_monotonic_ms();
        list_append(&d->idle, &lane->link);
    } else {
        free_lane(d, lane);
    }
    if (d->wants_room || d->draining)
        pthread_cond_signal(&d->wake);
}

static void *work(void *arg)
{
    struct deliverer *d = arg;
    pthread_mutex_lock(&d->lock);
    for (;;) {
        struct list_link *link = list_take_first(&d->runnable);
        if (link) {
            run_lane(d, CONTAINER_OF(link, struct lane, link));
            continue;
        }
        d->idle_threads++;
        pthread_cond_wait(&d->work, &d->lock);
        d->idle_threads--;
    }
    return NULL;
}

/* ---- Idle connections, and the end */

static struct lane *first_idle(struct deliverer *d)
{
    return list_is_empty(&d->idle) ? NULL : CONTAINER_OF(d->idle.next, struct lane, link);
}

void lanes_close_idle(struct deliverer *d, int64_t now_ms)
{
    struct lane *lane;
    int64_t limit_ms = (int64_t)d->config->idle_connection_ms;
    while ((lane = first_idle(d)) && now_ms - lane->idle_since_ms >= limit_ms)
        make_runnable(d, lane);
}

static void give_back(struct deliverer *d, struct lane *lane, bool begun_too)
{
    struct job *results = lane->job ? handover_give_back(lane->job, begun_too) : NULL;
    if (!results)
        return;
    log_info(&d->service->log, "given back", LOG_U64("cid", results->cid),
             LOG_STR("domain", lane->job->domain), LOG_U64("recipients", results->recipient_count));
    d->outstanding += (unsigned)results->recipient_count;
    results_add(d, results);
}

void lanes_give_back(struct deliverer *d)
{
    struct map_entry *entry;
    size_t at = 0;
    while ((entry = map_next(&d->lanes, &at)))
        give_back(d, entry->value, true);
}

void lanes_drain(struct deliverer *d)
{
    struct map_entry *entry;
    size_t at = 0;
    while ((entry = map_next(&d->lanes, &at))) {
        struct lane *lane = entry->value;
        for (struct list_link *link; (link = list_take_first(&lane->jobs));)
            results_add(d, CONTAINER_OF(link, struct job, link));
        give_back(d, lane, false);
    }
    lanes_close_idle(d, INT64_MAX);
}
