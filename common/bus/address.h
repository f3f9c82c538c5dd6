#ifndef COMMON_BUS_ADDRESS_H
#define COMMON_BUS_ADDRESS_H

/*
 * Where a door is, and with what to come: "ipc:///path", "tcp://host:port", "tls+tcp://host:port".
 *
 * With TLS both sides show a certificate of the same CA, and each wants to see the name of a
 * service that belongs there: the door one of those that may knock, the visitor the one that opens
 * it. Names are DNS names in the subjectAltName, as "store"; where the host is does not matter.
 */

struct bus_tls {
    const char *ca;          /* PEM files */
    const char *certificate; /* may be a chain, ours first */
    const char *key;
    const char *name;         /* of our service: the certificate must be for it */
    const char *const *peers; /* of the services on the other side; NULL ends them */
};

struct bus_address {
    const char *url;
    const struct bus_tls *tls; /* needed for tls+tcp:// and not looked at otherwise */
};

static inline struct bus_address bus_at(const char *url)
{
    return (struct bus_address){url, 0};
}

#endif
