#ifndef SERVICES_MAILRAIL_EXPORT_H
#define SERVICES_MAILRAIL_EXPORT_H

#include "services/mailrail/command.h"

/* `mailrail export`; its row stands beside that of `import`. */
bool export_run(struct invocation *inv, struct err *err);

#endif
