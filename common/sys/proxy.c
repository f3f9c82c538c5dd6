#include "common/sys/proxy.h"

#include "common/text/cursor.h"

#include <string.h>

#define V1_MAX 107 /* with its CRLF */
#define V2_FIXED 16

static const struct str v1_prefix = STR_INIT("PROXY ");
static const struct str v2_signature = STR_INIT("\r\n\r\n\0\r\nQUIT\n");

static bool is_address_char(unsigned char c)
{
    return is_hex_digit(c) || c == ':' || c == '.';
}

static struct ip take_address(struct cursor *c, bool is_v6)
{
    struct ip ip = {0};
    struct str text = cursor_take_while(c, is_address_char, IP_TEXT_SIZE - 1, "address");
    cursor_expect(c, ' ');
    /* A mapped address counts as the IPv4 address that it is, in either family. */
    if (!cursor_failed(c) && (!ip_parse(text, &ip) || (ip.is_v6 && !is_v6)))
        cursor_fail(c, "address of the stated family");
    return ip;
}

static uint16_t take_port(struct cursor *c)
{
    return (uint16_t)cursor_take_number(c, UINT16_MAX, "port");
}

/* 2.1: "PROXY" SP ("TCP4" / "TCP6") SP source SP destination SP port SP port
 *      "PROXY" SP "UNKNOWN" anything */
static bool parse_v1(struct str line, struct proxy_header *ret, struct err *err)
{
    struct cursor c = cursor_init(line);
    cursor_expect_nocase(&c, v1_prefix);
    if (cursor_skip_str(&c, STR("UNKNOWN")))
        return true;
    cursor_expect_nocase(&c, STR("TCP"));
    bool is_v6 = cursor_skip(&c, '6');
    if (!is_v6)
        cursor_expect(&c, '4');
    cursor_expect(&c, ' ');
    ret->remote_ip = take_address(&c, is_v6);
    ret->local_ip = take_address(&c, is_v6);
    ret->remote_port = take_port(&c);
    cursor_expect(&c, ' ');
    ret->local_port = take_port(&c);
    ret->has_address = true;
    return cursor_finish(&c, err) || err_wrap(err, "PROXY header");
}

static bool find_v1(struct str bytes, struct proxy_header *ret, struct err *err)
{
    ptrdiff_t end = str_find(str_slice(bytes, 0, V1_MAX), STR("\r\n"));
    if (end < 0 && bytes.len >= V1_MAX)
        return err_set(err, ERR_LIMIT, "PROXY header: line too long");
    if (end < 0)
        return true;
    TRY(parse_v1(str_slice(bytes, 0, (size_t)end), ret, err));
    ret->len = (size_t)end + 2;
    return true;
}

static unsigned take_u8(struct cursor *c)
{
    struct str byte = cursor_take(c, 1, "byte");
    return byte.len == 1 ? (unsigned char)byte.ptr[0] : 0;
}

static unsigned take_u16(struct cursor *c)
{
    unsigned high = take_u8(c);
    return high << 8 | take_u8(c);
}

static struct ip take_ip(struct cursor *c, bool is_v6)
{
    struct ip ip = {.is_v6 = is_v6};
    struct str bytes = cursor_take(c, is_v6 ? 16 : 4, "address");
    memcpy(ip.bytes, bytes.len > 0 ? bytes.ptr : "", bytes.len);
    return ip;
}

/* 2.2: family and protocol, then addresses and ports; extensions behind them are not looked at. */
static bool parse_v2_addresses(unsigned family, struct str body, struct proxy_header *ret,
                               struct err *err)
{
    if (family != 0x11 && family != 0x21) {
        if (family == 0x00) /* UNSPEC */
            return true;
        return err_set(err, ERR_SYNTAX, "PROXY header: family 0x%02x is not TCP", family);
    }
    struct cursor c = cursor_init(body);
    ret->remote_ip = take_ip(&c, family == 0x21);
    ret->local_ip = take_ip(&c, family == 0x21);
    ret->remote_port = (uint16_t)take_u16(&c);
    ret->local_port = (uint16_t)take_u16(&c);
    ret->has_address = true;
    return cursor_check(&c, err) || err_wrap(err, "PROXY header");
}

static bool find_v2(struct str bytes, struct proxy_header *ret, struct err *err)
{
    if (bytes.len < V2_FIXED)
        return true;
    struct cursor c = cursor_init(str_skip(bytes, v2_signature.len));
    unsigned version_command = take_u8(&c);
    unsigned family = take_u8(&c);
    size_t len = take_u16(&c);
    if (version_command != 0x20 && version_command != 0x21)
        return err_set(err, ERR_SYNTAX, "PROXY header: version and command 0x%02x",
                       version_command);
    if (len > PROXY_HEADER_MAX - V2_FIXED)
        return err_set(err, ERR_LIMIT, "PROXY header: %zu bytes", len);
    if (bytes.len - V2_FIXED < len)
        return true;
    if (version_command == 0x21) /* 0x20 is LOCAL: the proxy itself */
        TRY(parse_v2_addresses(family, str_slice(bytes, V2_FIXED, len), ret, err));
    ret->len = V2_FIXED + len;
    return true;
}

/* True when `bytes` begins with `prefix`, as far as it goes. */
static bool may_become(struct str bytes, struct str prefix)
{
    return str_starts_with(prefix, str_slice(bytes, 0, prefix.len));
}

bool proxy_header_parse(struct str bytes, struct proxy_header *ret, struct err *err)
{
    *ret = (struct proxy_header){0};
    if (may_become(bytes, v2_signature))
        return find_v2(bytes, ret, err);
    if (may_become(bytes, v1_prefix))
        return find_v1(bytes, ret, err);
    return err_set(err, ERR_SYNTAX, "PROXY header is missing");
}
