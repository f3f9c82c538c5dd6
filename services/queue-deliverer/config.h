#ifndef SERVICES_QUEUE_DELIVERER_CONFIG_H
#define SERVICES_QUEUE_DELIVERER_CONFIG_H

#include "common/service/option.h"

/* Options of group `queue_deliverer`. */
struct deliverer_config {
    uint64_t threads;      /* deliveries at a time */
    uint64_t messages_max; /* leased at a time */
    uint64_t lease_ms;
    uint64_t port;    /* of direct delivery */
    struct str relay; /* next hop for all other domains but ours: "192.0.2.1:25"; empty: direct */
    struct str_list route; /* "sink.test=127.0.0.1:2525", "*.test=..." */
    bool starttls;
    uint64_t messages_per_connection;
    uint64_t idle_connection_ms;
};

extern const struct option deliverer_options[];
extern const size_t deliverer_option_count;

#endif
