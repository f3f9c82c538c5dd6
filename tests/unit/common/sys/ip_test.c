#include "common/sys/ip.h"
#include "common/sys/peers_seen.h"

#include <criterion/criterion.h>

Test(ip, text_forms_there_and_back)
{
    static const struct {
        const char *in;
        const char *want; /* NULL: not an address */
    } rows[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"0.0.0.0", "0.0.0.0"},
        {"2001:DB8:0:0::1", "2001:db8::1"},
        {"::", "::"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"", NULL},
        {"192.0.2", NULL},
        {"192.0.2.256", NULL},
        {" 192.0.2.1", NULL},
        {"fe80::1%eth0", NULL},
        {"[::1]", NULL},
        {"localhost", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ip ip;
        char text[IP_TEXT_SIZE];
        bool ok = ip_parse(str_from_cstr(rows[i].in), &ip);
        cr_assert_eq(ok, rows[i].want != NULL, "%s", rows[i].in);
        if (!ok)
            continue;
        ip_format(ip, text);
        cr_assert_str_eq(text, rows[i].want, "%s", rows[i].in);
        struct sockaddr_storage address;
        struct ip back;
        uint16_t port;
        cr_assert_gt(ip_to_sockaddr(ip, 25, &address), 0);
        cr_assert(ip_from_sockaddr(&address, &back, &port));
        cr_assert(ip_eq(ip, back), "%s", rows[i].in);
        cr_assert_eq(port, 25);
    }
}

Test(ip, networks_have_the_addresses_behind_their_prefix)
{
    static const struct {
        const char *network;
        const char *ip;
        bool want;
    } rows[] = {
        {"10.0.0.0/8", "10.255.1.2", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"192.0.2.64/26", "192.0.2.127", true},
        {"192.0.2.64/26", "192.0.2.128", false},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"0.0.0.0/0", "8.8.8.8", true},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "8.8.8.8", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ip_network network;
        struct ip ip;
        struct err err;
        cr_assert(ip_network_parse(str_from_cstr(rows[i].network), &network, &err), "%s: %s",
                  rows[i].network, err.detail);
        cr_assert(ip_parse(str_from_cstr(rows[i].ip), &ip));
        cr_assert_eq(ip_network_has(&network, ip), rows[i].want, "%s in %s", rows[i].ip,
                     rows[i].network);
    }
}

Test(ip, wrong_networks_are_named)
{
    static const struct {
        const char *in;
        const char *want;
    } rows[] = {
        {"example", "\"example\" is not an IP address or network"},
        {"10.0.0.0/33", "\"10.0.0.0/33\": the prefix length must be 0 to 32"},
        {"10.0.0.0/", "\"10.0.0.0/\": the prefix length must be 0 to 32"},
        {"::/129", "\"::/129\": the prefix length must be 0 to 128"},
        {"10.0.0.1/8", "\"10.0.0.1/8\": bits are set behind the prefix"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ip_network network;
        struct err err;
        cr_assert(!ip_network_parse(str_from_cstr(rows[i].in), &network, &err), "%s", rows[i].in);
        cr_assert_str_eq(err.detail, rows[i].want, "%s", err.detail);
    }
}

Test(ip, classes)
{
    static const struct {
        const char *ip;
        enum ip_class want;
    } rows[] = {
        {"127.0.0.1", IP_LOOPBACK},      {"::1", IP_LOOPBACK},
        {"10.255.0.1", IP_PRIVATE},      {"172.16.0.1", IP_PRIVATE},
        {"172.31.255.255", IP_PRIVATE},  {"172.32.0.1", IP_PUBLIC},
        {"192.168.1.1", IP_PRIVATE},     {"169.254.0.1", IP_PRIVATE},
        {"100.64.0.1", IP_PRIVATE},      {"100.128.0.1", IP_PUBLIC},
        {"fd00::1", IP_PRIVATE},         {"fe80::1", IP_PRIVATE},
        {"::ffff:10.0.0.1", IP_PRIVATE}, {"2001:db8::1", IP_PUBLIC},
        {"192.0.2.1", IP_PUBLIC},        {"::", IP_PUBLIC},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ip ip;
        cr_assert(ip_parse(str_from_cstr(rows[i].ip), &ip));
        cr_expect_eq(ip_classify(ip), rows[i].want, "%s", rows[i].ip);
    }
}

Test(ip, each_class_of_peers_is_noted_once)
{
    struct peers_seen seen = {0};
    const char *class = NULL;
    cr_assert(peers_seen_note(&seen, "10.0.0.1", &class));
    cr_assert_str_eq(class, "private");
    cr_assert_not(peers_seen_note(&seen, "192.168.0.1", &class));
    cr_assert(peers_seen_note(&seen, "2001:db8::1", &class));
    cr_assert_str_eq(class, "public");
    cr_assert(peers_seen_note(&seen, "::1", &class));
    cr_assert_not(peers_seen_note(&seen, "127.0.0.1", &class));
    cr_assert_not(peers_seen_note(&seen, "unix", &class));
}
