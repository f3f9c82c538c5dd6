#ifndef COMMON_SYS_IP_H
#define COMMON_SYS_IP_H

#include "common/base/err.h"

#include <sys/socket.h>

/*
 * IP addresses and networks as values. An IPv4 address that is mapped into IPv6
 * ("::ffff:192.0.2.1") is the IPv4 address: whoever compares, counts or prints addresses sees one
 * form.
 *
 *     struct ip_network trusted;
 *     if (!ip_network_parse(STR("10.0.0.0/8"), &trusted, err)) ...
 *     if (ip_network_has(&trusted, peer)) ...
 */

#define IP_TEXT_SIZE 46 /* longest text form, with its terminator */

struct ip {
    bool is_v6;
    uint8_t bytes[16]; /* IPv4 uses the first 4, the rest is zero */
};

struct ip_network {
    struct ip first; /* bits behind the prefix are zero */
    unsigned prefix_len;
};

/* The numeric text forms, nothing around them; no zone ("%eth0"). */
bool ip_parse(struct str text, struct ip *ret_ip) MUST_USE;
/* "192.0.2.1", "2001:db8::1", terminated. */
void ip_format(struct ip ip, char ret_text[IP_TEXT_SIZE]);
bool ip_eq(struct ip a, struct ip b);

/* The address with all bits from `prefix_len` on set to zero. */
struct ip ip_truncate(struct ip ip, unsigned prefix_len);

/* "10.0.0.0/8", or an address alone, which is a network of one. Bits set behind the prefix are an
 * error, since they usually mean a typing mistake. */
bool ip_network_parse(struct str text, struct ip_network *ret_network, struct err *err) MUST_USE;
bool ip_network_has(const struct ip_network *network, struct ip ip);

enum ip_class {
    IP_LOOPBACK,
    IP_PRIVATE, /* not routed on the internet: RFC 1918, 3927, 4193, 4291 (link local), 6598 */
    IP_PUBLIC,
};
enum ip_class ip_classify(struct ip ip);

/* To and from what sockets use. False for families other than IPv4 and IPv6. */
bool ip_from_sockaddr(const struct sockaddr_storage *address, struct ip *ret_ip,
                      uint16_t *ret_port) MUST_USE;
socklen_t ip_to_sockaddr(struct ip ip, uint16_t port, struct sockaddr_storage *ret_address);

#endif
