#ifndef SERVICES_IMAP_CONFIG_H
#define SERVICES_IMAP_CONFIG_H

#include "common/service/settings.h"

/* Options of group `imap`. */
struct imap_config {
    struct str_list listen;
    uint64_t port;
    uint64_t tls_port;
    struct str_list proxy_networks;
    bool cleartext_auth;
    bool client_certificates;
    bool limit_connections;
    uint64_t workers_max;
    uint64_t sessions_max;
    uint64_t login_timeout_s;
    uint64_t idle_timeout_s;
    uint64_t keepalive_s;
    uint64_t idle_notice_s;
    uint64_t append_max;
    uint64_t progress_interval_s;
};

extern const struct option imap_options[];
extern const size_t imap_option_count;

/* What the rows cannot say, see struct service_definition. */
void imap_check_config(const void *values, const struct settings *settings,
                       struct option_report *report);

#endif
