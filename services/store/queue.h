#ifndef SERVICES_STORE_QUEUE_H
#define SERVICES_STORE_QUEUE_H

#include "services/store/store.h"

/*
 * The queue: messages on their way to others. Data in queue.db, text in queue/msg/.
 */

struct queue;

/* Opens or creates queue.db and sets store->queue. */
bool queue_open(struct store *store, struct err *err) MUST_USE;
void queue_close(struct queue *queue);

#endif
