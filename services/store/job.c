#include "services/store/job.h"

#include "common/base/array.h"
#include "common/base/bug.h"
#include "common/base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX 1024
#define LINES_ARENA_MAX (JOB_LINES_MAX * (size_t)TEXT_MAX)

struct job {
    struct jobs *jobs;
    struct job_request request;
    uint64_t id;
    atomic_bool should_stop;
    atomic_uint_fast64_t done;
    atomic_uint_fast64_t all;
    /* Under the lock of jobs. */
    char doing[TEXT_MAX];
    struct arena arena; /* of request and lines */
    ARRAY_OF(struct str) lines;
    uint64_t errors;
    bool is_ended;
    struct err failure; /* ERR_NONE: it did all */
};

struct jobs {
    struct store *store;
    pthread_mutex_t lock;
    struct job *last; /* under way or ended; NULL: there was none yet */
    pthread_t thread; /* of it */
};

struct jobs *jobs_new(struct store *store)
{
    struct jobs *jobs = xcalloc(1, sizeof(*jobs));
    jobs->store = store;
    pthread_mutex_init(&jobs->lock, NULL);
    return jobs;
}

/* Waits for its end. */
static void forget_last(struct jobs *jobs)
{
    struct job *job = jobs->last;
    if (!job)
        return;
    pthread_join(jobs->thread, NULL);
    jobs->last = NULL;
    array_release(&job->lines);
    arena_release(&job->arena);
    free(job);
}

void jobs_free(struct jobs *jobs)
{
    if (!jobs)
        return;
    if (jobs->last)
        atomic_store(&jobs->last->should_stop, true);
    forget_last(jobs);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs);
}

/* ---- Running */

static void log_end(const struct job *job, const struct err *failure, int64_t began_ms)
{
    const struct log_ctx *log = &job->jobs->store->log;
    if (failure->kind == ERR_NONE)
        log_info(log, "maintenance done", LOG_CSTR("job", job->request.name),
                 LOG_U64("messages", atomic_load(&job->done)), LOG_U64("errors", job->errors),
                 LOG_U64("duration_ms", (uint64_t)(clock_monotonic_ms() - began_ms)));
    else
        log_warn(log, "maintenance ended early", LOG_CSTR("job", job->request.name),
                 LOG_ERR(failure));
}

static void *run(void *user)
{
    struct job *job = user;
    struct err err = {.kind = ERR_NONE};
    int64_t began_ms = clock_monotonic_ms();
    log_info(&job->jobs->store->log, "maintenance begins", LOG_CSTR("job", job->request.name));
    if (job->request.run(job, &err))
        err.kind = ERR_NONE;
    log_end(job, &err, began_ms);
    pthread_mutex_lock(&job->jobs->lock);
    job->failure = err;
    job->is_ended = true;
    pthread_mutex_unlock(&job->jobs->lock);
    return NULL;
}

static struct job *new_job(struct jobs *jobs, const struct job_request *request)
{
    struct job *job = xcalloc(1, sizeof(*job));
    job->jobs = jobs;
    job->id = (uint64_t)clock_wall_ms(); /* another one after a restart */
    arena_init(&job->arena, LINES_ARENA_MAX);
    job->request = *request;
    job->request.account = arena_copy(&job->arena, request->account);
    job->request.mailbox = arena_copy(&job->arena, request->mailbox);
    job->request.destination = arena_copy(&job->arena, request->destination);
    return job;
}

static bool start(struct jobs *jobs, const struct job_request *request, uint64_t *ret_id,
                  struct err *err)
{
    if (jobs->last && !jobs->last->is_ended)
        return err_set(err, ERR_STATE, "%s is under way", jobs->last->request.name);
    forget_last(jobs);
    struct job *job = new_job(jobs, request);
    int failure = pthread_create(&jobs->thread, NULL, run, job);
    if (failure != 0) {
        arena_release(&job->arena);
        free(job);
        return err_set_errno(err, failure, "start a thread");
    }
    jobs->last = job;
    *ret_id = job->id;
    return true;
}

bool jobs_start(struct jobs *jobs, const struct job_request *request, uint64_t *ret_id,
                struct err *err)
{
    pthread_mutex_lock(&jobs->lock);
    bool ok = start(jobs, request, ret_id, err);
    pthread_mutex_unlock(&jobs->lock);
    return ok;
}

/* ---- Watching */

static bool copy_lines(const struct job *job, uint64_t line, struct arena *arena,
                       struct job_state *ret)
{
    size_t first = line < job->lines.len ? (size_t)line : job->lines.len;
    size_t left = job->lines.len - first;
    ret->line_count = left < JOB_LINES_REPLY ? left : JOB_LINES_REPLY;
    ret->lines = arena_new_array(arena, ret->line_count, struct str);
    for (size_t i = 0; ret->lines && i < ret->line_count; i++)
        ret->lines[i] = arena_copy(arena, job->lines.items[first + i]);
    /* Not before the caller has all that it said. */
    ret->is_ended = job->is_ended && ret->line_count == left;
    return ret->lines && !arena->exhausted;
}

static bool watch(struct jobs *jobs, uint64_t id, uint64_t line, struct arena *arena,
                  struct job_state *ret, struct err *err)
{
    const struct job *job = jobs->last;
    if (!job || job->id != id)
        return err_set(
            err, ERR_NOT_FOUND,
            "store has restarted meanwhile: what was done stays; run it again for the rest");
    *ret = (struct job_state){.id = id,
                              .doing = arena_copy(arena, str_from_cstr(job->doing)),
                              .done = atomic_load(&job->done),
                              .all = atomic_load(&job->all),
                              .errors = job->errors,
                              .failure = STR("")};
    if (job->failure.kind != ERR_NONE)
        ret->failure = arena_copy(arena, str_from_cstr(job->failure.detail));
    return copy_lines(job, line, arena, ret) || err_set(err, ERR_LIMIT, "no room for the reply");
}

bool jobs_watch(struct jobs *jobs, uint64_t id, uint64_t line, struct arena *arena,
                struct job_state *ret, struct err *err)
{
    pthread_mutex_lock(&jobs->lock);
    bool ok = watch(jobs, id, line, arena, ret, err);
    pthread_mutex_unlock(&jobs->lock);
    return ok;
}

void jobs_stop(struct jobs *jobs, uint64_t id)
{
    pthread_mutex_lock(&jobs->lock);
    if (jobs->last && jobs->last->id == id)
        atomic_store(&jobs->last->should_stop, true);
    pthread_mutex_unlock(&jobs->lock);
}

/* ---- For the function */

struct store *job_store(const struct job *job)
{
    return job->jobs->store;
}

const struct job_request *job_request(const struct job *job)
{
    return &job->request;
}

bool job_goes_on(struct job *job, struct err *err)
{
    return !job || !atomic_load(&job->should_stop) || err_set(err, ERR_TEMPORARY, "stopped");
}

void job_doing(struct job *job, const char *format, ...)
{
    va_list args;
    if (!job)
        return;
    va_start(args, format);
    pthread_mutex_lock(&job->jobs->lock);
    vsnprintf(job->doing, sizeof(job->doing), format, args);
    pthread_mutex_unlock(&job->jobs->lock);
    va_end(args);
}

void job_expect(struct job *job, uint64_t messages)
{
    if (job)
        atomic_fetch_add(&job->all, messages);
}

void job_advance(struct job *job, uint64_t messages)
{
    if (job)
        atomic_fetch_add(&job->done, messages);
}

static void PRINTF_LIKE(3, 0) say(struct job *job, bool is_error, const char *format, va_list args)
{
    char text[TEXT_MAX];
    vsnprintf(text, sizeof(text), format, args);
    pthread_mutex_lock(&job->jobs->lock);
    job->errors += is_error;
    if (job->lines.len < JOB_LINES_MAX)
        array_push(&job->lines, arena_copy(&job->arena, str_from_cstr(text)));
    pthread_mutex_unlock(&job->jobs->lock);
}

void job_line(struct job *job, const char *format, ...)
{
    va_list args;
    if (!job)
        return;
    va_start(args, format);
    say(job, false, format, args);
    va_end(args);
}

void job_error(struct job *job, const char *format, ...)
{
    va_list args;
    if (!job)
        return;
    va_start(args, format);
    say(job, true, format, args);
    va_end(args);
}
