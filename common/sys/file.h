#ifndef COMMON_SYS_FILE_H
#define COMMON_SYS_FILE_H

#include "common/base/arena.h"
#include "common/base/err.h"

/*
 * Files that must survive a crash, and small helpers around them.
 */

/* Closes *fd unless it is -1: for CLEANUP(fd_cleanup). */
void fd_cleanup(int *fd);

/* Writes all of `bytes` at the end of `fd`, whatever the number of system calls. */
bool file_write_all(int fd, struct str bytes, struct err *err) MUST_USE;
/* Reads the whole file, in arena; ERR_LIMIT above `max` bytes. */
bool file_read(const char *path, size_t max, struct arena *arena, struct str *ret,
               struct err *err) MUST_USE;
/* Replaces the file in one step: temporary file beside it, fsync, rename, fsync of the directory.
 * Readers see the old or the new content. */
bool file_replace(const char *path, struct str bytes, unsigned mode, struct err *err) MUST_USE;
/* Makes the directory and its parents; fine when it is there. */
bool directory_make(const char *path, unsigned mode, struct err *err) MUST_USE;
bool directory_sync(const char *path, struct err *err) MUST_USE;
/* Bytes that may still be written to the file system of this path: 0 too when hardly any file more
 * can be made there (fewer than 1024); INT64_MAX when it does not say. */
int64_t directory_free_bytes(const char *path);
/* The same as directory_make, and the names of the last `levels` directories of the path are on
 * disk when it returns. */
bool directory_make_durable(const char *path, unsigned mode, unsigned levels,
                            struct err *err) MUST_USE;
/* Hard link, or an exclusive copy (synced) where links across the two places are impossible. A
 * symbolic link at `from` is not followed.
 * ERR_CONFLICT when `to` exists; it is left as it is. */
bool file_link_or_copy(const char *from, const char *to, struct err *err) MUST_USE;

/* The bytes of a file that nobody changes, for reading; empty for an empty file. Large ones are
 * mapped, small ones are a copy: mapping takes longer than reading them. */
struct file_map {
    struct str bytes;
    bool is_copy;
};
bool file_map_open(int fd, struct file_map *ret, struct err *err) MUST_USE;
void file_map_close(struct file_map *map);

#endif
