#include "common/smtpd/options.h"

#include "common/service/option_check.h"

void smtpd_options_check(const struct smtpd_options *options, const struct settings *settings,
                         struct option_report *report)
{
    option_check_addresses(report, "listen", options->listen);
    option_check_networks(report, "proxy_networks", options->proxy_networks);
    if (options->steering && !settings->localserve)
        option_reject(report, "steering", "is for tests on a laptop: needs localserve = true");
}

struct smtpd_config smtpd_options_config(const struct smtpd_options *options,
                                         const struct settings *settings, const char *name)
{
    return (struct smtpd_config){
        .name = name,
        .hostname = settings->hostname,
        .data = settings->data,
        .pedantic = settings->pedantic,
        .steering = options->steering,
        .limit_connections = options->limit_connections && !settings->localserve,
        .message_size_max = options->message_size_max,
        .recipients_max = options->recipients_max,
        .read_timeout_ms = (int64_t)options->read_timeout_ms,
        .data_timeout_ms = (int64_t)options->data_timeout_ms,
        .workers_max = (unsigned)options->workers_max,
        .sessions_max = (unsigned)options->sessions_max,
        .proxy_networks = options->proxy_networks.items,
        .proxy_network_count = options->proxy_networks.len,
    };
}
