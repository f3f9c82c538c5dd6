#ifndef COMMON_MAIL_CONTENT_H
#define COMMON_MAIL_CONTENT_H

#include "common/base/buf.h"
#include "common/text/base64.h"
#include "common/text/quoted_printable.h"

/*
 * The content of a leaf part: its transfer encoding undone (RFC 2045 6), in pieces, so that a large
 * attachment is never in memory twice. Of text, line ends come out as CRLF, the canonical form of
 * text (RFC 2045 2.10), so that what is sent is as long as `decoded_size` of the part says.
 *
 *     struct content_decoder d;
 *     if (!content_decoder_init(&d, part->encoding, part_is_text(part, STR(""))))
 *         return unknown_encoding();
 *     while (read_chunk(&chunk))
 *         content_decode(&d, chunk, &out);          // then write out and buf_reset
 *     content_decode_end(&d, &out);
 */

enum content_encoding {
    CONTENT_ENCODING_IDENTITY, /* 7BIT, 8BIT, BINARY, or absent */
    CONTENT_ENCODING_BASE64,
    CONTENT_ENCODING_QUOTED_PRINTABLE,
    CONTENT_ENCODING_UNKNOWN, /* anything else: passed through */
};

struct content_decoder {
    enum content_encoding encoding;
    bool text;
    bool after_cr; /* of text: the last byte that came out */
    struct base64_decoder base64;
    struct quoted_printable_decoder quoted_printable;
};

/* By the value of Content-Transfer-Encoding, in any case. */
enum content_encoding content_encoding_from(struct str name);

/* False when the encoding is not known; the decoder then passes bytes through. */
bool content_decoder_init(struct content_decoder *d, struct str encoding, bool text);
/* Appends what `chunk` adds. What is not valid is decoded as well as possible: foreign bytes in
 * base64 are skipped, broken quoted-printable stays as written. False only when `out` is full. */
bool content_decode(struct content_decoder *d, struct str chunk, struct buf *out);
/* Appends what is still pending at the end. */
bool content_decode_end(struct content_decoder *d, struct buf *out);
/* True when something was not valid so far. */
bool content_is_damaged(const struct content_decoder *d);

/* The size of the whole decoded content, and whether something in it is not valid. */
uint64_t content_decoded_size(struct str body, struct str encoding, bool text, bool *ret_damaged);

#endif
