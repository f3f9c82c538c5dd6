#ifndef SERVICES_IMAP_PROGRESS_H
#define SERVICES_IMAP_PROGRESS_H

#include "services/imap/session.h"

/*
 * Telling a client that waits how far its command is (RFC 9585): it sees that the server works, and
 * does not give the connection up.
 */

struct progress {
    int64_t next_ms; /* monotonic */
};

/* The command begins. */
struct progress progress_start(const struct imap *imap);
/* Appends "* OK [INPROGRESS ("a1" 454 1000)]" when it is time again. */
void progress_tell(struct imap *imap, struct progress *p, uint64_t done, uint64_t goal);

#endif
