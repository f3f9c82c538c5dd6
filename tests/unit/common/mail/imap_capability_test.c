#include "common/mail/imap_capability.h"

#include <criterion/criterion.h>

Test(imap_capability, some_cannot_be_hidden)
{
    static const char *const rows[] = {"IMAP4rev1", "STARTTLS", "AUTH=PLAIN",
                                       "BOGUSCAP",  "",         "IDL"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect(!imap_capability_can_be_hidden(str_from_cstr(rows[i])), "%s", rows[i]);
    cr_expect(imap_capability_can_be_hidden(STR("idle")));
}

Test(imap_capability, bases_can_be_hidden_too)
{
    static const struct {
        struct str name, base;
    } rows[] = {
        {STR_INIT("qresync"), STR_INIT("CONDSTORE")},
        {STR_INIT("SORT=DISPLAY"), STR_INIT("SORT")},
        {STR_INIT("ESORT"), STR_INIT("SORT")},
        {STR_INIT("CONTEXT=SORT"), STR_INIT("SORT")},
        {STR_INIT("CONTEXT=SORT"), STR_INIT("ESORT")},
        {STR_INIT("CONTEXT=SEARCH"), STR_INIT("ESEARCH")},
        {STR_INIT("SEARCHRES"), STR_INIT("ESEARCH")},
        {STR_INIT("MULTISEARCH"), STR_INIT("esearch")},
        {STR_INIT("FILTERS"), STR_INIT("METADATA")},
        {STR_INIT("METADATA-SERVER"), STR_INIT("METADATA")},
        {STR_INIT("LIST-METADATA"), STR_INIT("METADATA")},
        {STR_INIT("LIST-METADATA"), STR_INIT("LIST-EXTENDED")},
        {STR_INIT("LIST-STATUS"), STR_INIT("LIST-EXTENDED")},
        {STR_INIT("LIST-MYRIGHTS"), STR_INIT("LIST-EXTENDED")},
        {STR_INIT("LIST-MYRIGHTS"), STR_INIT("ACL")},
        {STR_INIT("RIGHTS=texk"), STR_INIT("ACL")},
        {STR_INIT("IMAP4rev2"), STR_INIT("ENABLE")},
        {STR_INIT("UTF8=ACCEPT"), STR_INIT("ENABLE")},
        {STR_INIT("QRESYNC"), STR_INIT("ENABLE")},
        {STR_INIT("UIDONLY"), STR_INIT("ENABLE")},
        {STR_INIT("CREATE-SPECIAL-USE"), STR_INIT("SPECIAL-USE")},
        {STR_INIT("QUOTA=RES-STORAGE"), STR_INIT("QUOTA")},
        {STR_INIT("QUOTA=RES-MESSAGE"), STR_INIT("QUOTA")},
    };
    size_t found = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect(imap_capability_extends(rows[i].name, rows[i].base), "row %zu", i);
        cr_expect(imap_capability_can_be_hidden(rows[i].base), "row %zu", i);
    }
    for (size_t i = 0; i < imap_capabilities_to_hide_count; i++)
        for (size_t j = 0; j < imap_capabilities_to_hide_count; j++)
            found +=
                imap_capability_extends(imap_capabilities_to_hide[i], imap_capabilities_to_hide[j]);
    cr_expect_eq(found, sizeof(rows) / sizeof(rows[0]), "these and no others");
    cr_expect(!imap_capability_extends(STR("CONDSTORE"), STR("QRESYNC")));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t j = 0; j < sizeof(rows) / sizeof(rows[0]); j++)
            cr_expect(!str_eq_nocase(rows[i].base, rows[j].name) ||
                          imap_capability_extends(rows[i].name, rows[j].base),
                      "row %zu has a base with one that it lacks", i);
}
