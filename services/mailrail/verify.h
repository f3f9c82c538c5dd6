#ifndef SERVICES_MAILRAIL_VERIFY_H
#define SERVICES_MAILRAIL_VERIFY_H

#include "services/mailrail/command.h"

/* The options and the function of `mailrail verifydata` (maintenance.c). */
extern const struct command_option verify_options[];
bool verify_run(struct invocation *inv, struct err *err);

#endif
