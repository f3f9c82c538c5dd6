#include "common/text/quoted_printable.h"

#include <criterion/criterion.h>
#include <string.h>

Test(quoted_printable, decoding_is_the_same_wherever_it_is_split)
{
    static const struct {
        const char *in;
        const char *want;
        bool damaged;
    } rows[] = {
        {"plain text\r\n", "plain text\r\n", false},
        {"a=3Db=e9=E9", "a=b\xe9\xe9", false},
        {"soft=\r\nbreak", "softbreak", false},
        {"soft= \t\r\nbreak", "softbreak", false},
        {"soft=\nbreak", "softbreak", false},
        {"end=", "end", false},
        {"blanks \t \r\nat end  ", "blanks\r\nat end", false},
        {"blanks \rbefore a bare CR\r", "blanks \rbefore a bare CR\r", false},
        {"\r\r\n \r \r\n", "\r\r\n \r\r\n", false},
        {"inner  blanks stay", "inner  blanks stay", false},
        {"raw \xe9", "raw \xe9", false},
        {"bare\nlf", "bare\nlf", false},
        {"=XY", "=XY", true},
        {"=4", "=4", true},
        {"=4=41", "=4A", true},
        {"==41", "=A", true},
        {"= x", "= x", true},
        {"=\rx", "=\rx", true},
        {"", "", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str in = str_from_cstr(rows[i].in);
        for (size_t split = 0; split <= in.len; split++) {
            struct quoted_printable_decoder d;
            struct buf out;
            buf_init(&out, 256);
            quoted_printable_decoder_init(&d);
            cr_assert(quoted_printable_decoder_feed(&d, str_slice(in, 0, split), &out));
            cr_assert(quoted_printable_decoder_feed(&d, str_skip(in, split), &out));
            cr_assert(quoted_printable_decoder_end(&d, &out));
            cr_assert(str_eq(buf_str(&out), str_from_cstr(rows[i].want)), "%s split %zu: %.*s",
                      rows[i].in, split, STR_ARG(buf_str(&out)));
            cr_assert_eq(d.damaged, rows[i].damaged, "%s split %zu", rows[i].in, split);
            buf_release(&out);
        }
    }
}

Test(quoted_printable, encoding)
{
    static const struct {
        const char *in;
        const char *want;
    } rows[] = {
        {"a\n", "a\r\n"},
        {"a=b\xc3\xa9\r\n", "a=3Db=C3=A9\r\n"},
        {"blank \ntab\t\n", "blank=20\r\ntab=09\r\n"},
        {"a\rb\n", "a=0Db\r\n"},
        {"no end", "no end=\r\n"},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out;
        buf_init(&out, 256);
        cr_assert(quoted_printable_encode(&out, str_from_cstr(rows[i].in)));
        cr_assert(str_eq(buf_str(&out), str_from_cstr(rows[i].want)), "%s: %.*s", rows[i].in,
                  STR_ARG(buf_str(&out)));
        buf_release(&out);
    }
}

Test(quoted_printable, lines_are_at_most_76_characters)
{
    for (size_t len = 70; len < 240; len++) {
        char text[256];
        struct buf out;
        memset(text, 'x', sizeof(text));
        text[len / 2] = '=';
        text[len] = '\n';
        buf_init(&out, 4096);
        cr_assert(quoted_printable_encode(&out, str_make(text, len + 1)));
        struct str line, rest = buf_str(&out);
        while (str_cut(rest, '\n', &line, &rest))
            cr_assert(line.len - 1 <= 76, "%zu: %zu", len, line.len);
        buf_release(&out);
    }
}
