#ifndef SERVICES_QUEUE_DELIVERER_HOSTS_H
#define SERVICES_QUEUE_DELIVERER_HOSTS_H

#include "common/sys/ip.h"
#include "services/queue-deliverer/backend.h"
#include "services/queue-deliverer/config.h"

/*
 * Which servers take mail for a domain, best first (RFC 5321 5.1, spec 10 C12), and at which
 * addresses they are tried (C13).
 */

struct host {
    struct str name; /* as a name or an IP in text form */
    bool is_ip;
    struct ip ip; /* when it is one */
    uint16_t port;
};

/* "HOST[:PORT]", "192.0.2.1:25", "[2001:db8::1]:25", a host alone: port `default_port`. In arena.
 */
bool host_parse(struct str text, uint16_t default_port, struct arena *arena, struct host *ret,
                struct err *err) MUST_USE;
/* Whether an entry of `route` names the domain. It then holds for a domain of ours, too. */
bool hosts_has_route(const struct deliverer_config *config, struct str domain);
/* The next hop that the options name for a domain; false: it is delivered directly. */
bool hosts_route(const struct deliverer_config *config, struct str domain, struct str *ret_hop);
/* Refuses bad entries of `relay` and `route`; see struct service_definition. */
void hosts_check_config(const void *values, const struct settings *settings,
                        struct option_report *report);

/* False with the verdict for all recipients of the domain. The list is in arena, never empty. */
bool hosts_find(struct backend *backend, const struct deliverer_config *config, uint64_t cid,
                struct str domain, struct arena *arena, struct host **ret, size_t *ret_count,
                struct verdict *ret_verdict) MUST_USE;

/* Addresses of one host in the order in which to try them, in arena. Who greylists wants to see the
 * address again that it knows, who blocks one may like the other family: after earlier attempts the
 * other family comes first, and in it the address used last, if that family was used just once.
 * False with a verdict when there are none. */
bool hosts_addresses(struct backend *backend, const struct job *job, const struct host *host,
                     struct arena *arena, struct ip **ret, size_t *ret_count,
                     struct verdict *ret_verdict) MUST_USE;

/* The order alone, for tests. */
void hosts_order_addresses(struct ip *ips, size_t count, struct str host,
                           const struct dialed *dialed, size_t dialed_count);

#endif
