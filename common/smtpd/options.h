#ifndef COMMON_SMTPD_OPTIONS_H
#define COMMON_SMTPD_OPTIONS_H

#include "common/service/service.h"
#include "common/smtpd/smtpd.h"

/*
 * Options that all SMTP services have. The struct of theirs begins with them:
 *
 *     struct smtp_in_config { struct smtpd_options smtpd; uint64_t port; ... };
 *     const struct option smtp_in_options[] = { OPTION_NUMBER(...), ..., SMTPD_OPTIONS };
 */

struct smtpd_options {
    struct str_list listen;
    bool limit_connections;
    bool steering;
    struct str_list proxy_networks;
    uint64_t message_size_max;
    uint64_t recipients_max;
    uint64_t read_timeout_ms;
    uint64_t data_timeout_ms;
    uint64_t workers_max;
    uint64_t sessions_max;
};

/* Rows for a service's table. */
#define SMTPD_OPTIONS                                                                              \
    OPTION_LIST(smtpd_options, listen, "0.0.0.0,::", "addresses to listen on"),                    \
        OPTION_BOOL(smtpd_options, limit_connections, "true",                                      \
                    "limit connections, and failed logins where users log in, by address and "     \
                    "network; never in localserve"),                                               \
        OPTION_BOOL(smtpd_options, steering, "false",                                              \
                    "fail as the local part of an address asks (a451@..., rcptto550@...): only "   \
                    "in localserve"),                                                              \
        OPTION_LIST(smtpd_options, proxy_networks, "",                                             \
                    "networks of proxies, which must speak the PROXY protocol"),                   \
        OPTION_NUMBER(smtpd_options, message_size_max, "104857600", 65536, 4294967295, "bytes",    \
                      "largest message"),                                                          \
        OPTION_NUMBER(smtpd_options, recipients_max, "1000", 1, 10000, NULL,                       \
                      "recipients of one message"),                                                \
        OPTION_NUMBER(smtpd_options, read_timeout_ms, "30000", 1000, 3600000, "ms",                \
                      "how long a client may be silent"),                                          \
        OPTION_NUMBER(smtpd_options, data_timeout_ms, "1800000", 1000, 86400000, "ms",             \
                      "how long a message may take to come"),                                      \
        OPTION_NUMBER(smtpd_options, workers_max, "64", 1, 1024, NULL,                             \
                      "commands that run at the same time"),                                       \
        OPTION_NUMBER(smtpd_options, sessions_max, "10000", 1, 1000000, NULL,                      \
                      "open connections; one that is idle under TLS takes 15 KiB of memory, and "  \
                      "the handshakes of all up to 200 MiB")

/* What the rows cannot say, for the service's own check. */
void smtpd_options_check(const struct smtpd_options *options, const struct settings *settings,
                         struct option_report *report);

/* A server's configuration with all that options and settings say; the rest is zero, and the
 * service's to fill in. Borrows from both. */
struct smtpd_config smtpd_options_config(const struct smtpd_options *options,
                                         const struct settings *settings, const char *name);

#endif
