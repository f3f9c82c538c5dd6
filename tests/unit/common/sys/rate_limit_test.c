#include "common/sys/rate_limit.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct rate_window per_minute[] = {{60000, {2, 4, 6}}};

static struct ip ip_of(const char *text)
{
    struct ip ip;
    cr_assert(ip_parse(str_from_cstr(text), &ip), "%s", text);
    return ip;
}

Test(rate_limit, networks_around_an_address_have_limits_of_their_own)
{
    struct rate_limit *l = rate_limit_new(per_minute, 1, 1000);
    static const struct {
        const char *ip;
        int64_t now_ms;
        bool want;
    } rows[] = {
        {"192.0.2.1", 1000, true},        {"192.0.2.1", 2000, true},
        {"192.0.2.1", 3000, false}, /* 3rd of the address */
        {"192.0.2.2", 4000, true},        {"192.0.2.2", 5000, true},
        {"192.0.2.3", 6000, false}, /* 5th of the /26 */
        {"192.0.3.1", 7000, true},        {"192.0.3.2", 8000, true},
        {"192.0.4.1", 9000, false}, /* 7th of the /21 */
        {"192.0.9.1", 9000, true},  /* another /21 */
        {"192.0.2.1", 59999, false},      {"192.0.2.1", 60000, true},
        {"2001:db8::1", 60000, true},     {"2001:db8::2", 60000, true},
        {"2001:db8::3", 60000, false}, /* one /64 */
        {"2001:db8:0:1::1", 60000, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(rate_limit_add(l, ip_of(rows[i].ip), 1, rows[i].now_ms), rows[i].want,
                     "row %zu: %s at %jd", i, rows[i].ip, (intmax_t)rows[i].now_ms);
    rate_limit_free(l);
}

Test(rate_limit, a_refused_event_is_counted_nowhere)
{
    static const struct rate_window windows[] = {{60000, {5, 50, 50}}, {3600000, {6, 50, 50}}};
    struct rate_limit *l = rate_limit_new(windows, 2, 1000);
    struct ip ip = ip_of("192.0.2.1");
    cr_assert(rate_limit_add(l, ip, 5, 0));
    for (int i = 0; i < 10; i++)
        cr_assert(!rate_limit_add(l, ip, 1, 1000));
    cr_assert(rate_limit_has_room(l, ip, 1, 61000));
    cr_assert(!rate_limit_has_room(l, ip, 2, 61000), "the hour has room for 6");
    cr_assert(rate_limit_add(l, ip, 1, 61000));
    cr_assert(!rate_limit_add(l, ip, 1, 121000));
    rate_limit_free(l);
}

Test(rate_limit, what_is_released_or_reset_is_free_in_all_classes)
{
    static const struct rate_window forever[] = {{RATE_FOREVER, {2, 4, 6}}};
    struct rate_limit *l = rate_limit_new(forever, 1, 1000);
    cr_assert(rate_limit_add(l, ip_of("192.0.2.1"), 2, 1));
    cr_assert(rate_limit_add(l, ip_of("192.0.2.2"), 2, 1));
    cr_assert(!rate_limit_add(l, ip_of("192.0.2.3"), 1, 1));
    rate_limit_release(l, ip_of("192.0.2.1"), 1, 1000000000);
    cr_assert(rate_limit_add(l, ip_of("192.0.2.3"), 1, 1000000000));
    cr_assert(!rate_limit_add(l, ip_of("192.0.2.3"), 1, 1000000000));
    rate_limit_reset(l, ip_of("192.0.2.2"), 1000000000);
    cr_assert(rate_limit_add(l, ip_of("192.0.2.3"), 1, 1000000000));
    cr_assert(rate_limit_add(l, ip_of("192.0.2.1"), 1, 1000000000));
    cr_assert(!rate_limit_add(l, ip_of("192.0.2.2"), 1, 1000000000));
    /* More than there was: never below zero. */
    rate_limit_release(l, ip_of("192.0.2.1"), 100, 1000000000);
    cr_assert(!rate_limit_add(l, ip_of("192.0.2.1"), 3, 1000000000));
    rate_limit_free(l);
}

Test(rate_limit, memory_is_bounded_and_strangers_are_let_in_then)
{
    struct rate_limit *l = rate_limit_new(per_minute, 1, 10);
    char text[32];
    for (int i = 0; i < 250; i++) {
        snprintf(text, sizeof(text), "10.%d.0.1", i);
        cr_assert(rate_limit_add(l, ip_of(text), 2, 0), "%s", text);
    }
    cr_assert(!rate_limit_add(l, ip_of("10.0.0.1"), 1, 0), "one of the first is still counted");
    cr_assert(rate_limit_add(l, ip_of("10.249.0.1"), 1, 0));
    rate_limit_free(l);
}
