#ifndef COMMON_TEXT_UTF7_H
#define COMMON_TEXT_UTF7_H

#include "common/base/arena.h"
#include "common/base/err.h"

/*
 * Modified UTF-7: mailbox names of IMAP4rev1 (RFC 3501 5.1.3).
 *
 *     utf7_decode(STR("&Jjo-"), &arena, &name, err)          // U+263A
 */

/* To UTF-8, in arena. Every name has one spelling only; ERR_SYNTAX for others: an unfinished shift,
 * printable ASCII in base64, a shift right after another, odd length, left-over bits, wrong base64,
 * broken surrogates, NUL, bytes outside ASCII. */
bool utf7_decode(struct str text, struct arena *arena, struct str *ret_utf8,
                 struct err *err) MUST_USE;

/* From valid UTF-8, in arena, or `utf8` itself when there is nothing to encode. STR_NULL when the
 * arena is full. */
struct str utf7_encode(struct str utf8, struct arena *arena);

#endif
