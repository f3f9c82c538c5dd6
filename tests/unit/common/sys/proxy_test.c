#include "common/sys/proxy.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V2(text)                                                                                   \
    {                                                                                              \
        SIGNATURE text, sizeof(SIGNATURE text) - 1                                                 \
    }

static void show(const struct proxy_header *header, char *dst, size_t size)
{
    char remote[IP_TEXT_SIZE] = "-";
    char local[IP_TEXT_SIZE] = "-";
    if (header->has_address) {
        ip_format(header->remote_ip, remote);
        ip_format(header->local_ip, local);
    }
    snprintf(dst, size, "%s %u %s %u", remote, header->remote_port, local, header->local_port);
}

Test(proxy, headers_of_both_versions)
{
    static const struct {
        const char *name;
        struct str in;
        const char *want;
    } rows[] = {
        {"2.1 TCP4", STR_INIT("PROXY TCP4 192.0.2.1 192.0.2.2 1234 25\r\n"),
         "192.0.2.1 1234 192.0.2.2 25"},
        {"2.1 TCP6", STR_INIT("PROXY TCP6 2001:db8::1 2001:db8::2 65535 1\r\n"),
         "2001:db8::1 65535 2001:db8::2 1"},
        {"2.1 mapped", STR_INIT("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 7 8\r\n"),
         "192.0.2.1 7 192.0.2.2 8"},
        {"2.1 UNKNOWN", STR_INIT("PROXY UNKNOWN\r\n"), "- 0 - 0"},
        {"2.1 UNKNOWN with more", STR_INIT("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), "- 0 - 0"},
        {"2.2 TCP4", V2("\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x04\xd2\0\x19"),
         "192.0.2.1 1234 192.0.2.2 25"},
        {"2.2 TCP6",
         V2("\x21\x21\0\x24 \x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01 "
            "\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x04\xd2\0\x19"),
         "2001:db8::1 1234 2001:db8::2 25"},
        {"2.2 with extensions",
         V2("\x21\x11\0\x10\xc0\0\x02\x01\xc0\0\x02\x02\x04\xd2\0\x19\x04\0\x01x"),
         "192.0.2.1 1234 192.0.2.2 25"},
        {"2.2 LOCAL", V2("\x20\0\0\0"), "- 0 - 0"},
        {"2.2 LOCAL with something", V2("\x20\x11\0\x02zz"), "- 0 - 0"},
        {"2.2 UNSPEC", V2("\x21\0\0\0"), "- 0 - 0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char bytes[256];
        char text[128];
        struct proxy_header header;
        struct err err;
        memcpy(bytes, rows[i].in.ptr, rows[i].in.len);
        memcpy(bytes + rows[i].in.len, "EHLO", 4);
        /* Any part of it needs more. */
        for (size_t len = 0; len < rows[i].in.len; len++) {
            cr_assert(proxy_header_parse(str_make(bytes, len), &header, &err), "%s cut at %zu: %s",
                      rows[i].name, len, err.detail);
            cr_assert_eq(header.len, 0, "%s cut at %zu", rows[i].name, len);
        }
        cr_assert(proxy_header_parse(str_make(bytes, rows[i].in.len + 4), &header, &err), "%s: %s",
                  rows[i].name, err.detail);
        cr_assert_eq(header.len, rows[i].in.len, "%s: %zu", rows[i].name, header.len);
        show(&header, text, sizeof(text));
        cr_assert_str_eq(text, rows[i].want, "%s: %s", rows[i].name, text);
    }
}

Test(proxy, bad_headers_are_named)
{
    static const struct {
        struct str in;
        const char *want;
    } rows[] = {
        {STR_INIT("EHLO x\r\n"), "PROXY header is missing"},
        {STR_INIT("PROXX"), "PROXY header is missing"},
        {STR_INIT("\r\n\r\nEHLO"), "PROXY header is missing"},
        {STR_INIT("PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n"),
         "PROXY header: expected \"4\" at offset 9"},
        {STR_INIT("PROXY TCP4 2001:db8::1 192.0.2.2 1 2\r\n"),
         "PROXY header: expected address of the stated family at offset 23"},
        {STR_INIT("PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n"), "PROXY header: expected port at "
                                                                 "offset 31"},
        {STR_INIT("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n"),
         "PROXY header: expected end of input at offset 34"},
        {STR_INIT("PROXY UNKNOWN aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
         "PROXY header: line too long"},
        {V2("\x31\x11\0\0"), "PROXY header: version and command 0x31"},
        {V2("\x22\x11\0\0"), "PROXY header: version and command 0x22"},
        {V2("\x21\x12\0\0"), "PROXY header: family 0x12 is not TCP"},
        {V2("\x21\x11\0\x04zzzz"), "PROXY header: expected address at offset 4"},
        {V2("\x21\x11\xff\xff"), "PROXY header: 65535 bytes"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct proxy_header header;
        struct err err;
        cr_assert(!proxy_header_parse(rows[i].in, &header, &err), "row %zu", i);
        cr_assert_str_eq(err.detail, rows[i].want, "row %zu: %s", i, err.detail);
    }
}
