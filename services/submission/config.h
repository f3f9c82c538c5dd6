#ifndef SERVICES_SUBMISSION_CONFIG_H
#define SERVICES_SUBMISSION_CONFIG_H

#include "common/smtpd/options.h"

/*
 * The options of group `submission` in mailrail.conf.
 */

struct submission_config {
    struct smtpd_options smtpd; /* first */
    uint64_t port;
    uint64_t tls_port;
    bool cleartext_auth;
    bool client_certificates;
};

extern const struct option submission_options[];
extern const size_t submission_option_count;

/* What the rows cannot say, see struct service_definition. */
void submission_check_config(const void *values, const struct settings *settings,
                             struct option_report *report);

/* What the server needs of it. Borrows from both. */
struct smtpd_config submission_server_config(const struct submission_config *config,
                                             const struct settings *settings);

#endif
