#include "common/auth/cram_md5.h"

#include <criterion/criterion.h>
#include <string.h>

Test(cram_md5, digests_are_those_of_hmac)
{
    char long_key[80];
    memset(long_key, '\xaa', sizeof(long_key));
    const struct {
        const char *name;
        struct str password, challenge;
        const char *want;
    } rows[] = {
        {"RFC 2195 2", STR("tanstaaftanstaaf"), STR("<1896.697170952@postoffice.reston.mci.net>"),
         "b913a602c7eda7a495b4e6e7334d3890"},
        {"RFC 2202 2 case 2", STR("Jefe"), STR("what do ya want for nothing?"),
         "750c783e6ab0b503eaa86e310a5db738"},
        {"RFC 2202 2 case 6: a key longer than a block", str_make(long_key, sizeof(long_key)),
         STR("Test Using Larger Than Block-Size Key - Hash Key First"),
         "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cram_md5_secret secret = cram_md5_secret_make(rows[i].password);
        char got[CRAM_MD5_HEX_SIZE + 1];
        cram_md5_digest(&secret, rows[i].challenge, got);
        cr_assert_str_eq(got, rows[i].want, "%s", rows[i].name);
    }
}

Test(cram_md5, a_response_is_a_name_and_32_hex_digits)
{
    static const struct {
        const char *in, *username; /* NULL: refused */
    } rows[] = {
        {"tim b913a602c7eda7a495b4e6e7334d3890", "tim"},
        {"tim tom B913A602C7EDA7A495B4E6E7334D3890", "tim tom"},
        {"tim b913a602c7eda7a495b4e6e7334d389", NULL},
        {"tim b913a602c7eda7a495b4e6e7334d38900", NULL},
        {"tim b913a602c7eda7a495b4e6e7334d389g", NULL},
        {" b913a602c7eda7a495b4e6e7334d3890", NULL},
        {"b913a602c7eda7a495b4e6e7334d3890", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cram_md5_response got;
        struct err err;
        bool ok = cram_md5_parse(str_from_cstr(rows[i].in), &got, &err);
        cr_assert_eq(ok, rows[i].username != NULL, "%s", rows[i].in);
        if (ok)
            cr_assert(str_eq(got.username, str_from_cstr(rows[i].username)), "%s", rows[i].in);
    }
}
