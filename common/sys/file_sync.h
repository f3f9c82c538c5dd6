#ifndef COMMON_SYS_FILE_SYNC_H
#define COMMON_SYS_FILE_SYNC_H

#include "common/base/err.h"
#include "common/base/list.h"

/*
 * Syncing a file beside other work: a thread begins with it, and who comes to wait before a thread
 * has found the time does it himself.
 *
 *     struct file_sync sync = {.fd = -1};
 *     file_sync_begin(syncer, &sync, fd);
 *     ... // what needs no file on disk
 *     if (!file_sync_end(&sync, err)) ...
 *
 * A syncer serves any number of threads.
 */

#define FILE_SYNC_THREADS_MAX 4

struct file_syncer;

struct file_sync {
    struct file_syncer *syncer; /* NULL: nothing to be synced, or it is done */
    struct list_link link;      /* in its queue */
    int fd;
    bool is_begun; /* by a thread */
    bool is_over;
    int errnum;
};

/* With that many threads: one where each file is followed by other work, some for many files at
 * once, of which the disk then does several at a time. NULL with ERR_TEMPORARY when no thread can
 * be started. */
struct file_syncer *file_syncer_new(unsigned threads, struct err *err);
/* When nothing is under way. Accepts NULL. */
void file_syncer_free(struct file_syncer *syncer);

/* `sync` and `fd` stay where they are, and open, until file_sync_end. */
void file_sync_begin(struct file_syncer *syncer, struct file_sync *sync, int fd);
/* The bytes of the file are on disk (fdatasync). True at once when it was over before, or never
 * begun. */
bool file_sync_end(struct file_sync *sync, struct err *err) MUST_USE;
/* Ends it without caring for the bytes. */
void file_sync_drop(struct file_sync *sync);

#endif
