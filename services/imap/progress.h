#ifndef SERVICES_IMAP_PROGRESS_H
#define SERVICES_IMAP_PROGRESS_H

#include "services/imap/session.h"

/*
 * Telling a client that waits how far its command is (RFC 9585): it sees that the server works, and
 * does not give the connection up.
 */

struct progress {
    int64_t next_ms; /* monotonic */
    /* Of a command with parts, each of which knows its own goal only: that of all is not told, for
     * a goal should not change, and progress goes on from part to part (RFC 9585 3). */
    bool in_parts;
    uint64_t before; /* done in parts that have ended */
};

/* The command begins. */
struct progress progress_start(const struct imap *imap);
/* Appends "* OK [INPROGRESS ("a1" 454 1000)]" when it is time again. `done` and `goal` of the part,
 * when there are parts; a goal of 0 is not known. */
void progress_tell(struct imap *imap, struct progress *p, uint64_t done, uint64_t goal);

#endif
