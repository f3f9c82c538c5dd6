#ifndef SERVICES_STORE_SUBMIT_DOOR_H
#define SERVICES_STORE_SUBMIT_DOOR_H

#include "services/store/store.h"

/* Door `submit` (proto/submit.proto): what a logged-in sender needs. */
bool submit_door_open(struct store *store, struct service *service, struct err *err) MUST_USE;

#endif
