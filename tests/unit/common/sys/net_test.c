#include "common/sys/net.h"

#include "common/base/clock.h"
#include "common/sys/file.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

static struct ip ip_at(const char *text)
{
    struct ip ip;
    cr_assert(ip_parse(str_from_cstr(text), &ip), "%s", text);
    return ip;
}

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof(value);
    cr_assert_eq(getsockopt(fd, level, name, &value, &size), 0);
    return value;
}

Test(net, a_port_in_use_is_named)
{
    struct err err;
    char want[128];
    CLEANUP(fd_cleanup) int first = -1;
    int second;
    cr_assert(net_listen(ip_at("127.0.0.1"), 0, &first, &err), "%s", err.detail);
    uint16_t port = net_port(first);
    cr_assert_neq(port, 0);
    cr_assert_not(net_listen(ip_at("127.0.0.1"), port, &second, &err));
    snprintf(want, sizeof(want), "listen on 127.0.0.1:%u: bind: Address already in use", port);
    cr_assert_str_eq(err.detail, want, "%s", err.detail);
    cr_assert_not(net_listen(ip_at("2001:db8::1"), 25, &second, &err));
    cr_assert(str_starts_with(str_from_cstr(err.detail), STR("listen on [2001:db8::1]:25: bind: ")),
              "%s", err.detail);
}

/* Spec 10 A1: "0.0.0.0" and "::" side by side. */
Test(net, families_do_not_share_a_port)
{
    struct err err;
    CLEANUP(fd_cleanup) int v4 = -1;
    CLEANUP(fd_cleanup) int v6 = -1;
    cr_assert(net_listen(ip_at("0.0.0.0"), 0, &v4, &err), "%s", err.detail);
    if (!net_listen(ip_at("::"), net_port(v4), &v6, &err))
        cr_assert_neq(err.kind, ERR_CONFLICT, "%s", err.detail); /* a machine without IPv6 */
}

Test(net, connections_have_the_options_of_interactive_ones)
{
    struct err err;
    CLEANUP(fd_cleanup) int listener = -1;
    CLEANUP(fd_cleanup) int client = -1;
    cr_assert(net_listen(ip_at("127.0.0.1"), 0, &listener, &err), "%s", err.detail);
    cr_assert(net_connect(ip_at("127.0.0.1"), net_port(listener), NULL, clock_monotonic_ms() + 5000,
                          &client, &err),
              "%s", err.detail);
    cr_assert(net_wait(listener, POLLIN, clock_monotonic_ms() + 5000, &err));
    CLEANUP(fd_cleanup) int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    const int fds[] = {client, accepted};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        cr_assert_eq(option_of(fds[i], IPPROTO_TCP, TCP_NODELAY), 1, "row %zu", i);
        cr_assert_eq(option_of(fds[i], SOL_SOCKET, SO_KEEPALIVE), 1, "row %zu", i);
        cr_assert_eq(option_of(fds[i], IPPROTO_TCP, TCP_KEEPIDLE), 300, "row %zu", i);
        cr_assert(fcntl(fds[i], F_GETFD) & FD_CLOEXEC, "row %zu", i);
    }
}

Test(net, waiting_ends_at_the_deadline)
{
    struct err err;
    CLEANUP(fd_cleanup) int listener = -1;
    cr_assert(net_listen(ip_at("127.0.0.1"), 0, &listener, &err), "%s", err.detail);
    int64_t start_ms = clock_monotonic_ms();
    cr_assert_not(net_wait(listener, POLLIN, start_ms + 50, &err));
    cr_assert_eq(err.kind, ERR_TIMEOUT);
    cr_assert(clock_monotonic_ms() >= start_ms + 50);
}
