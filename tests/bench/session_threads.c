/*
 * Drives a session server from many threads at once, to be run under ThreadSanitizer (Criterion
 * cannot): commands, pipelining, wakes, TLS, clients that vanish, and a drain in the middle.
 * Prints how many commands were answered; exit status 1 when an answer was wrong.
 *
 *     session_threads [SECONDS]
 */
#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/sys/session.h"
#include "common/sys/stream.h"
#include "common/sys/tls.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLIENTS 8

static struct session_server *server;
static struct session_handle handles[CLIENTS];
static pthread_mutex_t handles_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool stopping;
static atomic_ulong answered;
static atomic_ulong wrong;

/* ---- The server: "N text" is answered by "text"; the session can be woken through handle N. */

static enum session_next echo_open(struct session *s)
{
    buf_append_cstr(session_out(s), "hello\r\n");
    return SESSION_READ;
}

static size_t echo_frame(struct session *s, struct str input)
{
    (void)s;
    ptrdiff_t end = str_find_char(input, '\n');
    return end < 0 ? SESSION_FRAME_MORE : (size_t)end + 1;
}

static enum session_next echo_run(struct session *s, struct str unit)
{
    unsigned at = (unsigned)(unit.ptr[0] - '0');
    pthread_mutex_lock(&handles_lock);
    handles[at % CLIENTS] = session_handle(s);
    pthread_mutex_unlock(&handles_lock);
    if (unit.len % 7 == 0)
        usleep(500); /* a call to another service */
    buf_append(session_out(s), str_skip(unit, 2));
    return SESSION_READ;
}

static enum session_next echo_wake(struct session *s)
{
    buf_append_cstr(session_out(s), "*\r\n");
    return SESSION_READ;
}

static enum session_next echo_bye(struct session *s)
{
    (void)s;
    return SESSION_CLOSE;
}

static enum session_next echo_drain(struct session *s, bool last UNUSED)
{
    return echo_bye(s);
}

static const struct session_ops echo_ops = {
    .protocol = "echo",
    .input_max = 1000,
    .open = echo_open,
    .frame = echo_frame,
    .run = echo_run,
    .secured = echo_open,
    .wake = echo_wake,
    .overlong = echo_bye,
    .timeout = echo_bye,
    .drain = echo_drain,
};

/* ---- The clients */

static bool read_answer(struct stream *s, const char *want, struct err *err)
{
    struct str line;
    do
        TRY(stream_read_line(s, 1000, clock_monotonic_ms() + 20000, &line, err));
    while (str_eq(line, STR("*")));
    if (!str_eq(line, str_from_cstr(want))) {
        fprintf(stderr, "got \"%.*s\", want \"%s\"\n", STR_ARG(line), want);
        atomic_fetch_add(&wrong, 1);
    }
    atomic_fetch_add(&answered, 1);
    return true;
}

static bool talk(struct stream *s, unsigned at, unsigned rounds, struct err *err)
{
    int64_t deadline_ms = clock_monotonic_ms() + 20000;
    for (unsigned i = 0; i < rounds; i++) {
        char commands[128];
        char want[3][32];
        int len = 0;
        unsigned batch = 1 + i % 3;
        for (unsigned k = 0; k < batch; k++) {
            snprintf(want[k], sizeof(want[k]), "%u-%u-%0*u", at, i, (int)(i % 9), k);
            len +=
                snprintf(commands + len, sizeof(commands) - (size_t)len, "%u %s\r\n", at, want[k]);
        }
        TRY(stream_write(s, str_make(commands, (size_t)len), deadline_ms, err));
        for (unsigned k = 0; k < batch; k++)
            TRY(read_answer(s, want[k], err));
    }
    return true;
}

static bool one_connection(unsigned at, unsigned round, struct err *err)
{
    struct stream *s = NULL;
    bool is_tls = at % 2 == 1;
    struct stream_target target = {.port = session_server_port(server, is_tls)};
    struct stream_tls tls = {.host = STR("localhost")};
    int64_t deadline_ms = clock_monotonic_ms() + 20000;
    if (!ip_parse(STR("127.0.0.1"), &target.ip))
        return false;
    TRY(stream_connect(&target, deadline_ms, &s, err));
    bool ok = (!is_tls || stream_starttls(s, &tls, deadline_ms, err)) &&
              read_answer(s, "hello", err) && talk(s, at, 20 + round % 50, err);
    stream_close(s);
    return ok;
}

static void *client_main(void *argument)
{
    unsigned at = (unsigned)(uintptr_t)argument;
    struct err err;
    for (unsigned round = 0; !atomic_load(&stopping); round++)
        if (!one_connection(at, round, &err) && !atomic_load(&stopping))
            fprintf(stderr, "client %u: %s\n", at, err.detail);
    return NULL;
}

static void *waker_main(void *argument)
{
    (void)argument;
    for (unsigned i = 0; !atomic_load(&stopping); i++) {
        pthread_mutex_lock(&handles_lock);
        struct session_handle handle = handles[i % CLIENTS];
        pthread_mutex_unlock(&handles_lock);
        if (handle.server)
            session_wake(handle);
        usleep(50);
    }
    return NULL;
}

static void *server_main(void *argument)
{
    (void)argument;
    session_server_run(server);
    return NULL;
}

static struct tls_context *make_tls(const char *directory)
{
    struct err err;
    char chain[64];
    char key[64];
    snprintf(chain, sizeof(chain), "%s/chain.pem", directory);
    snprintf(key, sizeof(key), "%s/key.pem", directory);
    struct tls_certificate certificate = {str_from_cstr(chain), str_from_cstr(key)};
    struct tls_server_config config = {.certificates = &certificate, .certificate_count = 1};
    if (!tls_make_self_signed(STR("localhost"), certificate.chain_file, certificate.key_file, &err))
        BUG("%s", err.detail);
    struct tls_context *tls = tls_context_new_server(&config, &err);
    if (!tls)
        BUG("%s", err.detail);
    unlink(chain);
    unlink(key);
    return tls;
}

static void listen_on_both(struct tls_context *tls)
{
    struct err err;
    struct session_listener listener = {.ops = &echo_ops, .address = STR("127.0.0.1")};
    if (!session_server_listen(server, &listener, &err))
        BUG("%s", err.detail);
    listener.tls = tls;
    listener.tls_implicit = true;
    if (!session_server_listen(server, &listener, &err))
        BUG("%s", err.detail);
}

int main(int argc, char **argv)
{
    char directory[] = "/tmp/session-threads-XXXXXX";
    unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 3;
    pthread_t server_thread, waker, clients[CLIENTS];
    signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(directory))
        BUG("mkdtemp");
    struct tls_context *tls = make_tls(directory);
    struct log *log = log_new(STDERR_FILENO, LOG_ERROR);
    struct log_ctx root = log_root(log, "test");
    struct metrics *metrics = metrics_new();
    server = session_server_new(&(struct session_server_config){.log = &root,
                                                                .metrics = metrics,
                                                                .workers_max = 4,
                                                                .sessions_max = 100,
                                                                .write_timeout_ms = 10000,
                                                                .handshake_timeout_ms = 10000});
    listen_on_both(tls);
    pthread_create(&server_thread, NULL, server_main, NULL);
    pthread_create(&waker, NULL, waker_main, NULL);
    for (uintptr_t i = 0; i < CLIENTS; i++)
        pthread_create(&clients[i], NULL, client_main, (void *)i);
    sleep(seconds);
    atomic_store(&stopping, true);
    session_server_drain(server, 1000);
    for (size_t i = 0; i < CLIENTS; i++)
        pthread_join(clients[i], NULL);
    pthread_join(waker, NULL);
    pthread_join(server_thread, NULL);
    session_server_free(server);
    tls_context_free(tls);
    metrics_free(metrics);
    log_free(log);
    rmdir(directory);
    printf("%lu answers, %lu wrong\n", atomic_load(&answered), atomic_load(&wrong));
    return atomic_load(&wrong) > 0;
}
