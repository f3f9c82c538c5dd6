#ifndef SERVICES_QUEUE_DELIVERER_HANDOVER_H
#define SERVICES_QUEUE_DELIVERER_HANDOVER_H

#include "common/base/attr.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Who has a recipient when the process has to end: the thread that attempts it, or the queue again.
 *
 *              commit                        answered: taken
 *     OPEN --------------------> COMMITTED --------------------> TAKEN
 *      | ^                           |
 *      | +---------------------------+ answered: refused
 *      | give_back
 *      v
 *     given back: another deliverer may have it; the attempt is broken off, and reports nothing
 *
 * The attempt's thread commits just before what cannot be taken back: the final dot of a message,
 * the call that puts it into mailboxes. What was committed and has no answer keeps its lease, since
 * nobody knows what became of it, and a second attempt could double the mail. All recipients of a
 * transaction commit together or not at all.
 */

struct job;

enum handover_stage {
    HANDOVER_OPEN,
    HANDOVER_COMMITTED,
    HANDOVER_TAKEN,
};

/* Of a job. */
struct handover {
    pthread_mutex_t lock; /* of this, and of the stages of the job's recipients */
    bool begun;
    bool given_back; /* what was open then */
};

/* ---- For the attempt's thread; recipients are indexes into those of the job. */

/* A server is talked to from now on: such an attempt may go on for as long as there is time. False
 * when the job was given back: nothing more is to be done about it. */
bool handover_begin(struct job *job) MUST_USE;
/* The point of no return. False when it was given back: break off. */
bool handover_commit(struct job *job, const size_t *recipients, size_t count) MUST_USE;
/* What became of those committed is known. */
void handover_answered(struct job *job, const size_t *recipients, size_t count, bool taken);
/* Nothing new shall be begun for it. */
bool handover_is_given_back(struct job *job);
/* The attempt is over: its verdicts will be reported, but for recipients that were given back,
 * which lose them. */
void handover_end(struct job *job);

/* ---- For the end of the process */

/* Takes back what is open, of a job that has begun to talk only when `begun_too`. What is to be
 * reported now (released, or delivered for recipients that were taken already) is a job for
 * results_add; NULL when there is nothing. */
struct job *handover_give_back(struct job *job, bool begun_too);
/* Nothing more of it is worth waiting for: no answer is missing. */
bool handover_is_all_given_back(struct job *job);

#endif
