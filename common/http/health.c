#include "common/http/health.h"

#include "common/base/bug.h"
#include "common/sys/file.h"
#include "common/sys/net.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define METRICS_MAX (16 << 20)
#define CONNECTIONS_MAX 16
#define CONNECTION_MEMORY (8 << 10)
#define CONNECTION_TIMEOUT_S 10
#define THREAD_STACK (512 << 10)

struct health_server {
    struct health_ops ops;
    struct sockaddr_un address;
    struct MHD_Daemon *unix_daemon;
    struct MHD_Daemon *tcp_daemon; /* NULL: none */
};

/* ---- Pages */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status,
                              const char *content_type, struct str body)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body.len, (void *)(uintptr_t)body.ptr, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status,
                                   const char *text)
{
    return answer(connection, status, "text/plain; charset=utf-8", str_from_cstr(text));
}

static enum MHD_Result page_healthz(struct health_server *server, struct MHD_Connection *connection)
{
    (void)server;
    return answer_text(connection, MHD_HTTP_OK, "ok\n");
}

static enum MHD_Result page_readyz(struct health_server *server, struct MHD_Connection *connection)
{
    struct err reason;
    if (server->ops.ready(server->ops.user, &reason))
        return answer_text(connection, MHD_HTTP_OK, "ready\n");
    return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, reason.detail);
}

static enum MHD_Result page_metrics(struct health_server *server, struct MHD_Connection *connection)
{
    struct buf text;
    buf_init(&text, METRICS_MAX);
    server->ops.metrics(server->ops.user, &text);
    enum MHD_Result result =
        answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4", buf_str(&text));
    buf_release(&text);
    return result;
}

static const struct {
    const char *path;
    enum MHD_Result (*page)(struct health_server *server, struct MHD_Connection *connection);
} pages[] = {
    {"/healthz", page_healthz},
    {"/readyz", page_readyz},
    {"/metrics", page_metrics},
};

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **request)
{
    (void)version, (void)upload, (void)upload_size, (void)request;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        if (strcmp(url, pages[i].path) == 0)
            return pages[i].page(user, connection);
    }
    return answer_text(connection, MHD_HTTP_NOT_FOUND, "try /healthz, /readyz or /metrics\n");
}

/* ---- The server */

/* Takes `listener`. */
static struct MHD_Daemon *start_daemon(struct health_server *server, int listener, struct err *err)
{
    struct MHD_Daemon *started = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET,
        listener, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_TIMEOUT_S, MHD_OPTION_THREAD_STACK_SIZE,
        (size_t)THREAD_STACK, MHD_OPTION_END);
    if (!started) {
        close(listener);
        err_set_errno(err, errno, "cannot start the health server");
    }
    return started;
}

static bool somebody_answers(const struct sockaddr_un *address)
{
    CLEANUP(fd_cleanup) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN;
}

/* Binds; a socket that a dead process left behind is replaced. */
static bool bind_unix(int fd, const struct sockaddr_un *address, struct err *err)
{
    const struct sockaddr *generic = (const struct sockaddr *)address;
    int bound = bind(fd, generic, sizeof(*address));
    if (bound < 0 && errno == EADDRINUSE) {
        if (somebody_answers(address))
            return err_set(err, ERR_CONFLICT,
                           "%s: another process is serving it: does this service run already?",
                           address->sun_path);
        unlink(address->sun_path);
        bound = bind(fd, generic, sizeof(*address));
    }
    if (bound < 0 || listen(fd, CONNECTIONS_MAX) < 0)
        return err_set_errno(err, errno, "%s", address->sun_path);
    return true;
}

/* -1 on failure. */
static int listen_unix(const struct sockaddr_un *address, struct err *err)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        err_set_errno(err, errno, "%s", address->sun_path);
    } else if (!bind_unix(fd, address, err)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

struct health_server *health_server_new(const char *socket_path, const struct health_ops *ops,
                                        struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!str_copy_cstr(str_from_cstr(socket_path), address.sun_path, sizeof(address.sun_path))) {
        err_set(err, ERR_LIMIT, "%s: too long for a socket", socket_path);
        return NULL;
    }
    int listener = listen_unix(&address, err);
    if (listener < 0)
        return NULL;
    struct health_server *server = xcalloc(1, sizeof(*server));
    server->ops = *ops;
    server->address = address;
    server->unix_daemon = start_daemon(server, listener, err);
    if (!server->unix_daemon) {
        health_server_free(server);
        return NULL;
    }
    return server;
}

bool health_address_parse(struct str address, struct ip *ret_ip, uint16_t *ret_port)
{
    ptrdiff_t colon = str_rfind_char(address, ':');
    uint64_t port;
    if (colon < 0 || !str_to_u64(str_skip(address, (size_t)colon + 1), UINT16_MAX, &port))
        return false;
    struct str host = str_slice(address, 0, (size_t)colon);
    if (str_starts_with(host, STR("[")) && str_ends_with(host, STR("]")))
        host = str_slice(host, 1, host.len - 2);
    *ret_port = (uint16_t)port;
    return ip_parse(host, ret_ip);
}

bool health_server_listen(struct health_server *server, struct str address, struct err *err)
{
    struct ip ip;
    uint16_t port;
    if (!health_address_parse(address, &ip, &port))
        return err_set(err, ERR_SYNTAX, "\"%.*s\" is not address:port", STR_ARG(address));
    int listener;
    TRY(net_listen(ip, port, &listener, err));
    server->tcp_daemon = start_daemon(server, listener, err);
    return server->tcp_daemon != NULL;
}

void health_server_free(struct health_server *server)
{
    if (!server)
        return;
    if (server->tcp_daemon)
        MHD_stop_daemon(server->tcp_daemon);
    if (server->unix_daemon)
        MHD_stop_daemon(server->unix_daemon);
    unlink(server->address.sun_path);
    free(server);
}
