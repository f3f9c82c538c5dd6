#ifndef SERVICES_STORE_MAILBOXES_DOOR_H
#define SERVICES_STORE_MAILBOXES_DOOR_H

#include "services/store/store.h"

/* Opens door `mailboxes` (proto/mailboxes.proto). */
bool mailboxes_door_open(struct store *store, struct service *service, struct err *err) MUST_USE;

#endif
