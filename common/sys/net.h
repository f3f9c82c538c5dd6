#ifndef COMMON_SYS_NET_H
#define COMMON_SYS_NET_H

#include "common/sys/ip.h"

/*
 * TCP sockets. Everything made here is non-blocking and closed on exec, has TCP_NODELAY set, and
 * sends keep-alive probes after five minutes of silence: routers that translate addresses remember
 * the connection, and a peer that answers none of four, a minute apart, is gone.
 */

/* Acknowledges at once what came: for who waits for more without having anything to send. A peer
 * that sends a command in two pieces, as many clients do with literals, holds the second back until
 * the first is acknowledged (RFC 896), which the kernel delays by 40 ms in the hope of an answer to
 * send along (RFC 1122 4.2.3.2). */
void net_acknowledge(int fd);

/* Binds and listens, for the address's own family only, so that "0.0.0.0" and "::" can stand side
 * by side. Port 0 takes any. Errors name address, port and reason. Accepted sockets inherit the
 * options above (Linux), but for non-blocking and close-on-exec. */
bool net_listen(struct ip ip, uint16_t port, int *ret_fd, struct err *err) MUST_USE;

/* Other than five minutes: 1 to 32,767 seconds. Sockets accepted later inherit a listener's. */
bool net_set_keepalive(int fd, unsigned seconds, struct err *err) MUST_USE;

/* Connects before `deadline_ms`, from `local` unless it is NULL. */
bool net_connect(struct ip ip, uint16_t port, const struct ip *local, int64_t deadline_ms,
                 int *ret_fd, struct err *err) MUST_USE;

/* Waits until one of poll's `events` (or a failure of the socket) is there. ERR_TIMEOUT when the
 * deadline passes first. */
bool net_wait(int fd, short events, int64_t deadline_ms, struct err *err) MUST_USE;

/* Our end of a socket; and its port alone, 0 on failure. */
bool net_local(int fd, struct ip *ret_ip, uint16_t *ret_port) MUST_USE;
uint16_t net_port(int fd);

#endif
