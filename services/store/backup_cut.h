#ifndef SERVICES_STORE_BACKUP_CUT_H
#define SERVICES_STORE_BACKUP_CUT_H

#include "common/base/err.h"

#include <stddef.h>
#include <stdint.h>

/*
 * A backup copies one account after the other, each as it is at its moment. What moved meanwhile
 * from an account that waits to be copied to one that no longer does would not be in the backup at
 * all; on the way back it would be in it twice. So nothing moves between the two sides while a
 * backup runs; within each of them all goes on. An account that is made meanwhile belongs to no
 * backup: it is on the side of those that no longer wait.
 *
 * Thread-safe; one backup at a time. All accept NULL, for a store without backups (tests).
 */

struct backup_cut;

struct backup_cut *backup_cut_new(void);
void backup_cut_free(struct backup_cut *cut);

/* A backup of these accounts begins, and ends. */
void backup_cut_open(struct backup_cut *cut, const uint64_t *account_ids, size_t count);
void backup_cut_close(struct backup_cut *cut);

/* Around the copying of an account's database: waits for moves under way, and lets none begin. */
void backup_cut_copy_begin(struct backup_cut *cut, uint64_t account_id);
void backup_cut_copy_end(struct backup_cut *cut);

/* Around a move from one account to another. False with ERR_STATE, and a reply with the code INUSE
 * (RFC 5530), when the two are on different sides. */
bool backup_cut_move_begin(struct backup_cut *cut, uint64_t from, uint64_t to,
                           struct err *err) MUST_USE;
void backup_cut_move_end(struct backup_cut *cut);

#endif
