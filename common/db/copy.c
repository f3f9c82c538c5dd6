#include "common/db/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static bool copy_into(sqlite3 *from, sqlite3 *to, struct err *err)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    int rc = backup ? sqlite3_backup_step(backup, -1) : sqlite3_errcode(to);
    if (backup)
        sqlite3_backup_finish(backup);
    if (rc == SQLITE_DONE)
        return true;
    enum err_kind kind = (rc & 0xff) == SQLITE_FULL      ? ERR_NO_SPACE
                         : (rc & 0xff) == SQLITE_CORRUPT ? ERR_CORRUPT
                                                         : ERR_TEMPORARY;
    return err_set(err, kind, "%s", sqlite3_errstr(rc));
}

static bool open_and_copy(const char *from, const char *to, struct err *err)
{
    sqlite3 *source = NULL, *target = NULL;
    int rc = sqlite3_open_v2(from, &source, SQLITE_OPEN_READONLY, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_open_v2(to, &target, SQLITE_OPEN_READWRITE, NULL);
    bool ok = rc == SQLITE_OK ? copy_into(source, target, err)
                              : err_set(err, ERR_TEMPORARY, "%s", sqlite3_errstr(rc));
    sqlite3_close(target);
    sqlite3_close(source);
    return ok;
}

bool db_copy(const char *from, const char *to, struct err *err)
{
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    if (fd < 0)
        return errno == EEXIST ? err_set(err, ERR_CONFLICT, "%s exists", to)
                               : err_set_errno(err, errno, "%s", to);
    close(fd);
    if (open_and_copy(from, to, err))
        return true;
    unlink(to);
    return err_wrap(err, "copy %s", from);
}
