#ifndef SERVICES_STORE_TEXT_FILL_H
#define SERVICES_STORE_TEXT_FILL_H

#include "services/store/account.h"

/*
 * What goes from an account's messages into its text index. For one thread at a time.
 */

/* Compares the two, drops from the index what is gone, and adds to `ret_missing` what it lacks. Of
 * what many messages share only a part is dropped: with `again` compare once more. */
bool text_fill_compare(struct account *account, struct message_ids *ret_missing, bool *ret_again,
                       struct err *err) MUST_USE;
/* Reads these messages and indexes them. One that is gone, or cannot be read, is left out. */
bool text_fill_add(struct account *account, const uint64_t *ids, size_t count,
                   struct err *err) MUST_USE;

#endif
