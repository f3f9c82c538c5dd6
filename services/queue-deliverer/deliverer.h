#ifndef SERVICES_QUEUE_DELIVERER_DELIVERER_H
#define SERVICES_QUEUE_DELIVERER_DELIVERER_H

#include "common/base/map.h"
#include "common/bus/events.h"
#include "services/queue-deliverer/delivery.h"

#include <pthread.h>

/*
 * The service: a scheduler that leases messages, threads that deliver them, and one that records
 * results. All share one lock and this struct.
 *
 *     store --lease--> scheduler --job--> lane --> delivery thread --job--> results --finish-->
 * store |                  ^                              (scheduler.c, lanes.c, results.c)
 *       +--QueueHasWork----+
 *
 * A lane is one of the few that store hands out for a domain. Its jobs run one after the other, on
 * whichever thread is free, over one connection that stays open for a moment when the lane runs
 * empty.
 */

struct lane {
    struct str key;        /* "far.example/1", owned by the map */
    struct list_link link; /* in `runnable` or `idle`; in none while a thread has it */
    struct list_link jobs;
    struct track track;
    struct job *job; /* that is being attempted */
    bool running;
    int64_t idle_since_ms;
};

struct deliverer {
    struct service *service;
    const struct deliverer_config *config;
    struct backend backend;
    struct delivery delivery;
    struct event_subscriber *events;

    pthread_mutex_t lock; /* of all below */
    bool draining;

    /* Scheduler. */
    pthread_cond_t wake;
    bool has_work;         /* the queue may have something for us */
    bool wants_room;       /* ... and the scheduler waits for a lane or a message to end */
    bool left_behind;      /* it has, for when we or the domain have room again */
    int64_t next_due_ms;   /* monotonic: when it will, if nobody says so before */
    unsigned outstanding;  /* recipients leased and not finished */
    struct list_link jobs; /* all of them, by `all` */

    /* Lanes and their threads. */
    struct map lanes;
    struct list_link runnable;
    struct list_link idle;
    pthread_cond_t work;
    unsigned threads;
    unsigned idle_threads;
    unsigned running;

    /* Results. */
    struct list_link finished;
    unsigned unrecorded; /* recipients of jobs that ended and are not recorded yet */
    pthread_cond_t results;
    bool results_end;
    pthread_t recorder;
};

bool deliverer_start(struct service *service, struct err *err) MUST_USE;
/* Schedules until drained: then nothing new is begun, what waits is given back, and what has begun
 * to talk may come to its end, while there is time; then it is given back too (handover.h). */
void deliverer_run(struct service *service);
void deliverer_drain(struct service *service);
void deliverer_stop(struct service *service);
bool deliverer_ready(struct service *service, struct err *err) MUST_USE;

/* ---- Between the files. With the lock held. */

/* lanes.c: hands a job to its lane, and the lane to a thread. Takes the job. */
void lanes_add(struct deliverer *d, struct job *job);
/* Gives threads to lanes whose connection was idle for long, to be closed. */
void lanes_close_idle(struct deliverer *d, int64_t now_ms);
/* Gives back what waits in lanes or has not begun to talk, and closes idle connections. */
void lanes_drain(struct deliverer *d);
/* Gives back all that can be. */
void lanes_give_back(struct deliverer *d);
/* Lanes that have work or a thread. */
unsigned lanes_busy(const struct deliverer *d);
/* Those of them that are worth waiting for: not when all of the job was given back. */
unsigned lanes_awaited(struct deliverer *d);

/* results.c: takes a job whose recipients have verdicts. */
void results_add(struct deliverer *d, struct job *job);
bool results_start(struct deliverer *d, struct err *err) MUST_USE;

#endif
