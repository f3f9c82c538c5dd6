#include "common/mail/imap_capability.h"

#include "common/base/array.h"

/* AUTH=EXTERNAL: the account is known by its client's key, before it logs in. */
const struct str imap_capabilities_to_hide[] = {
    STR_INIT("ACL"),
    STR_INIT("APPENDLIMIT"),
    STR_INIT("AUTH=EXTERNAL"),
    STR_INIT("BINARY"),
    STR_INIT("CATENATE"),
    STR_INIT("CHILDREN"),
    STR_INIT("COMPRESS=DEFLATE"),
    STR_INIT("CONDSTORE"),
    STR_INIT("CONTEXT=SEARCH"),
    STR_INIT("CONTEXT=SORT"),
    STR_INIT("CREATE-SPECIAL-USE"),
    STR_INIT("ENABLE"),
    STR_INIT("ESEARCH"),
    STR_INIT("ESORT"),
    STR_INIT("FILTERS"),
    STR_INIT("ID"),
    STR_INIT("IDLE"),
    STR_INIT("IMAP4rev2"),
    STR_INIT("INPROGRESS"),
    STR_INIT("LIST-EXTENDED"),
    STR_INIT("LIST-METADATA"),
    STR_INIT("LIST-MYRIGHTS"),
    STR_INIT("LIST-STATUS"),
    STR_INIT("LITERAL+"),
    STR_INIT("LITERAL-"),
    STR_INIT("METADATA"),
    STR_INIT("METADATA-SERVER"),
    STR_INIT("MOVE"),
    STR_INIT("MULTIAPPEND"),
    STR_INIT("MULTISEARCH"),
    STR_INIT("NAMESPACE"),
    STR_INIT("NOTIFY"),
    STR_INIT("OBJECTID"),
    STR_INIT("PARTIAL"),
    STR_INIT("PREVIEW"),
    STR_INIT("QRESYNC"),
    STR_INIT("QUOTA"),
    STR_INIT("QUOTA=RES-MESSAGE"),
    STR_INIT("QUOTA=RES-STORAGE"),
    STR_INIT("REPLACE"),
    STR_INIT("RIGHTS=texk"),
    STR_INIT("SASL-IR"),
    STR_INIT("SAVEDATE"),
    STR_INIT("SEARCHRES"),
    STR_INIT("SORT"),
    STR_INIT("SORT=DISPLAY"),
    STR_INIT("SPECIAL-USE"),
    STR_INIT("STATUS=SIZE"),
    STR_INIT("THREAD=ORDEREDSUBJECT"),
    STR_INIT("THREAD=REFERENCES"),
    STR_INIT("UIDONLY"),
    STR_INIT("UIDPLUS"),
    STR_INIT("UNSELECT"),
    STR_INIT("UTF8=ACCEPT"),
    STR_INIT("WITHIN"),
};
const size_t imap_capabilities_to_hide_count = ARRAY_LEN(imap_capabilities_to_hide);

/* RFC 4314 6, 8440 1, 7162 3.2.3, 5267 3, 5957 2, 6154 2, 9208 3, 9590 3, 5819 2; RFC 5464 1:
 * METADATA is METADATA-SERVER and more; RFC 5466 2: filters are set as METADATA. RFC 9051 6.3.1,
 * 6855 3, 7162 3.2.3, 9586 3: what begins with ENABLE. With a base come its own bases. */
static const struct {
    struct str name;
    struct str base;
} bases[] = {
    {STR_INIT("QRESYNC"), STR_INIT("CONDSTORE")},
    {STR_INIT("SORT=DISPLAY"), STR_INIT("SORT")},
    {STR_INIT("ESORT"), STR_INIT("SORT")},
    {STR_INIT("CONTEXT=SORT"), STR_INIT("SORT")},
    {STR_INIT("CONTEXT=SORT"), STR_INIT("ESORT")},
    {STR_INIT("CONTEXT=SEARCH"), STR_INIT("ESEARCH")},
    {STR_INIT("SEARCHRES"), STR_INIT("ESEARCH")},
    {STR_INIT("MULTISEARCH"), STR_INIT("ESEARCH")},
    {STR_INIT("FILTERS"), STR_INIT("METADATA")},
    {STR_INIT("CREATE-SPECIAL-USE"), STR_INIT("SPECIAL-USE")},
    {STR_INIT("LIST-STATUS"), STR_INIT("LIST-EXTENDED")},
    {STR_INIT("LIST-METADATA"), STR_INIT("LIST-EXTENDED")},
    {STR_INIT("LIST-MYRIGHTS"), STR_INIT("LIST-EXTENDED")},
    {STR_INIT("QUOTA=RES-STORAGE"), STR_INIT("QUOTA")},
    {STR_INIT("QUOTA=RES-MESSAGE"), STR_INIT("QUOTA")},
    {STR_INIT("METADATA-SERVER"), STR_INIT("METADATA")},
    {STR_INIT("LIST-METADATA"), STR_INIT("METADATA")},
    {STR_INIT("LIST-MYRIGHTS"), STR_INIT("ACL")},
    {STR_INIT("RIGHTS=texk"), STR_INIT("ACL")},
    {STR_INIT("IMAP4rev2"), STR_INIT("ENABLE")},
    {STR_INIT("UTF8=ACCEPT"), STR_INIT("ENABLE")},
    {STR_INIT("QRESYNC"), STR_INIT("ENABLE")},
    {STR_INIT("UIDONLY"), STR_INIT("ENABLE")},
};

bool imap_capability_can_be_hidden(struct str name)
{
    for (size_t i = 0; i < imap_capabilities_to_hide_count; i++)
        if (str_eq_nocase(name, imap_capabilities_to_hide[i]))
            return true;
    return false;
}

bool imap_capability_extends(struct str name, struct str base)
{
    for (size_t i = 0; i < ARRAY_LEN(bases); i++)
        if (str_eq_nocase(name, bases[i].name) && str_eq_nocase(base, bases[i].base))
            return true;
    return false;
}
