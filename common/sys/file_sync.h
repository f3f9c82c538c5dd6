#ifndef COMMON_SYS_FILE_SYNC_H
#define COMMON_SYS_FILE_SYNC_H

#include "common/base/err.h"
#include "common/base/list.h"

/*
 * Syncing a file beside other work.
 *
 *     struct file_sync sync = {.fd = -1};
 *     file_sync_begin(syncer, &sync, fd);
 *     ... // what needs no file on disk
 *     if (!file_sync_end(&sync, err)) ...
 *
 * Without a syncer the kernel begins to write the bytes, and who ends it waits for them and for
 * what names them: right for one file, for which waking a thread costs more than it gains. With
 * one, its threads begin, so that the disk does several at a time; who comes to wait before they
 * have found the time does it himself. A syncer serves any number of callers.
 */

#define FILE_SYNC_THREADS_MAX 4

struct file_syncer;

struct file_sync {
    struct file_syncer *syncer; /* NULL: no thread does it */
    struct list_link link;      /* in its queue */
    bool is_pending;            /* begun here, and not ended */
    int fd;
    bool is_begun; /* by a thread */
    bool is_over;
    int errnum;
};

/* With that many threads. NULL with ERR_TEMPORARY when none can be started. */
struct file_syncer *file_syncer_new(unsigned threads, struct err *err);
/* When nothing is under way. Accepts NULL. */
void file_syncer_free(struct file_syncer *syncer);

/* `sync` and `fd` stay where they are, and open, until file_sync_end. The syncer may be NULL. */
void file_sync_begin(struct file_syncer *syncer, struct file_sync *sync, int fd);
/* The bytes of the file are on disk (fdatasync). True at once when it was over before, or never
 * begun. */
bool file_sync_end(struct file_sync *sync, struct err *err) MUST_USE;
/* Ends it without caring for the bytes. */
void file_sync_drop(struct file_sync *sync);

#endif
