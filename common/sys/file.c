#include "common/sys/file.h"

#include "common/base/bug.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define COPY_CHUNK (64 * 1024)
#define FEW_FILES 1024
#define MAP_COPY_MAX (32 * 1024)

void fd_cleanup(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

bool file_write_all(int fd, struct str bytes, struct err *err)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return err_set_errno(err, errno, "write %zu bytes", bytes.len);
        }
        bytes = str_skip(bytes, (size_t)n);
    }
    return true;
}

/* Reads up to `size` bytes, fewer only at the end of the file. */
static bool read_up_to(int fd, char *dst, size_t size, size_t *ret_len, struct err *err)
{
    size_t len = 0;
    while (len < size) {
        ssize_t n = read(fd, dst + len, size - len);
        if (n == 0)
            break;
        if (n > 0)
            len += (size_t)n;
        else if (errno != EINTR)
            return err_set_errno(err, errno, "read");
    }
    *ret_len = len;
    return true;
}

bool file_read(const char *path, size_t max, struct arena *arena, struct str *ret, struct err *err)
{
    CLEANUP(fd_cleanup) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno, "open %s", path);
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "stat %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_STATE, "%s is not a regular file", path);
    if ((uint64_t)st.st_size > max)
        return err_set(err, ERR_LIMIT, "%s: %jd bytes, at most %zu are allowed", path,
                       (intmax_t)st.st_size, max);
    size_t size = (size_t)st.st_size;
    char *text = arena_alloc(arena, size + 1);
    if (!text)
        return err_set(err, ERR_LIMIT, "%s: no room for %zu bytes", path, size);
    size_t len;
    if (!read_up_to(fd, text, size, &len, err))
        return err_wrap(err, "%s", path);
    *ret = str_make(text, len);
    return true;
}

static bool write_and_sync(int fd, struct str bytes, unsigned mode, struct err *err)
{
    TRY(file_write_all(fd, bytes, err));
    /* The umask must not decide who may read a key. */
    if (fchmod(fd, mode) < 0)
        return err_set_errno(err, errno, "chmod");
    if (fsync(fd) < 0)
        return err_set_errno(err, errno, "fsync");
    return true;
}

/* The directory that holds `path`, as text of its own. */
static bool parent_of(const char *path, char ret_parent[PATH_MAX], struct err *err)
{
    const char *slash = strrchr(path, '/');
    struct str parent = STR(".");
    if (slash)
        parent = str_make(path, slash == path ? 1 : (size_t)(slash - path));
    if (!str_copy_cstr(parent, ret_parent, PATH_MAX))
        return err_set(err, ERR_LIMIT, "path too long: %.100s...", path);
    return true;
}

/* Names of temporary files differ between threads and processes that replace the same file, also
 * between those of containers, which all have the same number, and from what was left by one that
 * was killed. */
static bool temporary_name(const char *path, char ret_name[PATH_MAX], struct err *err)
{
    uint64_t random;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return err_set_errno(err, errno, "random number for a file name");
    int n = snprintf(ret_name, PATH_MAX, "%s.tmp-%016" PRIx64, path, random);
    if (n < 0 || n >= PATH_MAX)
        return err_set(err, ERR_LIMIT, "path too long: %.100s...", path);
    return true;
}

bool file_replace(const char *path, struct str bytes, unsigned mode, struct err *err)
{
    char parent[PATH_MAX];
    char temporary[PATH_MAX];
    TRY(parent_of(path, parent, err));
    TRY(temporary_name(path, temporary, err));
    CLEANUP(fd_cleanup) int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(err, errno, "create %s", temporary);
    if (!write_and_sync(fd, bytes, mode, err)) {
        unlink(temporary);
        return err_wrap(err, "%s", temporary);
    }
    if (rename(temporary, path) < 0) {
        int errnum = errno;
        unlink(temporary);
        return err_set_errno(err, errnum, "rename %s to %s", temporary, path);
    }
    return directory_sync(parent, err);
}

static bool make_one(const char *path, unsigned mode, struct err *err)
{
    if (mkdir(path, mode) == 0)
        return true;
    int errnum = errno;
    struct stat st;
    if (errnum == EEXIST && stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return true;
        return err_set(err, ERR_CONFLICT, "%s exists and is not a directory", path);
    }
    return err_set_errno(err, errnum, "make directory %s", path);
}

bool directory_make(const char *path, unsigned mode, struct err *err)
{
    char partial[PATH_MAX];
    if (!str_copy_cstr(str_from_cstr(path), partial, sizeof(partial)))
        return err_set(err, ERR_LIMIT, "path too long: %.100s...", path);
    if (mkdir(path, mode) == 0)
        return true;
    for (char *slash = strchr(partial + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        TRY(make_one(partial, mode, err));
        *slash = '/';
    }
    return make_one(path, mode, err);
}

bool directory_sync(const char *path, struct err *err)
{
    CLEANUP(fd_cleanup) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno, "open directory %s", path);
    if (fsync(fd) < 0)
        return err_set_errno(err, errno, "sync directory %s", path);
    return true;
}

int64_t directory_free_bytes(const char *path)
{
    struct statvfs fs;
    uint64_t bytes;
    if (statvfs(path, &fs) < 0)
        return INT64_MAX;
    /* f_files is 0 where their number has no limit. */
    if (fs.f_files > 0 && fs.f_favail < FEW_FILES)
        return 0;
    if (__builtin_mul_overflow((uint64_t)fs.f_bavail, (uint64_t)fs.f_frsize, &bytes))
        return INT64_MAX;
    return bytes < INT64_MAX ? (int64_t)bytes : INT64_MAX;
}

bool directory_make_durable(const char *path, unsigned mode, unsigned levels, struct err *err)
{
    TRY(directory_make(path, mode, err));
    struct str parent = str_from_cstr(path);
    for (unsigned i = 0; i < levels; i++) {
        char text[PATH_MAX];
        ptrdiff_t slash = str_rfind_char(parent, '/');
        if (slash <= 0)
            return true; /* the working directory, or the root: made by somebody else */
        parent = str_slice(parent, 0, (size_t)slash);
        if (!str_copy_cstr(parent, text, sizeof(text)))
            return err_set(err, ERR_LIMIT, "path too long: %s", path);
        TRY(directory_sync(text, err));
    }
    return true;
}

static bool copy_bytes(int from, int to, struct err *err)
{
    char chunk[COPY_CHUNK];
    size_t len = 0;
    do {
        TRY(read_up_to(from, chunk, sizeof(chunk), &len, err));
        TRY(file_write_all(to, str_make(chunk, len), err));
    } while (len == sizeof(chunk));
    if (fsync(to) < 0)
        return err_set_errno(err, errno, "fsync");
    return true;
}

/* Never leaves part of a copy behind. */
static bool copy_exclusive(const char *from, const char *to, struct err *err)
{
    CLEANUP(fd_cleanup) int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (in < 0)
        return err_set_errno(err, errno, "open %s", from);
    struct stat st;
    if (fstat(in, &st) < 0)
        return err_set_errno(err, errno, "stat %s", from);
    CLEANUP(fd_cleanup)
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 0777);
    if (out < 0)
        return err_set_errno(err, errno, "create %s", to);
    if (!copy_bytes(in, out, err)) {
        unlink(to);
        return err_wrap(err, "copy %s to %s", from, to);
    }
    return true;
}

bool file_link_or_copy(const char *from, const char *to, struct err *err)
{
    if (link(from, to) == 0)
        return true;
    int errnum = errno;
    /* Other file system, a file system without links, or too many of them. */
    if (errnum == EXDEV || errnum == EPERM || errnum == EOPNOTSUPP || errnum == EMLINK)
        return copy_exclusive(from, to, err);
    return err_set_errno(err, errnum, "link %s to %s", from, to);
}

/* Unmapping makes every other thread forget its translations, which costs more than the copy. */
static bool copy_small(int fd, size_t size, struct file_map *ret, struct err *err)
{
    char *copy = xmalloc(size);
    size_t len = 0;
    ssize_t n;
    do {
        n = pread(fd, copy + len, size - len, (off_t)len);
        len += n > 0 ? (size_t)n : 0;
    } while ((n > 0 && len < size) || (n < 0 && errno == EINTR));
    if (n < 0) {
        err_set_errno(err, errno, "read %zu bytes", size);
        free(copy);
        return false;
    }
    *ret = (struct file_map){.bytes = str_make(copy, len), .is_copy = true};
    return true;
}

bool file_map_open(int fd, struct file_map *ret, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "stat");
    if (st.st_size == 0) {
        *ret = (struct file_map){.bytes = STR("")};
        return true;
    }
    size_t size = (size_t)st.st_size;
    if (size <= MAP_COPY_MAX)
        return copy_small(fd, size, ret, err);
    void *at = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        return err_set_errno(err, errno, "map %zu bytes", size);
    *ret = (struct file_map){.bytes = str_make(at, size)};
    return true;
}

void file_map_close(struct file_map *map)
{
    void *at = (void *)(uintptr_t)map->bytes.ptr;
    if (map->is_copy)
        free(at);
    else if (map->bytes.len > 0)
        munmap(at, map->bytes.len);
    *map = (struct file_map){.bytes = STR_NULL};
}
