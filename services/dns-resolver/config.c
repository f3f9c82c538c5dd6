#include "services/dns-resolver/config.h"

#include "common/sys/ip.h"

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

/* ADDRESS[@PORT] */
static bool is_server(struct str text)
{
    struct str address, port;
    struct ip ip;
    uint64_t number;
    bool has_port = str_cut(text, '@', &address, &port);
    return ip_parse(address, &ip) &&
           (!has_port || (str_to_u64(port, UINT16_MAX, &number) && number > 0));
}

void dns_resolver_check_config(const void *values, const struct settings *settings,
                               struct option_report *report)
{
    const struct dns_resolver_config *config = values;
    (void)settings;
    for (size_t i = 0; i < config->forward.len; i++) {
        if (!is_server(config->forward.items[i]))
            option_reject(report, "forward", "\"%.*s\" is not ADDRESS or ADDRESS@PORT",
                          STR_ARG(config->forward.items[i]));
    }
    for (size_t i = 0; i < config->stub_zones.len; i++) {
        struct str zone, server;
        if (!str_cut(config->stub_zones.items[i], '=', &zone, &server) || zone.len == 0 ||
            !is_server(server))
            option_reject(report, "stub_zones", "\"%.*s\" is not ZONE=ADDRESS or ZONE=ADDRESS@PORT",
                          STR_ARG(config->stub_zones.items[i]));
    }
}
