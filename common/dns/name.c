#include "common/dns/name.h"

#include "common/base/buf.h"
#include "common/text/cursor.h"

#include <arpa/inet.h>

/* Each byte of a label as "\DDD", and a dot. */
#define NAME_TEXT_MAX (4 * DNS_NAME_WIRE_MAX)

static bool is_label_text(unsigned char c)
{
    return is_visible(c) && c != '.' && c != '\\' && c != '"';
}

bool dns_name_parse(struct str text, struct arena *arena, struct str *ret, struct err *err)
{
    struct cursor c = cursor_init(text);
    if (!cursor_next_is(&c, '.') || text.len > 1) {
        do {
            cursor_take_while(&c, is_label_text, DNS_LABEL_MAX, "label");
            cursor_expect(&c, '.');
        } while (!cursor_at_end(&c));
        if (!cursor_finish(&c, err)) {
            err->kind = ERR_SYNTAX; /* also when a label is too long: no such name can exist */
            return err_wrap(err, "DNS name");
        }
    }
    if (text.len + 1 > DNS_NAME_WIRE_MAX)
        return err_set(err, ERR_SYNTAX, "DNS name: longer than %d bytes", DNS_NAME_WIRE_MAX - 1);
    *ret = arena_lower(arena, text);
    return str_is_null(*ret) ? err_set(err, ERR_LIMIT, "DNS name: no room") : true;
}

static void write_byte(struct buf *out, unsigned char byte)
{
    if (byte == '.' || byte == '\\')
        buf_printf(out, "\\%c", byte);
    else if (is_visible(byte))
        buf_append_char(out, ascii_lower((char)byte));
    else
        buf_printf(out, "\\%03u", byte);
}

struct str dns_name_take(struct wire *w, struct arena *arena)
{
    size_t from = wire_offset(w);
    struct buf text;
    buf_init(&text, NAME_TEXT_MAX);
    for (;;) {
        unsigned size = wire_take_u8(w, "name");
        if (size > DNS_LABEL_MAX)
            wire_fail(w, "label length"); /* or a compression pointer, which has no place here */
        struct str label = wire_take(w, size, "label");
        if (wire_offset(w) - from > DNS_NAME_WIRE_MAX)
            wire_fail(w, "length of name");
        if (wire_failed(w) || size == 0)
            break;
        for (size_t i = 0; i < label.len; i++)
            write_byte(&text, (unsigned char)label.ptr[i]);
        buf_append_char(&text, '.');
    }
    if (text.len == 0)
        buf_append_char(&text, '.');
    struct str name = wire_failed(w) ? STR_NULL : arena_copy(arena, buf_str(&text));
    buf_release(&text);
    return name;
}

bool dns_name_of_address(struct str text, struct arena *arena, struct str *ret)
{
    char cstr[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    if (!str_copy_cstr(text, cstr, sizeof(cstr)))
        return false;
    if (inet_pton(AF_INET, cstr, bytes) == 1) {
        *ret = arena_printf(arena, "%u.%u.%u.%u.in-addr.arpa.", bytes[3], bytes[2], bytes[1],
                            bytes[0]);
        return !str_is_null(*ret);
    }
    if (inet_pton(AF_INET6, cstr, bytes) != 1)
        return false;
    struct buf name;
    buf_init(&name, 80);
    for (size_t i = sizeof(bytes); i > 0; i--)
        buf_printf(&name, "%x.%x.", bytes[i - 1] & 15, bytes[i - 1] >> 4);
    buf_append_cstr(&name, "ip6.arpa.");
    *ret = arena_copy(arena, buf_str(&name));
    buf_release(&name);
    return !str_is_null(*ret);
}
