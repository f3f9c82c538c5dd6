#ifndef SERVICES_STORE_MAILBOXES_REPLY_H
#define SERVICES_STORE_MAILBOXES_REPLY_H

#include "proto/mailboxes.pb-c.h"
#include "services/store/changes.h"

/*
 * Domain values as replies of door `mailboxes`. Everything in arena, or borrowing from it; NULL
 * when that is full.
 */

Mailrail__MailboxInfo *reply_mailbox(const struct mailbox *m, struct arena *arena);
/* Fills `out`, which is initialised. */
bool reply_changes(const struct changes *c, struct arena *arena, Mailrail__Changes *out,
                   struct err *err) MUST_USE;
/* NULL-terminated copies of names. */
char **reply_names(const struct str *names, size_t count, struct arena *arena);

#endif
