#ifndef COMMON_TEXT_BASE64_H
#define COMMON_TEXT_BASE64_H

#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * Base64 (RFC 4648 4) and its URL-safe form (RFC 4648 5).
 *
 * Whole values, as in SASL, are decoded strictly: right alphabet, right padding, no unused bits, no
 * line ends. Bodies of mail (RFC 2045 6.8) are decoded piece by piece and forgivingly by a
 * `struct base64_decoder`, which remembers what it had to forgive.
 *
 *     base64_encode(&out, STR("foo"));                  // Zm9v
 *     if (!base64_decode(&out, line, err)) ...
 */

/* Whole values. */

/* Appends; with padding. False when `out` is full. */
bool base64_encode(struct buf *out, struct str data);
/* Appends; URL-safe alphabet, no padding. */
bool base64_url_encode(struct buf *out, struct str data);
/* Appends; ERR_SYNTAX names the offset of the first wrong byte, ERR_LIMIT a full buffer; on failure
 * `out` is as before. */
bool base64_decode(struct buf *out, struct str text, struct err *err) MUST_USE;
/* URL-safe alphabet; padding may be missing. */
bool base64_url_decode(struct buf *out, struct str text, struct err *err) MUST_USE;

/* Bodies. */

#define BASE64_LINE_LEN 76

/* Appends `data` in lines of 76 characters, each ended by CRLF. */
bool base64_encode_lines(struct buf *out, struct str data);

struct base64_decoder {
    uint32_t bits;    /* pending */
    unsigned count;   /* pending characters, 0 to 3 */
    unsigned padding; /* "=" that are still expected */
    bool ended;       /* padding was seen */
    bool damaged;     /* foreign bytes, data after padding, or an unfinished group was met */
};

void base64_decoder_init(struct base64_decoder *d);
/* Appends what `chunk` adds. Line ends and blanks are ignored; other foreign bytes are skipped and
 * noted in `damaged`, and so is data that follows padding (it is decoded). False only when `out` is
 * full. */
bool base64_decoder_feed(struct base64_decoder *d, struct str chunk, struct buf *out);
/* At the end: an unfinished group gives the bytes that it has. */
bool base64_decoder_end(struct base64_decoder *d, struct buf *out);

/* The size that decoding would give, without decoding. As feed and end with nothing written. */
uint64_t base64_decoded_size(struct str text, bool *ret_damaged);

#endif
