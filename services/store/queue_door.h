#ifndef SERVICES_STORE_QUEUE_DOOR_H
#define SERVICES_STORE_QUEUE_DOOR_H

#include "services/store/store.h"

/* Door `queue` (proto/queue.proto): leases for deliverers. */
bool queue_door_open(struct store *store, struct service *service, struct err *err) MUST_USE;

#endif
