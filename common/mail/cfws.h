#ifndef COMMON_MAIL_CFWS_H
#define COMMON_MAIL_CFWS_H

#include "common/text/cursor.h"

/*
 * Comments and folding white space, which structured header fields may have between any two tokens
 * (RFC 5322 3.2.2).
 */

/* Skips blanks, folds and nested comments; true when there were any. `*comment` becomes the inside
 * of the last comment, as written, and stays when there is none. An unfinished comment fails the
 * cursor. */
bool cfws_skip(struct cursor *c, struct str *comment);

#endif
