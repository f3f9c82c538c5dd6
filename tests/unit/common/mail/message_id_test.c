#include "common/base/buf.h"
#include "common/mail/message_id.h"
#include "common/mail/subject.h"

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

TestSuite(threads, .init = setup, .fini = teardown);

Test(threads, message_ids_are_made_canonical)
{
    static const struct {
        const char *in;
        const char *want; /* NULL: none */
    } rows[] = {
        {"<a@example.org>", "a@example.org"},
        {"  <A.B@Example.ORG>\t", "a.b@example.org"},
        {"<\"Joe\"@example.org>", "joe@example.org"},
        {"<\"joe doe\"@example.org>", "\"joe doe\"@example.org"},
        {"<\"joe\"@ex_ample.org>", "\"joe\"@ex_ample.org"}, /* host that is none: raw */
        {"<a@[192.0.2.1]>", "a@[192.0.2.1]"},
        {"<a@b@c>", "a@b@c"},
        {"<nothing>", "nothing"},
        {"<a@MÖX.example>", "a@möx.example"},
        {"<a@xn--mx-fka.example>", "a@xn--mx-fka.example"},
        {"<a@example.org> comment", "a@example.org"},
        {"<a@example.org>comment", NULL},
        {"a@example.org", NULL},
        {"<a@example.org", NULL},
        {"<>", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str got = message_id_canonical(str_from_cstr(rows[i].in), &arena);
        cr_assert(str_eq(got, str_from_cstr(rows[i].want)), "%s: %.*s", rows[i].in, STR_ARG(got));
        cr_assert_eq(str_is_null(got), rows[i].want == NULL, "%s", rows[i].in);
    }
}

Test(threads, references_are_found_between_other_text)
{
    static const struct {
        const char *in;
        const char *want; /* joined by "|" */
    } rows[] = {
        {"<a@x> <b@x>", "a@x|b@x|"},
        {"<a@x><b@x>", "a@x|b@x|"},
        {"text <a@x> more, <B@x>", "a@x|b@x|"},
        {"<a@x>\r\n\t<b@\r\n x>", "a@x|b@x|"},
        {"<broken <a@x>", "a@x|"},
        {"glued<a@x> <b@x>", "b@x|"},
        {"<> <a@x> <open", "a@x|"},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str ids[8];
        size_t count = 0;
        message_id_references(str_from_cstr(rows[i].in), &arena, ids, ARRAY_LEN(ids), &count);
        struct buf out;
        buf_init(&out, 256);
        for (size_t k = 0; k < count; k++)
            buf_printf(&out, "%.*s|", STR_ARG(ids[k]));
        cr_assert(str_eq(buf_str(&out), str_from_cstr(rows[i].want)), "%s: %.*s", rows[i].in,
                  STR_ARG(buf_str(&out)));
        buf_release(&out);
    }
}

Test(threads, base_subjects_of_rfc_5256)
{
    static const struct {
        const char *in;
        const char *want;
        bool is_reply;
    } rows[] = {
        {"test", "test", false},
        {"Re: test", "test", true},
        {"RE : test", "test", true},
        {"Re[2]: test", "test", true},
        {"Re: Re: Fwd: fw: test", "test", true},
        {"[list] Re: [tag] Fwd: a  b (fwd)", "a b", true},
        {"[nonlist]", "[nonlist]", false},
        {"[one] [two]", "[two]", false},
        {"[list] test", "test", false},
        {"test (fwd) (FWD) ", "test", true},
        {"[Fwd: test]", "test", true},
        {"[fwd: Re: [x] test]", "test", true},
        {"[fwd: test] more", "more", false},
        {"Re:", "", true},
        {"", "", false},
        {"Rest: of it", "rest: of it", false},
        {"Re test", "re test", false},
        {"Größe:\r\n ÄÖ", "größe: äö", false},
        {"a\t\t b", "a b", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool is_reply;
        struct str got = subject_base(str_from_cstr(rows[i].in), &arena, &is_reply);
        cr_assert(str_eq(got, str_from_cstr(rows[i].want)), "%s: %.*s", rows[i].in, STR_ARG(got));
        cr_assert_eq(is_reply, rows[i].is_reply, "%s", rows[i].in);
    }
    bool is_reply;
    cr_assert_eq(subject_base(STR("a\0b"), &arena, &is_reply).len, 0);
}
