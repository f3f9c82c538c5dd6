/* Recording what became of messages: one thread, which reports together what ended meanwhile. */
#include "services/queue-deliverer/deliverer.h"

#include <unistd.h>

#define RETRY_PAUSE_US 500000
#define BATCH_PAUSE_US 20000 /* lets results gather, so that they share a commit */
#define BATCH_MAX 500        /* recipients */

void results_add(struct deliverer *d, struct job *job)
{
    list_append(&d->finished, &job->link);
    d->unrecorded += (unsigned)job->recipient_count;
    pthread_cond_signal(&d->results);
}

/* Moves some finished jobs to `batch`; returns how many recipients they have. */
static unsigned take_batch(struct deliverer *d, struct list_link *batch)
{
    unsigned count = 0;
    list_init(batch);
    while (count < BATCH_MAX && !list_is_empty(&d->finished)) {
        struct list_link *link = list_take_first(&d->finished);
        count += (unsigned)CONTAINER_OF(link, struct job, link)->recipient_count;
        list_append(batch, link);
    }
    return count;
}

/* Repeating is harmless (proto/queue.proto). When store stays away for long, leases run out, and
 * what we report then is used as long as nobody else has the message. */
static void record(struct deliverer *d, struct list_link *batch)
{
    struct err err;
    while (!backend_finish(&d->backend, batch, &err)) {
        log_warn(&d->service->log, "results cannot be recorded", LOG_ERR(&err));
        if (!err_is_transient(err.kind))
            return;
        usleep(RETRY_PAUSE_US);
    }
}

/* Then only the next lease tells when it is due. */
static bool waits_again(const struct job *job)
{
    for (size_t i = 0; i < job->recipient_count; i++) {
        enum verdict_kind kind = job->recipients[i].verdict.kind;
        if ((kind != VERDICT_DELIVERED && kind != VERDICT_PERMANENT) ||
            job->recipients[i].unreported)
            return true;
    }
    return false;
}

static void end_batch(struct deliverer *d, struct list_link *batch, unsigned count)
{
    for (struct list_link *link; (link = list_take_first(batch));) {
        struct job *job = CONTAINER_OF(link, struct job, link);
        d->has_work |= waits_again(job);
        list_remove(&job->all);
        job_free(job);
    }
    d->outstanding -= count;
    d->unrecorded -= count;
    d->has_work |= d->left_behind;
    if (d->has_work || d->draining)
        pthread_cond_signal(&d->wake);
}

static void *run(void *arg)
{
    struct deliverer *d = arg;
    pthread_mutex_lock(&d->lock);
    for (;;) {
        struct list_link batch;
        while (list_is_empty(&d->finished) && !d->results_end)
            pthread_cond_wait(&d->results, &d->lock);
        if (list_is_empty(&d->finished))
            break;
        pthread_mutex_unlock(&d->lock);
        usleep(BATCH_PAUSE_US);
        pthread_mutex_lock(&d->lock);
        unsigned count = take_batch(d, &batch);
        pthread_mutex_unlock(&d->lock);
        record(d, &batch);
        pthread_mutex_lock(&d->lock);
        end_batch(d, &batch, count);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

bool results_start(struct deliverer *d, struct err *err)
{
    int rc = pthread_create(&d->recorder, NULL, run, d);
    return rc == 0 || err_set_errno(err, rc, "thread");
}
