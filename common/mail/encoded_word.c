#include "common/mail/encoded_word.h"

#include "common/text/base64.h"
#include "common/text/charset.h"
#include "common/text/cursor.h"
#include "common/text/utf8.h"

#include <string.h>

#define CHARSET_LEN_MAX 64
#define WORD_LEN_MAX 75 /* RFC 2047 2 */

/* Decoding. */

struct encoded_word {
    struct str charset;
    char encoding; /* 'q' or 'b' */
    struct str text;
};

static bool is_charset_char(unsigned char c)
{
    return is_visible(c) && c != '?';
}

/* Blanks do not belong in the text, but some senders leave them unencoded in Q. */
static bool is_word_char(unsigned char c)
{
    return c != '?' && c != '\r' && c != '\n';
}

/* encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?="  (RFC 2231 5) */
static bool take_word(struct cursor *c, struct encoded_word *ret_word)
{
    struct cursor mark = cursor_mark(c);
    if (!cursor_skip_str(c, STR("=?")))
        return false;
    struct str charset = cursor_take_while(c, is_charset_char, CHARSET_LEN_MAX, "charset");
    cursor_expect(c, '?');
    char encoding = ascii_lower(cursor_take(c, 1, "encoding").len == 1 ? c->at[-1] : '?');
    cursor_expect(c, '?');
    struct str text = cursor_take_while0(c, is_word_char, SIZE_MAX, "encoded text");
    if (cursor_skip_str(c, STR("?=")) && (encoding == 'q' || encoding == 'b')) {
        str_cut(charset, '*', &charset, NULL);
        *ret_word = (struct encoded_word){charset, encoding, text};
        return true;
    }
    cursor_rewind(c, mark);
    return false;
}

struct str encoded_word_take(struct cursor *c)
{
    const char *from = c->at;
    struct encoded_word word;
    return take_word(c, &word) ? str_make(from, (size_t)(c->at - from)) : STR_NULL;
}

static int hex_value(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 2047 4.2. */
static bool decode_q(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '=') {
            if (text.len - i < 3 || hex_value(text.ptr[i + 1]) < 0 ||
                hex_value(text.ptr[i + 2]) < 0)
                return false;
            c = (char)(hex_value(text.ptr[i + 1]) * 16 + hex_value(text.ptr[i + 2]));
            i += 2;
        }
        TRY(buf_append_char(out, c == '_' && text.ptr[i] == '_' ? ' ' : c));
    }
    return true;
}

/* Missing padding is forgiven, foreign bytes are not. */
static bool decode_b(struct str text, struct buf *out)
{
    struct base64_decoder d;
    base64_decoder_init(&d);
    TRY(base64_decoder_feed(&d, text, out) && !d.damaged);
    return base64_decoder_end(&d, out);
}

/* Bytes of adjacent words in one charset, converted together: a character may be split over two. */
struct decoding {
    struct buf out;
    struct buf bytes;
    struct str charset;
    struct arena *arena;
};

static bool flush_bytes(struct decoding *d)
{
    struct str utf8;
    if (d->bytes.len == 0)
        return true;
    TRY(charset_is_known(d->charset));
    TRY(charset_decode(d->charset, buf_str(&d->bytes), d->arena, &utf8));
    buf_reset(&d->bytes);
    return buf_append(&d->out, utf8);
}

static bool add_word(struct decoding *d, struct encoded_word word)
{
    if (!str_eq_nocase(word.charset, d->charset))
        TRY(flush_bytes(d));
    d->charset = word.charset;
    return word.encoding == 'q' ? decode_q(word.text, &d->bytes) : decode_b(word.text, &d->bytes);
}

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool decode_text(struct decoding *d, struct str text)
{
    struct cursor c = cursor_init(text);
    const char *plain = c.at; /* text from here is not encoded */
    bool after_word = false;
    while (!cursor_at_end(&c)) {
        const char *from = c.at;
        struct encoded_word word;
        if (!take_word(&c, &word)) {
            cursor_take(&c, 1, "byte");
            ptrdiff_t next = str_find(cursor_rest(&c), STR("=?"));
            cursor_take(&c, next < 0 ? cursor_rest(&c).len : (size_t)next, "text");
            continue;
        }
        struct cursor between = cursor_init(str_make(plain, (size_t)(from - plain)));
        cursor_skip_while(&between, is_blank);
        if (!after_word || !cursor_at_end(&between))
            TRY(flush_bytes(d) && buf_append(&d->out, str_make(plain, (size_t)(from - plain))));
        TRY(add_word(d, word));
        plain = c.at;
        after_word = true;
    }
    return flush_bytes(d) && buf_append(&d->out, str_make(plain, (size_t)(c.end - plain)));
}

struct str encoded_word_decode(struct str text, struct arena *arena)
{
    if (str_find(text, STR("=?")) < 0)
        return utf8_repair(text, arena);
    struct decoding d = {.arena = arena, .charset = STR_NULL};
    buf_init(&d.out, text.len * 6 + 64);
    buf_init(&d.bytes, text.len + 64);
    struct str decoded = text;
    if (decode_text(&d, text))
        decoded = arena_copy(arena, buf_str(&d.out));
    buf_release(&d.bytes);
    buf_release(&d.out);
    return str_is_null(decoded) ? STR_NULL : utf8_repair(decoded, arena);
}

/* Encoding. */

static const char prefix_q[] = "=?utf-8?q?";
static const char prefix_b[] = "=?utf-8?b?";
#define OVERHEAD (sizeof(prefix_q) - 1 + 2)

/* RFC 2047 5 (3): what may stand as it is even in a phrase. */
static bool is_plain_q(unsigned char c)
{
    return is_alnum(c) || c == '!' || c == '*' || c == '+' || c == '-' || c == '/';
}

static size_t q_size(struct str s)
{
    size_t size = 0;
    for (size_t i = 0; i < s.len; i++)
        size += is_plain_q((unsigned char)s.ptr[i]) || s.ptr[i] == ' ' ? 1 : 3;
    return size;
}

static size_t b_size(struct str s)
{
    return (s.len + 2) / 3 * 4;
}

static bool write_q(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (is_plain_q(c))
            TRY(buf_append_char(out, s.ptr[i]));
        else if (c == ' ')
            TRY(buf_append_char(out, '_'));
        else
            TRY(buf_printf(out, "=%02X", c));
    }
    return true;
}

/* The longest start of `s`, at least one character, whose encoded form has at most `max` bytes. */
static struct str take_fitting(struct str s, size_t max, size_t (*size_of)(struct str))
{
    size_t len = 0;
    while (len < s.len) {
        uint32_t character;
        size_t next = len + utf8_decode(str_skip(s, len), &character);
        if (len > 0 && size_of(str_make(s.ptr, next)) > max)
            break;
        len = next;
    }
    return str_make(s.ptr, len);
}

bool encoded_word_write(struct buf *out, struct str text, size_t first_max)
{
    bool use_q = q_size(text) <= 2 * b_size(text);
    size_t max = first_max < WORD_LEN_MAX ? first_max : WORD_LEN_MAX;
    for (bool first = true; text.len > 0; first = false) {
        size_t room = max > OVERHEAD ? max - OVERHEAD : 0;
        /* Candidates longer than the room never fit: look no further. */
        struct str start = utf8_truncate_bytes(text, room > 4 ? room : 4);
        struct str piece = take_fitting(start, room, use_q ? q_size : b_size);
        TRY(first || buf_append_char(out, ' '));
        TRY(buf_append_cstr(out, use_q ? prefix_q : prefix_b));
        TRY(use_q ? write_q(out, piece) : base64_encode(out, piece));
        TRY(buf_append(out, STR("?=")));
        text = str_skip(text, piece.len);
        max = WORD_LEN_MAX;
    }
    return true;
}
