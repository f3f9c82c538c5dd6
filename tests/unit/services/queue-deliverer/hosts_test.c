#include "services/queue-deliverer/hosts.h"

#include <criterion/criterion.h>
#include <string.h>

Test(hosts, next_hops)
{
    static const struct {
        const char *text, *name;
        unsigned port;
        bool good, is_ip;
    } rows[] = {
        {"127.0.0.1:2525", "127.0.0.1", 2525, true, true},
        {"192.0.2.1", "192.0.2.1", 25, true, true},
        {"[2001:db8::1]:587", "2001:db8::1", 587, true, true},
        {"Relay.Example", "relay.example", 25, true, false},
        {"relay.example:26", "relay.example", 26, true, false},
        {"relay.example:", NULL, 0, false, false},
        {"relay.example:70000", NULL, 0, false, false},
        {"[2001:db8::1", NULL, 0, false, false},
        {"", NULL, 0, false, false},
    };
    struct arena arena;
    arena_init(&arena, 65536);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err;
        struct host host;
        bool good = host_parse(str_from_cstr(rows[i].text), 25, &arena, &host, &err);
        cr_expect_eq(good, rows[i].good, "%s: %s", rows[i].text, good ? "" : err.detail);
        if (!good)
            continue;
        cr_expect(str_eq(host.name, str_from_cstr(rows[i].name)), "%s", rows[i].text);
        cr_expect_eq(host.port, rows[i].port, "%s", rows[i].text);
        cr_expect_eq(host.is_ip, rows[i].is_ip, "%s", rows[i].text);
    }
    arena_release(&arena);
}

Test(hosts, routes)
{
    static const struct str routes[] = {STR_INIT("sink.test=127.0.0.1:1"),
                                        STR_INIT("*.sink.test=127.0.0.1:2")};
    static const struct {
        const char *domain, *hop;
    } rows[] = {
        {"sink.test", "127.0.0.1:1"},   {"SINK.test", "127.0.0.1:1"},
        {"a.sink.test", "127.0.0.1:2"}, {"a.b.sink.test", "127.0.0.1:2"},
        {"asink.test", "relay"},        {"far.example", "relay"},
    };
    struct deliverer_config config = {.route = {routes, 2}, .relay = STR("relay")};
    struct str hop;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cr_expect(hosts_route(&config, str_from_cstr(rows[i].domain), &hop));
        cr_expect(str_eq(hop, str_from_cstr(rows[i].hop)), "%s", rows[i].domain);
    }
    cr_expect(hosts_has_route(&config, STR("a.sink.test")));
    cr_expect_not(hosts_has_route(&config, STR("far.example")),
                  "the relay is for what is not ours");
    config.relay = STR("");
    cr_expect_not(hosts_route(&config, STR("far.example"), &hop));
}

static struct ip make_ip(const char *text)
{
    struct ip ip;
    cr_assert(ip_parse(str_from_cstr(text), &ip), "%s", text);
    return ip;
}

/* Spec 10 C13. */
Test(hosts, addresses_after_earlier_attempts)
{
    static const struct {
        const char *name;
        const char *dialed[4];
        const char *wanted[4];
    } rows[] = {
        {"first attempt: as the resolver says", {NULL}, {"192.0.2.1", "192.0.2.2", "::1", "::2"}},
        {"IPv4 was dialled: IPv6 first", {"192.0.2.1"}, {"::1", "::2", "192.0.2.1", "192.0.2.2"}},
        {"back to the IPv4 address that was used once",
         {"192.0.2.2", "::1"},
         {"192.0.2.2", "192.0.2.1", "::1", "::2"}},
        {"used twice: any of the family",
         {"192.0.2.2", "192.0.2.2", "::1"},
         {"192.0.2.1", "192.0.2.2", "::1", "::2"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ip ips[] = {make_ip("192.0.2.1"), make_ip("192.0.2.2"), make_ip("::1"),
                           make_ip("::2")};
        struct dialed dialed[5] = {{STR("other.example"), STR("::1")}};
        size_t count = 1;
        for (; count < 5 && rows[i].dialed[count - 1]; count++)
            dialed[count] =
                (struct dialed){STR("mx.far.example"), str_from_cstr(rows[i].dialed[count - 1])};
        hosts_order_addresses(ips, 4, STR("mx.far.example"), dialed, count);
        for (size_t k = 0; k < 4; k++)
            cr_expect(ip_eq(ips[k], make_ip(rows[i].wanted[k])), "%s: address %zu", rows[i].name,
                      k);
    }
}

Test(hosts, a_single_family_keeps_the_address_that_greylisting_knows)
{
    struct ip ips[] = {make_ip("192.0.2.1"), make_ip("192.0.2.2")};
    struct dialed dialed[] = {{STR("mx.far.example"), STR("192.0.2.2")}};
    hosts_order_addresses(ips, 2, STR("mx.far.example"), dialed, 1);
    cr_expect(ip_eq(ips[0], make_ip("192.0.2.2")));
}
