#include "common/db/wal_vfs.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* "WAL format" in SQLite's file format document: bytes 4 to 7 of a frame's header are the size of
 * the database when the frame ends a transaction, and 0 otherwise. */
#define FRAME_HEADER 24
#define COMMIT_SIZE_AT 4

/* Of the locks in the log's index, the one for writing ("WAL-Index Format"). */
#define WRITE_LOCK 0

/* Sixteen frames: what most transactions need, and less than malloc asks the kernel for. */
#define KEPT_MAX ((size_t)16 * (FRAME_HEADER + 4096))

/* A log grows by steps, from the smallest to the largest as it gets longer. */
#define GROWTH_MIN ((sqlite3_int64)64 << 10)
#define GROWTH_MAX ((sqlite3_int64)1 << 20)

/* A database or its log. What the VFS below opened lies behind it. */
struct vfs_file {
    sqlite3_file file; /* first: what SQLite sees */
    sqlite3_file *base;
    struct vfs_file *other; /* the database's log, the log's database; NULL when it is not open */
    /* Of a log: */
    char *kept; /* frames not written yet; NULL when there are none */
    size_t len;
    sqlite3_int64 at;    /* of the first of them in the file */
    bool is_commit;      /* the frame in hand ends a transaction */
    sqlite3_int64 grown; /* the file has at least so many bytes */
};

static sqlite3_file *base_file(sqlite3_file *file)
{
    return ((struct vfs_file *)file)->base;
}

/* ---- Growing */

static sqlite3_int64 size_for(sqlite3_int64 end)
{
    sqlite3_int64 step = GROWTH_MIN;
    while (step < end && step < GROWTH_MAX)
        step *= 2;
    return (end + step - 1) / step * step;
}

/* Makes room behind the commit that ends at `end`, with zeros, which no frame begins with. What
 * lies there is of no use to anybody, and the lock for writing is ours. On a full disk there is
 * less room, or none. */
static void grow(struct vfs_file *log, sqlite3_int64 end)
{
    static const char zeros[GROWTH_MIN];
    if (end <= log->grown)
        return;
    log->grown = size_for(end);
    for (sqlite3_int64 at = end; at < log->grown;) {
        sqlite3_int64 left = log->grown - at, size = left < GROWTH_MIN ? left : GROWTH_MIN;
        if (log->base->pMethods->xWrite(log->base, zeros, (int)size, at) != SQLITE_OK)
            return;
        at += size;
    }
}

/* ---- Keeping back */

static void drop_kept(struct vfs_file *log)
{
    free(log->kept);
    log->kept = NULL;
    log->len = 0;
}

static int write_kept(struct vfs_file *log)
{
    if (!log->kept)
        return SQLITE_OK;
    int rc = log->base->pMethods->xWrite(log->base, log->kept, (int)log->len, log->at);
    drop_kept(log);
    return rc;
}

static int write_commit(struct vfs_file *log)
{
    sqlite3_int64 end = log->at + (sqlite3_int64)log->len;
    int rc = write_kept(log);
    if (rc == SQLITE_OK)
        grow(log, end);
    return rc;
}

static bool fits(const struct vfs_file *log, size_t size, sqlite3_int64 at)
{
    return at == log->at + (sqlite3_int64)log->len && size <= KEPT_MAX - log->len;
}

/* False when it is too large, or memory is short: then nothing is kept. */
static bool keep(struct vfs_file *log, const void *bytes, size_t size, sqlite3_int64 at)
{
    if (!log->kept) {
        log->kept = size <= KEPT_MAX ? malloc(KEPT_MAX) : NULL;
        log->at = at;
    }
    if (!log->kept)
        return false;
    memcpy(log->kept + log->len, bytes, size);
    log->len += size;
    return true;
}

static bool has_commit_mark(const void *frame_header)
{
    static const char none[4];
    return memcmp((const char *)frame_header + COMMIT_SIZE_AT, none, sizeof(none)) != 0;
}

static int log_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 at)
{
    struct vfs_file *log = (struct vfs_file *)file;
    bool is_header = size == FRAME_HEADER;
    int rc = log->kept && !fits(log, (size_t)size, at) ? write_kept(log) : SQLITE_OK;
    if (rc != SQLITE_OK)
        return rc;
    if (is_header)
        log->is_commit = has_commit_mark(bytes);
    if (!keep(log, bytes, (size_t)size, at))
        return log->base->pMethods->xWrite(log->base, bytes, size, at);
    return log->is_commit && !is_header ? write_commit(log) : SQLITE_OK;
}

/* ---- The log: all else finds it as SQLite has written it */

static int log_close(sqlite3_file *file)
{
    struct vfs_file *log = (struct vfs_file *)file;
    drop_kept(log); /* no transaction is under way any more */
    if (log->other)
        log->other->other = NULL;
    return log->base->pMethods->xClose(log->base);
}

static int log_read(sqlite3_file *file, void *dst, int size, sqlite3_int64 at)
{
    struct vfs_file *log = (struct vfs_file *)file;
    int rc = write_kept(log);
    return rc != SQLITE_OK ? rc : log->base->pMethods->xRead(log->base, dst, size, at);
}

static int log_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct vfs_file *log = (struct vfs_file *)file;
    int rc = write_kept(log);
    log->grown = 0;
    return rc != SQLITE_OK ? rc : log->base->pMethods->xTruncate(log->base, size);
}

static int log_sync(sqlite3_file *file, int flags)
{
    struct vfs_file *log = (struct vfs_file *)file;
    int rc = write_kept(log);
    return rc != SQLITE_OK ? rc : log->base->pMethods->xSync(log->base, flags);
}

static int log_file_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    struct vfs_file *log = (struct vfs_file *)file;
    int rc = write_kept(log);
    return rc != SQLITE_OK ? rc : log->base->pMethods->xFileSize(log->base, ret);
}

/* ---- The database: the base's file, but for the end of a transaction */

static int main_shm_lock(sqlite3_file *file, int first, int count, int flags)
{
    struct vfs_file *database = (struct vfs_file *)file;
    if ((flags & SQLITE_SHM_UNLOCK) && first == WRITE_LOCK && database->other)
        drop_kept(database->other);
    return database->base->pMethods->xShmLock(database->base, first, count, flags);
}

static int main_close(sqlite3_file *file)
{
    struct vfs_file *database = (struct vfs_file *)file;
    if (database->other)
        database->other->other = NULL;
    return database->base->pMethods->xClose(database->base);
}

static int main_read(sqlite3_file *file, void *dst, int size, sqlite3_int64 at)
{
    return base_file(file)->pMethods->xRead(base_file(file), dst, size, at);
}

static int main_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 at)
{
    return base_file(file)->pMethods->xWrite(base_file(file), bytes, size, at);
}

static int main_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return base_file(file)->pMethods->xTruncate(base_file(file), size);
}

static int main_sync(sqlite3_file *file, int flags)
{
    return base_file(file)->pMethods->xSync(base_file(file), flags);
}

static int main_file_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    return base_file(file)->pMethods->xFileSize(base_file(file), ret);
}

static int main_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret)
{
    return base_file(file)->pMethods->xShmMap(base_file(file), page, size, extend, ret);
}

static void main_shm_barrier(sqlite3_file *file)
{
    base_file(file)->pMethods->xShmBarrier(base_file(file));
}

static int main_shm_unmap(sqlite3_file *file, int and_delete)
{
    return base_file(file)->pMethods->xShmUnmap(base_file(file), and_delete);
}

/* ---- Both */

static int file_lock(sqlite3_file *file, int level)
{
    return base_file(file)->pMethods->xLock(base_file(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    return base_file(file)->pMethods->xUnlock(base_file(file), level);
}

static int file_check_reserved_lock(sqlite3_file *file, int *ret)
{
    return base_file(file)->pMethods->xCheckReservedLock(base_file(file), ret);
}

static int file_control(sqlite3_file *file, int what, void *argument)
{
    return base_file(file)->pMethods->xFileControl(base_file(file), what, argument);
}

static int file_sector_size(sqlite3_file *file)
{
    return base_file(file)->pMethods->xSectorSize(base_file(file));
}

static int file_characteristics(sqlite3_file *file)
{
    return base_file(file)->pMethods->xDeviceCharacteristics(base_file(file));
}

static const sqlite3_io_methods log_methods = {
    .iVersion = 1,
    .xClose = log_close,
    .xRead = log_read,
    .xWrite = log_write,
    .xTruncate = log_truncate,
    .xSync = log_sync,
    .xFileSize = log_file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
};

static const sqlite3_io_methods main_methods = {
    .iVersion = 2, /* without xFetch: nothing here maps databases into memory */
    .xClose = main_close,
    .xRead = main_read,
    .xWrite = main_write,
    .xTruncate = main_truncate,
    .xSync = main_sync,
    .xFileSize = main_file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = main_shm_map,
    .xShmLock = main_shm_lock,
    .xShmBarrier = main_shm_barrier,
    .xShmUnmap = main_shm_unmap,
};

/* ---- The VFS: the base's, but for databases and logs */

static sqlite3_vfs *base_vfs(sqlite3_vfs *vfs)
{
    return vfs->pAppData;
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret)
{
    sqlite3_vfs *base = base_vfs(vfs);
    bool is_log = flags & SQLITE_OPEN_WAL;
    if (!is_log && !(flags & SQLITE_OPEN_MAIN_DB))
        return base->xOpen(base, name, file, flags, ret);
    struct vfs_file *opened = (struct vfs_file *)file;
    *opened = (struct vfs_file){.base = (sqlite3_file *)(opened + 1)};
    int rc = base->xOpen(base, name, opened->base, flags, ret);
    if (!opened->base->pMethods)
        return rc; /* there is nothing to close */
    file->pMethods = is_log ? &log_methods : &main_methods;
    if (is_log) {
        opened->other = (struct vfs_file *)sqlite3_database_file_object(name);
        opened->other->other = opened;
        base_file(file)->pMethods->xFileSize(base_file(file), &opened->grown);
    }
    return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_directory)
{
    return base_vfs(vfs)->xDelete(base_vfs(vfs), name, sync_directory);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    return base_vfs(vfs)->xAccess(base_vfs(vfs), name, flags, ret);
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int size, char *ret)
{
    return base_vfs(vfs)->xFullPathname(base_vfs(vfs), name, size, ret);
}

static int vfs_randomness(sqlite3_vfs *vfs, int size, char *ret)
{
    return base_vfs(vfs)->xRandomness(base_vfs(vfs), size, ret);
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds)
{
    return base_vfs(vfs)->xSleep(base_vfs(vfs), microseconds);
}

static int vfs_current_time(sqlite3_vfs *vfs, double *ret)
{
    return base_vfs(vfs)->xCurrentTime(base_vfs(vfs), ret);
}

static int vfs_current_time_int64(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
    return base_vfs(vfs)->xCurrentTimeInt64(base_vfs(vfs), ret);
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *ret)
{
    return base_vfs(vfs)->xGetLastError(base_vfs(vfs), size, ret);
}

int wal_vfs_register(const char *name, const char *base_name)
{
    sqlite3_vfs *base = sqlite3_vfs_find(base_name);
    sqlite3_vfs *vfs = base ? calloc(1, sizeof(*vfs)) : NULL;
    if (!vfs)
        return base ? SQLITE_NOMEM : SQLITE_NOTFOUND;
    *vfs = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = (int)sizeof(struct vfs_file) + base->szOsFile,
        .mxPathname = base->mxPathname,
        .zName = name,
        .pAppData = base,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_current_time,
        .xGetLastError = vfs_last_error,
        .xCurrentTimeInt64 = vfs_current_time_int64,
    };
    return sqlite3_vfs_register(vfs, 0); /* kept by SQLite as long as the process lives */
}
