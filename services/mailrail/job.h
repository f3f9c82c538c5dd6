#ifndef SERVICES_MAILRAIL_JOB_H
#define SERVICES_MAILRAIL_JOB_H

#include "services/mailrail/backend.h"
#include "services/mailrail/command.h"

/*
 * Long work that store does (proto/directory.proto, Maintenance): begun, watched to its end, with
 * what it says on standard output and how far it is on standard error. Ctrl-C stops it.
 */

/* Exit status 1 when something went wrong on the way; an error when it ended early. With `quiet`,
 * how far it is is told on a terminal only, and not how much was done: what goes well says nothing
 * to who reads the output later. */
bool job_run(struct invocation *inv, const struct job_order *order, bool quiet,
             struct err *err) MUST_USE;

#endif
