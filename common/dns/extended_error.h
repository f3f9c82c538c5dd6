#ifndef COMMON_DNS_EXTENDED_ERROR_H
#define COMMON_DNS_EXTENDED_ERROR_H

#include "common/base/str.h"

/* Extended DNS errors (RFC 8914): INFO-CODEs of what can be known about a failed validation. */
enum dns_extended_error {
    DNS_EXTENDED_NONE = -1,
    DNS_EXTENDED_BOGUS = 6,
    DNS_EXTENDED_SIGNATURE_EXPIRED = 7,
    DNS_EXTENDED_SIGNATURE_NOT_YET_VALID = 8,
    DNS_EXTENDED_DNSKEY_MISSING = 9,
    DNS_EXTENDED_RRSIGS_MISSING = 10,
    DNS_EXTENDED_NSEC_MISSING = 12,
};

/* The code that fits the validator's explanation best: the library does not hand out codes, only
 * words. DNS_EXTENDED_BOGUS when nothing finer fits. */
enum dns_extended_error dns_extended_error_of(struct str why_bogus);

#endif
