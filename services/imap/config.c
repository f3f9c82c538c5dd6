#include "services/imap/config.h"

#include <stddef.h>

const struct option imap_options[] = {
    OPTION_LIST(imap_config, listen, "0.0.0.0,::", "addresses to listen on"),
    OPTION_NUMBER(imap_config, port, "143", 0, 65535, NULL,
                  "TCP port for plain connections with STARTTLS; 0 for none"),
    OPTION_NUMBER(imap_config, tls_port, "993", 0, 65535, NULL,
                  "TCP port for TLS connections; 0 for none"),
    OPTION_LIST(imap_config, proxy_networks, "",
                "networks whose connections begin with the PROXY protocol"),
    OPTION_BOOL(imap_config, cleartext_auth, "false",
                "allow passwords on connections without TLS: for tests only"),
    OPTION_BOOL(imap_config, limit_connections, "true",
                "limit connections and failed logins per network address"),
    OPTION_NUMBER(imap_config, workers_max, "64", 2, 1000, NULL, "commands at a time"),
    OPTION_NUMBER(imap_config, sessions_max, "20000", 10, 1000000, NULL, "connections at a time"),
    OPTION_NUMBER(imap_config, login_timeout_s, "30", 1, 3600, "s",
                  "silence before login after which a connection is closed"),
    OPTION_NUMBER(imap_config, idle_timeout_s, "1800", 1, 86400, "s",
                  "silence after login after which a connection is closed"),
    OPTION_NUMBER(imap_config, append_max, "1073741824", 1024, 1099511627776, "bytes",
                  "largest message that APPEND takes"),
};
const size_t imap_option_count = ARRAY_LEN(imap_options);
