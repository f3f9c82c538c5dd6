#include "common/base/str.h"

#include <criterion/criterion.h>

Test(str, cut_splits_at_the_first_and_says_whether_there_was_one)
{
    static const struct {
        const char *in, *before, *after;
        bool found;
    } rows[] = {
        {"a=b=c", "a", "b=c", true}, {"=b", "", "b", true}, {"a=", "a", "", true},
        {"abc", "abc", NULL, false}, {"", "", NULL, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str before, after;
        cr_assert_eq(str_cut(str_from_cstr(rows[i].in), '=', &before, &after), rows[i].found, "%s",
                     rows[i].in);
        cr_assert(str_eq(before, str_from_cstr(rows[i].before)), "%s", rows[i].in);
        cr_assert(str_eq(after, str_from_cstr(rows[i].after)), "%s", rows[i].in);
        cr_assert_eq(str_is_null(after), rows[i].after == NULL, "%s", rows[i].in);
    }
}

Test(str, numbers_are_digits_only_and_checked_against_overflow)
{
    static const struct {
        const char *in;
        uint64_t max, value;
        bool ok;
    } rows[] = {
        {"0", 10, 0, true},
        {"18446744073709551615", UINT64_MAX, UINT64_MAX, true},
        {"18446744073709551616", UINT64_MAX, 0, false},
        {"99999999999999999999", UINT64_MAX, 0, false},
        {"11", 10, 0, false},
        {"", 10, 0, false},
        {"-1", 10, 0, false},
        {"+1", 10, 0, false},
        {" 1", 10, 0, false},
        {"1x", 10, 0, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t value = 77;
        cr_assert_eq(str_to_u64(str_from_cstr(rows[i].in), rows[i].max, &value), rows[i].ok, "%s",
                     rows[i].in);
        cr_assert_eq(value, rows[i].ok ? rows[i].value : 77, "%s", rows[i].in);
    }
}

Test(str, comparison_knows_prefixes_case_and_bytes)
{
    cr_assert(str_cmp(STR("ab"), STR("abc")) < 0);
    cr_assert(str_cmp(STR("b"), STR("abc")) > 0);
    cr_assert(str_cmp(STR("\xff"), STR("a")) > 0, "bytes are unsigned");
    cr_assert(str_eq(STR("a\0b"), STR("a\0b")));
    cr_assert_not(str_eq(STR("a\0b"), STR("a\0c")));
    cr_assert(str_eq_nocase(STR("InBox"), STR("INBOX")));
    cr_assert_not(str_eq_nocase(STR("\xc4"), STR("\xe4")), "only A-Z folds");
    cr_assert(str_starts_with(STR("abc"), STR("")));
    cr_assert_not(str_starts_with(STR("ab"), STR("abc")));
    cr_assert(str_ends_with_nocase(STR("mail.Example"), STR(".example")));
    cr_assert(str_eq(STR_NULL, STR("")));
    cr_assert(str_eq_secret(STR("same"), STR("same")));
    cr_assert_not(str_eq_secret(STR("same"), STR("some")));
    cr_assert_eq(str_hash_nocase(STR("ABC")), str_hash_nocase(STR("abc")));
}

Test(str, find_looks_everywhere_and_never_past_the_end)
{
    static const struct {
        const char *in, *needle;
        ptrdiff_t at;
    } rows[] = {
        {"hello", "lo", 3}, {"hello", "hello", 0}, {"hello", "hellos", -1},
        {"aaab", "aab", 1}, {"", "a", -1},         {"abc", "", 0},
        {"", "", 0},        {"ababc", "abc", 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(str_find(str_from_cstr(rows[i].in), str_from_cstr(rows[i].needle)), rows[i].at,
                     "%s in %s", rows[i].needle, rows[i].in);
    cr_assert_eq(str_find_char(STR("a,b,c"), ','), 1);
    cr_assert_eq(str_rfind_char(STR("a,b,c"), ','), 3);
    cr_assert_eq(str_find_char(STR_NULL, ','), -1);
}

Test(str, slices_are_clamped)
{
    cr_assert(str_eq(str_slice(STR("abcdef"), 2, 3), STR("cde")));
    cr_assert(str_eq(str_slice(STR("abc"), 2, 30), STR("c")));
    cr_assert(str_eq(str_slice(STR("abc"), 20, 3), STR("")));
    cr_assert(str_eq(str_skip(STR_NULL, 5), STR("")));
    cr_assert(str_eq(str_trim(STR(" \t a b\r\n")), STR("a b")));
    cr_assert(str_eq(str_trim(STR(" \r\n")), STR("")));
}

Test(str, a_c_string_must_fit_and_hold_no_nul)
{
    char out[4];
    cr_assert(str_copy_cstr(STR("abc"), out, sizeof(out)));
    cr_assert_str_eq(out, "abc");
    cr_assert_not(str_copy_cstr(STR("abcd"), out, sizeof(out)));
    cr_assert_not(str_copy_cstr(STR("a\0b"), out, sizeof(out)));
    cr_assert(str_copy_cstr(STR_NULL, out, sizeof(out)));
    cr_assert_str_eq(out, "");
}
