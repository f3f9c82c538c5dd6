#ifndef COMMON_SERVICE_SPOOL_H
#define COMMON_SERVICE_SPOOL_H

#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * A message being received: a file under `spool/` that its receiver writes, and that store links
 * into place (proto/delivery.proto). Small messages cost one write: bytes are collected in memory
 * up to 64 KiB before they go to the file.
 *
 *     struct spool_file f;
 *     if (!spool_open(&f, data, "smtp-in", err)) ...
 *     spool_write(&f, chunk, err); ...
 *     if (!spool_finish(&f, err)) ...         // on disk now
 *     ... Deliver(f.name) ...
 *     spool_discard(&f);                      // always: closes and unlinks
 */

struct spool_file {
    int fd; /* readable too: for parsing what was received */
    char name[64];
    char path[1024];
    uint64_t size;
    struct buf pending;
};

bool spool_open(struct spool_file *f, struct str data, const char *service,
                struct err *err) MUST_USE;
bool spool_write(struct spool_file *f, struct str bytes, struct err *err) MUST_USE;
/* Writes what is pending and syncs the file. */
bool spool_finish(struct spool_file *f, struct err *err) MUST_USE;
/* Closes and removes the file; harmless after a failed spool_open, and twice. */
void spool_discard(struct spool_file *f);
/* At start: removes what an earlier process of this service left behind. */
void spool_clean(struct str data, const char *service);

#endif
