#ifndef COMMON_TEXT_QUOTED_PRINTABLE_H
#define COMMON_TEXT_QUOTED_PRINTABLE_H

#include "common/base/buf.h"

/*
 * Quoted-printable (RFC 2045 6.7).
 *
 * Decoding forgives: raw 8-bit bytes pass, "=" that starts no escape stays as written, bare LF is
 * kept, blanks at line ends are dropped as the RFC asks. What had to be forgiven beyond 8-bit bytes
 * is noted in `damaged`.
 */

struct quoted_printable_decoder {
    char pending[128]; /* an unfinished escape, or what may be a line end with blanks */
    unsigned pending_len;
    bool damaged;
};

void quoted_printable_decoder_init(struct quoted_printable_decoder *d);
/* Appends what `chunk` adds. False only when `out` is full. */
bool quoted_printable_decoder_feed(struct quoted_printable_decoder *d, struct str chunk,
                                   struct buf *out);
bool quoted_printable_decoder_end(struct quoted_printable_decoder *d, struct buf *out);

/* Appends text as quoted-printable, lines of at most 76 characters: line ends (LF or CRLF) become
 * CRLF, bare CR and everything that must be is escaped. A text without a final line end gets none
 * beyond a soft break. */
bool quoted_printable_encode(struct buf *out, struct str text);

#endif
