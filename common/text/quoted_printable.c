#include "common/text/quoted_printable.h"

#include "common/base/err.h"

#include <string.h>

#define LINE_LEN_MAX 76

/* Decoding. What cannot be judged yet waits in `pending`: blanks that may stand at a line end, or
 * an escape of which more must come. */

void quoted_printable_decoder_init(struct quoted_printable_decoder *d)
{
    *d = (struct quoted_printable_decoder){0};
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Where decoded bytes go: room for them was reserved. */
struct sink {
    char *to;
    size_t len;
};

static void put(struct sink *sink, const char *bytes, size_t len)
{
    if (len > 0)
        memcpy(sink->to + sink->len, bytes, len);
    sink->len += len;
}

static void flush_pending(struct quoted_printable_decoder *d, struct sink *sink)
{
    put(sink, d->pending, d->pending_len);
    d->pending_len = 0;
}

static bool hold(struct quoted_printable_decoder *d, char c)
{
    if (d->pending_len == sizeof(d->pending))
        return false;
    d->pending[d->pending_len++] = c;
    return true;
}

/* One more byte of what began with "=": an escape, or a soft line break ("=", blanks, line end).
 * False when it cannot be either. */
static bool continue_escape(struct quoted_printable_decoder *d, char c, struct sink *sink)
{
    char last = d->pending[d->pending_len - 1];
    if (hex_value(last) >= 0) {
        if (hex_value(c) < 0)
            return false;
        char byte = (char)(hex_value(last) * 16 + hex_value(c));
        d->pending_len = 0;
        put(sink, &byte, 1);
        return true;
    }
    if (c == '\n') {
        d->pending_len = 0;
        return true;
    }
    if (last == '\r')
        return false;
    bool expected = is_blank(c) || c == '\r' || (last == '=' && hex_value(c) >= 0);
    return expected && hold(d, c);
}

/* Blanks wait until it is known whether a line ends behind them (RFC 2045 6.7 (3): those were added
 * on the way); so does a CR, until it is known whether it belongs to a line end. */
static void take_byte(struct quoted_printable_decoder *d, char c, struct sink *sink)
{
    if (d->pending_len > 0 && d->pending[0] == '=') {
        if (continue_escape(d, c, sink))
            return;
        d->damaged = true;
        flush_pending(d, sink);
    }
    bool after_cr = d->pending_len > 0 && d->pending[d->pending_len - 1] == '\r';
    if (c == '\n') {
        d->pending_len = 0;
        put(sink, after_cr ? "\r\n" : "\n", 1 + (size_t)after_cr);
        return;
    }
    bool waits = is_blank(c) || c == '\r';
    if (waits && !after_cr && hold(d, c))
        return;
    flush_pending(d, sink);
    if (waits || c == '=')
        hold(d, c);
    else
        put(sink, &c, 1);
}

/* End of the bytes from `at` that mean themselves: up to an escape, or to what may be dropped at
 * the end of the line, which is at `line_end`. */
static size_t plain_end(struct str chunk, size_t at, size_t line_end)
{
    const char *escape = memchr(chunk.ptr + at, '=', line_end - at);
    if (escape)
        return (size_t)(escape - chunk.ptr);
    while (line_end > at && (is_blank(chunk.ptr[line_end - 1]) || chunk.ptr[line_end - 1] == '\r'))
        line_end--;
    return line_end;
}

static size_t find_line_end(struct str chunk, size_t at)
{
    const char *lf = memchr(chunk.ptr + at, '\n', chunk.len - at);
    return lf ? (size_t)(lf - chunk.ptr) : chunk.len;
}

bool quoted_printable_decoder_feed(struct quoted_printable_decoder *d, struct str chunk,
                                   struct buf *out)
{
    struct sink sink = {.to = buf_reserve(out, chunk.len + d->pending_len + 1)};
    if (!sink.to)
        return false;
    size_t at = 0, line_end = chunk.len > 0 ? find_line_end(chunk, 0) : 0;
    while (at < chunk.len) {
        if (at > line_end)
            line_end = find_line_end(chunk, at);
        if (d->pending_len == 0) {
            size_t end = plain_end(chunk, at, line_end);
            put(&sink, chunk.ptr + at, end - at);
            at = end;
        }
        if (at < chunk.len)
            take_byte(d, chunk.ptr[at++], &sink);
    }
    buf_commit(out, sink.len);
    return true;
}

/* At the very end, blanks are dropped as at any line end, and "=" is a soft break. */
bool quoted_printable_decoder_end(struct quoted_printable_decoder *d, struct buf *out)
{
    char last = d->pending_len > 0 ? d->pending[d->pending_len - 1] : '\0';
    bool broken = hex_value(last) >= 0;
    bool lone_cr = last == '\r' && d->pending[0] != '=';
    bool keep = broken || lone_cr;
    bool ok = !keep || buf_append(out, str_make(d->pending, d->pending_len));
    d->damaged |= broken;
    d->pending_len = 0;
    return ok;
}

/* Encoding. */

static bool needs_escape(char c, bool at_line_end)
{
    if (is_blank(c))
        return at_line_end;
    return c == '=' || (unsigned char)c < 0x20 || (unsigned char)c > 0x7e;
}

/* One line without its end; every output line has at most 76 characters, a soft break included,
 * which also follows a line that has no end. */
static bool encode_line(struct buf *out, struct str line, bool ended)
{
    size_t column = 0;
    for (size_t i = 0; i < line.len; i++) {
        bool last = i + 1 == line.len;
        bool escape = needs_escape(line.ptr[i], last);
        size_t width = escape ? 3 : 1;
        size_t room = last && ended ? LINE_LEN_MAX : LINE_LEN_MAX - 1;
        if (column + width > room) {
            TRY(buf_append(out, STR("=\r\n")));
            column = 0;
        }
        TRY(escape ? buf_printf(out, "=%02X", (unsigned char)line.ptr[i])
                   : buf_append_char(out, line.ptr[i]));
        column += width;
    }
    return true;
}

bool quoted_printable_encode(struct buf *out, struct str text)
{
    while (text.len > 0) {
        struct str line, rest;
        bool ended = str_cut(text, '\n', &line, &rest);
        if (ended && line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        TRY(encode_line(out, line, ended));
        TRY(buf_append(out, ended ? STR("\r\n") : STR("=\r\n")));
        text = rest;
    }
    return true;
}
