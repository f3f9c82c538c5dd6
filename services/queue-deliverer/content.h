#ifndef SERVICES_QUEUE_DELIVERER_CONTENT_H
#define SERVICES_QUEUE_DELIVERER_CONTENT_H

#include "common/base/err.h"

/*
 * The text of a message as it goes over the wire: prefix and file, each made of lines that end in
 * CRLF, with a dot put before each line that begins with one (RFC 5321 4.5.2), and the final dot.
 *
 *     struct content c = content_begin(prefix, file);
 *     while (content_next(&c, &span))
 *         stream_write(stream, span, ...);
 *
 * Spans borrow from the texts and are as long as these allow: most messages are two or three.
 */

struct content {
    struct str texts[2];
    size_t text;  /* the one in hand */
    size_t at;    /* in it, at the start of a line */
    bool stuffed; /* the extra dot of that line was given out */
    bool ended;
};

struct content content_begin(struct str prefix, struct str file);
/* The next piece; false after the final line ".". */
bool content_next(struct content *c, struct str *ret_span);

/* A bare CR or LF, or a last line without end, must not go out: the other side might see another
 * end of the message than we do. */
bool content_check(struct str text, struct err *err) MUST_USE;

#endif
