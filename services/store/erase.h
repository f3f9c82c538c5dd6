#ifndef SERVICES_STORE_ERASE_H
#define SERVICES_STORE_ERASE_H

#include "services/store/entry.h"

/*
 * The end of messages. An expunged message leaves its mailbox at once, and its row and file after a
 * grace time in which sessions that still show it can read it. What is to be erased is a row of
 * `erase`, so a crash forgets nothing.
 *
 * Texts that wait take no room of the quota, but may be no more bytes than the quota, or 64 MiB if
 * that is more; nor more than are free on the disk. Beyond that the oldest do not wait any longer:
 * mail is never refused for them, and who expunges on a full disk makes room at once.
 */

/* Inside a change: the message left its last mailbox. */
bool erase_later(struct change *c, const struct entry *e, struct err *err) MUST_USE;

/* After a change by which messages wait to be erased: when these are too many bytes now, the thread
 * of accounts.c tends the account within a second or so. Erases nothing itself. */
void erase_note_kept(struct account *account);

/* Ends moves that were cut off (leaving.h), erases what is due or too much, forgets old keys of
 * calls, and puts the account on the schedule for what is due later. */
bool account_tend(struct account *account, struct err *err) MUST_USE;

/* In accounts.c. */
void accounts_schedule_erase(struct accounts *accounts, uint64_t account_id, int64_t at_s);

#endif
