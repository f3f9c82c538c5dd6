#include "common/text/base64.h"

#define FOREIGN 0xff /* of no alphabet */

static const char standard_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Value + 1 of each character of the standard alphabet; 0 for foreign bytes. */
static const unsigned char values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

static unsigned value_of(char c, bool url)
{
    if (url && (c == '+' || c == '/'))
        return FOREIGN;
    if (url && c == '-')
        c = '+';
    else if (url && c == '_')
        c = '/';
    unsigned value = values[(unsigned char)c];
    return value > 0 ? value - 1 : FOREIGN;
}

/* Encoding. */

static char *encode_group(const unsigned char *in, const char *alphabet, char *out)
{
    uint32_t bits = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
    *out++ = alphabet[bits >> 18];
    *out++ = alphabet[bits >> 12 & 63];
    *out++ = alphabet[bits >> 6 & 63];
    *out++ = alphabet[bits & 63];
    return out;
}

static char *encode_tail(const unsigned char *in, size_t len, const char *alphabet, bool pad,
                         char *out)
{
    if (len == 0)
        return out;
    unsigned char group[3] = {in[0], len > 1 ? in[1] : 0, 0};
    char text[4];
    encode_group(group, alphabet, text);
    for (size_t i = 0; i <= len; i++)
        *out++ = text[i];
    for (size_t i = len; pad && i < 3; i++)
        *out++ = '=';
    return out;
}

static bool encode(struct buf *out, struct str data, const char *alphabet, bool pad)
{
    size_t tail = data.len % 3;
    char *begin = buf_reserve(out, data.len / 3 * 4 + (tail == 0 ? 0 : pad ? 4 : tail + 1));
    if (!begin)
        return false;
    const unsigned char *in = (const unsigned char *)data.ptr;
    char *at = begin;
    size_t left = data.len;
    for (; left >= 3; left -= 3, in += 3)
        at = encode_group(in, alphabet, at);
    at = encode_tail(in, left, alphabet, pad, at);
    buf_commit(out, (size_t)(at - begin));
    return true;
}

bool base64_encode(struct buf *out, struct str data)
{
    return encode(out, data, standard_alphabet, true);
}

bool base64_url_encode(struct buf *out, struct str data)
{
    return encode(out, data, url_alphabet, false);
}

bool base64_encode_lines(struct buf *out, struct str data)
{
    const size_t line_bytes = BASE64_LINE_LEN / 4 * 3;
    for (size_t at = 0; at < data.len; at += line_bytes) {
        if (!base64_encode(out, str_slice(data, at, line_bytes)) || !buf_append(out, STR("\r\n")))
            return false;
    }
    return true;
}

/* Decoding whole values. */

/* Length without padding; false when the padding is not right for the length. */
static bool strip_padding(struct str text, bool url, size_t *ret_len)
{
    size_t len = text.len;
    while (len > 0 && text.len - len < 2 && text.ptr[len - 1] == '=')
        len--;
    bool padded = text.len > len;
    *ret_len = len;
    return len % 4 != 1 && (text.len % 4 == 0 || (url && !padded));
}

static bool wrong_byte(struct err *err, size_t offset)
{
    return err_set(err, ERR_SYNTAX, "base64: unexpected byte at offset %zu", offset);
}

static bool decode_chars(struct str text, size_t len, bool url, char *out, struct err *err)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned value = value_of(text.ptr[i], url);
        if (value == FOREIGN)
            return wrong_byte(err, i);
        bits = bits << 6 | value;
        if (i % 4 > 0)
            *out++ = (char)(bits >> (6 - 2 * (i % 4)));
    }
    unsigned unused = len % 4 == 2 ? 4 : len % 4 == 3 ? 2 : 0;
    if (bits & ((1u << unused) - 1))
        return err_set(err, ERR_SYNTAX, "base64: left-over bits at offset %zu", len - 1);
    return true;
}

static bool decode(struct buf *out, struct str text, bool url, struct err *err)
{
    size_t len;
    if (!strip_padding(text, url, &len))
        return err_set(err, ERR_SYNTAX, "base64: wrong length or padding (%zu bytes)", text.len);
    if (len == 0)
        return text.len == 0 || wrong_byte(err, 0);
    size_t size = len / 4 * 3 + (len % 4 > 0 ? len % 4 - 1 : 0);
    char *to = buf_reserve(out, size);
    if (!to)
        return err_set(err, ERR_LIMIT, "base64: longer than %zu bytes", out->max);
    TRY(decode_chars(text, len, url, to, err));
    buf_commit(out, size);
    return true;
}

bool base64_decode(struct buf *out, struct str text, struct err *err)
{
    return decode(out, text, false, err);
}

bool base64_url_decode(struct buf *out, struct str text, struct err *err)
{
    return decode(out, text, true, err);
}

/* Decoding bodies. */

void base64_decoder_init(struct base64_decoder *d)
{
    *d = (struct base64_decoder){0};
}

/* Bytes that an unfinished group of `count` characters holds. */
static size_t tail_size(unsigned count)
{
    return count > 1 ? count - 1 : 0;
}

/* Ends the group at hand: writes the bytes that it has. */
static char *end_group(struct base64_decoder *d, char *out)
{
    uint32_t bits = d->bits << (6 * (4 - d->count));
    for (size_t i = 0; i < tail_size(d->count); i++)
        *out++ = (char)(bits >> (16 - 8 * i));
    d->bits = 0;
    d->count = 0;
    return out;
}

/* Padding ends a group of two or three characters; a second "=" fills the group of two. */
static char *take_padding(struct base64_decoder *d, char *out)
{
    if (d->count >= 2) {
        d->padding = 3 - d->count;
        d->damaged |= (d->bits & (d->count == 2 ? 15u : 3u)) != 0;
        out = end_group(d, out);
        d->ended = true;
    } else if (d->padding > 0) {
        d->padding--;
    } else {
        d->damaged = true;
    }
    return out;
}

static char *take_byte(struct base64_decoder *d, char c, char *out)
{
    unsigned value = values[(unsigned char)c];
    if (value == 0) {
        if (c == '=')
            return take_padding(d, out);
        d->damaged |= c != '\r' && c != '\n' && c != ' ' && c != '\t';
        return out;
    }
    d->damaged |= d->ended;
    d->bits = d->bits << 6 | (value - 1);
    if (++d->count == 4)
        out = end_group(d, out);
    return out;
}

/* Whole groups of four, the usual case, without looking at the state. */
static size_t decode_groups(const unsigned char *in, size_t len, char **out)
{
    size_t at = 0;
    char *to = *out;
    for (; at + 4 <= len; at += 4) {
        unsigned a = values[in[at]], b = values[in[at + 1]];
        unsigned c = values[in[at + 2]], d = values[in[at + 3]];
        if (a == 0 || b == 0 || c == 0 || d == 0)
            break;
        uint32_t bits = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
        *to++ = (char)(bits >> 16);
        *to++ = (char)(bits >> 8);
        *to++ = (char)bits;
    }
    *out = to;
    return at;
}

bool base64_decoder_feed(struct base64_decoder *d, struct str chunk, struct buf *out)
{
    char *begin = buf_reserve(out, chunk.len / 4 * 3 + 6);
    if (!begin)
        return false;
    char *to = begin;
    for (size_t i = 0; i < chunk.len;) {
        if (d->count == 0 && !d->ended)
            i += decode_groups((const unsigned char *)chunk.ptr + i, chunk.len - i, &to);
        if (i < chunk.len)
            to = take_byte(d, chunk.ptr[i++], to);
    }
    buf_commit(out, (size_t)(to - begin));
    return true;
}

bool base64_decoder_end(struct base64_decoder *d, struct buf *out)
{
    d->damaged |= d->count > 0 || d->padding > 0;
    char *begin = buf_reserve(out, 3);
    if (!begin)
        return false;
    buf_commit(out, (size_t)(end_group(d, begin) - begin));
    return true;
}

uint64_t base64_decoded_size(struct str text, bool *ret_damaged)
{
    struct base64_decoder d;
    base64_decoder_init(&d);
    uint64_t size = 0;
    char scratch[3];
    for (size_t i = 0; i < text.len;) {
        if (d.count == 0 && !d.ended) {
            size_t from = i;
            while (i + 4 <= text.len && values[(unsigned char)text.ptr[i]] > 0 &&
                   values[(unsigned char)text.ptr[i + 1]] > 0 &&
                   values[(unsigned char)text.ptr[i + 2]] > 0 &&
                   values[(unsigned char)text.ptr[i + 3]] > 0)
                i += 4;
            size += (i - from) / 4 * 3;
        }
        if (i < text.len)
            size += (uint64_t)(take_byte(&d, text.ptr[i++], scratch) - scratch);
    }
    size += tail_size(d.count);
    *ret_damaged = d.damaged || d.count > 0 || d.padding > 0;
    return size;
}
