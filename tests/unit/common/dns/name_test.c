#include "common/dns/name.h"

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

TestSuite(dns_name, .init = setup, .fini = teardown);

#define LABEL63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

Test(dns_name, only_absolute_names_are_looked_up)
{
    static const struct {
        const char *in, *want; /* NULL: refused */
    } rows[] = {
        {"example.org.", "example.org."},
        {"_25._TCP.mx.Example.Org.", "_25._tcp.mx.example.org."},
        {"0/25.2.0.192.in-addr.arpa.", "0/25.2.0.192.in-addr.arpa."}, /* RFC 2317 4 */
        {".", "."},
        {LABEL63 ".", LABEL63 "."},
        {LABEL63 "." LABEL63 "." LABEL63 "." LABEL63 ".", NULL},
        {"a" LABEL63 ".", NULL},
        {"example.org", NULL},
        {"", NULL},
        {"..", NULL},
        {"a..b.", NULL},
        {".a.", NULL},
        {"a b.", NULL},
        {"a\\.b.", NULL},
        {"m\u00f6x.example.", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str got;
        struct err err;
        bool ok = dns_name_parse(str_from_cstr(rows[i].in), &arena, &got, &err);
        cr_assert_eq(ok, rows[i].want != NULL, "%s", rows[i].in);
        if (ok)
            cr_assert(str_eq(got, str_from_cstr(rows[i].want)), "%s", rows[i].in);
        else
            cr_assert_eq(err.kind, ERR_SYNTAX, "%s", rows[i].in);
    }
}

Test(dns_name, wire_names_become_text)
{
    static const struct {
        const char *name;
        struct str in;
        const char *want; /* NULL: refused */
    } rows[] = {
        {"root", STR_INIT("\0"), "."},
        {"two labels", STR_INIT("\7Example\3org\0"), "example.org."},
        {"dot in a label", STR_INIT("\3a.b\0"), "a\\.b."},
        {"backslash and space", STR_INIT("\3\\ a\0"), "\\\\\\032a."},
        {"byte above ASCII", STR_INIT("\1\xff\0"), "\\255."},
        {"compression pointer", STR_INIT("\300\0"), NULL},
        {"cut in a label", STR_INIT("\7Exam"), NULL},
        {"no end", STR_INIT("\1a"), NULL},
        {"nothing", STR_INIT(""), NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct wire w = wire_init(rows[i].in);
        struct str got = dns_name_take(&w, &arena);
        struct err err;
        bool ok = wire_finish(&w, &err);
        cr_assert_eq(ok, rows[i].want != NULL, "%s", rows[i].name);
        if (ok)
            cr_assert(str_eq(got, str_from_cstr(rows[i].want)), "%s: %.*s", rows[i].name,
                      STR_ARG(got));
    }
}

Test(dns_name, wire_names_have_at_most_255_bytes)
{
    char bytes[300];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = i % 2 == 0 ? 1 : 'x';
    bytes[254] = 0;
    struct err err;
    struct wire w = wire_init(str_make(bytes, 255));
    dns_name_take(&w, &arena);
    cr_assert(wire_finish(&w, &err), "%s", err.detail);
    bytes[254] = 1;
    bytes[256] = 0;
    w = wire_init(str_make(bytes, 257));
    dns_name_take(&w, &arena);
    cr_assert(!wire_finish(&w, &err));
}

Test(dns_name, addresses_have_reverse_names)
{
    static const struct {
        const char *in, *want;
    } rows[] = {
        {"192.0.2.10", "10.2.0.192.in-addr.arpa."},
        {"2001:db8::567:89ab",
         "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."},
        {"example.org", NULL},
        {"192.0.2", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str got;
        bool ok = dns_name_of_address(str_from_cstr(rows[i].in), &arena, &got);
        cr_assert_eq(ok, rows[i].want != NULL, "%s", rows[i].in);
        if (ok)
            cr_assert(str_eq(got, str_from_cstr(rows[i].want)), "%.*s", STR_ARG(got));
    }
}
