#ifndef SERVICES_IMAP_NAMES_H
#define SERVICES_IMAP_NAMES_H

#include "services/imap/session.h"
#include "common/text/cursor.h"

/*
 * Mailbox names as clients write them. IMAP4rev1 clients use modified UTF-7; those that enabled
 * IMAP4rev2 or UTF8=ACCEPT write UTF-8, and so may everybody in a name outside ASCII.
 */

/* mailbox = "INBOX" / astring, in UTF-8; the rules of store apply when it is used. */
struct str name_take(struct imap *imap, struct cursor *c);
/* list-mailbox */
struct str name_take_pattern(struct imap *imap, struct cursor *c);

/* The first element "inbox" in any case is "Inbox". In arena, or `name` itself. */
struct str name_fix_inbox(struct str name, struct arena *arena);

/* RFC 9051 6.3.9: "*" matches anything, "%" anything without "/". */
bool name_matches(struct str pattern, struct str name);

#endif
