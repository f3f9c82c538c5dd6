#ifndef SERVICES_MAILRAIL_RESTORE_SETTINGS_H
#define SERVICES_MAILRAIL_RESTORE_SETTINGS_H

#include "services/mailrail/backend_transfer.h"

/*
 * What `mailrail restore` brings back beside messages: special uses, subscriptions, annotations.
 */

/* What the backup has of all its `mailboxes`, with what belongs to no mailbox; or of the one that
 * is called `only`, if that is not empty. In arena, and borrowing from `mailboxes`. */
bool restore_settings_read(struct transfer *from, struct arena *arena,
                           const struct export_mailbox *mailboxes, size_t count, struct str only,
                           struct transfer_settings *ret, struct err *err) MUST_USE;

/* Says what did not come back. */
void restore_settings_print(const struct transfer_refused *refused);

#endif
