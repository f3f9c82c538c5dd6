#include "common/mail/content.h"

#include "common/base/err.h"

#include <string.h>

#define CHUNK_SIZE 8192

enum content_encoding content_encoding_from(struct str name)
{
    static const struct {
        struct str name;
        enum content_encoding encoding;
    } names[] = {
        {STR_INIT(""), CONTENT_ENCODING_IDENTITY},
        {STR_INIT("7BIT"), CONTENT_ENCODING_IDENTITY},
        {STR_INIT("8BIT"), CONTENT_ENCODING_IDENTITY},
        {STR_INIT("BINARY"), CONTENT_ENCODING_IDENTITY},
        {STR_INIT("BASE64"), CONTENT_ENCODING_BASE64},
        {STR_INIT("QUOTED-PRINTABLE"), CONTENT_ENCODING_QUOTED_PRINTABLE},
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(name, names[i].name))
            return names[i].encoding;
    return CONTENT_ENCODING_UNKNOWN;
}

bool content_decoder_init(struct content_decoder *d, struct str encoding, bool text)
{
    *d = (struct content_decoder){.encoding = content_encoding_from(encoding), .text = text};
    base64_decoder_init(&d->base64);
    quoted_printable_decoder_init(&d->quoted_printable);
    return d->encoding != CONTENT_ENCODING_UNKNOWN;
}

/* LF without CR before it; `after_cr` tells what stood before `s`. */
static size_t count_lone_lf(struct str s, bool after_cr)
{
    size_t count = 0;
    if (s.len == 0)
        return 0;
    for (const char *at = s.ptr, *end = s.ptr + s.len;
         at < end && (at = memchr(at, '\n', (size_t)(end - at))); at++)
        count += at > s.ptr ? at[-1] != '\r' : !after_cr;
    return count;
}

/* Makes the lone LFs in what was appended since `from` CRLF, from the back, in place. */
static bool canonical_lines(struct content_decoder *d, struct buf *out, size_t from)
{
    struct str added = str_skip(buf_str(out), from);
    if (added.len == 0)
        return true;
    bool after_cr = d->after_cr;
    d->after_cr = added.ptr[added.len - 1] == '\r';
    size_t missing = count_lone_lf(added, after_cr);
    if (missing == 0)
        return true;
    if (!buf_reserve(out, missing))
        return false;
    char *begin = out->ptr + from;
    size_t read = added.len, write = added.len + missing;
    while (write > read) {
        char c = begin[--read];
        begin[--write] = c;
        if (c == '\n' && (read > 0 ? begin[read - 1] != '\r' : !after_cr))
            begin[--write] = '\r';
    }
    buf_commit(out, missing);
    return true;
}

bool content_decode(struct content_decoder *d, struct str chunk, struct buf *out)
{
    size_t from = out->len;
    if (d->encoding == CONTENT_ENCODING_BASE64)
        TRY(base64_decoder_feed(&d->base64, chunk, out));
    else if (d->encoding == CONTENT_ENCODING_QUOTED_PRINTABLE)
        TRY(quoted_printable_decoder_feed(&d->quoted_printable, chunk, out));
    else
        TRY(buf_append(out, chunk));
    return !d->text || canonical_lines(d, out, from);
}

bool content_decode_end(struct content_decoder *d, struct buf *out)
{
    size_t from = out->len;
    if (d->encoding == CONTENT_ENCODING_BASE64)
        TRY(base64_decoder_end(&d->base64, out));
    else if (d->encoding == CONTENT_ENCODING_QUOTED_PRINTABLE)
        TRY(quoted_printable_decoder_end(&d->quoted_printable, out));
    return !d->text || canonical_lines(d, out, from);
}

bool content_is_damaged(const struct content_decoder *d)
{
    return d->base64.damaged || d->quoted_printable.damaged;
}

static uint64_t size_by_decoding(struct str body, struct content_decoder *d)
{
    uint64_t size = 0;
    struct buf out;
    buf_init(&out, 8 * CHUNK_SIZE);
    for (size_t at = 0; at < body.len; at += CHUNK_SIZE) {
        content_decode(d, str_slice(body, at, CHUNK_SIZE), &out);
        size += out.len;
        buf_reset(&out);
    }
    content_decode_end(d, &out);
    size += out.len;
    buf_release(&out);
    return size;
}

uint64_t content_decoded_size(struct str body, struct str encoding, bool text, bool *ret_damaged)
{
    struct content_decoder d;
    content_decoder_init(&d, encoding, text);
    *ret_damaged = false;
    if (d.encoding == CONTENT_ENCODING_IDENTITY || d.encoding == CONTENT_ENCODING_UNKNOWN)
        return body.len + (text ? count_lone_lf(body, false) : 0);
    if (d.encoding == CONTENT_ENCODING_BASE64 && !text)
        return base64_decoded_size(body, ret_damaged);
    uint64_t size = size_by_decoding(body, &d);
    *ret_damaged = content_is_damaged(&d);
    return size;
}
