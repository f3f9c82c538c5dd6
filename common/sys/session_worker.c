#include "common/sys/session_internal.h"

#include "common/base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * Workers wait for events themselves: the thread that the kernel wakes is the one that runs the
 * command, without a queue and a second wake-up in between. As long as there may be more threads,
 * at least one waits: whoever starts working as the last waiting one starts another first.
 */

#define IDLE_MS 10000
/* After so long with sessions that were ready a worker looks at the sockets. */
#define READY_MS 10
/* What an event means; session ids are never so small. */
#define EVENT_READY ((uint64_t)1)
#define EVENT_STOP ((uint64_t)2)

static void signal_fd(int fd)
{
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof(one));
    BUG_ON(n != (ssize_t)sizeof(one));
}

/* ---- Sessions that are owned and wait for a worker: woken, timed out, or yielding */

/* Under the lock. When sessions are waiting, a worker is on its way, and only one. */
static bool must_call(struct session_server *server)
{
    bool must = !list_is_empty(&server->ready) && !server->ready_called;
    server->ready_called = server->ready_called || must;
    return must;
}

void session_make_ready(struct session *s)
{
    struct session_server *server = s->server;
    pthread_mutex_lock(&server->ready_lock);
    list_append(&server->ready, &s->ready_link);
    bool call = must_call(server);
    pthread_mutex_unlock(&server->ready_lock);
    if (call)
        signal_fd(server->ready_fd);
}

/* One for the caller, who was called, or asks for more; for what is left another worker is called.
 */
static struct session *take_ready(struct session_server *server, bool was_called)
{
    struct session *s = NULL;
    pthread_mutex_lock(&server->ready_lock);
    if (was_called)
        server->ready_called = false;
    if (!list_is_empty(&server->ready)) {
        s = CONTAINER_OF(server->ready.next, struct session, ready_link);
        list_remove(&s->ready_link);
    }
    bool call = must_call(server);
    pthread_mutex_unlock(&server->ready_lock);
    if (call)
        signal_fd(server->ready_fd);
    return s;
}

/* ---- Threads */

static void *worker_main(void *argument);

static void count_workers(struct session_server *server)
{
    if (server->workers_gauge)
        metric_set(server->workers_gauge, server->workers);
}

/* Under the lock. The new thread counts as waiting before it exists: it may have begun to work
 * before pthread_create returns. Returns an errno value. */
static int start_worker_locked(struct session_server *server)
{
    pthread_t thread;
    atomic_fetch_add(&server->workers_idle, 1);
    int failure = pthread_create(&thread, NULL, worker_main, server);
    if (failure != 0) {
        atomic_fetch_sub(&server->workers_idle, 1);
        return failure;
    }
    server->workers++;
    count_workers(server);
    return 0;
}

static int start_worker(struct session_server *server)
{
    int failure = 0;
    pthread_mutex_lock(&server->workers_lock);
    if (server->workers < server->config.workers_max)
        failure = start_worker_locked(server);
    pthread_mutex_unlock(&server->workers_lock);
    return failure;
}

/* Under the lock. Each thread is joined by the one that ends after it, the last by the server. */
static void count_out(struct session_server *server, struct session_worker *worker)
{
    server->workers--;
    count_workers(server);
    worker->has_predecessor = server->has_ended;
    worker->predecessor = server->ended;
    server->has_ended = true;
    server->ended = pthread_self();
    pthread_cond_signal(&server->workers_ended);
}

/* An idle worker ends, but not the last one that waits: the others may be busy for long. */
static bool may_end(struct session_server *server, struct session_worker *worker)
{
    bool ends = false;
    pthread_mutex_lock(&server->workers_lock);
    unsigned idle = atomic_load(&server->workers_idle);
    while (idle > 1 && !ends)
        ends = atomic_compare_exchange_weak(&server->workers_idle, &idle, idle - 1);
    if (ends)
        count_out(server, worker);
    pthread_mutex_unlock(&server->workers_lock);
    return ends;
}

static void end_for_good(struct session_server *server, struct session_worker *worker)
{
    pthread_mutex_lock(&server->workers_lock);
    count_out(server, worker);
    pthread_mutex_unlock(&server->workers_lock);
}

static unsigned signals_of(uint32_t events)
{
    unsigned signals = 0;
    if (events & EPOLLIN)
        signals |= SIGNAL_READABLE;
    if (events & EPOLLOUT)
        signals |= SIGNAL_WRITABLE;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        signals |= SIGNAL_HANGUP;
    return signals;
}

static void work(struct session_server *server, struct session_worker *worker, struct session *s,
                 unsigned signals)
{
    /* A failure is no disaster: the others go on. */
    if (atomic_fetch_sub(&server->workers_idle, 1) == 1)
        (void)start_worker(server);
    signals |= session_table_take(&server->table, s->id);
    session_work(s, worker, signals);
    atomic_fetch_add(&server->workers_idle, 1);
}

static void work_on_ready(struct session_server *server, struct session_worker *worker)
{
    int64_t until_ms = clock_monotonic_ms() + READY_MS;
    struct session *s = take_ready(server, true);
    while (s) {
        work(server, worker, s, 0);
        s = clock_monotonic_ms() < until_ms ? take_ready(server, false) : NULL;
    }
}

static void work_on_socket(struct session_server *server, struct session_worker *worker,
                           const struct epoll_event *event)
{
    unsigned signals = signals_of(event->events);
    struct session *s = session_table_post(&server->table, event->data.u64, signals);
    if (s)
        work(server, worker, s, signals);
}

/* Runs some sessions, or none; false when this worker is to end. */
static bool wait_and_work(struct session_server *server, struct session_worker *worker)
{
    struct epoll_event event;
    int n = epoll_wait(server->epoll_fd, &event, 1, IDLE_MS);
    if (n == 0)
        return !may_end(server, worker);
    BUG_ON(n < 0 && errno != EINTR);
    if (n < 0)
        return true;
    if (event.data.u64 == EVENT_STOP) {
        end_for_good(server, worker);
        return false;
    }
    if (event.data.u64 == EVENT_READY)
        work_on_ready(server, worker);
    else
        work_on_socket(server, worker, &event);
    return true;
}

static void *worker_main(void *argument)
{
    struct session_server *server = argument;
    struct session_worker worker;
    session_worker_init(&worker);
    while (wait_and_work(server, &worker))
        ;
    session_worker_release(&worker);
    if (worker.has_predecessor)
        pthread_join(worker.predecessor, NULL);
    return NULL;
}

/* ---- Start and stop */

static bool watch(struct session_server *server, int fd, uint32_t events, uint64_t meaning,
                  struct err *err)
{
    struct epoll_event event = {.events = events, .data.u64 = meaning};
    if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return err_set_errno(err, errno, "epoll");
    return true;
}

bool session_workers_start(struct session_server *server, struct err *err)
{
    TRY(watch(server, server->ready_fd, EPOLLIN | EPOLLET, EVENT_READY, err));
    TRY(watch(server, server->stop_fd, EPOLLIN, EVENT_STOP, err));
    int failure = start_worker(server);
    return failure == 0 || err_set_errno(err, failure, "start a worker thread");
}

void session_workers_stop(struct session_server *server)
{
    signal_fd(server->stop_fd);
    pthread_mutex_lock(&server->workers_lock);
    while (server->workers > 0)
        pthread_cond_wait(&server->workers_ended, &server->workers_lock);
    pthread_mutex_unlock(&server->workers_lock);
    pthread_join(server->ended, NULL);
}
