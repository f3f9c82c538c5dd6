#include "common/sys/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static const uint8_t v4_mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static unsigned width_of(struct ip ip)
{
    return ip.is_v6 ? 128 : 32;
}

static struct ip ip_from_v6(const uint8_t bytes[16])
{
    struct ip ip = {.is_v6 = true};
    if (memcmp(bytes, v4_mapped_prefix, sizeof(v4_mapped_prefix)) == 0) {
        ip.is_v6 = false;
        memcpy(ip.bytes, bytes + sizeof(v4_mapped_prefix), 4);
    } else {
        memcpy(ip.bytes, bytes, 16);
    }
    return ip;
}

bool ip_parse(struct str text, struct ip *ret_ip)
{
    char cstr[IP_TEXT_SIZE];
    struct in6_addr v6;
    struct in_addr v4;
    if (!str_copy_cstr(text, cstr, sizeof(cstr)))
        return false;
    if (inet_pton(AF_INET6, cstr, &v6) == 1) {
        *ret_ip = ip_from_v6(v6.s6_addr);
        return true;
    }
    if (inet_pton(AF_INET, cstr, &v4) != 1)
        return false;
    *ret_ip = (struct ip){.is_v6 = false};
    memcpy(ret_ip->bytes, &v4, 4);
    return true;
}

void ip_format(struct ip ip, char ret_text[IP_TEXT_SIZE])
{
    ret_text[0] = '\0';
    inet_ntop(ip.is_v6 ? AF_INET6 : AF_INET, ip.bytes, ret_text, IP_TEXT_SIZE);
}

bool ip_eq(struct ip a, struct ip b)
{
    return a.is_v6 == b.is_v6 && memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

struct ip ip_truncate(struct ip ip, unsigned prefix_len)
{
    for (unsigned i = 0; i < sizeof(ip.bytes); i++) {
        unsigned first_bit = i * 8;
        if (first_bit >= prefix_len)
            ip.bytes[i] = 0;
        else if (prefix_len - first_bit < 8)
            ip.bytes[i] &= (uint8_t)(0xff << (8 - (prefix_len - first_bit)));
    }
    return ip;
}

bool ip_network_parse(struct str text, struct ip_network *ret_network, struct err *err)
{
    struct str address, prefix;
    struct ip ip;
    bool has_prefix = str_cut(text, '/', &address, &prefix);
    if (!ip_parse(address, &ip))
        return err_set(err, ERR_SYNTAX, "\"%.*s\" is not an IP address or network", STR_ARG(text));
    uint64_t prefix_len = width_of(ip);
    if (has_prefix && !str_to_u64(prefix, prefix_len, &prefix_len))
        return err_set(err, ERR_SYNTAX, "\"%.*s\": the prefix length must be 0 to %u",
                       STR_ARG(text), width_of(ip));
    struct ip first = ip_truncate(ip, (unsigned)prefix_len);
    if (!ip_eq(first, ip))
        return err_set(err, ERR_SYNTAX, "\"%.*s\": bits are set behind the prefix", STR_ARG(text));
    *ret_network = (struct ip_network){.first = first, .prefix_len = (unsigned)prefix_len};
    return true;
}

bool ip_network_has(const struct ip_network *network, struct ip ip)
{
    return ip_eq(ip_truncate(ip, network->prefix_len), network->first);
}

enum ip_class ip_classify(struct ip ip)
{
    static const struct {
        enum ip_class class;
        struct ip_network network;
    } rows[] = {
        {IP_LOOPBACK, {{.bytes = {127}}, 8}},
        {IP_LOOPBACK, {{.is_v6 = true, .bytes = {[15] = 1}}, 128}},
        {IP_PRIVATE, {{.bytes = {10}}, 8}},
        {IP_PRIVATE, {{.bytes = {172, 16}}, 12}},
        {IP_PRIVATE, {{.bytes = {192, 168}}, 16}},
        {IP_PRIVATE, {{.bytes = {169, 254}}, 16}},
        {IP_PRIVATE, {{.bytes = {100, 64}}, 10}},
        {IP_PRIVATE, {{.is_v6 = true, .bytes = {0xfc}}, 7}},
        {IP_PRIVATE, {{.is_v6 = true, .bytes = {0xfe, 0x80}}, 10}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (ip_network_has(&rows[i].network, ip))
            return rows[i].class;
    return IP_PUBLIC;
}

bool ip_from_sockaddr(const struct sockaddr_storage *address, struct ip *ret_ip, uint16_t *ret_port)
{
    if (address->ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        *ret_ip = (struct ip){.is_v6 = false};
        memcpy(ret_ip->bytes, &v4.sin_addr, 4);
        *ret_port = ntohs(v4.sin_port);
        return true;
    }
    if (address->ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof(v6));
        *ret_ip = ip_from_v6(v6.sin6_addr.s6_addr);
        *ret_port = ntohs(v6.sin6_port);
        return true;
    }
    return false;
}

socklen_t ip_to_sockaddr(struct ip ip, uint16_t port, struct sockaddr_storage *ret_address)
{
    memset(ret_address, 0, sizeof(*ret_address));
    if (ip.is_v6) {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
        memcpy(&v6.sin6_addr, ip.bytes, 16);
        memcpy(ret_address, &v6, sizeof(v6));
        return sizeof(v6);
    }
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    memcpy(&v4.sin_addr, ip.bytes, 4);
    memcpy(ret_address, &v4, sizeof(v4));
    return sizeof(v4);
}
