#ifndef COMMON_SYS_PROXY_H
#define COMMON_SYS_PROXY_H

#include "common/sys/ip.h"

/*
 * The PROXY protocol, versions 1 (text) and 2 (binary), as a load balancer puts it in front of a
 * connection: who the client really is. Only TCP over IPv4 and IPv6.
 *
 * https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt
 */

#define PROXY_HEADER_MAX 2048 /* our limit; version 2 could carry 64 KiB of extensions */

struct proxy_header {
    size_t len;       /* of the header: what follows is the client's */
    bool has_address; /* false: a health check, or unknown to the proxy */
    struct ip remote_ip;
    struct ip local_ip;
    uint16_t remote_port;
    uint16_t local_port;
};

/* Looks for a header at the start of `bytes`. True with `ret->len` 0 when more bytes are needed
 * (never so with PROXY_HEADER_MAX of them). */
bool proxy_header_parse(struct str bytes, struct proxy_header *ret, struct err *err) MUST_USE;

#endif
