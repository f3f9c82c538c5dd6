#ifndef SERVICES_STORE_DIRECTORY_CORE_H
#define SERVICES_STORE_DIRECTORY_CORE_H

#include "services/store/directory_snapshot.h"

/*
 * Reading and changing the directory as a whole: between the files directory*.c, for no other use.
 */

/* The present snapshot, kept until directory_read_end, which must follow soon: changes wait for it.
 * NULL when the database fails. */
const struct snapshot *directory_read_begin(struct directory *d, struct err *err);
void directory_read_end(struct directory *d);

struct directory_change {
    struct db *db;              /* in a transaction */
    const struct snapshot *now; /* before the change */
    uint64_t version;           /* that the change makes */
};
typedef bool directory_change_function(const struct directory_change *change, void *ctx,
                                       struct err *err);

/* Runs one change in a transaction of its own, durable on return, and announces it. */
bool directory_change(struct store *store, directory_change_function *function, void *ctx,
                      struct err *err) MUST_USE;

/* The credential of an account, from the database; ERR_NOT_FOUND when it has none. In arena. */
bool directory_credential(struct store *store, uint64_t account_id, struct arena *arena,
                          struct credential_row *ret, struct err *err) MUST_USE;

/* Publishes DirectoryChanged (directory_door.c). */
void directory_announce(struct store *store, uint64_t version);

#endif
