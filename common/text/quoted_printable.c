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

static void take_byte(struct quoted_printable_decoder *d, char c, struct sink *sink)
{
    if (d->pending_len > 0 && d->pending[0] == '=') {
        if (continue_escape(d, c, sink))
            return;
        d->damaged = true;
        flush_pending(d, sink);
    }
    if (is_blank(c) && hold(d, c))
        return;
    if (c == '\n' || c == '\r')
        d->pending_len = 0; /* RFC 2045 6.7 (3): blanks at a line end were added on the way */
    flush_pending(d, sink);
    if (c == '=' || is_blank(c))
        hold(d, c);
    else
        put(sink, &c, 1);
}

static bool is_ordinary(char c)
{
    static const bool special[256] = {
        ['='] = true, [' '] = true, ['\t'] = true, ['\r'] = true, ['\n'] = true};
    return !special[(unsigned char)c];
}

/* Length of the start that means itself; blanks count when the line goes on behind them. */
static size_t ordinary_prefix(struct str s)
{
    size_t i = 0;
    for (;;) {
        while (i < s.len && is_ordinary(s.ptr[i]))
            i++;
        if (s.len - i < 2 || !is_blank(s.ptr[i]) || !is_ordinary(s.ptr[i + 1]))
            return i;
        i += 2;
    }
}

bool quoted_printable_decoder_feed(struct quoted_printable_decoder *d, struct str chunk,
                                   struct buf *out)
{
    struct sink sink = {.to = buf_reserve(out, chunk.len + d->pending_len)};
    if (!sink.to)
        return false;
    while (chunk.len > 0) {
        size_t plain = d->pending_len == 0 ? ordinary_prefix(chunk) : 0;
        put(&sink, chunk.ptr, plain);
        chunk = str_skip(chunk, plain);
        if (chunk.len > 0)
            take_byte(d, chunk.ptr[0], &sink);
        chunk = str_skip(chunk, 1);
    }
    buf_commit(out, sink.len);
    return true;
}

/* At the very end, blanks are dropped as at any line end, and "=" is a soft break. */
bool quoted_printable_decoder_end(struct quoted_printable_decoder *d, struct buf *out)
{
    bool broken = d->pending_len > 0 && hex_value(d->pending[d->pending_len - 1]) >= 0;
    bool ok = !broken || buf_append(out, str_make(d->pending, d->pending_len));
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
