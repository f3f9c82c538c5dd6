#ifndef SERVICES_STORE_TRAINING_DOOR_H
#define SERVICES_STORE_TRAINING_DOOR_H

#include "services/store/store.h"

/* Opens the door `training` (proto/training.proto). */
bool training_door_open(struct store *store, struct service *service, struct err *err) MUST_USE;

#endif
