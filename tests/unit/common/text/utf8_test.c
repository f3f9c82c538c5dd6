#include "common/text/charset.h"
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

TestSuite(utf8, .init = setup, .fini = teardown);

Test(utf8, validity_rfc_3629)
{
    static const struct {
        const char *in;
        size_t valid;
        bool truncated;
    } rows[] = {
        {"ascii", 5, false},
        {"eight by eight, and one more é", 31, false},
        {"eight by eight, then\x80", 20, false},
        {"seven..\xff not ASCII", 7, false},
        {"eight by\xc3", 8, true},
        {"é€😀", 9, false},
        {"\xf4\x8f\xbf\xbf", 4, false}, /* U+10FFFF */
        {"\xed\x9f\xbf", 3, false},     /* U+D7FF */
        {"a\xff", 1, false},
        {"a\x80", 1, false},
        {"\xc0\x80", 0, false}, /* longer than needed */
        {"\xc1\xbf", 0, false},
        {"\xe0\x9f\xbf", 0, false},
        {"\xf0\x8f\xbf\xbf", 0, false},
        {"\xed\xa0\x80", 0, false},     /* surrogate */
        {"\xf4\x90\x80\x80", 0, false}, /* above U+10FFFF */
        {"\xf5\x80\x80\x80", 0, false},
        {"a\xc3", 1, true},
        {"\xe2\x82", 0, true},
        {"\xf0\x9f\x98", 0, true},
        {"\xf0\x9f\x98x", 0, false},
        {"", 0, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str in = str_from_cstr(rows[i].in);
        bool truncated;
        cr_assert_eq(utf8_valid_prefix(in, &truncated), rows[i].valid, "row %zu", i);
        cr_assert_eq(truncated, rows[i].truncated, "row %zu", i);
        cr_assert_eq(utf8_is_valid(in), rows[i].valid == in.len, "row %zu", i);
        cr_assert(utf8_is_valid(utf8_repair(in, &arena)), "row %zu", i);
    }
}

Test(utf8, repair_replaces_bytes_one_by_one)
{
    struct str got = utf8_repair(STR("a\xff\xc3(\0b"), &arena);
    cr_assert(str_eq(got, STR("a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd"
                              "b")));
    struct str fine = STR("é");
    cr_assert_eq(utf8_repair(fine, &arena).ptr, fine.ptr);
}

Test(utf8, forms)
{
    cr_assert(str_eq(utf8_nfc(STR("mo\xcc\x88x"), &arena), STR("m\xc3\xb6x")));
    cr_assert(str_eq(utf8_casefold(STR("Straße ÄÖ"), &arena), STR("strasse äö")));
    cr_assert(str_eq(utf8_casefold(STR("ABC"), &arena), STR("abc")));
    cr_assert(str_eq(utf8_lower(STR("ÄÖ Σ"), &arena), STR("äö σ")));
}

/* RFC 5051: case and composition do not count, and accents come after the bare letter. */
Test(utf8, casemap_is_what_collation_compares)
{
    cr_assert(str_eq(utf8_casemap(STR("aBc 1"), &arena), STR("ABC 1")));
    cr_assert(str_eq(utf8_casemap(STR("\xc3\xa4"), &arena), STR("A\xcc\x88")));
    cr_assert(
        str_eq(utf8_casemap(STR("\xc3\x84x"), &arena), utf8_casemap(STR("a\xcc\x88X"), &arena)));
    cr_assert(str_eq(utf8_casemap(STR("\xc7\x86"), &arena), STR("Dz\xcc\x8c"))); /* title case */
    cr_assert(str_eq(utf8_casemap(STR("\xef\xac\x81"), &arena), STR("fi")));     /* ligature */
    cr_assert(utf8_casemap(STR(""), &arena).len == 0);
}

Test(utf8, lengths_and_cuts_are_at_characters)
{
    struct str s = STR("aé€😀");
    cr_assert_eq(utf8_length(s), 4);
    cr_assert(str_eq(utf8_truncate(s, 3), STR("aé€")));
    cr_assert(str_eq(utf8_truncate(s, 9), s));
    cr_assert(str_eq(utf8_truncate_bytes(s, 5), STR("aé")));
    cr_assert(str_eq(utf8_truncate_bytes(s, 6), STR("aé€")));
    for (uint32_t c = 1; c < 0x110000; c += c < 0x1000 ? 1 : 97) {
        char bytes[4];
        uint32_t back;
        if (c >= 0xd800 && c < 0xe000)
            continue;
        size_t size = utf8_encode(c, bytes);
        cr_assert(utf8_is_valid(str_make(bytes, size)), "U+%04X", c);
        cr_assert_eq(utf8_decode(str_make(bytes, size), &back), size, "U+%04X", c);
        cr_assert_eq(back, c);
    }
}

Test(utf8, charsets)
{
    static const struct {
        const char *label;
        const char *in;
        const char *want; /* NULL: cannot */
    } rows[] = {
        {"utf-8", "\xc3\xa9", "é"},
        {"", "\xff", "\xff"},
        {"US-ASCII", "\xff", "\xff"},
        {"ISO-8859-1", "caf\xe9", "café"},
        {"iso-8859-15", "\xa4", "€"},
        {"windows-1252", "\x80", "€"},
        {"koi8-r", "\xf0\xd2\xc9", "При"},
        {"shift_jis", "\x93\xfa", "日"},
        {"iso-2022-jp", "\x1b$BF|K\\\x1b(B", "日本"},
        {"gb2312", "\xc4\xe3", "你"},
        {"big5", "\xa4\xe9", "日"},
        {"utf-16", "\xff\xfe\xac\x20", "€"},
        {"x-nope", "a", NULL},
        {"ebcdic-us", "a", NULL}, /* iconv would */
        {"utf-8//IGNORE", "a", NULL},
        {"../../etc/passwd", "a", NULL},
        {"gb2312", "\xff", NULL},
        {"utf-16be", "A", NULL}, /* half a character */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str got;
        bool ok =
            charset_decode(str_from_cstr(rows[i].label), str_from_cstr(rows[i].in), &arena, &got);
        cr_assert_eq(ok, rows[i].want != NULL, "%s", rows[i].label);
        if (ok)
            cr_assert(str_eq(got, str_from_cstr(rows[i].want)), "%s: %.*s", rows[i].label,
                      STR_ARG(got));
    }
    cr_assert(charset_is_known(STR("koi8-r")) && charset_is_known(STR("")));
    cr_assert_not(charset_is_known(STR("x-nope")));
}

Test(utf8, charset_in_pieces)
{
    struct str in = STR("\x1b$BF|K\\\x1b(B!");
    for (size_t split = 0; split <= in.len; split++) {
        struct charset_decoder *d = charset_decoder_new(STR("iso-2022-jp"));
        struct buf out;
        buf_init(&out, 64 * 1024);
        cr_assert(d);
        cr_assert(charset_decoder_feed(d, str_slice(in, 0, split), &out));
        cr_assert(charset_decoder_feed(d, str_skip(in, split), &out));
        cr_assert(charset_decoder_end(d, &out));
        cr_assert(str_eq(buf_str(&out), STR("日本!")), "split %zu: %.*s", split,
                  STR_ARG(buf_str(&out)));
        charset_decoder_free(d);
        buf_release(&out);
    }
    cr_assert(charset_decoder_new(STR("utf-8")) == NULL);
    cr_assert(charset_decoder_new(STR("x-nope")) == NULL);
}
