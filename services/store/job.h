#ifndef SERVICES_STORE_JOB_H
#define SERVICES_STORE_JOB_H

#include "services/store/store.h"

/*
 * Long work on stored data (proto/directory.proto, Maintenance): a function on a thread of its own,
 * one at a time in the process. It works in small steps, says how far it is, and looks whether it
 * should stop:
 *
 *     static bool run(struct job *job, struct err *err)
 *     {
 *         for each batch {
 *             if (!job_goes_on(job, err)) return false;
 *             job_advance(job, batch.len);
 *             job_line(job, "mailbox %s: ...");
 *         }
 *     }
 *
 * Who watches reads that; who comes too late reads it until the next job starts.
 */

struct job;
typedef bool job_function(struct job *job, struct err *err);

#define JOB_LINES_MAX 10000 /* that a job may say; the rest is counted */
#define JOB_LINES_REPLY 200

struct job_request {
    const char *name; /* "recalculate" */
    job_function *run;
    struct str account; /* copied; empty: all */
    struct str mailbox;
    struct str destination;
};

struct job_state {
    uint64_t id;
    struct str doing;
    uint64_t done;
    uint64_t all;
    struct str *lines;
    size_t line_count;
    uint64_t errors;
    bool is_ended;
    struct str failure;
};

/* jobs_free stops what is under way, and waits for it. Accepts NULL. */
struct jobs *jobs_new(struct store *store);
void jobs_free(struct jobs *jobs);

/* ERR_STATE while another one runs. */
bool jobs_start(struct jobs *jobs, const struct job_request *request, uint64_t *ret_id,
                struct err *err) MUST_USE;
/* Its state, with at most JOB_LINES_REPLY lines from `line` on; in arena. */
bool jobs_watch(struct jobs *jobs, uint64_t id, uint64_t line, struct arena *arena,
                struct job_state *ret, struct err *err) MUST_USE;
void jobs_stop(struct jobs *jobs, uint64_t id);

/* ---- For the function; `job` may be NULL: nobody watches. */

struct store *job_store(const struct job *job);
const struct job_request *job_request(const struct job *job);
/* False with ERR_TEMPORARY when it should stop. */
bool job_goes_on(struct job *job, struct err *err) MUST_USE;
void job_doing(struct job *job, const char *format, ...) PRINTF_LIKE(2, 3);
/* There are so many more messages to look at. */
void job_expect(struct job *job, uint64_t messages);
void job_advance(struct job *job, uint64_t messages);
void job_line(struct job *job, const char *format, ...) PRINTF_LIKE(2, 3);
/* Something went wrong, and the rest goes on. */
void job_error(struct job *job, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
