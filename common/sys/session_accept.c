#include "common/sys/session_internal.h"

#include "common/base/clock.h"
#include "common/sys/net.h"
#include "common/sys/proxy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPT_AT_ONCE 64
#define ACCEPT_PAUSE_MS 200
#define READ_TIMEOUT_MS (30 * 60 * 1000) /* until the protocol sets one */

/* ---- Listening */

static void declare_metrics(struct session_listening *l, struct metrics *m)
{
    const char *protocol = l->config.ops->protocol;
    if (!m)
        return;
    l->connections = metric_with(
        metrics_counter(m, "mailrail_connections_total", "Connections accepted", "protocol", NULL),
        protocol, NULL);
    l->refused = metric_with(metrics_counter(m, "mailrail_connections_refused_total",
                                             "Connections refused by a limit", "protocol", NULL),
                             protocol, NULL);
    l->open =
        metric_with(metrics_gauge(m, "mailrail_sessions", "Open connections", "protocol", NULL),
                    protocol, NULL);
    l->handshakes = metric_with(metrics_counter(m, "mailrail_tls_handshakes_total",
                                                "TLS handshakes that succeeded", "protocol", NULL),
                                protocol, NULL);
    l->handshake_failures =
        metrics_counter(m, "mailrail_tls_handshake_failures_total",
                        "TLS handshakes that failed, by reason", "protocol", "reason", NULL);
}

static bool parse_proxy_networks(struct session_listening *l, struct err *err)
{
    for (size_t i = 0; i < l->config.proxy_network_count; i++) {
        struct ip_network network;
        TRY(ip_network_parse(l->config.proxy_networks[i], &network, err));
        array_push(&l->proxy_networks, network);
    }
    return true;
}

static bool is_wildcard(struct ip ip)
{
    static const uint8_t zero[16];
    return memcmp(ip.bytes, zero, sizeof(zero)) == 0;
}

static bool open_listening(struct session_listening *l, struct err *err)
{
    struct ip ip;
    if (!ip_parse(l->config.address, &ip))
        return err_set(err, ERR_SYNTAX, "\"%.*s\" is not an IP address",
                       STR_ARG(l->config.address));
    TRY(parse_proxy_networks(l, err));
    TRY(net_listen(ip, l->config.port, &l->fd, err));
    if (l->config.keepalive_s > 0)
        TRY(net_set_keepalive(l->fd, l->config.keepalive_s, err));
    l->is_wildcard = is_wildcard(ip);
    ip_format(ip, l->address);
    l->port = net_port(l->fd);
    return true;
}

bool session_server_listen(struct session_server *server, const struct session_listener *listener,
                           struct err *err)
{
    BUG_ON(listener->ops->input_max > SESSION_INPUT_MAX);
    BUG_ON(listener->tls_implicit && !listener->tls);
    struct session_listening *l = xcalloc(1, sizeof(*l));
    l->config = *listener;
    l->fd = -1;
    if (!open_listening(l, err)) {
        session_listening_free(l);
        return false;
    }
    l->config.address = str_from_cstr(l->address);
    l->config.proxy_networks = NULL;
    declare_metrics(l, server->config.metrics);
    array_push(&server->listeners, l); /* NOLINT(bugprone-sizeof-expression): of pointers */
    return true;
}

void session_listening_free(struct session_listening *l)
{
    if (l->fd >= 0)
        close(l->fd);
    array_release(&l->proxy_networks);
    free(l);
}

/* ---- New connections */

static bool must_send_proxy_header(const struct session_listening *l, struct ip ip)
{
    for (size_t i = 0; i < l->proxy_networks.len; i++)
        if (ip_network_has(&l->proxy_networks.items[i], ip))
            return true;
    return false;
}

static void set_peer(struct session *s, struct ip remote_ip, uint16_t remote_port)
{
    struct session_peer *peer = &s->peer;
    ip_format(remote_ip, peer->remote_ip);
    peer->remote_port = remote_port;
    peer->local_port = s->listening->port;
    struct ip local_ip;
    if (s->listening->is_wildcard && net_local(s->fd, &local_ip, &peer->local_port))
        ip_format(local_ip, peer->local_ip);
    else
        memcpy(peer->local_ip, s->listening->address, sizeof(peer->local_ip));
}

static uint64_t next_cid(struct session_server *server)
{
    return server->config.next_cid ? server->config.next_cid()
                                   : atomic_fetch_add(&server->next_cid, 1);
}

static enum session_phase first_phase(const struct session_listening *l, struct ip remote_ip)
{
    if (must_send_proxy_header(l, remote_ip))
        return PHASE_PROXY;
    return l->config.tls_implicit ? PHASE_HANDSHAKE : PHASE_OPEN;
}

static struct session *new_session(struct session_server *server, struct session_listening *l,
                                   int fd, struct ip remote_ip, uint16_t remote_port)
{
    struct session *s = xcalloc(1, sizeof(*s) + l->config.ops->state_size);
    s->server = server;
    s->listening = l;
    s->ops = l->config.ops;
    s->fd = fd;
    s->phase = first_phase(l, remote_ip);
    list_init(&s->handshake_link);
    buf_init(&s->in, SESSION_INPUT_MAX);
    buf_init(&s->out, SESSION_OUT_MAX);
    s->active_ms = clock_monotonic_ms();
    s->read_timeout_ms = READ_TIMEOUT_MS;
    s->handshake_until_ms = s->active_ms + server->config.handshake_timeout_ms;
    s->log = log_child(&server->log, s->ops->protocol, next_cid(server));
    set_peer(s, remote_ip, remote_port);
    if (l->open)
        metric_add(l->open, 1);
    return s;
}

static void free_session(struct session *s)
{
    session_handshake_end(s);
    session_leave(s);
    if (s->listening->open)
        metric_add(s->listening->open, -1);
    close(s->fd);
    SSL_free(s->ssl);
    session_compression_free(s->compression);
    buf_release_secret(&s->in);
    buf_release(&s->out);
    free(s);
}

/* From the registration on the session belongs to whichever worker hears of it: a new socket can
 * be written to, which is its first event. */
static bool register_session(struct session *s)
{
    struct session_server *server = s->server;
    uint64_t id;
    if (!session_table_add(&server->table, s, &id))
        return false;
    s->id = id;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.u64 = id};
    if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, s->fd, &event) == 0)
        return true;
    session_table_remove(&server->table, id);
    return false;
}

static bool take_in(struct session *s)
{
    const struct session_listening *l = s->listening;
    /* A proxy's header tells later who the client is. */
    if (s->phase != PHASE_PROXY && !session_admit(s))
        return false;
    if (register_session(s)) {
        if (l->connections)
            metric_add(l->connections, 1);
        return true;
    }
    log_warn(&s->log, "too many sessions, connection refused",
             LOG_CSTR("remote", s->peer.remote_ip),
             LOG_U64("sessions_max", s->server->config.sessions_max));
    session_turn_away(s, "too many connections");
    return false;
}

static void welcome(struct session_server *server, struct session_listening *l, int fd,
                    const struct sockaddr_storage *address)
{
    struct ip ip;
    uint16_t port;
    if (!ip_from_sockaddr(address, &ip, &port)) {
        close(fd);
        return;
    }
    struct session *s = new_session(server, l, fd, ip, port);
    if (!take_in(s))
        free_session(s);
}

/* No descriptors or memory: trying again at once would only burn time. */
static void pause_accepting(struct session_server *server, int errnum)
{
    struct err err;
    err_set_errno(&err, errnum, "accept");
    log_warn(&server->log, "cannot accept connections now", LOG_ERR(&err));
    server->accept_after_ms = clock_monotonic_ms() + ACCEPT_PAUSE_MS;
}

void session_accept_all(struct session_server *server, struct session_listening *l)
{
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        struct sockaddr_storage address;
        socklen_t size = sizeof(address);
        int fd = accept4(l->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            welcome(server, l, fd, &address);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_accepting(server, errno);
        if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

void session_destroy(struct session *s)
{
    struct session_server *server = s->server;
    if (s->is_open && s->ops->close)
        s->ops->close(s);
    uint64_t id = s->id;
    free_session(s);
    session_table_remove(&server->table, id);
    if (atomic_load(&server->draining))
        session_poke_loop(server);
}

/* ---- The PROXY header */

static void believe_proxy(struct session *s, const struct proxy_header *header)
{
    if (!header->has_address)
        return;
    ip_format(header->remote_ip, s->peer.remote_ip);
    ip_format(header->local_ip, s->peer.local_ip);
    s->peer.remote_port = header->remote_port;
    s->peer.local_port = header->local_port;
}

/* The header is looked at before it is taken, so that nothing behind it is taken along: that may
 * be the start of a TLS handshake. */
bool session_read_proxy_header(struct session *s, bool *ret_complete, struct err *err)
{
    char bytes[PROXY_HEADER_MAX];
    *ret_complete = false;
    ssize_t n = recv(s->fd, bytes, sizeof(bytes), MSG_PEEK);
    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0)
        return err_set(err, ERR_UNAVAILABLE, "connection closed before the header");
    struct proxy_header header;
    TRY(proxy_header_parse(str_make(bytes, (size_t)n), &header, err));
    if (header.len == 0)
        return !s->hangup || err_set(err, ERR_SYNTAX, "PROXY header is cut off");
    if (recv(s->fd, bytes, header.len, 0) != (ssize_t)header.len)
        return err_set(err, ERR_INTERNAL, "PROXY header cannot be taken");
    s->can_receive = true;
    believe_proxy(s, &header);
    *ret_complete = true;
    return true;
}
