#include "common/sys/file_sync.h"

#include "common/base/bug.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct file_syncer {
    pthread_t threads[FILE_SYNC_THREADS_MAX];
    unsigned thread_count;
    pthread_mutex_t lock; /* of all that follows, and of every sync */
    pthread_cond_t wake;
    pthread_cond_t over;
    struct list_link queue;
    bool is_stopping;
};

static int sync_now(int fd)
{
    return fdatasync(fd) == 0 ? 0 : errno;
}

static void sync_next(struct file_syncer *s)
{
    struct file_sync *sync = CONTAINER_OF(list_take_first(&s->queue), struct file_sync, link);
    sync->is_begun = true;
    pthread_mutex_unlock(&s->lock);
    int errnum = sync_now(sync->fd);
    pthread_mutex_lock(&s->lock);
    sync->errnum = errnum;
    sync->is_over = true;
    pthread_mutex_unlock(&s->lock);
    pthread_cond_broadcast(&s->over); /* who waits does not wait for the lock, then */
    pthread_mutex_lock(&s->lock);
}

static void *run(void *arg)
{
    struct file_syncer *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->is_stopping) {
        if (list_is_empty(&s->queue))
            pthread_cond_wait(&s->wake, &s->lock);
        else
            sync_next(s);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void destroy(struct file_syncer *s)
{
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    pthread_cond_destroy(&s->over);
    free(s);
}

void file_syncer_free(struct file_syncer *syncer)
{
    if (!syncer)
        return;
    BUG_ON(!list_is_empty(&syncer->queue));
    pthread_mutex_lock(&syncer->lock);
    syncer->is_stopping = true;
    pthread_cond_broadcast(&syncer->wake);
    pthread_mutex_unlock(&syncer->lock);
    for (unsigned i = 0; i < syncer->thread_count; i++)
        pthread_join(syncer->threads[i], NULL);
    destroy(syncer);
}

struct file_syncer *file_syncer_new(unsigned threads, struct err *err)
{
    BUG_ON(threads > FILE_SYNC_THREADS_MAX);
    struct file_syncer *s = xcalloc(1, sizeof(*s));
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    pthread_cond_init(&s->over, NULL);
    list_init(&s->queue);
    int failure = 0;
    while (failure == 0 && s->thread_count < threads) {
        failure = pthread_create(&s->threads[s->thread_count], NULL, run, s);
        s->thread_count += failure == 0;
    }
    if (failure == 0)
        return s;
    err_set_errno(err, failure, "start a thread");
    file_syncer_free(s);
    return NULL;
}

static void hand_over(struct file_syncer *syncer, struct file_sync *sync)
{
    pthread_mutex_lock(&syncer->lock);
    list_append(&syncer->queue, &sync->link);
    pthread_mutex_unlock(&syncer->lock);
    pthread_cond_signal(&syncer->wake);
}

void file_sync_begin(struct file_syncer *syncer, struct file_sync *sync, int fd)
{
    *sync = (struct file_sync){.syncer = syncer, .fd = fd, .is_pending = true};
    if (syncer)
        hand_over(syncer, sync);
    else
        (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* fdatasync says what failed */
}

/* True: the thread has synced it. False: it is the caller's now, whom it had not begun with. */
static bool wait_or_take(struct file_sync *sync)
{
    struct file_syncer *s = sync->syncer;
    pthread_mutex_lock(&s->lock);
    while (sync->is_begun && !sync->is_over)
        pthread_cond_wait(&s->over, &s->lock);
    bool is_over = sync->is_over;
    if (!is_over)
        list_remove(&sync->link);
    pthread_mutex_unlock(&s->lock);
    return is_over;
}

bool file_sync_end(struct file_sync *sync, struct err *err)
{
    if (sync->is_pending && (!sync->syncer || !wait_or_take(sync)))
        sync->errnum = sync_now(sync->fd);
    sync->is_pending = false;
    return sync->errnum == 0 || err_set_errno(err, sync->errnum, "sync file");
}

void file_sync_drop(struct file_sync *sync)
{
    if (sync->is_pending && sync->syncer)
        (void)wait_or_take(sync);
    sync->is_pending = false;
}
