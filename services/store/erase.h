#ifndef SERVICES_STORE_ERASE_H
#define SERVICES_STORE_ERASE_H

#include "services/store/entry.h"

/*
 * The end of messages. An expunged message leaves its mailbox at once, and its row and file after a
 * grace time in which sessions that still show it can read it. What is to be erased is a row of
 * `erase`, so a crash forgets nothing.
 */

/* Inside a change: the message left its last mailbox. */
bool erase_later(struct change *c, const struct entry *e, struct err *err) MUST_USE;

/* Erases what is due, forgets old keys of calls, and puts the account on the schedule for what is
 * due later. */
bool account_tend(struct account *account, struct err *err) MUST_USE;

/* In accounts.c. */
void accounts_schedule_erase(struct accounts *accounts, uint64_t account_id, int64_t at_s);

#endif
