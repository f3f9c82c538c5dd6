#ifndef SERVICES_STORE_TRANSFER_DOOR_H
#define SERVICES_STORE_TRANSFER_DOOR_H

#include "services/store/store.h"

/* Opens the door `transfer` (proto/transfer.proto). */
bool transfer_door_open(struct store *store, struct service *service, struct err *err) MUST_USE;

#endif
