#include "common/mail/domain.h"

#include <criterion/criterion.h>
#include <string.h>

#define LABEL_63 "a23456789012345678901234567890123456789012345678901234567890123"

Test(domain, names_are_made_canonical_or_refused)
{
    static const struct {
        const char *in;
        const char *want; /* NULL: refused */
    } rows[] = {
        {"example.org", "example.org"},
        {"Example.ORG.", "example.org"},
        {"localhost", "localhost"},
        {"xn--mx-fka.example", "xn--mx-fka.example"},
        {"XN--MX-FKA.Example", "xn--mx-fka.example"},
        {"MÖX.example", "xn--mx-fka.example"},
        {"mo\xcc\x88x.example", "xn--mx-fka.example"}, /* NFD */
        {"faß.example", "xn--fa-hia.example"},         /* non-transitional */
        {"a.b-c.d9", "a.b-c.d9"},
        {"1.2.3.example", "1.2.3.example"},
        {LABEL_63 ".org", LABEL_63 ".org"},
        {LABEL_63 "4.org", NULL},
        {"", NULL},
        {".", NULL},
        {"a..b", NULL},
        {".a", NULL},
        {"a.-b.org", NULL},
        {"a.b-.org", NULL},
        {"a_b.org", NULL},
        {"a b.org", NULL},
        {"192.0.2.1", NULL},
        {"example.7", NULL},
        {"[192.0.2.1]", NULL},
        {"::1", NULL},
        {"xn--a.example", NULL},         /* no punycode */
        {"\xff.example", NULL},          /* no UTF-8 */
        {"a\xe2\x80\x8d.example", NULL}, /* joiner without context (CONTEXTJ) */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        arena_init(&arena, 4096);
        struct str domain = STR_NULL;
        struct err err;
        bool ok = domain_parse(str_from_cstr(rows[i].in), &arena, &domain, &err);
        cr_assert_eq(ok, rows[i].want != NULL, "%s", rows[i].in);
        if (ok)
            cr_assert(str_eq(domain, str_from_cstr(rows[i].want)), "%s: %.*s", rows[i].in,
                      STR_ARG(domain));
        else
            cr_assert_eq(err.kind, ERR_SYNTAX, "%s: %s", rows[i].in, err.detail);
        arena_release(&arena);
    }
}

Test(domain, length_limit_is_253)
{
    char text[255];
    memset(text, 'a', sizeof(text));
    for (size_t i = 3; i < 254; i += 4)
        text[i] = '.';
    struct arena arena;
    arena_init(&arena, 4096);
    struct str domain;
    struct err err;
    cr_assert(domain_parse(str_make(text, 253), &arena, &domain, &err));
    cr_assert_not(domain_parse(str_make(text, 254), &arena, &domain, &err));
    cr_assert(strstr(err.detail, "253"), "%s", err.detail);
    arena_release(&arena);
}

Test(domain, unicode_form_is_for_people)
{
    struct arena arena;
    arena_init(&arena, 4096);
    struct str shown = domain_to_unicode(STR("xn--mx-fka.example"), &arena);
    cr_assert(str_eq(shown, STR("möx.example")), "%.*s", STR_ARG(shown));
    cr_assert(str_eq(domain_to_unicode(STR("example.org"), &arena), STR("example.org")));
    arena_release(&arena);
}

Test(domain, within_goes_by_labels)
{
    cr_assert(domain_is_within(STR("a.example.org"), STR("example.org")));
    cr_assert(domain_is_within(STR("example.org"), STR("example.org")));
    cr_assert_not(domain_is_within(STR("badexample.org"), STR("example.org")));
    cr_assert_not(domain_is_within(STR("org"), STR("example.org")));
}
