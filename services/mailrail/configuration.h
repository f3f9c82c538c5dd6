#ifndef SERVICES_MAILRAIL_CONFIGURATION_H
#define SERVICES_MAILRAIL_CONFIGURATION_H

#include "services/mailrail/command.h"

/*
 * The configuration as a whole, as the launcher and all services that it starts read it.
 */

/* Prints each error as a line on standard error. Fails only when the services cannot be asked.
 * Fills `inv->settings` when it is fine. */
bool configuration_check(struct invocation *inv, bool *ret_is_fine, struct err *err) MUST_USE;

#endif
