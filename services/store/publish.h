#ifndef SERVICES_STORE_PUBLISH_H
#define SERVICES_STORE_PUBLISH_H

#include "services/store/account.h"

/* Nudges who looks at the account: something of it changed (proto/events.proto). After the commit.
 */
void publish_change(const struct change *c);
/* The account (ACL_ANYONE: all) may be able to see mailboxes of another one from now on. */
void publish_share(struct store *store, uint64_t reader);
/* The account is gone, or has another password, or lost a key: its sessions look, and those that
 * are denied end. Of one that is gone nobody has rights to its mailboxes any more. */
void publish_sessions_ended(struct store *store, uint64_t account_id);

#endif
