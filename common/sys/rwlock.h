#ifndef COMMON_SYS_RWLOCK_H
#define COMMON_SYS_RWLOCK_H

#include <pthread.h>

/*
 * A lock as of pthread_rwlock_init, but writers come first: one waits for the readers that are
 * there, not for those that come meanwhile. No thread may hold it for reading twice.
 */
static inline void rwlock_init_writers_first(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(lock, &attr);
    pthread_rwlockattr_destroy(&attr);
}

#endif
