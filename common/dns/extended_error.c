#include "common/dns/extended_error.h"

/* Phrases of libunbound's validator; the first that occurs decides, so finer ones come first. */
static const struct {
    struct str phrase;
    enum dns_extended_error code;
} phrases[] = {
    {STR_INIT("signature expired"), DNS_EXTENDED_SIGNATURE_EXPIRED},
    {STR_INIT("signature before inception"), DNS_EXTENDED_SIGNATURE_NOT_YET_VALID},
    {STR_INIT("no signatures"), DNS_EXTENDED_RRSIGS_MISSING},
    {STR_INIT("No DNSKEY record"), DNS_EXTENDED_DNSKEY_MISSING},
    {STR_INIT("no DNSKEY rrset"), DNS_EXTENDED_DNSKEY_MISSING},
    {STR_INIT("Missing DNSKEY RRset"), DNS_EXTENDED_DNSKEY_MISSING},
    {STR_INIT("no NSEC"), DNS_EXTENDED_NSEC_MISSING},
};

enum dns_extended_error dns_extended_error_of(struct str why_bogus)
{
    for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
        if (str_find(why_bogus, phrases[i].phrase) >= 0)
            return phrases[i].code;
    return DNS_EXTENDED_BOGUS;
}
