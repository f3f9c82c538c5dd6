#include "common/text/base64.h"

#include <criterion/criterion.h>

Test(base64, rfc_4648_10)
{
    static const struct {
        const char *plain;
        const char *encoded;
        const char *url;
    } rows[] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
        {"\xfb\xff\xfe", "+//+", "-__-"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str plain = str_from_cstr(rows[i].plain);
        struct buf out;
        struct err err;
        buf_init(&out, str_from_cstr(rows[i].encoded).len); /* the maximum may be exact */
        cr_assert(base64_encode(&out, plain));
        cr_assert(str_eq(buf_str(&out), str_from_cstr(rows[i].encoded)), "%s", rows[i].plain);
        buf_reset(&out);
        cr_assert(base64_url_encode(&out, plain));
        cr_assert(str_eq(buf_str(&out), str_from_cstr(rows[i].url)), "%s", rows[i].plain);
        buf_reset(&out);
        cr_assert(base64_decode(&out, str_from_cstr(rows[i].encoded), &err), "%s", rows[i].encoded);
        cr_assert(str_eq(buf_str(&out), plain), "%s", rows[i].encoded);
        buf_reset(&out);
        cr_assert(base64_url_decode(&out, str_from_cstr(rows[i].url), &err), "%s", rows[i].url);
        cr_assert(str_eq(buf_str(&out), plain), "%s", rows[i].url);
        buf_release(&out);
    }
}

Test(base64, whole_values_have_one_spelling)
{
    static const struct {
        const char *in;
        bool url;
    } rows[] = {
        {"Zg", false},   {"Zg=", false},      {"Zg===", false}, {"Zh==", false},
        {"Zm9=", false}, {"Z", false},        {"Z===", false},  {"====", false},
        {"=", false},    {"Zm9v\r\n", false}, {"Zm 9v", false}, {"Zg==Zg==", false},
        {"Zm9!", false}, {"-__-", false},     {"+//+", true},   {"Zh", true},
        {"Z", true},     {"Zg=", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out;
        struct err err = {0};
        struct str in = str_from_cstr(rows[i].in);
        buf_init(&out, 64);
        cr_assert_not(rows[i].url ? base64_url_decode(&out, in, &err)
                                  : base64_decode(&out, in, &err),
                      "%s", rows[i].in);
        cr_assert_eq(err.kind, ERR_SYNTAX, "%s", rows[i].in);
        cr_assert_eq(out.len, 0, "%s", rows[i].in);
        buf_release(&out);
    }
}

Test(base64, a_full_buffer_is_a_limit)
{
    struct buf out;
    struct err err;
    buf_init(&out, 2);
    cr_assert_not(base64_decode(&out, STR("Zm9v"), &err));
    cr_assert_eq(err.kind, ERR_LIMIT);
    cr_assert_not(base64_encode(&out, STR("f")));
    cr_assert(out.overflow);
    buf_release(&out);
}

Test(base64, bodies_are_decoded_in_pieces_and_forgivingly)
{
    static const struct {
        const char *in;
        const char *want;
        bool damaged;
    } rows[] = {
        {"Zm9v\r\nYmFy\r\n", "foobar", false},
        {"Zm 9v\tYg = =", "foob", false},
        {"Zg==", "f", false},
        {"Zg==Zm9v", "ffoo", true}, /* concatenated values do occur */
        {"Zm9!v", "foo", true},
        {"Zm9vYg", "foob", true},
        {"Zm9vY", "foo", true},
        {"Zg=", "f", true},
        {"Zg===", "f", true},
        {"=Zg==", "f", true},
        {"Zh==", "f", true},
        {"", "", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str in = str_from_cstr(rows[i].in);
        bool damaged;
        for (size_t split = 0; split <= in.len; split++) {
            struct base64_decoder d;
            struct buf out;
            buf_init(&out, 64);
            base64_decoder_init(&d);
            cr_assert(base64_decoder_feed(&d, str_slice(in, 0, split), &out));
            cr_assert(base64_decoder_feed(&d, str_skip(in, split), &out));
            cr_assert(base64_decoder_end(&d, &out));
            cr_assert(str_eq(buf_str(&out), str_from_cstr(rows[i].want)), "%s split %zu: %.*s",
                      rows[i].in, split, STR_ARG(buf_str(&out)));
            cr_assert_eq(d.damaged, rows[i].damaged, "%s split %zu", rows[i].in, split);
            buf_release(&out);
        }
        cr_assert_eq(base64_decoded_size(in, &damaged), str_from_cstr(rows[i].want).len, "%s",
                     rows[i].in);
        cr_assert_eq(damaged, rows[i].damaged, "%s", rows[i].in);
    }
}

Test(base64, lines_of_bodies_have_76_characters)
{
    char data[58] = {0};
    struct buf out;
    buf_init(&out, 256);
    cr_assert(base64_encode_lines(&out, str_make(data, 58)));
    cr_assert_eq(str_find(buf_str(&out), STR("\r\n")), 76);
    cr_assert_eq(out.len, 76 + 2 + 4 + 2);
    buf_release(&out);
}
