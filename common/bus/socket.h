#ifndef COMMON_BUS_SOCKET_H
#define COMMON_BUS_SOCKET_H

#include "common/base/err.h"
#include "common/bus/address.h"

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>
#include <stdatomic.h>
#include <sys/types.h>

/* Sockets of nng at their addresses, shared by calls and events. */

/* Reads the certificates that an address needs: `*ret` is NULL without TLS, else to be freed with
 * nng_tls_config_free. Fails naming the file and what is wrong with it. */
bool bus_tls_config(struct bus_address at, nng_tls_mode mode, nng_tls_config **ret,
                    struct err *err) MUST_USE;

/* How a socket that dials is faring. */
struct bus_link {
    atomic_int connections;
    atomic_llong dialing_since_ms;
    atomic_int *all_connections; /* of several links; may be NULL */
};

/* Before the first bus_dial; `link` must stay for as long as the socket. 0 or a number of nng. */
int bus_link_watch(struct bus_link *link, nng_socket socket);
/* True when it has dialed for so long without success that dialing anew is better: the kernel asks
 * a host that says nothing less and less often, and would notice late that it is back. */
bool bus_link_is_stuck(const struct bus_link *link);

/* Connects in the background, again and again. 0 or a number of nng. */
int bus_dial(nng_socket socket, const char *url, nng_tls_config *tls, nng_dialer *ret);

/* `mode` is the permission of an ipc:// socket, 0600 when 0. */
bool bus_listen(nng_socket socket, struct bus_address at, mode_t mode, struct err *err) MUST_USE;

#endif
