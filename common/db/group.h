#ifndef COMMON_DB_GROUP_H
#define COMMON_DB_GROUP_H

#include "common/db/db.h"
#include "common/sys/file_sync.h"

/*
 * Group commit: concurrent writers of one database share transactions.
 *
 * Each caller brings a function that makes its changes. The first caller to come when nobody is
 * committing becomes the leader: it begins a transaction, runs the functions of all who wait (each
 * in its own savepoint, so that one that fails takes back only itself), syncs the directories that
 * they named, commits once, and wakes everybody. Callers that come meanwhile form the next group.
 * One slow disk sync is thus shared by all who were waiting for it, and with one caller at a time
 * nothing is added.
 *
 *     static bool add(struct db *db, void *ctx, struct err *err) { ... }
 *     if (!db_group_run(group, add, &ctx, DB_DURABLE, err)) ...
 */

struct db_group;

/* Keeps `db`, which from now on is used only through the group. `group_max` bounds how many share
 * a transaction. */
struct db_group *db_group_new(struct db *db, unsigned group_max);
void db_group_free(struct db_group *group);

/* Makes changes with `db`, inside a transaction. May run on another caller's thread. On failure its
 * changes are taken back. */
typedef bool db_group_change(struct db *db, void *ctx, struct err *err);

enum db_group_flags {
    DB_DURABLE = 1, /* synced before the call returns; else see db_begin */
};

/* Returns after the change is committed, or failed. A commit that fails fails all of its group. */
bool db_group_run(struct db_group *group, db_group_change *change, void *ctx, unsigned flags,
                  struct err *err) MUST_USE;
/* The same, for a change whose rows speak of a file that is being synced: its bytes are on disk
 * before the commit. Who leads a group waits for it after the statements; who finds another commit
 * under way does so at once, beside it. NULL: no such file. */
bool db_group_run_with_file(struct db_group *group, db_group_change *change, void *ctx,
                            unsigned flags, struct file_sync *file, struct err *err) MUST_USE;
/* From inside a change: the directory is synced (once per group) before the commit. The path is
 * copied. */
void db_group_sync_directory(struct db_group *group, const char *path);
/* How many transactions and changes there were, for metrics and tests. */
void db_group_counts(struct db_group *group, uint64_t *ret_commits, uint64_t *ret_changes);

#endif
