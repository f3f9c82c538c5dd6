#ifndef SERVICES_STORE_PUBLISH_H
#define SERVICES_STORE_PUBLISH_H

#include "services/store/account.h"

/* Nudges who looks at the account: something of it changed (proto/events.proto). After the commit.
 */
void publish_change(const struct change *c);

#endif
