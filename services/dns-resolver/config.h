#ifndef SERVICES_DNS_RESOLVER_CONFIG_H
#define SERVICES_DNS_RESOLVER_CONFIG_H

#include "common/service/settings.h"

/* Options of group `dns_resolver`. */
struct dns_resolver_config {
    struct str_list forward;
    struct str_list stub_zones;
    struct str_list insecure_zones;
    struct str root_hints;
    struct str root_anchor;
    struct str_list trust_anchors;
    uint64_t cache_kib;
    uint64_t timeout_ms;
    uint64_t workers;
};

extern const struct option dns_resolver_options[];
extern const size_t dns_resolver_option_count;

/* What the rows cannot say, see struct service_definition. */
void dns_resolver_check_config(const void *values, const struct settings *settings,
                               struct option_report *report);

#endif
