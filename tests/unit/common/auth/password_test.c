#include "common/auth/password.h"

#include <criterion/criterion.h>
#include <string.h>

static struct arena arena;

static void setup(void)
{
    arena_init(&arena, 1 << 16);
}
static void teardown(void)
{
    arena_release(&arena);
}

TestSuite(password, .init = setup, .fini = teardown);

/* The first rows are the examples of RFC 8265 4.3. */
Test(password, preparation_follows_opaque_string)
{
    static const struct {
        const char *name, *in, *want; /* want NULL: refused */
    } rows[] = {
        {"ASCII with spaces", "correct horse battery staple", "correct horse battery staple"},
        {"case differs", "Correct Horse Battery Staple", "Correct Horse Battery Staple"},
        {"other letters", "\u03c0\u00df\u00e5", "\u03c0\u00df\u00e5"},
        {"symbols", "Jack of \u2666s", "Jack of \u2666s"},
        {"Ogham space mark", "foo\u1680bar", "foo bar"},
        {"empty", "", NULL},
        {"a control character", "my cat is a \tby", NULL},
        {"decomposed becomes composed", "A\u030angstro\u0308m", "\u00c5ngstr\u00f6m"},
        {"no-break and ideographic space", "a\u00a0b\u3000c", "a b c"},
        {"fullwidth stays", "\uff41bc", "\uff41bc"},
        {"zero width space", "a\u200bb", NULL},
        {"soft hyphen", "a\u00adb", NULL},
        {"old Hangul", "\u1100", NULL},
        {"unassigned", "\u0378", NULL},
        {"not a character", "\ufdd0", NULL},
        {"line separator", "a\u2028b", NULL},
        {"Arabic tatweel", "\u0640", NULL},
        {"middle dot between l", "l\u00b7l", "l\u00b7l"},
        {"middle dot elsewhere", "a\u00b7l", NULL},
        {"zero width joiner after virama", "\u0915\u094d\u200d", "\u0915\u094d\u200d"},
        {"zero width joiner elsewhere", "a\u200d", NULL},
        {"mixed Arabic digits", "\u0661\u06f1", NULL},
        {"not UTF-8", "a\xff", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str got;
        struct err err;
        bool ok = password_prepare(str_from_cstr(rows[i].in), &arena, &got, &err);
        cr_assert_eq(ok, rows[i].want != NULL, "%s", rows[i].name);
        if (ok)
            cr_assert(str_eq(got, str_from_cstr(rows[i].want)), "%s", rows[i].name);
        else
            cr_assert_eq(err.kind, ERR_SYNTAX, "%s", rows[i].name);
    }
}

Test(password, new_ones_have_8_to_511_bytes_after_preparation)
{
    char text[PASSWORD_SIZE_MAX + 2];
    memset(text, 'x', sizeof(text));
    static const struct {
        size_t len;
        bool ok;
    } rows[] = {{0, false}, {7, false}, {8, true}, {511, true}, {512, false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str got;
        struct err err;
        bool ok = password_prepare_new(str_make(text, rows[i].len), &arena, &got, &err);
        cr_assert_eq(ok, rows[i].ok, "%zu bytes", rows[i].len);
        if (!ok)
            cr_assert_eq(err.kind, ERR_LIMIT, "%zu bytes", rows[i].len);
    }
    struct str got;
    struct err err;
    cr_assert(!password_prepare_new(STR("\u3000\u3000\u3000"), &arena, &got, &err),
              "three spaces, nine bytes before preparation");
}

Test(password, only_the_right_one_verifies)
{
    struct password_hash hash;
    struct err err;
    cr_assert(password_hash(STR("correct horse"), &hash, &err));
    cr_assert(str_starts_with(str_from_cstr(hash.text), STR("$y$")));
    bool matches;
    cr_assert(password_verify(STR("correct horse"), hash.text, &matches, &err));
    cr_assert(matches);
    cr_assert(password_verify(STR("correct horsf"), hash.text, &matches, &err));
    cr_assert(!matches);
    char longest[PASSWORD_SIZE_MAX];
    memset(longest, 'y', sizeof(longest));
    cr_assert(password_hash(str_make(longest, sizeof(longest)), &hash, &err));
    cr_assert(password_verify(str_make(longest, sizeof(longest)), hash.text, &matches, &err));
    cr_assert(matches);
    cr_assert(password_verify(str_make(longest, sizeof(longest) - 1), hash.text, &matches, &err));
    cr_assert(!matches, "no truncation");
}

Test(password, nobody_has_a_hash_that_can_be_checked)
{
    bool matches = true;
    struct err err;
    cr_assert(password_verify(STR("anything"), password_hash_of_nobody(), &matches, &err), "%s",
              err.detail);
    cr_assert(!matches);
    cr_assert(!password_verify(STR("anything"), "no hash", &matches, &err));
    cr_assert_eq(err.kind, ERR_CORRUPT);
}
