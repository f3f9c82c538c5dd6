#include "services/imap/rights.h"

#include "services/imap/flags.h"

#include <criterion/criterion.h>

/* Rights as letters (RFC 4314 2.1). */

static const struct {
    const char *in;
    unsigned rights;
    const char *out; /* NULL: refused */
} table[] = {
    {"", 0, ""},
    {"lr", RIGHT_LOOKUP | RIGHT_READ, "lr"},
    {"rl", RIGHT_LOOKUP | RIGHT_READ, "lr"},
    {"llll", RIGHT_LOOKUP, "l"},
    {"c", RIGHT_CREATE | RIGHT_DELETE, "kxc"},
    {"k", RIGHT_CREATE, "kc"},
    {"d", RIGHT_DELETE_MESSAGES | RIGHT_EXPUNGE, "ted"},
    {"e", RIGHT_EXPUNGE, "ed"},
    {"lrswipkxtea", RIGHTS_ALL, "lrswipkxtecda"},
    {"lrswipcda", RIGHTS_ALL, "lrswipkxtecda"},
    {"L", 0, NULL},
    {"lz", 0, NULL},
    {"l r", 0, NULL},
    {"0", 0, NULL},
};

Test(rights, letters_both_ways_rfc_4314_2)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        unsigned rights = 0;
        struct buf out;
        bool ok = rights_parse(str_from_cstr(table[i].in), &rights);
        cr_expect_eq(ok, table[i].out != NULL, "%s", table[i].in);
        if (!ok)
            continue;
        buf_init(&out, 64);
        rights_write(&out, rights);
        cr_expect_eq(rights, table[i].rights, "%s: %x", table[i].in, rights);
        cr_expect(str_eq(buf_str(&out), str_from_cstr(table[i].out)), "%s: %.*s", table[i].in,
                  STR_ARG(buf_str(&out)));
        buf_release(&out);
    }
}

Test(rights, every_flag_belongs_to_one_right_rfc_4314_4)
{
    cr_expect_eq(rights_flags(RIGHT_SEEN), FLAG_SEEN);
    cr_expect_eq(rights_flags(RIGHT_DELETE_MESSAGES), FLAG_DELETED);
    cr_expect_eq(rights_flags(RIGHT_WRITE), FLAG_ALL & ~(unsigned)(FLAG_SEEN | FLAG_DELETED));
    cr_expect_eq(rights_flags(RIGHT_LOOKUP | RIGHT_READ | RIGHT_INSERT), 0);
    cr_expect_eq(rights_flags(RIGHTS_ALL), FLAG_ALL);
}
