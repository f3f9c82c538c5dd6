#ifndef SERVICES_DNS_RESOLVER_UNBOUND_H
#define SERVICES_DNS_RESOLVER_UNBOUND_H

#include "services/dns-resolver/config.h"

#include <unbound.h>

/* A libunbound context set up by our options: validating, hardened, with a bounded cache, working
 * in a thread of its own. NULL with an error that names the option. */
struct ub_ctx *unbound_open(const struct dns_resolver_config *config, struct err *err);

#endif
