#ifndef COMMON_AUTH_PRECIS_H
#define COMMON_AUTH_PRECIS_H

#include "common/base/arena.h"
#include "common/base/err.h"

/*
 * Preparing passwords for comparison, so that the same password typed on different keyboards and
 * systems is the same bytes.
 */

/* RFC 8265 4.2, profile OpaqueString: other spaces become U+0020, the result is in NFC, and it must
 * not be empty nor hold code points outside the FreeformClass of RFC 8264. In arena.
 * ERR_SYNTAX: not UTF-8, empty, or a code point that is not allowed; the text names the rule, never
 * the password. ERR_LIMIT: the arena is full. */
bool precis_opaque_string(struct str text, struct arena *arena, struct str *ret,
                          struct err *err) MUST_USE;

#endif
