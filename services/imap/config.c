#include "services/imap/config.h"

#include "common/service/option_check.h"

#include <stddef.h>

const struct option imap_options[] = {
    OPTION_LIST(imap_config, listen, "0.0.0.0,::", "addresses to listen on"),
    OPTION_NUMBER(imap_config, port, "143", 0, 65535, NULL, "TCP port with STARTTLS; 0 for none"),
    OPTION_NUMBER(imap_config, tls_port, "993", 0, 65535, NULL,
                  "TCP port with TLS from the first byte, which needs a certificate; 0 for none"),
    OPTION_LIST(imap_config, proxy_networks, "",
                "networks whose connections begin with the PROXY protocol"),
    OPTION_BOOL(imap_config, cleartext_auth, "false",
                "allow passwords on connections without TLS: for tests only"),
    OPTION_BOOL(imap_config, client_certificates, "true",
                "ask clients under TLS for a certificate, whose key may log them in; programs "
                "that have one may ask their user"),
    OPTION_BOOL(imap_config, limit_connections, "true",
                "limit connections and failed logins by address and network; never in "
                "localserve"),
    OPTION_NUMBER(imap_config, workers_max, "64", 2, 1000, NULL, "commands at a time"),
    OPTION_NUMBER(imap_config, sessions_max, "20000", 10, 1000000, NULL,
                  "connections at a time; one that is idle under TLS takes 15 KiB of memory, and "
                  "the handshakes of all up to 200 MiB"),
    OPTION_NUMBER(imap_config, login_timeout_s, "30", 1, 3600, "s",
                  "silence before login after which a connection is closed"),
    OPTION_NUMBER(imap_config, idle_timeout_s, "1800", 1, 86400, "s",
                  "silence after login after which a connection is closed"),
    OPTION_NUMBER(
        imap_config, keepalive_s, "300", 10, 32767, "s",
        "silence after which TCP probes a connection, so that routers on the way keep it"),
    OPTION_NUMBER(imap_config, idle_notice_s, "0", 0, 86400, "s",
                  "how often a client in IDLE that has nothing to hear is told so, for proxies on "
                  "the way that do not count TCP's probes; 0 for never"),
    OPTION_NUMBER(imap_config, append_max, "1073741824", 1024, 1099511627776, "bytes",
                  "largest message that APPEND takes"),
    OPTION_NUMBER(imap_config, progress_interval_s, "10", 1, 3600, "s",
                  "how often a client hears how far its long search is"),
};
const size_t imap_option_count = ARRAY_LEN(imap_options);

void imap_check_config(const void *values, const struct settings *settings,
                       struct option_report *report)
{
    const struct imap_config *config = values;
    option_check_addresses(report, "listen", config->listen);
    option_check_networks(report, "proxy_networks", config->proxy_networks);
    option_check_login_port(report, "port", config->port, config->cleartext_auth, settings);
    option_check_tls_port(report, "tls_port", config->tls_port, settings);
}
