#include "services/dns-resolver/answer.h"

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

TestSuite(answer, .init = setup, .fini = teardown);

static struct lookup_answer read_answer(const struct ub_result *result, enum dns_type type)
{
    struct lookup_answer answer;
    struct err err;
    cr_assert(answer_read(result, STR("a.example."), type, &arena, &answer, &err), "%s",
              err.detail);
    return answer;
}

Test(answer, results_of_the_library_have_a_status)
{
    static char address[] = "\300\0\2\1", short_address[] = "\300\0\2";
    static char *one[] = {address, NULL}, *damaged[] = {short_address, NULL}, *none[] = {NULL};
    static char bogus[] = "validation failure <a. A IN>: signature expired from 192.0.2.1";
    static int four[] = {4}, three[] = {3};
    static const struct {
        const char *name;
        struct ub_result in;
        enum lookup_status status;
        bool authentic, nxdomain;
        size_t records;
        int extended;
        const char *detail;
    } rows[] = {
        {"data",
         {.data = one, .len = four, .havedata = 1, .secure = 1, .ttl = 60},
         LOOKUP_OK,
         true,
         false,
         1,
         -1,
         ""},
        {"insecure",
         {.data = one, .len = four, .havedata = 1, .ttl = 60},
         LOOKUP_OK,
         false,
         false,
         1,
         -1,
         ""},
        {"no such record",
         {.data = none, .secure = 1},
         LOOKUP_NOT_FOUND,
         true,
         false,
         0,
         -1,
         "no such record"},
        {"no such name",
         {.data = none, .rcode = 3, .nxdomain = 1, .secure = 1},
         LOOKUP_NOT_FOUND,
         true,
         true,
         0,
         -1,
         "NXDOMAIN"},
        {"server failure",
         {.data = none, .rcode = 2},
         LOOKUP_TEMPORARY,
         false,
         false,
         0,
         -1,
         "SERVFAIL"},
        {"refused", {.data = none, .rcode = 5}, LOOKUP_TEMPORARY, false, false, 0, -1, "REFUSED"},
        {"forged, with data",
         {.data = one, .len = four, .havedata = 1, .bogus = 1, .why_bogus = bogus},
         LOOKUP_BOGUS,
         false,
         false,
         0,
         7,
         bogus},
        {"damaged record",
         {.data = damaged, .len = three, .havedata = 1, .secure = 1},
         LOOKUP_TEMPORARY,
         true,
         false,
         0,
         -1,
         "A record: cut off address at offset 0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct lookup_answer got = read_answer(&rows[i].in, DNS_A);
        cr_assert_eq(got.status, rows[i].status, "%s", rows[i].name);
        cr_assert_eq(got.authentic, rows[i].authentic, "%s", rows[i].name);
        cr_assert_eq(got.nxdomain, rows[i].nxdomain, "%s", rows[i].name);
        cr_assert_eq(got.record_count, rows[i].records, "%s", rows[i].name);
        cr_assert_eq(got.extended_error, rows[i].extended, "%s", rows[i].name);
        cr_assert(str_eq(got.detail, str_from_cstr(rows[i].detail)), "%s: %.*s", rows[i].name,
                  STR_ARG(got.detail));
        cr_assert(str_eq(got.canonical_name, STR("a.example.")), "%s", rows[i].name);
    }
}

Test(answer, the_canonical_name_is_in_lower_case)
{
    static char address[] = "\300\0\2\1", canonical[] = "WWW.Example.";
    static char *one[] = {address, NULL};
    static int four[] = {4};
    struct ub_result result = {.data = one, .len = four, .havedata = 1, .canonname = canonical};
    cr_assert(str_eq(read_answer(&result, DNS_A).canonical_name, STR("www.example.")));
}

/* Spec 30 4.2: a temporary failure of either is one of the call. */
Test(answer, addresses_of_both_families_are_one_answer)
{
    static const struct dns_record record = {.type = DNS_A};
    static const struct lookup_answer ok = {.status = LOOKUP_OK,
                                            .authentic = true,
                                            .records = &record,
                                            .record_count = 1,
                                            .ttl_s = 60,
                                            .extended_error = -1};
    static const struct lookup_answer nodata = {
        .status = LOOKUP_NOT_FOUND, .authentic = true, .ttl_s = 30, .extended_error = -1};
    static const struct lookup_answer nxdomain = {
        .status = LOOKUP_NOT_FOUND, .nxdomain = true, .extended_error = -1};
    static const struct lookup_answer failed = {.status = LOOKUP_TEMPORARY, .extended_error = -1};
    static const struct lookup_answer bogus = {.status = LOOKUP_BOGUS, .extended_error = 7};
    static const struct {
        const char *name;
        const struct lookup_answer *a, *aaaa;
        enum lookup_status status;
        size_t records;
        bool authentic, nxdomain;
        uint32_t ttl_s;
    } rows[] = {
        {"both", &ok, &ok, LOOKUP_OK, 2, true, false, 60},
        {"only A", &ok, &nodata, LOOKUP_OK, 1, true, false, 30},
        {"only AAAA", &nodata, &ok, LOOKUP_OK, 1, true, false, 30},
        {"AAAA not authentic", &ok, &nxdomain, LOOKUP_OK, 1, false, false, 0},
        {"neither", &nodata, &nodata, LOOKUP_NOT_FOUND, 0, true, false, 30},
        {"no such name", &nxdomain, &nxdomain, LOOKUP_NOT_FOUND, 0, false, true, 0},
        {"A fails", &failed, &ok, LOOKUP_TEMPORARY, 0, false, false, 0},
        {"AAAA fails", &ok, &failed, LOOKUP_TEMPORARY, 0, false, false, 0},
        {"AAAA forged", &failed, &bogus, LOOKUP_BOGUS, 0, false, false, 0},
        {"A forged", &bogus, &ok, LOOKUP_BOGUS, 0, false, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct lookup_answer got;
        struct err err;
        cr_assert(answer_join(rows[i].a, rows[i].aaaa, &arena, &got, &err), "%s", rows[i].name);
        cr_assert_eq(got.status, rows[i].status, "%s", rows[i].name);
        cr_assert_eq(got.record_count, rows[i].records, "%s", rows[i].name);
        cr_assert_eq(got.authentic, rows[i].authentic, "%s", rows[i].name);
        cr_assert_eq(got.nxdomain, rows[i].nxdomain, "%s", rows[i].name);
        cr_assert_eq(got.ttl_s, rows[i].ttl_s, "%s", rows[i].name);
    }
}
