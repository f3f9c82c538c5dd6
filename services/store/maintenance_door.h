#ifndef SERVICES_STORE_MAINTENANCE_DOOR_H
#define SERVICES_STORE_MAINTENANCE_DOOR_H

#include "services/store/store.h"

/* Opens door `maintenance` (service Maintenance of proto/directory.proto). */
bool maintenance_door_open(struct store *store, struct service *service, struct err *err) MUST_USE;

#endif
