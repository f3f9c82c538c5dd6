#ifndef SERVICES_STORE_MAILBOX_NAME_H
#define SERVICES_STORE_MAILBOX_NAME_H

#include "common/base/arena.h"
#include "common/base/err.h"

/*
 * Mailbox names (spec 20 1.4): UTF-8 in Unicode normal form C, "/" between levels, and a first
 * level that says "inbox" in any case is "Inbox".
 */

#define MAILBOX_NAME_MAX 1000
#define MAILBOX_LEVELS_MAX 50
#define MAILBOX_OTHERS "Other Users" /* the namespace of others (RFC 2342) */

/* The canonical name, in arena. ERR_SYNTAX with a reply that says which rule it breaks. */
bool mailbox_name_check(struct str name, struct arena *arena, struct str *ret,
                        struct err *err) MUST_USE;
bool mailbox_name_is_inbox(struct str canonical);
/* "Other Users", or something below it. */
bool mailbox_name_is_others(struct str canonical);
/* Everything before the last "/"; STR_NULL at the top level. */
struct str mailbox_name_parent(struct str name);

#endif
