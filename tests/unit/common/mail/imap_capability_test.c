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
    size_t based = 0;
    for (size_t i = 0; i < imap_capabilities_to_hide_count; i++) {
        struct str base = imap_capability_base(imap_capabilities_to_hide[i]);
        based += !str_is_null(base);
        cr_expect(str_is_null(base) || imap_capability_can_be_hidden(base), "%.*s", STR_ARG(base));
    }
    cr_expect(based == 14);
    cr_expect(str_eq(imap_capability_base(STR("qresync")), STR("CONDSTORE")));
}
