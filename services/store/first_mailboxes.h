#ifndef SERVICES_STORE_FIRST_MAILBOXES_H
#define SERVICES_STORE_FIRST_MAILBOXES_H

#include "common/db/db.h"
#include "services/store/store.h"

/*
 * The mailboxes of a new account (spec 20 1.2): Inbox, one for each role, and regular ones, as the
 * configuration names them. All are subscribed and share one UIDVALIDITY; what a name needs above
 * it is made, too. When it names none at all: Archive, Drafts, Junk, Sent, Trash.
 */

/* `check` of struct service_definition: names that are none, or stand there twice. */
void first_mailboxes_check_config(const void *config, const struct settings *settings,
                                  struct option_report *report);

/* In the transaction that makes the account's contents. */
bool first_mailboxes_add(struct db *db, const struct store_config *config, uint32_t uidvalidity,
                         struct err *err) MUST_USE;

#endif
