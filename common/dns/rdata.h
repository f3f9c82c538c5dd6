#ifndef COMMON_DNS_RDATA_H
#define COMMON_DNS_RDATA_H

#include "common/base/arena.h"
#include "common/base/err.h"

/*
 * The data of DNS records that a mail system asks for.
 */

/* Numbers as in the DNS and in DnsType of proto/dns.proto. */
enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_TLSA = 52,
    DNS_SVCB = 64,
    DNS_HTTPS = 65,
    DNS_CAA = 257,
};

/* "MX"; NULL for types that are not in the list. */
const char *dns_type_name(unsigned type);

/* One record; the fields that a type has are those of DnsRecord in proto/dns.proto. */
struct dns_record {
    enum dns_type type;
    struct str text; /* address, or name with final dot; CAA: tag */
    unsigned preference;
    unsigned weight;
    unsigned port;
    struct str data;
    unsigned usage;
    unsigned selector;
    unsigned matching;
};

/* Reads rdata in wire form, names without compression. Strings borrow from `rdata` or are in arena.
 * ERR_SYNTAX names the field that was wrong; unknown types too. */
bool dns_rdata_parse(enum dns_type type, struct str rdata, struct arena *arena,
                     struct dns_record *ret, struct err *err) MUST_USE;

#endif
