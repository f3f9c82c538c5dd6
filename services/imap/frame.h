#ifndef SERVICES_IMAP_FRAME_H
#define SERVICES_IMAP_FRAME_H

#include "common/base/str.h"

/*
 * Bytes from the client -> units: a line with its line end, or the bytes of a literal as they come.
 * Pure; the session decides what a unit means.
 *
 *     "a APPEND x {3}\r\n"   FRAME_LINE; frame_ends_in_literal says 3 bytes follow
 *     "abc"                  FRAME_BYTES with remaining 3, perhaps in several units
 *     "\r\n"                 FRAME_LINE again
 */

#define FRAME_LINE_MAX (16 * 1024)

enum frame_mode {
    FRAME_LINE,  /* up to and including LF; CRLF is the rule, a bare LF is tolerated */
    FRAME_BYTES, /* what is there, at most `remaining` bytes */
};

struct frame {
    enum frame_mode mode;
    uint64_t remaining; /* of FRAME_BYTES, above 0 */
};

/* Length of the first unit, SESSION_FRAME_MORE or SESSION_FRAME_BAD (common/sys/session.h). */
size_t frame_next(const struct frame *frame, struct str input);

/* RFC 9051 9, literal and literal8: a line that ends in "{n}", "{n+}", "~{n}" or "~{n+}". */
struct frame_literal {
    size_t offset; /* of the marker in the line */
    uint64_t size; /* UINT64_MAX when the number is beyond all limits */
    bool sync;     /* the client waits for a continuation */
    bool binary;   /* literal8 */
};
bool frame_ends_in_literal(struct str line, struct frame_literal *ret);

/* The line without CRLF or LF at its end. */
struct str frame_line_text(struct str line);

#endif
