#include "common/auth/hmac.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* RFC 4231 test cases 1, 2 and 4; RFC 2202 test case 2. */
static const struct {
    enum digest_type type;
    struct str key, data;
    const char *digest;
} cases[] = {
    {DIGEST_SHA256,
     STR_INIT("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"),
     STR_INIT("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {DIGEST_SHA256, STR_INIT("Jefe"), STR_INIT("what do ya want for nothing?"),
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {DIGEST_SHA1, STR_INIT("Jefe"), STR_INIT("what do ya want for nothing?"),
     "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
};

static void check(const struct digest *digest, const char *expected, size_t row)
{
    char hex[2 * DIGEST_SIZE_MAX + 1] = "";
    for (size_t i = 0; i < digest->len; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest->bytes[i]);
    cr_assert_str_eq(hex, expected, "case %zu: %s", row, hex);
}

Test(hmac, gives_what_the_standards_say_with_a_key_at_hand_or_made_ready)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct digest once = hmac(cases[i].type, cases[i].key, cases[i].data);
        check(&once, cases[i].digest, i);
        struct hmac_key *key = hmac_key_new(cases[i].type, cases[i].key);
        for (int turn = 0; turn < 3; turn++) {
            struct digest again = hmac_with(key, cases[i].data);
            check(&again, cases[i].digest, i);
        }
        hmac_key_free(key);
    }
}
