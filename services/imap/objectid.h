#ifndef SERVICES_IMAP_OBJECTID_H
#define SERVICES_IMAP_OBJECTID_H

#include "services/imap/session.h"
#include "common/text/cursor.h"

/*
 * Names of mailboxes, messages and threads that never change (RFC 8474): a letter for the kind, the
 * account, and the number that store knows it by: "M7-1042". The account is part of it, so that
 * names stay different when a client sees mailboxes of several accounts.
 *
 * A mailbox keeps its name when it is renamed, a message when it is moved or copied.
 */

enum objectid_kind {
    OBJECTID_MAILBOX = 'F',
    OBJECTID_MESSAGE = 'M',
    OBJECTID_THREAD = 'T',
};

/* Appends "(M7-1042)", of account 7. */
void objectid_write(struct buf *out, enum objectid_kind kind, uint64_t account, uint64_t id);
/* objectid = 1*255(ALPHA / DIGIT / "_" / "-"). The number, or 0 for a name that is none of this
 * account: it is right, but names nothing. */
uint64_t objectid_take(struct cursor *c, enum objectid_kind kind, uint64_t account);

#endif
