#ifndef COMMON_SERVICE_SURROUNDINGS_H
#define COMMON_SERVICE_SURROUNDINGS_H

#include "common/service/settings.h"
#include "common/sys/log.h"

/*
 * What a service needs of the machine before it starts: limits, directories, a log.
 */

/* umask 077, as many open files as allowed, an allocator that gives memory back. Before any thread
 * is made. */
void surroundings_prepare(void);
/* Makes the run directory, for its owner alone, and sees whether it can be used. */
bool surroundings_make_run(const struct settings *settings, struct err *err) MUST_USE;
/* The data directory must be there. */
bool surroundings_check_data(const struct settings *settings, struct err *err) MUST_USE;
/* To standard output, where engines of containers look for it, with the levels of the settings. */
struct log *surroundings_make_log(const struct settings *settings);

#endif
