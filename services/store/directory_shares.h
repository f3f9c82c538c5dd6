#ifndef SERVICES_STORE_DIRECTORY_SHARES_H
#define SERVICES_STORE_DIRECTORY_SHARES_H

#include "services/store/directory.h"

/*
 * What sharing mailboxes needs of the directory: how accounts call each other, and an index of who
 * has rights to mailboxes of whom. The rights themselves are with the mailboxes (acl.h); the index
 * may name an owner too much, never one too little.
 */

/* The account that has an address (a catch-all is none), or the name of an account. ERR_NOT_FOUND
 * when there is none. */
bool directory_find_who(struct store *store, struct str who, struct arena *arena,
                        uint64_t *ret_account_id, struct err *err) MUST_USE;
/* What others call an account: its oldest address, or its name. ERR_NOT_FOUND when it is gone. In
 * arena; without "/". */
bool directory_who(struct store *store, uint64_t account_id, struct arena *arena, struct str *ret,
                   struct err *err) MUST_USE;

/* Notes whether `reader` (0: anyone) may have rights in the account `owner`. Durable. ERR_STATE:
 * the reader is gone. */
bool directory_set_share(struct store *store, uint64_t owner, uint64_t reader, bool is_there,
                         struct err *err) MUST_USE;
bool directory_has_share(struct store *store, uint64_t owner, uint64_t reader, bool *ret,
                         struct err *err) MUST_USE;
/* Whose mailboxes the account may have rights to: the first `max` ids, in arena. Who shares with
 * the account itself comes before those who share with anyone, and so cannot be crowded out by
 * them. */
bool directory_owners(struct store *store, uint64_t reader, size_t max, struct arena *arena,
                      uint64_t **ret, size_t *ret_count, struct err *err) MUST_USE;

#endif
