#ifndef COMMON_SERVICE_LOGIN_EVENTS_H
#define COMMON_SERVICE_LOGIN_EVENTS_H

#include "common/base/str.h"

/* The events "login" of the door `notices` (LoginEnded in proto/events.proto), of which every
 * service hears that lets users log in, so that guessing at one of them closes all. */

/* Calls `ended` with what the event says. One that cannot be read counts as lost. */
void login_events_tell(struct str payload,
                       void (*ended)(void *user, const char *ip, bool succeeded), void *user);

#endif
