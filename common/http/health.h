#ifndef COMMON_HTTP_HEALTH_H
#define COMMON_HTTP_HEALTH_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/sys/ip.h"

/*
 * How a service says that it lives: a small HTTP server on a unix socket, and on TCP when wanted,
 * with one thread for each.
 *
 *   /healthz  200 as long as the process answers
 *   /readyz   200 when `ready` says yes, else 503 and the reason
 *   /metrics  what `metrics` appends: Prometheus text
 *
 *     struct health_ops ops = {.ready = is_ready, .metrics = write_metrics, .user = service};
 *     struct health_server *server = health_server_new("/run/mailrail/imap.health", &ops, err);
 *     ... health_get("/run/mailrail/imap.health", "/readyz", 1000, &answer, err) ...
 */

struct health_ops {
    bool (*ready)(void *user, struct err *err); /* false with the reason in err->detail */
    void (*metrics)(void *user, struct buf *out);
    void *user;
};

struct health_server;

/* Listens on the unix socket; one that a dead process left behind is replaced. ERR_CONFLICT when a
 * living process answers there. */
struct health_server *health_server_new(const char *socket_path, const struct health_ops *ops,
                                        struct err *err);
/* Listens on TCP as well: "127.0.0.1:8010", "[::1]:8010". */
/* False when it is not "address:port", "[2001:db8::1]:port". */
bool health_address_parse(struct str text, struct ip *ret_ip, uint16_t *ret_port) MUST_USE;
bool health_server_listen(struct health_server *server, struct str address,
                          struct err *err) MUST_USE;
/* Removes the socket as well. */
void health_server_free(struct health_server *server);

/* Asks a service by its socket: the status and the body (cut to what `ret_body` holds).
 * ERR_UNAVAILABLE when nobody answers there, ERR_TIMEOUT when not in time. */
bool health_get(const char *socket_path, const char *target, int64_t timeout_ms,
                unsigned *ret_status, struct buf *ret_body, struct err *err) MUST_USE;

#endif
