#ifndef COMMON_SERVICE_DOOR_H
#define COMMON_SERVICE_DOOR_H

#include "common/bus/address.h"
#include "common/service/settings.h"

/*
 * The doors of the bus: which service opens each, and which may knock. The one place that says so:
 * certificates are compared with it, and deployments repeat it (a test compares them).
 */

#define DOOR_KNOCKERS_MAX 4

struct door {
    const char *name;
    const char *openers[2];                      /* one, and NULL */
    const char *knockers[DOOR_KNOCKERS_MAX + 1]; /* ends with NULL */
};

/* NULL when there is none of that name. (Who may knock at "training", junkd, is still to come.) */
const struct door *door_find(const char *name);

/* Whether passwords go through it. */
bool door_has_secrets(const char *name);

/* The names of all services that open a door or knock at one; NULL ends them. */
extern const char *const door_services[];

/* Where `service` finds a door, and with which certificates. Strings are in arena. */
struct bus_address door_address(const struct settings *settings, const char *service,
                                const char *door, struct arena *arena);

#endif
