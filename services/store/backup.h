#ifndef SERVICES_STORE_BACKUP_H
#define SERVICES_STORE_BACKUP_H

#include "services/store/job.h"

/*
 * A backup of the running system (spec 20 4.6): a data directory like ours, from which a system can
 * be started. Databases are copied as of one moment each, message files are linked, or copied where
 * links are impossible. Mail goes on meanwhile: of what comes or goes during the copy of an
 * account, that account has all of a message or nothing.
 *
 * What can be made again is left out: the index for text search, imports that are not finished, and
 * the spool.
 */

/* Into the destination of the request, a directory that is absent or empty. What cannot be copied
 * is an error, and the rest goes on. */
job_function job_backup;

#endif
