#include "services/queue-deliverer/config.h"

const struct option deliverer_options[] = {
    OPTION_NUMBER(deliverer_config, threads, "32", 1, 1000, NULL, "deliveries at a time"),
    OPTION_NUMBER(deliverer_config, messages_max, "500", 1, 1000, NULL,
                  "messages taken from the queue at a time"),
    OPTION_NUMBER(deliverer_config, lease_ms, "120000", 2000, 3600000, "ms",
                  "how long a message is ours before we must ask for more time"),
    OPTION_NUMBER(deliverer_config, port, "25", 1, 65535, NULL, "TCP port of other mail servers"),
    OPTION_STRING(deliverer_config, relay, "",
                  "next hop HOST[:PORT] for all domains that no route names, instead of their own "
                  "servers"),
    OPTION_LIST(deliverer_config, route, "",
                "next hops of single domains, DOMAIN=HOST[:PORT] or *.DOMAIN=HOST[:PORT] for all "
                "below it, also of our own domains; the first that fits counts"),
    OPTION_BOOL(deliverer_config, starttls, "true", "use TLS where the other server offers it"),
    OPTION_NUMBER(deliverer_config, messages_per_connection, "100", 1, 10000, NULL,
                  "messages sent over one connection"),
    OPTION_NUMBER(deliverer_config, idle_connection_ms, "5000", 0, 60000, "ms",
                  "keep a connection open for the next message to the same domain"),
};
const size_t deliverer_option_count = ARRAY_LEN(deliverer_options);
