#include "services/queue-deliverer/job.h"

#include "common/base/bug.h"

#include <stdlib.h>

#define JOB_ARENA_MAX (64u << 20)

struct job *job_new(void)
{
    struct job *job = xcalloc(1, sizeof(*job));
    pthread_mutex_init(&job->handover.lock, NULL);
    list_init(&job->link);
    list_init(&job->all);
    arena_init(&job->arena, JOB_ARENA_MAX);
    return job;
}

void job_free(struct job *job)
{
    if (!job)
        return;
    arena_release(&job->arena);
    pthread_mutex_destroy(&job->handover.lock);
    free(job);
}

void job_decide(struct job *job, struct verdict verdict)
{
    for (size_t i = 0; i < job->recipient_count; i++)
        if (job->recipients[i].verdict.kind == VERDICT_OPEN)
            job->recipients[i].verdict = verdict;
}

bool job_is_decided(const struct job *job)
{
    for (size_t i = 0; i < job->recipient_count; i++)
        if (job->recipients[i].verdict.kind == VERDICT_OPEN)
            return false;
    return true;
}

void recipient_set_remote(struct job *job, struct recipient *recipient, struct str host,
                          struct str ip)
{
    recipient->remote_host = arena_copy(&job->arena, host);
    recipient->remote_ip = arena_copy(&job->arena, ip);
}

void job_add_dialed(struct job *job, struct str host, struct str ip)
{
    if (job->dialed_count == JOB_DIALED_MAX)
        return;
    job->dialed[job->dialed_count++] =
        (struct dialed){arena_copy(&job->arena, host), arena_copy(&job->arena, ip)};
}
