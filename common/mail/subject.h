#ifndef COMMON_MAIL_SUBJECT_H
#define COMMON_MAIL_SUBJECT_H

#include "common/base/arena.h"

/*
 * The base subject, by which replies find their thread: RFC 5256 2.1.
 *
 *     bool is_reply;
 *     subject_base(STR("[list] Re: [tag] Fwd: a  b (fwd)"), &arena, &is_reply)     // "a b", true
 */

/* From a decoded subject (encoded words undone, UTF-8). Lower case, blanks joined, "Re:", "Fwd:",
 * "(fwd)", "[fwd: ]" and list tags removed; `*ret_is_reply` says whether anything but list tags
 * was. In arena. A subject with a NUL byte has the empty base,
 * and so has one for which there is no memory. */
struct str subject_base(struct str subject, struct arena *arena, bool *ret_is_reply);

#endif
