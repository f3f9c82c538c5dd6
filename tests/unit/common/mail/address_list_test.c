#include "common/mail/address.h"

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

TestSuite(address_list, .init = setup, .fini = teardown);

/* "name <addr>|" for each; groups as "name:|" and ";|". */
static struct str describe_list(const struct address_entry *list)
{
    struct buf out;
    buf_init(&out, 64 * 1024);
    for (const struct address_entry *e = list; e; e = e->next) {
        buf_append(&out, e->name);
        if (e->group_start || e->group_end) {
            buf_append(&out, e->group_start ? STR(":") : STR(";"));
        } else {
            buf_append(&out, STR(" <"));
            if (e->address.domain.len > 0)
                address_write(&out, e->address);
            buf_append_char(&out, '>');
        }
        buf_append_char(&out, '|');
    }
    struct str copy = arena_copy(&arena, buf_str(&out));
    buf_release(&out);
    return copy;
}

/* "error" for a refusal. */
static struct str describe(struct str in, size_t max)
{
    struct address_entry *list = NULL;
    struct err err;
    return address_list_parse(in, max, &arena, &list, &err) ? describe_list(list) : STR("error");
}

Test(address_list, lists_of_rfc_5322_and_of_the_world)
{
    static const struct {
        const char *in;
        const char *want;
    } rows[] = {
        {"", ""},
        {"joe@example.org", " <joe@example.org>|"},
        {" <joe@example.org> ", " <joe@example.org>|"},
        {"Joe <joe@example.org>, \"Doe, Jane\" <jane@example.org>",
         "Joe <joe@example.org>|Doe, Jane <jane@example.org>|"},
        /* RFC 5322 A.1.2, A.1.3, A.5 */
        {"\"Joe Q. Public\" <john.q.public@example.com>",
         "Joe Q. Public <john.q.public@example.com>|"},
        {"Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
         "Mary Smith <mary@x.test>| <jdoe@example.org>|Who? <one@y.test>|"},
        {"<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
         " <boss@nil.test>|Giant; \"Big\" Box <sysservices@example.net>|"},
        {"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
         "A Group:|Ed Jones <c@a.test>| <joe@where.test>|John <jdoe@one.test>|;|"},
        {"Undisclosed recipients:;", "Undisclosed recipients:|;|"},
        {"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
         "Pete <pete@silly.test>|"},
        {"A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
         "         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the "
         "group)",
         "A Group:|Chris Jones <c@public.example>| <joe@example.org>|John <jdoe@one.test>|;|"},
        {"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;",
         "Hidden recipients:|;|"},
        /* RFC 5322 A.6: obsolete forms */
        {"Joe Q. Public <john.q.public@example.com>", "Joe Q. Public <john.q.public@example.com>|"},
        {"Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
         "Mary Smith <mary@example.net>| <jdoe@test.example>|"},
        {"john . doe @ example . org", " <john.doe@example.org>|"},
        {"joe@example.org (Joe Doe)", "Joe Doe <joe@example.org>|"},
        {"=?utf-8?q?J=C3=B6rg?= =?utf-8?q?_X?= <j@example.org>", "Jörg X <j@example.org>|"},
        {"=?utf-8?q?a,b?= <j@example.org>", "a,b <j@example.org>|"},
        {"\"=?utf-8?q?J=C3=B6rg?=\" <j@example.org>", "Jörg <j@example.org>|"},
        {"Jörg <jörg@möx.example>", "Jörg <jörg@xn--mx-fka.example>|"},
        {"\"quoted local\"@example.org", " <\"quoted local\"@example.org>|"},
        {"\"user\"@example.org", " <user@example.org>|"},
        {"joe@[192.0.2.1]", " <joe@[192.0.2.1]>|"},
        {"Group: a@example.org, b@example.org", "Group:| <a@example.org>| <b@example.org>|;|"},
        {",,a@example.org,,", " <a@example.org>|"},
        /* spec 3.8: no valid SMTP address */
        {"Joe <joe@ex_ample.org>", "Joe <>|"},
        {"Joe <joe>", "Joe <>|"},
        {"Joe <>", "Joe <>|"},
        {"joe@192.0.2.1", " <>|"},
        /* no lists */
        {"joe", "error"},
        {"joe@", "error"},
        {"Joe <joe@example.org", "error"},
        {"\"Joe <joe@example.org>", "error"},
        {"(joe@example.org", "error"},
        {"a@example.org b@example.org", "error"},
        {"a: b: c@example.org;;", "error"},
        {"a@example.org;", "error"},
        {"<a@example.org> x", "error"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str got = describe(str_from_cstr(rows[i].in), 100);
        cr_assert(str_eq(got, str_from_cstr(rows[i].want)), "%s: %.*s", rows[i].in, STR_ARG(got));
    }
}

Test(address_list, the_number_of_entries_is_limited)
{
    cr_assert(str_eq(describe(STR("a@x.org,b@x.org"), 1), STR("error")));
    cr_assert(str_eq(describe(STR("a@x.org"), 1), STR(" <a@x.org>|")));
}

static void check_first(const char *in, size_t max, const char *want)
{
    struct address_entry *list = NULL;
    struct err err;
    cr_assert(address_list_parse_first(str_from_cstr(in), max, &arena, &list, &err), "%s", in);
    struct str got = describe_list(list);
    cr_expect(str_eq(got, str_from_cstr(want)), "%s, %zu: %.*s", in, max, STR_ARG(got));
}

Test(address_list, of_a_longer_list_the_first_are_given)
{
    check_first("a@x.org,b@x.org", 1, " <a@x.org>|");
    check_first("a@x.org,b@x.org", 2, " <a@x.org>| <b@x.org>|");
    check_first("a@x.org, \"no end", 0, "");
    check_first("g: a@x.org, b@x.org;", 4, "g:| <a@x.org>| <b@x.org>|;|");
    check_first("g: a@x.org, b@x.org;", 3, "g:| <a@x.org>|;|");
    check_first("g: a@x.org, b@x.org;", 2, "g:|;|");
    check_first("c@x.org, g: a@x.org;", 2, " <c@x.org>|");
}

/* Ever so many, with long names: the arena is not used up. */
Test(address_list, the_first_leave_half_of_the_arena)
{
    struct address_entry *list = NULL;
    struct err err;
    struct buf value;
    size_t count = 0;
    buf_init(&value, 16 << 20);
    for (int i = 0; i < 50000; i++)
        buf_printf(&value, "\"%0100d\" <a@x.org>,\r\n ", i);
    cr_assert(address_list_parse_first(buf_str(&value), SIZE_MAX, &arena, &list, &err));
    for (const struct address_entry *e = list; e; e = e->next)
        count++;
    cr_expect(count > 1000 && count < 50000 && !arena.exhausted, "%zu", count);
    cr_expect(arena.used < arena.limit * 3 / 5);
    buf_release(&value);
}

Test(address_list, from_must_be_one_valid_address)
{
    static const struct {
        const char *in;
        bool ok;
    } rows[] = {
        {"a@x.org", true},       {"G: a@x.org;", true}, {"a@x.org, b@x.org", false},
        {"Joe <nobody>", false}, {"G:;", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address_entry *list;
        struct address a;
        struct err err;
        cr_assert(address_list_parse(str_from_cstr(rows[i].in), 10, &arena, &list, &err));
        cr_assert_eq(address_list_single(list, &a, &err), rows[i].ok, "%s", rows[i].in);
    }
}
