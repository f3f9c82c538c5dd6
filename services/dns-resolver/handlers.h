#ifndef SERVICES_DNS_RESOLVER_HANDLERS_H
#define SERVICES_DNS_RESOLVER_HANDLERS_H

#include "common/service/service.h"
#include "services/dns-resolver/resolver.h"

/* What main.c keeps. */
struct dns_resolver {
    const struct dns_resolver_config *config;
    struct resolver *resolver;
    struct rpc_server *door;
    struct metric_family *lookups;
    struct metric *duration;
};

/* Opens the door `dns` (proto/dns.proto). */
bool dns_door_open(struct dns_resolver *dns, struct service *service, struct err *err) MUST_USE;

#endif
