#ifndef COMMON_MAIL_PART_HEADER_H
#define COMMON_MAIL_PART_HEADER_H

#include "common/mail/header.h"
#include "common/mail/structure.h"

/*
 * The MIME fields of a part: Content-Type and its relatives (RFC 2045 to 2047, 2183, 2557, 3282).
 * Used by the parser of structures.
 */

/* Fills the part from one field of its header, when it is a MIME field that was not seen before. A
 * Content-Type that is not valid becomes what can be saved of it (the type without the parameters
 * that are wrong, or APPLICATION/OCTET-STREAM) and marks the part damaged. */
void part_header_take(struct part *part, const struct header_field *field, struct arena *arena);

/* Makes the part one opaque piece: APPLICATION/OCTET-STREAM, damaged. */
void part_make_opaque(struct part *part);

#endif
