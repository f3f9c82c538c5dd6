#ifndef SERVICES_STORE_ACCOUNTS_H
#define SERVICES_STORE_ACCOUNTS_H

#include "common/db/group.h"
#include "services/store/store.h"

/*
 * The open accounts of this process. An account is opened by its first user and shared by all;
 * unused, it stays open until it was idle for long or its place is needed.
 *
 *     struct account *account;
 *     if (!account_open(store, id, &account, err)) ...
 *     ...
 *     account_release(account);
 *
 * Each account has one writing connection inside a db_group, and a few reading ones that are lent.
 * Thread-safe.
 */

struct account;

/* Called by store_open and store_close. accounts_close waits for no one: all accounts must have
 * been released. */
bool accounts_open(struct store *store, struct err *err) MUST_USE;
void accounts_close(struct accounts *accounts);

/* Opens the account, making its directory and default mailboxes when this is the first time. The
 * id must come from the directory; ERR_NOT_FOUND when it names no account there. */
bool account_open(struct store *store, uint64_t account_id, struct account **ret,
                  struct err *err) MUST_USE;
/* Accepts NULL. */
void account_release(struct account *account);

/* Puts "account NAME (ID): " in front of an error. Returns false. */
bool account_wrap_error(struct store *store, uint64_t account_id, struct err *err);
uint64_t account_id(const struct account *account);
/* Bytes of the messages in mailboxes, as the quota counts them, and their number. */
bool account_used_bytes(struct account *account, uint64_t *ret_bytes, struct err *err) MUST_USE;
uint64_t account_used_messages(struct account *account);
/* The number of all that has a file: those that wait to be erased too. */
uint64_t account_all_messages(struct account *account);

/* Closes the account for good and removes all its data: for an account that has left the directory.
 * ERR_STATE while somebody uses it. */
bool account_remove(struct store *store, uint64_t account_id, struct err *err) MUST_USE;

#endif
