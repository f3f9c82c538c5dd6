#ifndef SERVICES_STORE_AUTH_DOOR_H
#define SERVICES_STORE_AUTH_DOOR_H

#include "services/store/store.h"

/* Door `auth` (proto/auth.proto): logging in. */
bool auth_door_open(struct store *store, struct service *service, struct err *err) MUST_USE;

#endif
