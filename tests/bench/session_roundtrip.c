/*
 * What a session server costs: round trips of a one-line command per second, and bytes per second
 * of output that is produced with SESSION_MORE. The server is a process of its own, so that its CPU
 * time (printed) and system calls (strace -fc -p PID) can be told apart from the clients'.
 *
 *     session_roundtrip [tls] [CONNECTIONS [SECONDS]]
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
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK_SIZE ((size_t)4096)
#define BLOCKS 65536 /* 256 MiB */

struct state {
    unsigned blocks_left;
};

/* ---- The server: "GET" gives BLOCKS blocks, everything else "ok". */

static enum session_next bench_open(struct session *s)
{
    buf_append_cstr(session_out(s), "hello\r\n");
    return SESSION_READ;
}

static size_t bench_frame(struct session *s, struct str input)
{
    (void)s;
    ptrdiff_t end = str_find_char(input, '\n');
    return end < 0 ? SESSION_FRAME_MORE : (size_t)end + 1;
}

static enum session_next bench_more(struct session *s)
{
    static const char block[BLOCK_SIZE];
    struct state *state = session_state(s);
    while (state->blocks_left > 0 && !session_out_is_full(s)) {
        buf_append(session_out(s), str_make(block, sizeof(block)));
        state->blocks_left--;
    }
    return state->blocks_left > 0 ? SESSION_MORE : SESSION_READ;
}

static enum session_next bench_run(struct session *s, struct str unit)
{
    struct state *state = session_state(s);
    if (str_starts_with(unit, STR("GET"))) {
        state->blocks_left = BLOCKS;
        session_set_trace(s, LOG_TRACE_DATA);
        return bench_more(s);
    }
    buf_append_cstr(session_out(s), "ok\r\n");
    return SESSION_READ;
}

static enum session_next bench_end(struct session *s)
{
    (void)s;
    return SESSION_CLOSE;
}

static enum session_next bench_drain(struct session *s, bool last UNUSED)
{
    return bench_end(s);
}

static const struct session_ops bench_ops = {
    .protocol = "bench",
    .state_size = sizeof(struct state),
    .input_max = 1000,
    .open = bench_open,
    .frame = bench_frame,
    .run = bench_run,
    .more = bench_more,
    .overlong = bench_end,
    .timeout = bench_end,
    .drain = bench_drain,
};

static struct session_server *drained_by_signal;

static void on_signal(int number)
{
    (void)number;
    session_server_drain(drained_by_signal, 1000);
}

static struct tls_context *make_tls(void)
{
    struct err err;
    char directory[] = "/tmp/session-roundtrip-XXXXXX";
    char chain[64];
    char key[64];
    if (!mkdtemp(directory))
        BUG("mkdtemp");
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
    rmdir(directory);
    return tls;
}

static void serve(bool is_tls, int port_pipe)
{
    struct err err;
    struct log *log = log_new(STDERR_FILENO, LOG_ERROR);
    struct log_ctx root = log_root(log, "bench");
    struct session_listener listener = {.ops = &bench_ops,
                                        .address = STR("127.0.0.1"),
                                        .tls = is_tls ? make_tls() : NULL,
                                        .tls_implicit = is_tls};
    struct session_server *server =
        session_server_new(&(struct session_server_config){.log = &root,
                                                           .metrics = metrics_new(),
                                                           .workers_max = 16,
                                                           .sessions_max = 100000,
                                                           .write_timeout_ms = 10000,
                                                           .handshake_timeout_ms = 10000});
    if (!session_server_listen(server, &listener, &err))
        BUG("%s", err.detail);
    drained_by_signal = server;
    signal(SIGTERM, on_signal);
    uint16_t port = session_server_port(server, 0);
    if (write(port_pipe, &port, sizeof(port)) != sizeof(port))
        BUG("pipe");
    session_server_run(server);
}

/* ---- The clients */

static uint16_t port;
static bool uses_tls;
static atomic_bool stopping;
static atomic_ulong rounds;

static struct stream *connect_one(void)
{
    struct err err;
    struct str line;
    struct stream *s = NULL;
    struct stream_target target = {.port = port};
    struct stream_tls tls = {.host = STR("localhost")};
    int64_t deadline_ms = clock_monotonic_ms() + 10000;
    bool ok = ip_parse(STR("127.0.0.1"), &target.ip) &&
              stream_connect(&target, deadline_ms, &s, &err) &&
              (!uses_tls || stream_starttls(s, &tls, deadline_ms, &err)) &&
              stream_read_line(s, 100, deadline_ms, &line, &err);
    if (!ok)
        BUG("%s", err.detail);
    return s;
}

static void *ping(void *argument)
{
    struct err err;
    struct str line;
    struct stream *s = connect_one();
    (void)argument;
    while (!atomic_load(&stopping)) {
        int64_t deadline_ms = clock_monotonic_ms() + 10000;
        if (!stream_write(s, STR("NOOP\r\n"), deadline_ms, &err) ||
            !stream_read_line(s, 100, deadline_ms, &line, &err))
            BUG("%s", err.detail);
        atomic_fetch_add(&rounds, 1);
    }
    stream_close(s);
    return NULL;
}

static double measure_pings(unsigned connections, unsigned seconds)
{
    pthread_t threads[256];
    for (unsigned i = 0; i < connections; i++)
        pthread_create(&threads[i], NULL, ping, NULL);
    int64_t start_ms = clock_monotonic_ms();
    sleep(seconds);
    atomic_store(&stopping, true);
    double per_second =
        (double)atomic_load(&rounds) * 1000 / (double)(clock_monotonic_ms() - start_ms);
    for (unsigned i = 0; i < connections; i++)
        pthread_join(threads[i], NULL);
    return per_second;
}

static double measure_get(void)
{
    struct err err;
    struct str bytes;
    struct stream *s = connect_one();
    int64_t start_ms = clock_monotonic_ms();
    if (!stream_write(s, STR("GET\r\n"), start_ms + 60000, &err))
        BUG("%s", err.detail);
    for (size_t total = 0; total < BLOCKS * BLOCK_SIZE; total += bytes.len)
        if (!stream_read(s, BLOCK_SIZE * BLOCKS, start_ms + 60000, &bytes, &err))
            BUG("%s", err.detail);
    stream_close(s);
    return (double)(BLOCKS * BLOCK_SIZE) / 1000.0 / (double)(clock_monotonic_ms() - start_ms);
}

static double cpu_of_child(void)
{
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static pid_t start_server(void)
{
    int pipe_fds[2];
    if (pipe(pipe_fds) < 0)
        BUG("pipe");
    pid_t pid = fork();
    if (pid == 0) {
        serve(uses_tls, pipe_fds[1]);
        _exit(0);
    }
    if (read(pipe_fds[0], &port, sizeof(port)) != sizeof(port))
        BUG("no server");
    return pid;
}

static void stop_server(pid_t pid)
{
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    uses_tls = argc > 1 && strcmp(argv[1], "tls") == 0;
    int first = uses_tls ? 2 : 1;
    unsigned connections = argc > first ? (unsigned)atoi(argv[first]) : 10;
    unsigned seconds = argc > first + 1 ? (unsigned)atoi(argv[first + 1]) : 3;
    BUG_ON(connections == 0 || connections > 256);

    pid_t pid = start_server();
    printf("server pid %d, port %u\n", (int)pid, port);
    fflush(stdout);
    double per_second = measure_pings(connections, seconds);
    stop_server(pid);
    double cpu = cpu_of_child();
    printf("%u connections: %.0f round trips/s, %.1f us of server CPU each\n", connections,
           per_second, cpu * 1e6 / (double)atomic_load(&rounds));

    pid = start_server();
    double megabytes = measure_get();
    stop_server(pid);
    printf("output: %.0f MB/s, %.2f ms of server CPU per MB\n", megabytes,
           (cpu_of_child() - cpu) * 1000 / ((double)(BLOCKS * BLOCK_SIZE) / 1e6));
    return 0;
}
