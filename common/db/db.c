#include "common/db/db.h"

#include "common/base/bug.h"
#include "common/db/db_private.h"
#include "common/db/wal_vfs.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Statements that steer transactions, prepared once like all others. */
enum control {
    CONTROL_BEGIN,
    CONTROL_BEGIN_READ,
    CONTROL_COMMIT,
    CONTROL_ROLLBACK,
    CONTROL_SAVEPOINT,
    CONTROL_RELEASE,
    CONTROL_ROLLBACK_TO,
    CONTROL_COUNT
};

static const char *const control_sql[CONTROL_COUNT] = {
    [CONTROL_BEGIN] = "BEGIN IMMEDIATE",
    [CONTROL_BEGIN_READ] = "BEGIN",
    [CONTROL_COMMIT] = "COMMIT",
    [CONTROL_ROLLBACK] = "ROLLBACK",
    [CONTROL_SAVEPOINT] = "SAVEPOINT s",
    [CONTROL_RELEASE] = "RELEASE s",
    [CONTROL_ROLLBACK_TO] = "ROLLBACK TO s",
};

struct db {
    sqlite3 *handle;
    char *path; /* for errors */
    const struct db_schema *schema;
    sqlite3_stmt **prepared; /* by statement, NULL until first used */
    sqlite3_stmt *control[CONTROL_COUNT];
    bool is_new;
    bool is_durable; /* present state of PRAGMA synchronous */
    unsigned cache_kib;
    bool is_widened; /* the cache, beyond that */
};

#define BUSY_TIMEOUT_MS 5000
#define VFS "mailrail"

static enum err_kind kind_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return ERR_NO_SPACE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
        return ERR_TEMPORARY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_CONSTRAINT:
        return ERR_CONFLICT;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return ERR_DENIED;
    default:
        return ERR_INTERNAL;
    }
}

bool db_fail(struct db *db, int rc, struct err *err)
{
    enum err_kind kind = kind_of(rc);
    /* Where the disk is full, some of SQLite's ways say no more than "disk I/O error". */
    if (db->handle && (rc & 0xff) == SQLITE_IOERR && sqlite3_system_errno(db->handle) == ENOSPC)
        kind = ERR_NO_SPACE;
    /* A process was killed while it made the file: only a writer takes that back. */
    if (db->handle && sqlite3_extended_errcode(db->handle) == SQLITE_READONLY_ROLLBACK)
        kind = ERR_STATE;
    return err_set(err, kind, "%s: %s", db->path,
                   db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc));
}

bool db_exec(struct db *db, const char *sql, struct err *err)
{
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK || db_fail(db, rc, err);
}

static bool read_version(struct db *db, size_t *ret_version, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db->handle, "PRAGMA user_version", -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret_version = (size_t)sqlite3_column_int(stmt, 0);
    else
        db_fail(db, rc, err);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW;
}

static bool migrate_one(struct db *db, size_t version, struct err *err)
{
    char set_version[64];
    snprintf(set_version, sizeof(set_version), "PRAGMA user_version=%zu", version + 1);
    if (db_begin(db, true, err) && db_exec(db, db->schema->migrations[version], err) &&
        db_exec(db, set_version, err) && db_commit(db, err))
        return true;
    db_rollback(db);
    return err_wrap(err, "schema version %zu", version + 1);
}

static bool migrate(struct db *db, enum db_mode mode, struct err *err)
{
    size_t version = 0;
    TRY(read_version(db, &version, err));
    if (version > db->schema->migration_count)
        return err_set(err, ERR_CORRUPT, "%s: made by a newer release (schema %zu, ours is %zu)",
                       db->path, version, db->schema->migration_count);
    db->is_new = version == 0;
    if (mode == DB_READ_ONLY && version < db->schema->migration_count)
        return err_set(err, ERR_STATE, "%s: schema %zu must be upgraded first", db->path, version);
    for (; version < db->schema->migration_count; version++)
        TRY(migrate_one(db, version, err));
    return true;
}

static bool set_cache(struct db *db, unsigned kib, struct err *err)
{
    char cache[64];
    snprintf(cache, sizeof(cache), "PRAGMA cache_size=-%u", kib);
    return db_exec(db, cache, err);
}

static bool configure(struct db *db, enum db_mode mode, struct err *err)
{
    sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    TRY(set_cache(db, db->cache_kib, err));
    TRY(db_exec(db, "PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY", err));
    if (mode == DB_READ_ONLY)
        return true;
    db->is_durable = true;
    return db_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", err);
}

static void configure_sqlite(void)
{
    /* Nobody asks SQLite how much memory it has, and counting locks for every piece of it. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    BUG_ON(wal_vfs_register(VFS, NULL) != SQLITE_OK);
}

struct db *db_open(const char *path, const struct db_schema *schema, enum db_mode mode,
                   unsigned cache_kib, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure_sqlite);
    struct db *db = xcalloc(1, sizeof(*db));
    db->schema = schema;
    db->cache_kib = cache_kib;
    db->path = xstrdup(path);
    db->prepared = xcalloc(schema->statement_count, sizeof(*db->prepared));
    /* A struct db belongs to one thread at a time: SQLite needs no mutex of its own. */
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    flags |=
        mode == DB_READ_ONLY ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    int rc = sqlite3_open_v2(path, &db->handle, flags, VFS);
    bool ok = rc == SQLITE_OK || db_fail(db, rc, err);
    if (ok && configure(db, mode, err) && migrate(db, mode, err))
        return db;
    db_close(db);
    return NULL;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < db->schema->statement_count; i++)
        sqlite3_finalize(db->prepared[i]);
    for (size_t i = 0; i < CONTROL_COUNT; i++)
        sqlite3_finalize(db->control[i]);
    int rc = sqlite3_close(db->handle);
    BUG_ON(rc != SQLITE_OK);
    free(db->prepared);
    free(db->path);
    free(db);
}

sqlite3 *db_handle(struct db *db)
{
    return db->handle;
}

bool db_is_new(const struct db *db)
{
    return db->is_new;
}

static int run_control(struct db *db, enum control which)
{
    int rc = SQLITE_OK;
    if (!db->control[which])
        rc = sqlite3_prepare_v3(db->handle, control_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                                &db->control[which], NULL);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_step(db->control[which]);
    return sqlite3_reset(db->control[which]);
}

static bool control(struct db *db, enum control which, struct err *err)
{
    int rc = run_control(db, which);
    return rc == SQLITE_OK || db_fail(db, rc, err);
}

/* The level is a property of the connection and may not change inside a transaction, so it is set
 * between two of them, only when it differs. With FULL the WAL is synced at each commit; with
 * NORMAL only before a checkpoint, and the next FULL commit syncs what came before it too. */
static bool set_durable(struct db *db, bool durable, struct err *err)
{
    if (db->is_durable == durable)
        return true;
    TRY(db_exec(db, durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", err));
    db->is_durable = durable;
    return true;
}

bool db_begin(struct db *db, bool durable, struct err *err)
{
    return set_durable(db, durable, err) && control(db, CONTROL_BEGIN, err);
}

bool db_begin_read(struct db *db, struct err *err)
{
    return control(db, CONTROL_BEGIN_READ, err);
}

bool db_widen_cache(struct db *db, unsigned kib, struct err *err)
{
    if (kib <= db->cache_kib)
        return true;
    db->is_widened = true;
    return set_cache(db, kib, err);
}

/* One that stays wide costs memory, and nothing else. */
static void narrow_cache(struct db *db)
{
    struct err err;
    if (db->is_widened && set_cache(db, db->cache_kib, &err))
        db->is_widened = false;
}

bool db_commit(struct db *db, struct err *err)
{
    if (control(db, CONTROL_COMMIT, err)) {
        narrow_cache(db);
        return true;
    }
    db_rollback(db);
    return false;
}

void db_rollback(struct db *db)
{
    if (db_in_transaction(db))
        run_control(db, CONTROL_ROLLBACK);
    narrow_cache(db);
}

bool db_in_transaction(struct db *db)
{
    return !sqlite3_get_autocommit(db->handle);
}

bool db_savepoint(struct db *db, struct err *err)
{
    return control(db, CONTROL_SAVEPOINT, err);
}

void db_savepoint_keep(struct db *db)
{
    run_control(db, CONTROL_RELEASE);
}

void db_savepoint_undo(struct db *db)
{
    run_control(db, CONTROL_ROLLBACK_TO);
    run_control(db, CONTROL_RELEASE);
}

uint64_t db_last_id(struct db *db)
{
    return (uint64_t)sqlite3_last_insert_rowid(db->handle);
}

uint64_t db_changes(struct db *db)
{
    return (uint64_t)sqlite3_changes64(db->handle);
}

sqlite3_stmt *db_prepared(struct db *db, unsigned statement, int *ret_rc)
{
    BUG_ON(statement >= db->schema->statement_count || !db->schema->statements[statement]);
    *ret_rc = SQLITE_OK;
    if (!db->prepared[statement])
        *ret_rc = sqlite3_prepare_v3(db->handle, db->schema->statements[statement], -1,
                                     SQLITE_PREPARE_PERSISTENT, &db->prepared[statement], NULL);
    return db->prepared[statement];
}
