#ifndef SERVICES_QUEUE_DELIVERER_LOCAL_H
#define SERVICES_QUEUE_DELIVERER_LOCAL_H

#include "services/queue-deliverer/delivery.h"

/*
 * Delivery into our own mailboxes, without the network: the same classes of addresses and the same
 * trace headers as for mail from outside. The file goes from the queue to the mailbox as a link.
 */

/* Gives verdicts to those recipients whose domain is ours. `*ret_local` is false when it is not;
 * then there are none. False when store could not say. */
bool local_deliver(struct delivery *d, struct job *job, bool *ret_local, struct err *err) MUST_USE;

#endif
