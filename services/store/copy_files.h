#ifndef SERVICES_STORE_COPY_FILES_H
#define SERVICES_STORE_COPY_FILES_H

#include "services/store/account.h"

/*
 * The files of copies, made beside the rows. A link costs about as much as half of the rows of a
 * message, so for many a thread makes them meanwhile:
 *
 *     struct copy_files *files = copy_files_new(account, count, arena);
 *     ... for each message
 *         copy_files_add(files, original, copy);
 *         ... // its rows
 *     if (!copy_files_end(files, err)) ...
 *
 * Without a thread, and when the rows were faster, who ends it makes what is left.
 */

struct copy_files;

/* For at most `max` files; in arena. NULL when that is full. */
struct copy_files *copy_files_new(const struct account *account, size_t max, struct arena *arena);
/* The message `to` gets the text of `from`; both are ids. */
void copy_files_add(struct copy_files *files, uint64_t from, uint64_t to);
/* All files are there, under names that are not on disk yet (change_sync_file); false with the
 * first failure. Must follow copy_files_new, or copy_files_drop. */
bool copy_files_end(struct copy_files *files, struct err *err) MUST_USE;
/* Makes no more of them. Those that were made are for account_drop_ids. */
void copy_files_drop(struct copy_files *files);

#endif
