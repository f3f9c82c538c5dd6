#ifndef SERVICES_SUBMISSION_CONFIG_H
#define SERVICES_SUBMISSION_CONFIG_H

#include "common/smtpd/smtpd.h"

/*
 * The options of group `submission` in mailrail.conf.
 */

struct submission_config {
    struct str_list listen;
    uint64_t port;
    uint64_t tls_port;
    bool cleartext_auth;
    bool limit_connections;
    struct str_list proxy_networks;
    uint64_t message_size_max;
    uint64_t recipients_max;
    uint64_t read_timeout_ms;
    uint64_t data_timeout_ms;
    uint64_t workers_max;
    uint64_t sessions_max;
};

extern const struct option submission_options[];
extern const size_t submission_option_count;

/* What the server needs of it. Borrows from both. */
struct smtpd_config submission_server_config(const struct submission_config *config,
                                             const struct settings *settings);

#endif
