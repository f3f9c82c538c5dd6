#include "services/submission/config.h"

const struct option submission_options[] = {
    OPTION_LIST(submission_config, listen, "0.0.0.0,::", "addresses to listen on"),
    OPTION_NUMBER(submission_config, port, "587", 0, 65535, NULL,
                  "TCP port with STARTTLS, 0 for none"),
    OPTION_NUMBER(submission_config, tls_port, "465", 0, 65535, NULL,
                  "TCP port with TLS from the first byte, 0 for none"),
    OPTION_BOOL(submission_config, cleartext_auth, "false",
                "let users log in and send without TLS"),
    OPTION_BOOL(submission_config, limit_connections, "true",
                "limit connections and failed logins by address and network; never in localserve"),
    OPTION_LIST(submission_config, proxy_networks, "",
                "networks of proxies, which must speak the PROXY protocol"),
    OPTION_NUMBER(submission_config, message_size_max, "104857600", 65536, 4294967295, "bytes",
                  "largest message"),
    OPTION_NUMBER(submission_config, recipients_max, "1000", 1, 10000, NULL,
                  "recipients of one message"),
    OPTION_NUMBER(submission_config, read_timeout_ms, "30000", 1000, 3600000, "ms",
                  "how long a client may be silent"),
    OPTION_NUMBER(submission_config, data_timeout_ms, "1800000", 1000, 86400000, "ms",
                  "how long a message may take to come"),
    OPTION_NUMBER(submission_config, workers_max, "64", 1, 1024, NULL,
                  "commands that run at the same time"),
    OPTION_NUMBER(submission_config, sessions_max, "10000", 1, 1000000, NULL, "open connections"),
};
const size_t submission_option_count = ARRAY_LEN(submission_options);

struct smtpd_config submission_server_config(const struct submission_config *config,
                                             const struct settings *settings)
{
    return (struct smtpd_config){
        .name = "submission",
        .hostname = settings->hostname,
        .data = settings->data,
        .submission = true,
        .pedantic = settings->pedantic,
        .space_after_colon = true,
        .requiretls = true,
        .tls_needed = !config->cleartext_auth,
        .cleartext_auth = config->cleartext_auth,
        .limit_connections = config->limit_connections && !settings->localserve,
        .message_size_max = config->message_size_max,
        .recipients_max = config->recipients_max,
        .read_timeout_ms = (int64_t)config->read_timeout_ms,
        .data_timeout_ms = (int64_t)config->data_timeout_ms,
        .workers_max = (unsigned)config->workers_max,
        .sessions_max = (unsigned)config->sessions_max,
        .proxy_networks = config->proxy_networks.items,
        .proxy_network_count = config->proxy_networks.len,
    };
}
