#include "common/sys/session_internal.h"

#include "common/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SCAN_GAP_MS 20 /* deadlines are met this exactly */
#define HANDSHAKE_TIMEOUT_MS 10000

static int must_open(int fd, const char *what)
{
    if (fd < 0)
        BUG("%s: errno %d", what, errno);
    return fd;
}

struct session_server *session_server_new(const struct session_server_config *config)
{
    struct session_server *server = xcalloc(1, sizeof(*server));
    server->config = *config;
    if (config->handshake_timeout_ms == 0)
        server->config.handshake_timeout_ms = HANDSHAKE_TIMEOUT_MS;
    server->log = *config->log;
    session_table_init(&server->table, config->sessions_max);
    atomic_init(&server->next_cid, (uint64_t)clock_wall_ms());
    atomic_init(&server->next_scan_ms, CLOCK_NEVER);
    server->bio_method = session_bio_method();
    server->epoll_fd = must_open(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    server->ready_fd = must_open(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
    server->stop_fd = must_open(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
    server->loop_fd = must_open(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
    size_t half = (config->sessions_max + (size_t)1) / 2;
    server->handshakes_max = half < SESSION_HANDSHAKES_MAX ? half : SESSION_HANDSHAKES_MAX;
    list_init(&server->handshakes);
    pthread_mutex_init(&server->handshakes_lock, NULL);
    list_init(&server->ready);
    pthread_mutex_init(&server->ready_lock, NULL);
    pthread_mutex_init(&server->workers_lock, NULL);
    pthread_cond_init(&server->workers_ended, NULL);
    if (config->metrics)
        server->workers_gauge = metric_with(
            metrics_gauge(config->metrics, "mailrail_session_workers", "Worker threads", NULL),
            NULL);
    return server;
}

uint16_t session_server_port(const struct session_server *server, size_t listener)
{
    return server->listeners.items[listener]->port;
}

size_t session_server_count(const struct session_server *server)
{
    return atomic_load(&server->table.count);
}

void session_server_free(struct session_server *server)
{
    if (!server)
        return;
    for (size_t i = 0; i < server->listeners.len; i++)
        session_listening_free(server->listeners.items[i]);
    array_release(&server->listeners);
    close(server->epoll_fd);
    close(server->ready_fd);
    close(server->stop_fd);
    close(server->loop_fd);
    session_table_release(&server->table);
    BIO_meth_free(server->bio_method);
    pthread_mutex_destroy(&server->handshakes_lock);
    pthread_mutex_destroy(&server->ready_lock);
    pthread_mutex_destroy(&server->workers_lock);
    pthread_cond_destroy(&server->workers_ended);
    free(server);
}

/* ---- Deadlines: the loop looks through all of them, but only when one may have come */

void session_poke_loop(struct session_server *server)
{
    uint64_t one = 1;
    ssize_t n = write(server->loop_fd, &one, sizeof(one));
    (void)n; /* full means that it is poked */
}

/* True when the next look was to be later. */
static bool lower_next_scan(struct session_server *server, int64_t deadline_ms)
{
    int64_t next_ms = atomic_load(&server->next_scan_ms);
    while (deadline_ms < next_ms)
        if (atomic_compare_exchange_weak(&server->next_scan_ms, &next_ms, deadline_ms))
            return true;
    return false;
}

void session_note_deadline(struct session_server *server, int64_t deadline_ms)
{
    if (lower_next_scan(server, deadline_ms))
        session_poke_loop(server);
}

void session_signal(struct session_server *server, uint64_t id, unsigned signals)
{
    struct session *s = session_table_post(&server->table, id, signals);
    if (s)
        session_make_ready(s);
}

static void signal_all(struct session_server *server, unsigned signals)
{
    size_t at = 0;
    uint64_t id;
    while ((id = session_table_next(&server->table, &at)) != 0)
        session_signal(server, id, signals);
}

/* An active client moves its deadline on and on, and nothing here hears of it: most looks find
 * only that it is not yet time. */
static void scan_deadlines(struct session_server *server)
{
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms < atomic_load(&server->next_scan_ms))
        return;
    /* Before the look: a deadline set meanwhile lowers it again. */
    atomic_store(&server->next_scan_ms, CLOCK_NEVER);
    int64_t next_ms = CLOCK_NEVER;
    size_t at = 0;
    uint64_t id;
    while ((id = session_table_due(&server->table, &at, now_ms, &next_ms)) != 0)
        session_signal(server, id, SIGNAL_TIMER);
    if (next_ms < now_ms + SCAN_GAP_MS)
        next_ms = now_ms + SCAN_GAP_MS;
    lower_next_scan(server, next_ms);
}

/* ---- Draining */

void session_server_drain(struct session_server *server, int64_t grace_ms)
{
    atomic_store(&server->drain_until_ms, clock_monotonic_ms() + grace_ms);
    atomic_store(&server->draining, true);
    session_poke_loop(server);
}

static void stop_listening(struct session_server *server)
{
    for (size_t i = 0; i < server->listeners.len; i++) {
        close(server->listeners.items[i]->fd);
        server->listeners.items[i]->fd = -1;
    }
}

static void wait_poked(struct session_server *server, int64_t until_ms)
{
    struct pollfd p = {.fd = server->loop_fd, .events = POLLIN};
    uint64_t count;
    if (poll(&p, 1, clock_poll_timeout(until_ms)) == 1 &&
        read(server->loop_fd, &count, sizeof(count)) < 0)
        BUG_ON(errno != EAGAIN);
}

static void drain(struct session_server *server)
{
    stop_listening(server);
    signal_all(server, SIGNAL_DRAIN);
    bool killed = false;
    while (session_server_count(server) > 0) {
        int64_t until_ms = atomic_load(&server->drain_until_ms);
        if (!killed && clock_monotonic_ms() >= until_ms) {
            signal_all(server, SIGNAL_KILL);
            killed = true;
        }
        int64_t next_ms = atomic_load(&server->next_scan_ms);
        wait_poked(server, killed || next_ms < until_ms ? next_ms : until_ms);
        scan_deadlines(server);
    }
}

/* ---- The loop */

/* Waits for connections, a poke, or the next deadline. */
static void wait_and_accept(struct session_server *server, struct pollfd *polls)
{
    size_t count = server->listeners.len;
    int64_t now_ms = clock_monotonic_ms();
    int64_t until_ms = atomic_load(&server->next_scan_ms);
    bool accepts = now_ms >= server->accept_after_ms;
    if (!accepts && server->accept_after_ms < until_ms)
        until_ms = server->accept_after_ms;
    polls[0] = (struct pollfd){.fd = server->loop_fd, .events = POLLIN};
    for (size_t i = 0; i < count; i++)
        polls[i + 1] =
            (struct pollfd){.fd = accepts ? server->listeners.items[i]->fd : -1, .events = POLLIN};
    if (poll(polls, count + 1, clock_poll_timeout(until_ms)) <= 0)
        return;
    uint64_t pokes;
    if (polls[0].revents && read(server->loop_fd, &pokes, sizeof(pokes)) < 0)
        BUG_ON(errno != EAGAIN);
    for (size_t i = 0; i < count; i++)
        if (polls[i + 1].revents)
            session_accept_all(server, server->listeners.items[i]);
}

void session_server_run(struct session_server *server)
{
    struct err err;
    if (!session_workers_start(server, &err))
        BUG("%s", err.detail);
    struct pollfd *polls = xcalloc(server->listeners.len + 1, sizeof(*polls));
    while (!atomic_load(&server->draining)) {
        wait_and_accept(server, polls);
        scan_deadlines(server);
    }
    drain(server);
    session_workers_stop(server);
    free(polls);
}
