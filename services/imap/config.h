#ifndef SERVICES_IMAP_CONFIG_H
#define SERVICES_IMAP_CONFIG_H

#include "common/service/option.h"

/* Options of group `imap`. */
struct imap_config {
    struct str_list listen;
    uint64_t port;
    uint64_t tls_port;
    struct str_list proxy_networks;
    bool cleartext_auth;
    bool limit_connections;
    uint64_t workers_max;
    uint64_t sessions_max;
    uint64_t login_timeout_s;
    uint64_t idle_timeout_s;
    uint64_t append_max;
};

extern const struct option imap_options[];
extern const size_t imap_option_count;

#endif
