#ifndef COMMON_MAIL_LINE_ENDS_H
#define COMMON_MAIL_LINE_ENDS_H

#include "common/base/str.h"

/*
 * Line ends of files (LF) and of messages (CRLF), converted in pieces of any size.
 *
 *     struct line_ends l = {0};
 *     while (line_ends_to_crlf(&l, &rest, &span)) write(span);     // for each piece
 */

struct line_ends {
    bool after_cr;   /* the last byte was a CR; to_lf has not given it out */
    bool after_line; /* the last byte was a LF */
};

/* The next run of `*rest` as it shall be; false when all is used up. Every bare LF gets a CR. */
bool line_ends_to_crlf(struct line_ends *l, struct str *rest, struct str *ret_span);
/* Every CRLF becomes a LF; other CRs stay. A CR at the very end is held back: see line_ends_last.
 */
bool line_ends_to_lf(struct line_ends *l, struct str *rest, struct str *ret_span);
/* After the last piece of line_ends_to_lf: the CR that was held back, or empty. */
struct str line_ends_last(const struct line_ends *l);

#endif
