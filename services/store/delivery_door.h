#ifndef SERVICES_STORE_DELIVERY_DOOR_H
#define SERVICES_STORE_DELIVERY_DOOR_H

#include "services/store/store.h"

/* Opens door `delivery` (proto/delivery.proto). */
bool delivery_door_open(struct store *store, struct service *service, struct err *err) MUST_USE;

#endif
