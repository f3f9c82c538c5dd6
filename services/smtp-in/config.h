#ifndef SERVICES_SMTP_IN_CONFIG_H
#define SERVICES_SMTP_IN_CONFIG_H

#include "common/smtpd/smtpd.h"

/*
 * The options of group `smtp_in` in mailrail.conf.
 */

struct smtp_in_config {
    struct str_list listen;
    uint64_t port;
    bool starttls;
    bool requiretls;
    bool tls_needed;
    bool space_after_colon;
    bool hide_unknown;
    bool check_sender_domain;
    bool check_hello;
    bool limit_connections;
    struct str_list proxy_networks;
    uint64_t message_size_max;
    uint64_t recipients_max;
    uint64_t read_timeout_ms;
    uint64_t data_timeout_ms;
    uint64_t workers_max;
    uint64_t sessions_max;
};

extern const struct option smtp_in_options[];
extern const size_t smtp_in_option_count;

/* What the server needs of it. Borrows from both. */
struct smtpd_config smtp_in_server_config(const struct smtp_in_config *config,
                                          const struct settings *settings);

#endif
