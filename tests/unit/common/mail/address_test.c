#include "common/mail/address.h"

#include <criterion/criterion.h>
#include <string.h>

#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

static struct arena arena;

static void setup(void)
{
    arena_init(&arena, 1 << 20);
}

static void teardown(void)
{
    arena_release(&arena);
}

TestSuite(address, .init = setup, .fini = teardown);

Test(address, parsing_decodes_and_writing_quotes_only_what_must_be)
{
    static const struct {
        const char *in;
        const char *localpart; /* NULL: refused */
        const char *domain;
        const char *written; /* NULL: as `in` */
    } rows[] = {
        {"user@example.org", "user", "example.org", NULL},
        {"first.last@Example.ORG", "first.last", "example.org", "first.last@example.org"},
        {"\"user\"@example.org", "user", "example.org", "user@example.org"},
        {"\"jane doe\"@example.org", "jane doe", "example.org", NULL},
        {"\"a\\\"b\\\\\"@example.org", "a\"b\\", "example.org", NULL},
        {"\"\\u\\ \"@example.org", "u ", "example.org", "\"u \"@example.org"},
        {"\"\"@example.org", "", "example.org", NULL},
        {"\"a..b\"@example.org", "a..b", "example.org", NULL},
        {"\".\"@example.org", ".", "example.org", NULL},
        {"\"a@b\"@example.org", "a@b", "example.org", NULL},
        {"!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~", "example.org", NULL},
        {"ü@MÖX.example", "ü", "xn--mx-fka.example", "ü@xn--mx-fka.example"},
        {"mo\xcc\x88x@example.org", "m\xc3\xb6x", "example.org", "m\xc3\xb6x@example.org"},
        {"user@[192.0.2.1]", "user", "[192.0.2.1]", NULL},
        {"user@[IPv6:2001:DB8:0::1]", "user", "[IPv6:2001:db8::1]", "user@[IPv6:2001:db8::1]"},
        {X100 "@example.org", X100, "example.org", NULL},
        {X100 X10 X10 "12345678@example.org", X100 X10 X10 "12345678", "example.org", NULL},
        {X100 X10 X10 "123456789@example.org", NULL, NULL, NULL},
        {"\"" X100 X10 X10 "123456789\"@example.org", NULL, NULL, NULL},
        {"", NULL, NULL, NULL},
        {"user", NULL, NULL, NULL},
        {"@example.org", NULL, NULL, NULL},
        {"user@", NULL, NULL, NULL},
        {"a..b@example.org", NULL, NULL, NULL},
        {".a@example.org", NULL, NULL, NULL},
        {"a.@example.org", NULL, NULL, NULL},
        {"a b@example.org", NULL, NULL, NULL},
        {"a@b@example.org", NULL, NULL, NULL},
        {"user@example.org.", NULL, NULL, NULL},
        {"user@192.0.2.1", NULL, NULL, NULL},
        {"user@[300.0.2.1]", NULL, NULL, NULL},
        {"user@[IPv6:::1", NULL, NULL, NULL},
        {"user@[tag:x]", NULL, NULL, NULL},
        {"\"a\tb\"@example.org", NULL, NULL, NULL},
        {"\"a\\\x01\"@example.org", NULL, NULL, NULL},
        {"\"a@example.org", NULL, NULL, NULL},
        {"\xff@example.org", NULL, NULL, NULL},
        {"user@exa mple.org", NULL, NULL, NULL},
        {"user@example.org ", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address a;
        struct err err;
        bool ok = address_parse(str_from_cstr(rows[i].in), &arena, &a, &err);
        cr_assert_eq(ok, rows[i].localpart != NULL, "%s", rows[i].in);
        if (!ok) {
            cr_assert(err.kind == ERR_SYNTAX || err.kind == ERR_LIMIT, "%s", rows[i].in);
            continue;
        }
        cr_assert(str_eq(a.localpart, str_from_cstr(rows[i].localpart)), "%s: %.*s", rows[i].in,
                  STR_ARG(a.localpart));
        cr_assert(str_eq(a.domain, str_from_cstr(rows[i].domain)), "%s: %.*s", rows[i].in,
                  STR_ARG(a.domain));
        struct buf out;
        buf_init(&out, 1024);
        cr_assert(address_write(&out, a));
        const char *want = rows[i].written ? rows[i].written : rows[i].in;
        cr_assert(str_eq(buf_str(&out), str_from_cstr(want)), "%s: %.*s", rows[i].in,
                  STR_ARG(buf_str(&out)));
        buf_release(&out);
    }
}

Test(address, errors_name_what_was_wrong)
{
    struct address a;
    struct err err;
    cr_assert_not(address_parse(STR("user@-x.org"), &arena, &a, &err));
    cr_assert(strstr(err.detail, "expected valid domain at offset 5"), "%s", err.detail);
    cr_assert_not(address_parse(STR("user.example.org"), &arena, &a, &err));
    cr_assert(strstr(err.detail, "expected \"@\" at offset 16"), "%s", err.detail);
}

Test(address, a_look_alike_is_another_address)
{
    struct address latin, greek;
    struct err err;
    cr_assert(address_parse(STR("o@example.org"), &arena, &latin, &err));
    cr_assert(address_parse(STR("ο@example.org"), &arena, &greek, &err));
    cr_assert_not(address_eq(latin, greek));
    cr_assert(address_needs_smtputf8(greek));
    cr_assert_not(address_needs_smtputf8(latin));
}

Test(address, people_see_the_unicode_domain)
{
    struct address a;
    struct err err;
    struct buf out;
    buf_init(&out, 256);
    cr_assert(address_parse(STR("u@xn--mx-fka.example"), &arena, &a, &err));
    cr_assert(address_write_unicode(&out, a));
    cr_assert(str_eq(buf_str(&out), STR("u@möx.example")), "%.*s", STR_ARG(buf_str(&out)));
    buf_release(&out);
}
