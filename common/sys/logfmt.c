#include "common/sys/logfmt.h"

#include "common/text/charclass.h"

#include <unistr.h>

#define VALUE_MAX 2048

static bool needs_quotes(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (!is_visible((unsigned char)c) || c == '"' || c == '\\' || c == '=')
            return true;
    }
    return value.len == 0;
}

static bool append_escaped(struct buf *out, char c, bool is_utf8)
{
    switch (c) {
    case '"':
        return buf_append(out, STR("\\\""));
    case '\\':
        return buf_append(out, STR("\\\\"));
    case '\n':
        return buf_append(out, STR("\\n"));
    case '\r':
        return buf_append(out, STR("\\r"));
    case '\t':
        return buf_append(out, STR("\\t"));
    }
    unsigned char byte = (unsigned char)c;
    if (is_printable(byte) || (byte >= 0x80 && is_utf8))
        return buf_append_char(out, c);
    static const char hex[] = "0123456789abcdef";
    char text[] = {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
    return buf_append(out, str_make(text, sizeof(text)));
}

static void append_value(struct buf *out, struct str value)
{
    if (!needs_quotes(value)) {
        buf_append(out, value);
        return;
    }
    bool is_utf8 = u8_check((const uint8_t *)value.ptr, value.len) == NULL;
    buf_append_char(out, '"');
    for (size_t i = 0; i < value.len; i++)
        append_escaped(out, value.ptr[i], is_utf8);
    buf_append_char(out, '"');
}

void logfmt_pair_max(struct buf *out, const char *key, struct str value, size_t value_max)
{
    if (out->len > 0)
        buf_append_char(out, ' ');
    buf_append_cstr(out, key);
    buf_append_char(out, '=');
    append_value(out, str_slice(value, 0, value_max));
    if (value.len > value_max)
        buf_append(out, STR("..."));
}

void logfmt_pair(struct buf *out, const char *key, struct str value)
{
    logfmt_pair_max(out, key, value, VALUE_MAX);
}
