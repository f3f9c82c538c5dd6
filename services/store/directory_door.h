#ifndef SERVICES_STORE_DIRECTORY_DOOR_H
#define SERVICES_STORE_DIRECTORY_DOOR_H

#include "services/store/store.h"

/* Door `directory` (proto/directory.proto, service Directory): administration. */
bool directory_door_open(struct store *store, struct service *service, struct err *err) MUST_USE;

#endif
