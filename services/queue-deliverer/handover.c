#include "services/queue-deliverer/handover.h"

#include "services/queue-deliverer/job.h"

bool handover_begin(struct job *job)
{
    pthread_mutex_lock(&job->handover.lock);
    bool ok = !job->handover.given_back;
    job->handover.begun = true;
    pthread_mutex_unlock(&job->handover.lock);
    return ok;
}

bool handover_commit(struct job *job, const size_t *recipients, size_t count)
{
    pthread_mutex_lock(&job->handover.lock);
    bool ok = !job->handover.given_back;
    job->handover.begun = true;
    for (size_t i = 0; ok && i < count; i++)
        job->recipients[recipients[i]].stage = HANDOVER_COMMITTED;
    pthread_mutex_unlock(&job->handover.lock);
    return ok;
}

void handover_answered(struct job *job, const size_t *recipients, size_t count, bool taken)
{
    pthread_mutex_lock(&job->handover.lock);
    for (size_t i = 0; i < count; i++)
        job->recipients[recipients[i]].stage = taken ? HANDOVER_TAKEN : HANDOVER_OPEN;
    pthread_mutex_unlock(&job->handover.lock);
}

bool handover_is_given_back(struct job *job)
{
    pthread_mutex_lock(&job->handover.lock);
    bool given_back = job->handover.given_back;
    pthread_mutex_unlock(&job->handover.lock);
    return given_back;
}

bool handover_is_all_given_back(struct job *job)
{
    pthread_mutex_lock(&job->handover.lock);
    bool all = job->handover.given_back;
    for (size_t i = 0; i < job->recipient_count; i++)
        all &= job->recipients[i].stage != HANDOVER_COMMITTED;
    pthread_mutex_unlock(&job->handover.lock);
    return all;
}

/* Those that stay ours are committed: a DSN may follow, which must not tell of an attempt that
 * another deliverer makes again. */
void handover_end(struct job *job)
{
    pthread_mutex_lock(&job->handover.lock);
    for (size_t i = 0; i < job->recipient_count; i++) {
        struct recipient *r = &job->recipients[i];
        if (r->given_back) {
            r->verdict = (struct verdict){0};
            r->unreported = true;
        } else if (r->stage == HANDOVER_OPEN) {
            r->stage = HANDOVER_COMMITTED;
        }
    }
    pthread_mutex_unlock(&job->handover.lock);
}

/* A recipient as its result is recorded, without what the thread may be writing to. */
static void add_result(struct job *to, const struct recipient *r)
{
    struct recipient *result = &to->recipients[to->recipient_count++];
    *result = (struct recipient){.queue_id = r->queue_id, .lease = r->lease};
    if (r->stage == HANDOVER_TAKEN)
        result->verdict = verdict_make(VERDICT_DELIVERED, 0, 0, "taken");
}

static void give_back(struct job *job, struct job *ret)
{
    job->handover.given_back = true;
    for (size_t i = 0; i < job->recipient_count; i++) {
        struct recipient *r = &job->recipients[i];
        r->given_back = r->stage == HANDOVER_OPEN;
        if (r->stage != HANDOVER_COMMITTED)
            add_result(ret, r);
    }
}

struct job *handover_give_back(struct job *job, bool begun_too)
{
    struct job *results = job_new();
    results->cid = job->cid;
    results->recipients = arena_new_array(&results->arena, job->recipient_count, struct recipient);
    pthread_mutex_lock(&job->handover.lock);
    if (results->recipients && !job->handover.given_back && (begun_too || !job->handover.begun))
        give_back(job, results);
    pthread_mutex_unlock(&job->handover.lock);
    if (results->recipient_count > 0)
        return results;
    job_free(results);
    return NULL;
}
