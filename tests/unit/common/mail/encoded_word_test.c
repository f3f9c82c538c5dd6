#include "common/mail/encoded_word.h"
#include "common/text/utf8.h"

#include <criterion/criterion.h>

static struct arena arena;

static void setup(void)
{
    arena_init(&arena, 1 << 20);
}

static void teardown(void)
{
    arena_release(&arena);
}

TestSuite(encoded_word, .init = setup, .fini = teardown);

Test(encoded_word, decoding)
{
    static const struct {
        const char *in;
        const char *want; /* NULL: unchanged */
    } rows[] = {
        {"plain", NULL},
        {"", NULL},
        {"=?iso-8859-15?q?=A4?=", "€"}, /* spec 3.7 */
        {"=?x-nope?q?a?=", NULL},       /* spec 3.7 */
        {"a =?x-nope?q?a?= =?utf-8?q?b?=", NULL},
        /* RFC 2047 8 */
        {"=?ISO-8859-1?Q?a?=", "a"},
        {"=?ISO-8859-1?Q?a?= b", "a b"},
        {"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"},
        {"=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab"},
        {"=?ISO-8859-1?Q?a_b?=", "a b"},
        {"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"},
        {"=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"},
        {"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n"
         " =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
         "If you can read this you understand the example."},
        {"=?utf-8?b?YQ?=", "a"},    /* no padding */
        {"=?utf-8?b?Y!Q=?=", NULL}, /* foreign byte */
        {"=?utf-8?q?=4?=", NULL},   /* broken escape */
        {"=?utf-8*en?q?a=C3=A9?=", "aé"},
        {"=?utf-8?q?a=C3?= =?utf-8?q?=A9?=", "aé"}, /* a character over two words */
        {"=?utf-8?q?a=FF?=", "a\xef\xbf\xbd"},
        {"=?utf-8?q?a=00b?=", "a\xef\xbf\xbd"
                              "b"},
        {"x=?utf-8?q?a?=y", "xay"},
        {"=?utf-8?x?a?=", NULL},
        {"=?utf-8?q?a", NULL},
        {"=? =?utf-8?q?a?=", "=? a"},
        {"=?utf-8?q?a b?=", "a b"},
        {"=?utf-8?q?\?=", ""},
        {"\xff raw", "\xef\xbf\xbd raw"},
        {"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"},
        {"=?gb2312?B?xOO6ww==?=", "你好"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str in = str_from_cstr(rows[i].in);
        struct str got = encoded_word_decode(in, &arena);
        struct str want = rows[i].want ? str_from_cstr(rows[i].want) : in;
        cr_assert(str_eq(got, want), "%s: %.*s", rows[i].in, STR_ARG(got));
    }
}

Test(encoded_word, writing_and_reading_back)
{
    static const char *rows[] = {
        "é",
        "ein Wörtchen",
        "日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語",
        "a_b=c?d é é é é é é é é é é é é é é é é é é é é é é é é é é é é é é é é é é é é é é é é é "
        "é",
        "😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t first_max = 16; first_max <= 80; first_max += 16) {
            struct buf out;
            buf_init(&out, 4096);
            struct str text = str_from_cstr(rows[i]);
            cr_assert(encoded_word_write(&out, text, first_max));
            struct str rest = buf_str(&out), word;
            while (!str_is_null(rest)) {
                str_cut(rest, ' ', &word, &rest);
                cr_assert(word.len <= 75, "%s: %zu", rows[i], word.len);
            }
            cr_assert(str_is_ascii(buf_str(&out)));
            struct str back = encoded_word_decode(buf_str(&out), &arena);
            cr_assert(str_eq(back, text), "%s: %.*s", rows[i], STR_ARG(back));
            buf_release(&out);
        }
    }
}
