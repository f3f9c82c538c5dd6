#ifndef SERVICES_SMTP_IN_CONFIG_H
#define SERVICES_SMTP_IN_CONFIG_H

#include "common/smtpd/options.h"

/*
 * The options of group `smtp_in` in mailrail.conf.
 */

struct smtp_in_config {
    struct smtpd_options smtpd; /* first */
    uint64_t port;
    bool starttls;
    bool requiretls;
    bool tls_needed;
    bool space_after_colon;
    bool hide_unknown;
    bool check_sender_domain;
    bool check_hello;
    struct str catch_all_address;
};

extern const struct option smtp_in_options[];
extern const size_t smtp_in_option_count;

/* What the rows cannot say, see struct service_definition. */
void smtp_in_check_config(const void *values, const struct settings *settings,
                          struct option_report *report);

/* What the server needs of it. Borrows from both. */
struct smtpd_config smtp_in_server_config(const struct smtp_in_config *config,
                                          const struct settings *settings);

#endif
