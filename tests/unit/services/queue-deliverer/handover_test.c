#include "services/queue-deliverer/handover.h"

#include "services/queue-deliverer/job.h"

#include <criterion/criterion.h>
#include <string.h>

/* Recipients 0, 1, ... with queue ids from 100 and leases from 200. */
static struct job *make_job(size_t recipients)
{
    struct job *job = job_new();
    job->recipients = arena_new_array(&job->arena, recipients, struct recipient);
    job->recipient_count = recipients;
    for (size_t i = 0; i < recipients; i++) {
        job->recipients[i].queue_id = 100 + i;
        job->recipients[i].lease = 200 + i;
    }
    return job;
}

/*
 * What the attempt's thread does before the drain, one letter a step:
 *
 *     b  begins to talk
 *     c  commits recipients 0 and 1
 *     t  recipients 0 and 1 are taken
 *     r  they are refused
 *     e  the attempt ends
 */
static void act(struct job *job, char step)
{
    static const size_t both[] = {0, 1};
    switch (step) {
    case 'b':
        cr_expect(handover_begin(job));
        break;
    case 'c':
        cr_expect(handover_commit(job, both, 2));
        break;
    case 'e':
        handover_end(job);
        break;
    default:
        handover_answered(job, both, 2, step == 't');
    }
}

/* What is reported for recipients 0, 1, 2: "R" released, "D" delivered, "-" nothing. */
static void describe(const struct job *results, char text[4])
{
    strcpy(text, "---");
    for (size_t i = 0; results && i < results->recipient_count; i++) {
        const struct recipient *r = &results->recipients[i];
        cr_assert(r->queue_id >= 100 && r->queue_id < 103);
        cr_expect_eq(r->lease, r->queue_id + 100);
        text[r->queue_id - 100] = r->verdict.kind == VERDICT_OPEN        ? 'R'
                                  : r->verdict.kind == VERDICT_DELIVERED ? 'D'
                                                                         : '?';
    }
}

Test(handover, what_is_given_back)
{
    static const struct {
        const char *name, *steps, *at_once, *at_end;
    } rows[] = {
        {"nobody was talked to", "", "RRR", "RRR"},
        {"in the talk", "b", "---", "RRR"},
        {"the end of the message was sent", "bc", "---", "--R"},
        {"taken, the others are under way", "bct", "---", "DDR"},
        {"refused: another host may take it", "bcr", "---", "RRR"},
        {"taken after a second try", "bcrct", "---", "DDR"},
        {"mailboxes may have it", "c", "---", "--R"},
        {"the verdicts are about to be reported", "bctre", "---", "---"},
        {"taken, and a notice is written for others", "bcte", "---", "DD-"},
    };
    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        bool at_end = i % 2 == 1;
        const char *wanted = at_end ? rows[i / 2].at_end : rows[i / 2].at_once;
        struct job *job = make_job(3);
        char text[4];
        for (const char *step = rows[i / 2].steps; *step; step++)
            act(job, *step);
        struct job *results = handover_give_back(job, at_end);
        describe(results, text);
        cr_expect_str_eq(text, wanted, "%s: %s", rows[i / 2].name, text);
        cr_expect_null(handover_give_back(job, at_end && results), "%s: twice", rows[i / 2].name);
        job_free(results);
        job_free(job);
    }
}

Test(handover, who_finds_it_given_back_breaks_off_and_reports_nothing)
{
    static const size_t first[] = {0}, second[] = {1};
    struct job *job = make_job(2);
    cr_expect(handover_begin(job));
    cr_expect(handover_commit(job, first, 1));
    cr_expect_not(handover_is_given_back(job));
    job_free(handover_give_back(job, true));
    cr_expect(handover_is_given_back(job));
    cr_expect_not(handover_is_all_given_back(job), "an answer is missing");
    cr_expect_not(handover_commit(job, second, 1));
    cr_expect_not(handover_begin(job));

    handover_answered(job, first, 1, false); /* late, and ours still */
    cr_expect(handover_is_all_given_back(job));
    job_decide(job, verdict_make(VERDICT_PERMANENT, 1, 1, "no"));
    handover_end(job);
    cr_expect_eq(job->recipients[0].verdict.kind, VERDICT_PERMANENT);
    cr_expect_not(job->recipients[0].unreported);
    cr_expect_eq(job->recipients[1].verdict.kind, VERDICT_OPEN, "no notice is made of it");
    cr_expect(job->recipients[1].unreported);
    job_free(job);
}

/* ---- Both at the same time */

#define RACES 2000

struct race {
    struct job *job;
    pthread_barrier_t start;
    bool committed;
};

static void *commit(void *arg)
{
    static const size_t all[] = {0, 1};
    struct race *race = arg;
    pthread_barrier_wait(&race->start);
    race->committed = handover_commit(race->job, all, 2);
    return NULL;
}

Test(handover, one_of_two_gets_all_of_it)
{
    for (int i = 0; i < RACES; i++) {
        struct race race = {.job = make_job(2)};
        pthread_t thread;
        pthread_barrier_init(&race.start, NULL, 2);
        cr_assert(pthread_create(&thread, NULL, commit, &race) == 0);
        pthread_barrier_wait(&race.start);
        struct job *results = handover_give_back(race.job, true);
        pthread_join(thread, NULL);
        cr_expect_eq(results ? results->recipient_count : 0, race.committed ? 0u : 2u);
        job_free(results);
        job_free(race.job);
        pthread_barrier_destroy(&race.start);
    }
}
