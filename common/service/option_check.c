#include "common/service/option_check.h"

#include "common/sys/ip.h"

#include <inttypes.h>

void option_check_addresses(struct option_report *report, const char *name, struct str_list values)
{
    for (size_t i = 0; i < values.len; i++) {
        struct ip ip;
        if (!ip_parse(values.items[i], &ip))
            option_reject(report, name, "\"%.*s\" is not an IP address", STR_ARG(values.items[i]));
    }
}

void option_check_networks(struct option_report *report, const char *name, struct str_list values)
{
    for (size_t i = 0; i < values.len; i++) {
        struct ip_network network;
        struct err why;
        if (!ip_network_parse(values.items[i], &network, &why))
            option_reject(report, name, "%s", why.detail);
    }
}

void option_check_tls_port(struct option_report *report, const char *name, uint64_t port,
                           const struct settings *settings)
{
    if (port > 0 && settings->tls_certificate.len == 0)
        option_reject(report, name,
                      "TLS on port %" PRIu64 " needs a certificate: set tls_certificate and "
                      "tls_key, or %s = 0",
                      port, name);
}

void option_check_login_port(struct option_report *report, const char *name, uint64_t port,
                             bool cleartext_auth, const struct settings *settings)
{
    if (port > 0 && !cleartext_auth && settings->tls_certificate.len == 0)
        option_reject(report, name,
                      "nobody can log in on port %" PRIu64 " without TLS: set tls_certificate and "
                      "tls_key, or %s = 0",
                      port, name);
}
