#ifndef SERVICES_MAILRAIL_RESTORE_H
#define SERVICES_MAILRAIL_RESTORE_H

#include "services/mailrail/command.h"

/* The options and the function of `mailrail restore` (maintenance.c). */
extern const struct command_option restore_options[];
bool restore_run(struct invocation *inv, struct err *err);

#endif
