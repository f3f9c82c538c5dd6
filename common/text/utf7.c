#include "common/text/utf7.h"

#include "common/base/buf.h"
#include "common/text/cursor.h"
#include "common/text/utf8.h"

#include <string.h>

/* RFC 3501 5.1.3: base64 with "," instead of "/". */
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static bool is_shifted(unsigned char c)
{
    return is_alnum(c) || c == '+' || c == ',';
}

static bool is_direct(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '&';
}

/* Base64 to UTF-16 units, two bytes each; returns how many, or SIZE_MAX when bits are left over. */
static size_t decode_units(struct str base64, uint16_t *units)
{
    uint32_t bits = 0;
    unsigned pending = 0;
    size_t count = 0;
    for (size_t i = 0; i < base64.len; i++) {
        const char *at = memchr(alphabet, base64.ptr[i], 64);
        bits = bits << 6 | (uint32_t)(at - alphabet);
        pending += 6;
        if (pending >= 16) {
            pending -= 16;
            units[count++] = (uint16_t)(bits >> pending);
        }
    }
    return pending < 6 && (bits & ((1u << pending) - 1)) == 0 ? count : SIZE_MAX;
}

static bool is_high_surrogate(uint16_t unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low_surrogate(uint16_t unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

/* One character from units; 0 for broken surrogates and NUL. */
static uint32_t take_character(const uint16_t *units, size_t count, size_t *at)
{
    uint16_t unit = units[(*at)++];
    if (!is_high_surrogate(unit))
        return is_low_surrogate(unit) ? 0 : unit;
    if (*at == count || !is_low_surrogate(units[*at]))
        return 0;
    return 0x10000 + (((uint32_t)unit & 0x3ff) << 10) + (units[(*at)++] & 0x3ffu);
}

/* What stands between "&" and "-", which are taken already. */
static size_t decode_shifted(struct cursor *c, struct str base64, uint16_t *units, char *to)
{
    size_t count = decode_units(base64, units);
    if (count == SIZE_MAX || count == 0) {
        cursor_fail(c, "whole characters in base64");
        return 0;
    }
    size_t len = 0;
    for (size_t at = 0; at < count;) {
        uint32_t character = take_character(units, count, &at);
        if (character == 0 || (character >= 0x20 && character < 0x7f)) {
            cursor_fail(c, character == 0 ? "valid UTF-16" : "printable ASCII unencoded");
            return 0;
        }
        len += utf8_encode(character, to + len);
    }
    return len;
}

bool utf7_decode(struct str text, struct arena *arena, struct str *ret_utf8, struct err *err)
{
    /* Eight characters of base64 are three units, at most nine bytes of UTF-8. */
    char *out = arena_alloc(arena, text.len * 2);
    uint16_t *units = arena_alloc(arena, text.len * sizeof(uint16_t));
    if (!out || !units)
        return err_set(err, ERR_LIMIT, "mailbox name of %zu bytes is too long", text.len);
    struct cursor c = cursor_init(text);
    size_t len = 0;
    bool after_shift = false;
    while (!cursor_at_end(&c)) {
        if (!cursor_skip(&c, '&')) {
            struct str direct = cursor_take_while(&c, is_direct, text.len, "printable ASCII or &");
            memcpy(out + len, direct.ptr, direct.len);
            len += direct.len;
            after_shift = false;
        } else if (cursor_skip(&c, '-')) {
            out[len++] = '&';
            after_shift = false;
        } else {
            if (after_shift)
                cursor_fail(&c, "no shift right after a shift");
            struct str base64 = cursor_take_while(&c, is_shifted, text.len, "base64");
            cursor_expect(&c, '-');
            if (!cursor_failed(&c))
                len += decode_shifted(&c, base64, units, out + len);
            after_shift = true;
        }
    }
    if (!cursor_finish(&c, err))
        return err_wrap(err, "modified UTF-7");
    *ret_utf8 = str_make(out, len);
    return true;
}

/* Encoding. */

struct shift {
    char *to;
    size_t len;
    uint32_t bits;
    unsigned pending;
};

static void put_unit(struct shift *s, uint32_t unit)
{
    s->bits = s->bits << 16 | unit;
    s->pending += 16;
    while (s->pending >= 6) {
        s->pending -= 6;
        s->to[s->len++] = alphabet[s->bits >> s->pending & 63];
    }
}

static void put_character(struct shift *s, uint32_t character)
{
    if (character < 0x10000) {
        put_unit(s, character);
        return;
    }
    character -= 0x10000;
    put_unit(s, 0xd800 + (character >> 10));
    put_unit(s, 0xdc00 + (character & 0x3ff));
}

/* Encodes the run of characters that must be; returns the rest. */
static struct str encode_run(struct shift *s, struct str utf8)
{
    s->to[s->len++] = '&';
    s->bits = s->pending = 0;
    while (utf8.len > 0 && !is_direct((unsigned char)utf8.ptr[0]) && utf8.ptr[0] != '&') {
        uint32_t character;
        utf8 = str_skip(utf8, utf8_decode(utf8, &character));
        put_character(s, character);
    }
    if (s->pending > 0)
        s->to[s->len++] = alphabet[s->bits << (6 - s->pending) & 63];
    s->to[s->len++] = '-';
    return utf8;
}

struct str utf7_encode(struct str utf8, struct arena *arena)
{
    size_t direct = 0;
    while (direct < utf8.len && is_direct((unsigned char)utf8.ptr[direct]))
        direct++;
    if (direct == utf8.len)
        return utf8;
    /* A control character alone takes the most: "&AAE-". */
    struct shift s = {.to = arena_alloc_array(arena, utf8.len, 5)};
    if (!s.to)
        return STR_NULL;
    while (utf8.len > 0) {
        if (utf8.ptr[0] == '&') {
            s.to[s.len++] = '&';
            s.to[s.len++] = '-';
        } else if (is_direct((unsigned char)utf8.ptr[0])) {
            s.to[s.len++] = utf8.ptr[0];
        } else {
            utf8 = encode_run(&s, utf8);
            continue;
        }
        utf8 = str_skip(utf8, 1);
    }
    return str_make(s.to, s.len);
}
