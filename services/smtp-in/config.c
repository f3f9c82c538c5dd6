#include "services/smtp-in/config.h"

const struct option smtp_in_options[] = {
    OPTION_LIST(smtp_in_config, listen, "0.0.0.0,::", "addresses to listen on"),
    OPTION_NUMBER(smtp_in_config, port, "25", 0, 65535, NULL, "TCP port"),
    OPTION_BOOL(smtp_in_config, starttls, "true", "offer STARTTLS when there is a certificate"),
    OPTION_BOOL(smtp_in_config, requiretls, "true", "offer REQUIRETLS (RFC 8689) under TLS"),
    OPTION_BOOL(smtp_in_config, tls_needed, "false", "refuse recipients without TLS"),
    OPTION_BOOL(smtp_in_config, space_after_colon, "false",
                "accept \"MAIL FROM: <...>\", which mostly spammers send"),
    OPTION_BOOL(smtp_in_config, hide_unknown, "false",
                "refuse unknown recipients after the message only, and one recipient a message"),
    OPTION_BOOL(smtp_in_config, check_sender_domain, "true",
                "refuse senders whose domain takes no mail; never in localserve"),
    OPTION_BOOL(smtp_in_config, check_hello, "true",
                "refuse HELO names that do not resolve; never in localserve"),
    OPTION_BOOL(smtp_in_config, limit_connections, "true",
                "limit connections by address and network; never in localserve"),
    OPTION_LIST(smtp_in_config, proxy_networks, "",
                "networks of proxies, which must speak the PROXY protocol"),
    OPTION_NUMBER(smtp_in_config, message_size_max, "104857600", 65536, 4294967295, "bytes",
                  "largest message"),
    OPTION_NUMBER(smtp_in_config, recipients_max, "1000", 1, 10000, NULL,
                  "recipients of one message"),
    OPTION_NUMBER(smtp_in_config, read_timeout_ms, "30000", 1000, 3600000, "ms",
                  "how long a client may be silent"),
    OPTION_NUMBER(smtp_in_config, data_timeout_ms, "1800000", 1000, 86400000, "ms",
                  "how long a message may take to come"),
    OPTION_NUMBER(smtp_in_config, workers_max, "64", 1, 1024, NULL,
                  "commands that run at the same time"),
    OPTION_NUMBER(smtp_in_config, sessions_max, "10000", 1, 1000000, NULL, "open connections"),
};
const size_t smtp_in_option_count = ARRAY_LEN(smtp_in_options);

struct smtpd_config smtp_in_server_config(const struct smtp_in_config *config,
                                          const struct settings *settings)
{
    return (struct smtpd_config){
        .name = "smtp-in",
        .hostname = settings->hostname,
        .data = settings->data,
        .pedantic = settings->pedantic,
        .space_after_colon = config->space_after_colon,
        .requiretls = config->requiretls,
        .tls_needed = config->tls_needed,
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
