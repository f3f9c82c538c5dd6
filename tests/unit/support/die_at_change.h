#ifndef TESTS_SUPPORT_DIE_AT_CHANGE_H
#define TESTS_SUPPORT_DIE_AT_CHANGE_H

#include <signal.h>
#include <sqlite3.h>
#include <unistd.h>

/*
 * kill -9 at a chosen place: after die_at_change(n) the process dies before the n-th time that this
 * thread makes SQLite change a file. The same n is the same place, however fast the machine is.
 */

static _Thread_local unsigned changes_left; /* 0: of no interest */

static inline void count_change(void)
{
    if (changes_left > 0 && --changes_left == 0)
        raise(SIGKILL);
}

static inline ssize_t counted_pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    count_change();
    return pwrite(fd, bytes, len, offset);
}

static inline ssize_t counted_write(int fd, const void *bytes, size_t len)
{
    count_change();
    return write(fd, bytes, len);
}

static inline int counted_truncate(int fd, off_t size)
{
    count_change();
    return ftruncate(fd, size);
}

static inline int counted_unlink(const char *path)
{
    count_change();
    return unlink(path);
}

/* How it was built says by which of these SQLite writes. */
static inline void die_at_change(unsigned number)
{
    static const struct {
        const char *name;
        sqlite3_syscall_ptr call;
    } calls[] = {{"pwrite64", (sqlite3_syscall_ptr)counted_pwrite},
                 {"pwrite", (sqlite3_syscall_ptr)counted_pwrite},
                 {"write", (sqlite3_syscall_ptr)counted_write},
                 {"ftruncate", (sqlite3_syscall_ptr)counted_truncate},
                 {"unlink", (sqlite3_syscall_ptr)counted_unlink}};
    sqlite3_vfs *vfs = sqlite3_vfs_find("unix");
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        (void)vfs->xSetSystemCall(vfs, calls[i].name, calls[i].call);
    changes_left = number;
}

#endif
