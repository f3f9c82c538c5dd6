#ifndef SERVICES_STORE_READY_FILES_H
#define SERVICES_STORE_READY_FILES_H

#include "common/base/array.h"
#include "common/base/err.h"

#include <pthread.h>

/*
 * Files of messages made in advance: empty, with ids of their own, their names on disk. A delivery
 * that gets one saves making it, and waiting for the sync of its directory; one sync is enough for
 * many names. An account that gets mail in quick succession has some, more the more it gets; they
 * are made by a thread of their own, and removed when the account is closed or verified. After a
 * crash they are files without a row, which recover.h removes.
 */

struct account;
struct store;
struct file_maker;

struct ready_files {
    pthread_mutex_t lock;
    ARRAY_OF(uint64_t) ids;
    size_t batch; /* how many are made next time; 0: none, so far */
    bool is_asked_for;
};

void ready_files_init(struct ready_files *r);
/* Removes the files. Under files_lock for writing, or when nobody else uses the account. */
void ready_files_drop(struct account *account);
void ready_files_release(struct ready_files *r);

/* False: there is none; next time, perhaps. Under files_lock, for reading. */
bool ready_files_take(struct account *account, uint64_t *ret_id);

/* The thread. */
struct file_maker *file_maker_start(struct store *store, struct err *err);
void file_maker_stop(struct file_maker *maker);

#endif
