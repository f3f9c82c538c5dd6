/*
 * Opens many TLS connections to a port, waits for the greeting on each, leaves them idle, and
 * prints what they cost the server process in memory (proportional set size) and threads. The
 * client's own TLS state is thrown away after the greeting; only its sockets stay open.
 *
 *     idle_sessions IP PORT COUNT SERVER-PID
 *
 * The server must allow that many descriptors (ulimit -n) and connections from one address.
 */
#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/sys/net.h"
#include "common/sys/tls.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The number behind `key` in /proc/PID/FILE; 0 when it is not there. */
static long read_proc(const char *pid, const char *file, const char *key)
{
    char path[64];
    char line[256];
    long value = 0;
    snprintf(path, sizeof(path), "/proc/%s/%s", pid, file);
    FILE *in = fopen(path, "r");
    if (!in)
        BUG("%s cannot be read", path);
    while (fgets(line, sizeof(line), in))
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtol(line + strlen(key), NULL, 10);
    fclose(in);
    return value;
}

static void allow_descriptors(unsigned count)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < count + 16)
        BUG("only %lu descriptors are allowed", (unsigned long)limit.rlim_cur);
}

static void open_one(SSL_CTX *ctx, struct ip ip, uint16_t port)
{
    char greeting[1024];
    struct err err;
    int fd;
    if (!net_connect(ip, port, NULL, clock_monotonic_ms() + 10000, &fd, &err))
        BUG("%s", err.detail);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    if (SSL_connect(ssl) != 1 || SSL_read(ssl, greeting, sizeof(greeting)) <= 0)
        BUG("no TLS, or no greeting");
    SSL_set_quiet_shutdown(ssl, 1);
    SSL_free(ssl); /* the socket stays */
}

static void report(const char *when, const char *pid)
{
    printf("%s: %ld KiB PSS, %ld threads\n", when, read_proc(pid, "smaps_rollup", "Pss:"),
           read_proc(pid, "status", "Threads:"));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct ip ip;
    if (argc != 5 || !ip_parse(str_from_cstr(argv[1]), &ip)) {
        fprintf(stderr, "usage: idle_sessions IP PORT COUNT SERVER-PID\n");
        return 2;
    }
    uint16_t port = (uint16_t)atoi(argv[2]);
    unsigned count = (unsigned)atoi(argv[3]);
    const char *pid = argv[4];
    allow_descriptors(count);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    open_one(ctx, ip, port); /* what is made once is not the sessions' */
    report("before", pid);
    long before = read_proc(pid, "smaps_rollup", "Pss:");
    int64_t start_ms = clock_monotonic_ms();
    for (unsigned i = 0; i < count; i++)
        open_one(ctx, ip, port);
    printf("%u connections in %lld ms\n", count, (long long)(clock_monotonic_ms() - start_ms));
    report("all open", pid);
    sleep(15);
    report("15 s later", pid);
    long after = read_proc(pid, "smaps_rollup", "Pss:");
    printf("%.2f KiB per session\n", (double)(after - before) / count);
    SSL_CTX_free(ctx);
    return 0;
}
