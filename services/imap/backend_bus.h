#ifndef SERVICES_IMAP_BACKEND_BUS_H
#define SERVICES_IMAP_BACKEND_BUS_H

#include "common/service/service.h"
#include "services/imap/backend.h"

/* The real backend: connections to the doors of store, for main.c. */

/* Connects in the background; fails only for wrong settings. */
struct backend *backend_open(struct service *service, struct err *err);
/* From now on events are handed on. */
bool backend_listen(struct backend *b, struct service *service, const struct backend_events *events,
                    struct err *err) MUST_USE;

#endif
