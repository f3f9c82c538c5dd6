#include "common/text/cursor.h"

#include <criterion/criterion.h>

static bool parse_path(struct str in, struct str *local, struct str *domain, struct err *err)
{
    struct cursor c = cursor_init(in);
    cursor_expect(&c, '<');
    *local = cursor_take_while(&c, is_atext, 8, "local-part");
    cursor_expect(&c, '@');
    *domain = cursor_take_while(&c, is_domain_text, 255, "domain");
    cursor_expect(&c, '>');
    return cursor_finish(&c, err);
}

Test(cursor, a_grammar_is_judged_once_and_names_the_first_failure)
{
    static const struct {
        const char *in;
        const char *want; /* error text, NULL for success */
    } rows[] = {
        {"<user@example.org>", NULL},
        {"<user.example.org>", "expected \"@\" at offset 5"},
        {"user@example.org", "expected \"<\" at offset 0"},
        {"<@example.org>", "expected local-part at offset 1"},
        {"<much-too-long@example.org>", "local-part too long at offset 1"},
        {"<a@b> ", "expected end of input at offset 5"},
        {"", "expected \"<\" at offset 0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str local, domain;
        struct err err;
        bool ok = parse_path(str_from_cstr(rows[i].in), &local, &domain, &err);
        cr_assert_eq(ok, rows[i].want == NULL, "%s", rows[i].in);
        if (!ok)
            cr_assert_str_eq(err.detail, rows[i].want, "%s: %s", rows[i].in, err.detail);
    }
}

Test(cursor, after_a_failure_nothing_moves)
{
    struct cursor c = cursor_init(STR("abc"));
    cursor_expect(&c, 'x');
    cr_assert(cursor_failed(&c));
    cr_assert(!cursor_skip(&c, 'a'));
    cr_assert_eq(cursor_take(&c, 1, "byte").len, 0);
    cr_assert_eq(cursor_peek(&c), -1);
    cr_assert_eq(cursor_offset(&c), 0);
}

Test(cursor, numbers_have_a_maximum)
{
    static const struct {
        const char *in;
        bool ok;
        uint64_t value;
    } rows[] = {
        {"0", true, 0},           {"4294967295", true, 4294967295},
        {"4294967296", false, 0}, {"99999999999999999999999999", false, 0},
        {"x", false, 0},          {"007", true, 7},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cursor c = cursor_init(str_from_cstr(rows[i].in));
        uint64_t value = cursor_take_number(&c, UINT32_MAX, "number");
        cr_assert_eq(!cursor_failed(&c), rows[i].ok, "%s", rows[i].in);
        if (rows[i].ok)
            cr_assert_eq(value, rows[i].value, "%s", rows[i].in);
    }
}

Test(cursor, rewind_takes_back_a_failed_attempt)
{
    struct cursor c = cursor_init(STR("42"));
    struct cursor mark = cursor_mark(&c);
    cursor_take_while(&c, is_alpha, 10, "letters");
    cr_assert(cursor_failed(&c));
    cursor_rewind(&c, mark);
    cr_assert_eq(cursor_take_number(&c, 100, "number"), 42);
    cr_assert(cursor_at_end(&c));
}
