#ifndef SERVICES_QUEUE_DELIVERER_DELIVERY_H
#define SERVICES_QUEUE_DELIVERER_DELIVERY_H

#include "common/service/layout.h"
#include "services/queue-deliverer/backend.h"
#include "services/queue-deliverer/client.h"
#include "services/queue-deliverer/config.h"

/*
 * One attempt to deliver a job, from top to bottom, on the thread that calls it:
 *
 *     delivery_run          is the domain ours?
 *       local_deliver       yes: into mailboxes, through store           (local.h)
 *       remote_deliver      no: hosts, connections, transactions         (remote.h)
 *     notify_senders        a DSN for what failed, before it is recorded (notify.h)
 *
 * Afterwards every recipient has a verdict, but those that were given back meanwhile (handover.h).
 */

/* What all deliveries share. */
struct delivery {
    struct backend *backend;
    const struct deliverer_config *config;
    const struct settings *settings;
    struct log_ctx log;
    struct metric_family *attempts;    /* by verdict */
    struct metric_family *connections; /* by result */
    struct metric *notices;            /* DSNs */
    struct metric *duration;
};

/* What a lane keeps from one job to the next; all its jobs go to one domain. */
struct track {
    struct client *client;   /* an open connection, or NULL */
    int64_t remote_until_ms; /* monotonic: until then the domain is known not to be ours */
};

void delivery_init(struct delivery *d, struct backend *backend, struct service *service);
void delivery_run(struct delivery *d, struct track *track, struct job *job);
/* Closes what the track keeps. */
void track_close(struct track *track);

#endif
