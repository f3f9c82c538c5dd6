#include "common/bus/workers.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/bus/nng_wake.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define STACK_SIZE (512UL << 10)

/* Takes a request from nng and brings it the reply. There are as many as workers. */
struct place {
    struct workers *all;
    nng_ctx ctx;
    nng_aio *receiving;
    nng_aio *sending;
};

struct worker {
    struct workers *all;
    struct worker *next; /* that is idle */
    struct place *place; /* with a request; NULL: none yet */
    sem_t wake;
    pthread_t thread;
    struct arena arena;
    bool has_ended;
};

struct workers {
    struct workers_duty duty;
    struct worker *items;
    struct place *places;
    pthread_mutex_t lock; /* of `idle`, and of each worker's `place` */
    struct worker *idle;  /* the one that worked last comes first */
    atomic_bool is_stopping;
};

static void send_reply(struct place *place, nng_msg *message, struct str bytes)
{
    /* The request's message carries the way back, and is used again for the reply. */
    nng_msg_clear(message);
    if (nng_msg_append(message, bytes.ptr, bytes.len) != 0)
        BUG("out of memory: %zu bytes", bytes.len);
    nng_aio_set_msg(place->sending, message);
    nng_wake_not_to_reply(place->ctx, place->sending);
    nng_aio_wait(place->sending);
    if (nng_aio_result(place->sending) != 0) /* the caller is gone */
        nng_msg_free(message);
}

static void answer(struct worker *w, struct place *place)
{
    const struct workers_duty *duty = &w->all->duty;
    nng_msg *message = nng_aio_get_msg(place->receiving);
    struct str request = str_make(nng_msg_body(message), nng_msg_len(message));
    struct str reply = duty->serve(duty->user, &w->arena, request);
    if (duty->has_secrets)
        explicit_bzero(nng_msg_body(message), nng_msg_len(message));
    send_reply(place, message, reply);
    if (duty->has_secrets)
        arena_wipe(&w->arena);
    else
        arena_reset(&w->arena);
}

/* A place has a request only while a worker has none: there is always one for it. */
static void give_to_worker(struct place *place)
{
    struct workers *all = place->all;
    pthread_mutex_lock(&all->lock);
    struct worker *w = all->idle;
    all->idle = w->next;
    w->place = place;
    pthread_mutex_unlock(&all->lock);
    sem_post(&w->wake);
}

/* nng calls it. */
static void take_request(void *arg)
{
    struct place *place = arg;
    if (nng_aio_result(place->receiving) == 0)
        give_to_worker(place);
    else if (!place->all->is_stopping)
        nng_ctx_recv(place->ctx, place->receiving);
}

/* NULL: there will be none. */
static struct place *wait_for_request(struct worker *w)
{
    while (sem_wait(&w->wake) != 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&w->all->lock);
    struct place *place = w->place;
    w->place = NULL;
    pthread_mutex_unlock(&w->all->lock);
    return place;
}

static void become_idle(struct worker *w)
{
    pthread_mutex_lock(&w->all->lock);
    w->next = w->all->idle;
    w->all->idle = w;
    pthread_mutex_unlock(&w->all->lock);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct place *place;
    arena_init(&w->arena, w->all->duty.arena_max);
    while ((place = wait_for_request(w))) {
        answer(w, place);
        if (w->all->is_stopping)
            break;
        become_idle(w);
        nng_ctx_recv(place->ctx, place->receiving);
    }
    arena_release(&w->arena);
    return NULL;
}

static void start_worker(struct workers *all, struct worker *w)
{
    pthread_attr_t attributes;
    w->all = all;
    sem_init(&w->wake, 0, 0);
    become_idle(w);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    if (pthread_create(&w->thread, &attributes, work, w) != 0)
        BUG("cannot start a worker");
    pthread_attr_destroy(&attributes);
}

static void open_place(struct workers *all, struct place *place, nng_socket socket)
{
    place->all = all;
    if (nng_ctx_open(&place->ctx, socket) != 0 ||
        nng_aio_alloc(&place->receiving, take_request, place) != 0 ||
        nng_aio_alloc(&place->sending, NULL, NULL) != 0)
        BUG("cannot serve a door");
    nng_ctx_recv(place->ctx, place->receiving);
}

struct workers *workers_new(nng_socket socket, const struct workers_duty *duty)
{
    struct workers *all = xcalloc(1, sizeof(*all));
    all->duty = *duty;
    all->items = xcalloc(duty->count, sizeof(*all->items));
    all->places = xcalloc(duty->count, sizeof(*all->places));
    pthread_mutex_init(&all->lock, NULL);
    for (unsigned i = 0; i < duty->count; i++)
        start_worker(all, &all->items[i]);
    for (unsigned i = 0; i < duty->count; i++)
        open_place(all, &all->places[i], socket);
    return all;
}

void workers_stop(struct workers *workers)
{
    workers->is_stopping = true;
    for (unsigned i = 0; i < workers->duty.count; i++)
        nng_aio_cancel(workers->places[i].receiving);
    for (unsigned i = 0; i < workers->duty.count; i++)
        sem_post(&workers->items[i].wake);
}

static bool join_worker(struct worker *w, int64_t deadline_ms)
{
    struct timespec until = clock_timespec(deadline_ms);
    if (!w->has_ended)
        w->has_ended = pthread_clockjoin_np(w->thread, NULL, CLOCK_MONOTONIC, &until) == 0;
    return w->has_ended;
}

bool workers_join(struct workers *workers, int64_t deadline_ms)
{
    bool all_ended = true;
    for (unsigned i = 0; i < workers->duty.count; i++)
        all_ended = join_worker(&workers->items[i], deadline_ms) && all_ended;
    return all_ended;
}

/* A request may have come to a worker that was about to end. */
static void end_worker(struct worker *w)
{
    if (w->place)
        nng_msg_free(nng_aio_get_msg(w->place->receiving));
    sem_destroy(&w->wake);
}

void workers_free(struct workers *workers)
{
    for (unsigned i = 0; i < workers->duty.count; i++)
        nng_aio_stop(workers->places[i].receiving);
    for (unsigned i = 0; i < workers->duty.count; i++)
        end_worker(&workers->items[i]);
    for (unsigned i = 0; i < workers->duty.count; i++) {
        nng_aio_free(workers->places[i].receiving);
        nng_aio_free(workers->places[i].sending);
    }
    pthread_mutex_destroy(&workers->lock);
    free(workers->places);
    free(workers->items);
    free(workers);
}
