#ifndef COMMON_MAIL_MESSAGE_ID_H
#define COMMON_MAIL_MESSAGE_ID_H

#include "common/base/arena.h"

/*
 * Message identifiers in the form in which threads compare them: without brackets, lower case,
 * without needless quoting. The host is left as it is written: an internationalised host and its
 * A-label form are different identifiers.
 *
 *     message_id_canonical(STR(" <\"Joe\"@Example.org> "), &arena)      // joe@example.org
 */

#define MESSAGE_ID_REFERENCES_MAX 1000

/* From the value of a Message-ID field. STR_NULL when there is no identifier (or no memory). */
struct str message_id_canonical(struct str value, struct arena *arena);

/* All identifiers of a References value, canonical, in order, appended to `ids` which holds
 * `*count` of at most `max` entries (further ones are left out). Text between them is skipped; an
 * identifier that is broken off by another `<` is dropped; blanks inside one are removed. */
void message_id_references(struct str value, struct arena *arena, struct str *ids, size_t max,
                           size_t *count);

#endif
