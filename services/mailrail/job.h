#ifndef SERVICES_MAILRAIL_JOB_H
#define SERVICES_MAILRAIL_JOB_H

#include "services/mailrail/backend.h"
#include "services/mailrail/command.h"

/*
 * Long work that store does (proto/directory.proto, Maintenance): begun, watched to its end, with
 * what it says on standard output and how far it is on standard error. Ctrl-C stops it.
 */

/* Exit status 1 when something went wrong on the way; an error when it ended early. */
bool job_run(struct invocation *inv, const struct job_order *order, struct err *err) MUST_USE;

#endif
