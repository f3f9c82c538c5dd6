#ifndef COMMON_DB_DB_H
#define COMMON_DB_DB_H

#include "common/base/arena.h"
#include "common/base/err.h"

#include <sqlite3.h>

/*
 * SQLite, opened one way: WAL, synchronous FULL, foreign keys on, statements prepared once, schema
 * moved forward by numbered steps.
 *
 * Statements are an enum and a table of SQL text in the one file that holds all SQL of an area:
 *
 *     enum { FIND_MAILBOX, ADD_MAILBOX, ... };
 *     static const char *const sql[] = { [FIND_MAILBOX] = "SELECT id FROM mailbox WHERE name=?", };
 *
 *     struct db_query q = db_query(db, FIND_MAILBOX);
 *     db_bind_str(&q, name);
 *     if (db_step(&q)) id = db_column_u64(&q, 0);
 *     if (!db_done(&q, err)) return false;      // the first failure of the whole query
 *
 * Failures stick inside the query, like in a cursor. A struct db belongs to one thread at a time.
 * A full disk is ERR_NO_SPACE, a locked database ERR_TEMPORARY; a damaged file is ERR_CORRUPT; a
 * broken UNIQUE or CHECK is ERR_CONFLICT.
 */

struct db;

struct db_schema {
    const char *const *migrations; /* SQL that takes the schema from version i to i+1 */
    size_t migration_count;
    const char *const *statements; /* by enum */
    size_t statement_count;
};

enum db_mode { DB_READ_WRITE, DB_READ_ONLY };

/* Opens or creates the file and runs missing migrations, each in its own transaction. A newer
 * schema than ours is refused. `cache_kib` bounds the page cache. With DB_READ_ONLY, what a writer
 * must do first is ERR_STATE: a migration, or to take back what a killed process left half made. */
struct db *db_open(const char *path, const struct db_schema *schema, enum db_mode mode,
                   unsigned cache_kib, struct err *err);
void db_close(struct db *db);
/* Copies a database as it is at one moment; others go on writing to it. ERR_CONFLICT when `to`
 * exists. What a failure leaves of `to` is removed. */
bool db_copy(const char *from, const char *to, struct err *err) MUST_USE;
sqlite3 *db_handle(struct db *db);
/* True when this very open created the file. */
bool db_is_new(const struct db *db);

/* Transactions. A read transaction is a stable snapshot. `durable` false leaves out the sync at the
 * commit: the transaction survives a crash of the process, not one of the machine (until a later
 * durable one, which syncs it too). A commit that fails has rolled back. */
bool db_begin(struct db *db, bool durable, struct err *err) MUST_USE;
bool db_begin_read(struct db *db, struct err *err) MUST_USE;
bool db_commit(struct db *db, struct err *err) MUST_USE;
void db_rollback(struct db *db);
/* False also after a failure that made SQLite take back the whole transaction. */
bool db_in_transaction(struct db *db);
/* Until the end of this transaction the page cache may have `kib`: for one that touches pages all
 * over the database again and again, which a small cache would write and read each time. */
bool db_widen_cache(struct db *db, unsigned kib, struct err *err) MUST_USE;
/* A nested step that can be undone alone. */
bool db_savepoint(struct db *db, struct err *err) MUST_USE;
void db_savepoint_keep(struct db *db);
void db_savepoint_undo(struct db *db);

struct db_query {
    struct db *db;
    sqlite3_stmt *stmt;
    int next; /* parameter */
    int rc;
};

struct db_query db_query(struct db *db, unsigned statement);

/* Parameters in order. Strings and blobs are borrowed until db_done. */
void db_bind_u64(struct db_query *q, uint64_t value); /* up to INT64_MAX */
void db_bind_i64(struct db_query *q, int64_t value);
void db_bind_str(struct db_query *q, struct str text);   /* TEXT; STR_NULL is NULL */
void db_bind_blob(struct db_query *q, struct str bytes); /* BLOB; STR_NULL is NULL */
void db_bind_null(struct db_query *q);
/* All columns of the row on which the other query stands, from this one on, each as it is.
 * Borrowed: that query must stay where it is until db_done. */
void db_bind_columns(struct db_query *q, struct db_query *row, int first);

/* True while there is a row. */
bool db_step(struct db_query *q);
uint64_t db_column_u64(struct db_query *q, int column);
int64_t db_column_i64(struct db_query *q, int column);
/* Text or blob; good until the next db_step or db_done. */
struct str db_column_str(struct db_query *q, int column);
/* In arena. */
struct str db_column_copy(struct db_query *q, int column, struct arena *arena);
bool db_column_is_null(struct db_query *q, int column);
/* Resets the statement. False with the first failure. Always call it, also after a break. */
bool db_done(struct db_query *q, struct err *err) MUST_USE;
/* For statements without rows: steps once and ends. */
bool db_run(struct db_query *q, struct err *err) MUST_USE;

uint64_t db_last_id(struct db *db);
uint64_t db_changes(struct db *db);
/* Statements that are not in the table (pragmas, tools). */
bool db_exec(struct db *db, const char *sql, struct err *err) MUST_USE;

#endif
