#ifndef SERVICES_QUEUE_DELIVERER_REMOTE_H
#define SERVICES_QUEUE_DELIVERER_REMOTE_H

#include "services/queue-deliverer/delivery.h"

/* Delivers to the servers of the job's domain, over the track's connection when it has one. Every
 * recipient gets a verdict. `file` is the message text without the job's prefix. */
void remote_deliver(struct delivery *d, struct track *track, struct job *job, struct str file);

#endif
