#include "common/dns/extended_error.h"
#include "common/dns/rdata.h"

#include <criterion/criterion.h>

#define MX_EXAMPLE "\2mx\7Example\0"

Test(dns_rdata, each_type_gives_its_fields)
{
    static const struct {
        const char *name;
        enum dns_type type;
        struct str in;
        struct dns_record want;
    } rows[] = {
        {"A", DNS_A, STR_INIT("\300\0\2\1"), {.text = STR_INIT("192.0.2.1")}},
        {"AAAA",
         DNS_AAAA,
         STR_INIT("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"),
         {.text = STR_INIT("2001:db8::1")}},
        {"NS", DNS_NS, STR_INIT(MX_EXAMPLE), {.text = STR_INIT("mx.example.")}},
        {"CNAME", DNS_CNAME, STR_INIT(MX_EXAMPLE), {.text = STR_INIT("mx.example.")}},
        {"PTR", DNS_PTR, STR_INIT(MX_EXAMPLE), {.text = STR_INIT("mx.example.")}},
        {"MX",
         DNS_MX,
         STR_INIT("\1\2" MX_EXAMPLE),
         {.preference = 258, .text = STR_INIT("mx.example.")}},
        {"MX, none (RFC 7505)", DNS_MX, STR_INIT("\0\0\0"), {.text = STR_INIT(".")}},
        {"SOA",
         DNS_SOA,
         STR_INIT("\2ns\0\4host\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1"),
         {.text = STR_INIT("ns.")}},
        {"TXT, two strings", DNS_TXT, STR_INIT("\3a b\1c"), {.data = STR_INIT("a bc")}},
        {"TXT, empty", DNS_TXT, STR_INIT("\0"), {.data = STR_INIT("")}},
        {"SRV",
         DNS_SRV,
         STR_INIT("\0\1\0\2\0\x19" MX_EXAMPLE),
         {.preference = 1, .weight = 2, .port = 25, .text = STR_INIT("mx.example.")}},
        {"TLSA",
         DNS_TLSA,
         STR_INIT("\3\1\2\xaa\xbb"),
         {.usage = 3, .selector = 1, .matching = 2, .data = STR_INIT("\xaa\xbb")}},
        {"HTTPS",
         DNS_HTTPS,
         STR_INIT("\0\1\0\0\1\0\3\2h2"),
         {.preference = 1, .text = STR_INIT("."), .data = STR_INIT("\0\1\0\3\2h2")}},
        {"CAA",
         DNS_CAA,
         STR_INIT("\200\5Issueca.example"),
         {.preference = 128, .text = STR_INIT("issue"), .data = STR_INIT("ca.example")}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        arena_init(&arena, 65536);
        struct dns_record got;
        struct err err;
        const struct dns_record *want = &rows[i].want;
        cr_assert(dns_rdata_parse(rows[i].type, rows[i].in, &arena, &got, &err), "%s: %s",
                  rows[i].name, err.detail);
        cr_assert(str_eq(got.text, want->text), "%s: %.*s", rows[i].name, STR_ARG(got.text));
        cr_assert(str_eq(got.data, want->data), "%s", rows[i].name);
        cr_assert_eq(got.preference, want->preference, "%s", rows[i].name);
        cr_assert_eq(got.weight, want->weight, "%s", rows[i].name);
        cr_assert_eq(got.port, want->port, "%s", rows[i].name);
        cr_assert_eq(got.usage, want->usage, "%s", rows[i].name);
        cr_assert_eq(got.selector, want->selector, "%s", rows[i].name);
        cr_assert_eq(got.matching, want->matching, "%s", rows[i].name);
        arena_release(&arena);
    }
}

Test(dns_rdata, damaged_data_is_refused_and_named)
{
    static const struct {
        enum dns_type type;
        struct str in;
        const char *want;
    } rows[] = {
        {DNS_A, STR_INIT("\1\2\3"), "A record: cut off address at offset 0"},
        {DNS_A, STR_INIT("\1\2\3\4\5"), "A record: wrong data after the end at offset 4"},
        {DNS_MX, STR_INIT("\1"), "MX record: cut off preference at offset 0"},
        {DNS_MX, STR_INIT("\0\1\5ab"), "MX record: cut off label at offset 3"},
        {DNS_TXT, STR_INIT(""), "TXT record: cut off string at offset 0"},
        {DNS_TXT, STR_INIT("\3ab"), "TXT record: cut off string at offset 1"},
        {DNS_CAA, STR_INIT("\0\0x"), "CAA record: wrong tag at offset 2"},
        {(enum dns_type)99, STR_INIT(""), "record of unknown type 99"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        arena_init(&arena, 65536);
        struct dns_record got;
        struct err err;
        cr_assert(!dns_rdata_parse(rows[i].type, rows[i].in, &arena, &got, &err), "%s",
                  rows[i].want);
        cr_assert_str_eq(err.detail, rows[i].want);
        arena_release(&arena);
    }
}

Test(dns_rdata, reasons_of_the_validator_have_codes)
{
    static const struct {
        const char *why;
        int code;
    } rows[] = {
        {"validation failure <a. MX IN>: signature expired from 192.0.2.1", 7},
        {"validation failure <a. MX IN>: signature before inception date", 8},
        {"validation failure <a. A IN>: no signatures from 192.0.2.1 for key a.", 10},
        {"validation failure <a. A IN>: No DNSKEY record from 192.0.2.1 for key a.", 9},
        {"validation failure <a. A IN>: signature crypto failed", 6},
        {"", 6},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq((int)dns_extended_error_of(str_from_cstr(rows[i].why)), rows[i].code, "%s",
                     rows[i].why);
}
