#ifndef COMMON_SERVICE_SPOOL_H
#define COMMON_SERVICE_SPOOL_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/sys/file.h"

/*
 * A message being received: a file in `spool/SERVICE/` that its receiver writes, and that store
 * links into place (proto/delivery.proto). Bytes are collected in memory up to SPOOL_MEMORY_MAX
 * before they go to the file, which is made when the first of them must: a small message needs
 * none.
 *
 *     struct spool_file f;
 *     spool_init(&f, data, "smtp-in");
 *     spool_write(&f, chunk, err); ...
 *     if (spool_is_in_memory(&f))
 *         ... Deliver(spool_content(&f)) ...
 *     else if (spool_finish(&f, err))         // on disk now
 *         ... Deliver(f.name) ...
 *     spool_discard(&f);                      // always: closes and unlinks
 */

/* What a call may carry: proto/{delivery,submit,mailboxes}.proto. */
#define SPOOL_MEMORY_MAX (64 * 1024)
#define SPOOL_LITTLE (4 * 1024)

struct spool_file {
    struct str data; /* directory */
    const char *service;
    int fd; /* readable too: for parsing what was received; -1 while there is no file */
    char name[64];
    char path[1024];
    uint64_t size;
    struct buf pending;
};

/* Touches nothing on the disk. Keeps data and service. */
void spool_init(struct spool_file *f, struct str data, const char *service);
/* After spool_init: collects no more than SPOOL_LITTLE in memory, for who receives very many
 * messages at a time. */
void spool_keep_little(struct spool_file *f);
/* As spool_init, and makes the file: for who must know whether that works before the first byte. */
bool spool_open(struct spool_file *f, struct str data, const char *service,
                struct err *err) MUST_USE;
bool spool_write(struct spool_file *f, struct str bytes, struct err *err) MUST_USE;
/* True when the whole message is in memory: before spool_finish, for small ones. */
bool spool_is_in_memory(const struct spool_file *f);
/* The message, when it is in memory; else empty. */
struct str spool_content(const struct spool_file *f);
/* Makes the service's directory, unless it is there. */
bool spool_make_directory(struct str data, const char *service, struct err *err) MUST_USE;
/* Writes what is pending and syncs the file. */
bool spool_finish(struct spool_file *f, struct err *err) MUST_USE;

/* The bytes of a whole message, wherever they are: in memory, or in a finished file. Good until
 * spool_text_close, and no longer than the spool file is left alone. */
struct spool_text {
    struct str bytes;
    struct file_map map;
};
bool spool_text_open(const struct spool_file *f, struct spool_text *ret, struct err *err) MUST_USE;
void spool_text_close(struct spool_text *text);

/* Closes and removes the file, if there is one; harmless after a failed spool_open, and twice. */
void spool_discard(struct spool_file *f);
/* At start: removes what an earlier process of this service left behind. */
void spool_clean(struct str data, const char *service);

#endif
