#include "services/dns-resolver/config.h"

#include <stddef.h>

const struct option dns_resolver_options[] = {
    OPTION_LIST(dns_resolver_config, forward, "",
                "ask these resolvers (\"192.0.2.53\" or \"192.0.2.53@5353\") instead of the "
                "servers of the zones"),
    OPTION_LIST(dns_resolver_config, stub_zones, "",
                "servers of single zones, as \"example.org=192.0.2.53@5353\"; \".\" is the root"),
    OPTION_LIST(dns_resolver_config, insecure_zones, "",
                "zones that are not validated, for private ones below signed ones"),
    OPTION_PATH(dns_resolver_config, root_hints, "",
                "file of root servers, empty for the list that the library has"),
    OPTION_PATH(dns_resolver_config, root_anchor, "",
                "file with DS or DNSKEY records of the root, empty for those of 2017 and 2024"),
    OPTION_LIST(dns_resolver_config, trust_anchors, "",
                "further DS or DNSKEY records to trust, in zone file form"),
    OPTION_NUMBER(dns_resolver_config, cache_kib, "8192", 256, 1048576, "KiB",
                  "largest size of the cache"),
    OPTION_NUMBER(dns_resolver_config, timeout_ms, "30000", 1000, 120000, "ms",
                  "give up a lookup after this time"),
    OPTION_NUMBER(dns_resolver_config, workers, "32", 1, 512, NULL,
                  "lookups that are waited for at a time"),
};
const size_t dns_resolver_option_count = ARRAY_LEN(dns_resolver_options);
