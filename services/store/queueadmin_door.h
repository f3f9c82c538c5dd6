#ifndef SERVICES_STORE_QUEUEADMIN_DOOR_H
#define SERVICES_STORE_QUEUEADMIN_DOOR_H

#include "services/store/store.h"

/* Door `queueadmin` (QueueAdmin of proto/directory.proto): the queue as its operator sees it. */
bool queueadmin_door_open(struct store *store, struct service *service, struct err *err) MUST_USE;

#endif
