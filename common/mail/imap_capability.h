#ifndef COMMON_MAIL_IMAP_CAPABILITY_H
#define COMMON_MAIL_IMAP_CAPABILITY_H

#include "common/base/str.h"

#include <stddef.h>

/*
 * Capabilities of IMAP that an administrator may hide from an account whose client cannot cope
 * with them. IMAP4rev1 is not among them, for nothing would be left, nor is what is shown before
 * anybody knows whose session it is.
 *
 *     if (!imap_capability_can_be_hidden(STR("MVOE"))) ...
 *     if (imap_capability_extends(STR("QRESYNC"), STR("CONDSTORE"))) ...
 */

/* All of them; names in any case are the same. */
extern const struct str imap_capabilities_to_hide[];
extern const size_t imap_capabilities_to_hide_count;

bool imap_capability_can_be_hidden(struct str name);

/* Is the one an extension of the other, and hidden with it? */
bool imap_capability_extends(struct str name, struct str base);

#endif
