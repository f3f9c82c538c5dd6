#ifndef SERVICES_STORE_BACKUP_DIRECTORY_H
#define SERVICES_STORE_BACKUP_DIRECTORY_H

#include "services/store/directory_snapshot.h"

/*
 * The directory of a backup. It is copied first, and what it knows belongs to the backup: an
 * account that is made while the backup runs does not, or its id, which the copy would give to
 * another one, would come with its mail and its rights.
 *
 *     backup_directory_copy(&d, from, to, err)
 *     for each account of d.accounts->rows.accounts
 *         copy its database, backup_directory_fit_rights(&d, id, copy, err)
 *     backup_directory_close(&d);
 */

struct backup_directory {
    struct snapshot *accounts; /* as they are in the copy */
    struct db *db;             /* the copy */
};

bool backup_directory_copy(struct backup_directory *d, struct str from, struct str to,
                           struct err *err) MUST_USE;
/* Also for one that was never copied. */
void backup_directory_close(struct backup_directory *d);

/* The account's database was copied later than the directory: entries of accounts that are not in
 * the backup leave its lists, and who has got rights meanwhile comes into the index of shares. */
bool backup_directory_fit_rights(struct backup_directory *d, uint64_t owner, struct db *db,
                                 struct err *err) MUST_USE;

#endif
