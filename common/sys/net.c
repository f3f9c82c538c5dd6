#include "common/sys/net.h"

#include "common/base/clock.h"
#include "common/sys/file.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#define BACKLOG 1024
#define KEEPALIVE_S 300
#define PROBE_EVERY_S 60 /* without an answer, at most */
#define PROBES 4         /* without an answer: the peer is gone */

static bool set_option(int fd, int level, int name, int value, const char *what, struct err *err)
{
    if (setsockopt(fd, level, name, &value, sizeof(value)) < 0)
        return err_set_errno(err, errno, "set %s", what);
    return true;
}

static bool set_stream_options(int fd, struct err *err)
{
    return set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY", err) &&
           set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE", err) &&
           net_set_keepalive(fd, KEEPALIVE_S, err);
}

bool net_set_keepalive(int fd, unsigned seconds, struct err *err)
{
    int every_s = (int)(seconds < PROBE_EVERY_S ? seconds : PROBE_EVERY_S);
    return set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)seconds, "TCP_KEEPIDLE", err) &&
           set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, every_s, "TCP_KEEPINTVL", err) &&
           set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES, "TCP_KEEPCNT", err);
}

void net_acknowledge(int fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on)); /* else it comes later */
}

static bool open_socket(struct ip ip, int *ret_fd, struct err *err)
{
    int fd = socket(ip.is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(err, errno, "socket");
    if (!set_stream_options(fd, err)) {
        close(fd);
        return false;
    }
    *ret_fd = fd;
    return true;
}

static bool bind_and_listen(int fd, struct ip ip, uint16_t port, struct err *err)
{
    struct sockaddr_storage address;
    socklen_t size = ip_to_sockaddr(ip, port, &address);
    TRY(set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR", err));
    if (ip.is_v6)
        TRY(set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY", err));
    if (bind(fd, (struct sockaddr *)&address, size) < 0)
        return err_set_errno(err, errno, "bind");
    if (listen(fd, BACKLOG) < 0)
        return err_set_errno(err, errno, "listen");
    return true;
}

static bool wrap_endpoint(struct err *err, const char *what, struct ip ip, uint16_t port)
{
    char text[IP_TEXT_SIZE];
    ip_format(ip, text);
    return err_wrap(err, ip.is_v6 ? "%s [%s]:%u" : "%s %s:%u", what, text, port);
}

bool net_listen(struct ip ip, uint16_t port, int *ret_fd, struct err *err)
{
    CLEANUP(fd_cleanup) int fd = -1;
    if (!open_socket(ip, &fd, err) || !bind_and_listen(fd, ip, port, err))
        return wrap_endpoint(err, "listen on", ip, port);
    *ret_fd = fd;
    fd = -1;
    return true;
}

bool net_wait(int fd, short events, int64_t deadline_ms, struct err *err)
{
    struct pollfd p = {.fd = fd, .events = events};
    for (;;) {
        int n = poll(&p, 1, clock_poll_timeout(deadline_ms));
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return err_set_errno(err, errno, "poll");
        if (clock_monotonic_ms() >= deadline_ms)
            return err_set(err, ERR_TIMEOUT, "timed out");
    }
}

static bool bind_local(int fd, struct ip local, struct err *err)
{
    struct sockaddr_storage address;
    socklen_t size = ip_to_sockaddr(local, 0, &address);
    if (bind(fd, (struct sockaddr *)&address, size) < 0) {
        int errnum = errno;
        char text[IP_TEXT_SIZE];
        ip_format(local, text);
        return err_set_errno(err, errnum, "from %s", text);
    }
    return true;
}

static bool connect_socket(int fd, struct ip ip, uint16_t port, int64_t deadline_ms,
                           struct err *err)
{
    struct sockaddr_storage address;
    socklen_t size = ip_to_sockaddr(ip, port, &address);
    if (connect(fd, (struct sockaddr *)&address, size) == 0)
        return true;
    if (errno != EINPROGRESS && errno != EINTR)
        return err_set_errno(err, errno, "connect");
    TRY(net_wait(fd, POLLOUT, deadline_ms, err));
    int failure = 0;
    socklen_t failure_size = sizeof(failure);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &failure_size) < 0)
        failure = errno;
    return failure == 0 || err_set_errno(err, failure, "connect");
}

bool net_connect(struct ip ip, uint16_t port, const struct ip *local, int64_t deadline_ms,
                 int *ret_fd, struct err *err)
{
    CLEANUP(fd_cleanup) int fd = -1;
    if (!open_socket(ip, &fd, err) || (local && !bind_local(fd, *local, err)) ||
        !connect_socket(fd, ip, port, deadline_ms, err))
        return wrap_endpoint(err, "connect to", ip, port);
    *ret_fd = fd;
    fd = -1;
    return true;
}

bool net_local(int fd, struct ip *ret_ip, uint16_t *ret_port)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    return getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
           ip_from_sockaddr(&address, ret_ip, ret_port);
}

uint16_t net_port(int fd)
{
    struct ip ip;
    uint16_t port;
    return net_local(fd, &ip, &port) ? port : 0;
}
