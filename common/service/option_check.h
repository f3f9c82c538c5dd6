#ifndef COMMON_SERVICE_OPTION_CHECK_H
#define COMMON_SERVICE_OPTION_CHECK_H

#include "common/service/settings.h"

/*
 * What several services check about their options beyond the rows: for their function
 * `struct service_definition`.check. Each refuses with option_reject.
 *
 *     static void check(const void *values, const struct settings *settings,
 *                       struct option_report *report)
 *     {
 *         const struct imap_config *config = values;
 *         option_check_addresses(report, "listen", config->listen);
 *         option_check_tls_port(report, "tls_port", config->tls_port, settings);
 *     }
 */

/* Each is an IPv4 or IPv6 address. */
void option_check_addresses(struct option_report *report, const char *name, struct str_list values);
/* Each is an address or a network, "10.0.0.0/8". */
void option_check_networks(struct option_report *report, const char *name, struct str_list values);
/* A port that speaks TLS needs a certificate, unless it is 0. */
void option_check_tls_port(struct option_report *report, const char *name, uint64_t port,
                           const struct settings *settings);
/* A port where users log in needs a certificate for STARTTLS, unless it is 0 or
 * `cleartext_auth`. */
void option_check_login_port(struct option_report *report, const char *name, uint64_t port,
                             bool cleartext_auth, const struct settings *settings);

#endif
