#ifndef SERVICES_IMAP_PARTIAL_H
#define SERVICES_IMAP_PARTIAL_H

#include "common/text/cursor.h"
#include "services/imap/uid_set.h"

/*
 * A page of results (RFC 9394): "1:100" are the first hundred, "-1:-100" the last hundred. Numbers
 * count results, not messages.
 */

struct partial {
    struct str text; /* as the client wrote it; borrows from the command */
    bool from_end;
    uint32_t first; /* not above last */
    uint32_t last;
};

/* Results `from` up to, but not with, `to`. */
struct partial_range {
    size_t from;
    size_t to;
};

/* partial-range = nz-number ":" nz-number / "-" nz-number ":" "-" nz-number */
struct partial partial_take(struct cursor *c);
/* Which of `count` results are on the page. */
struct partial_range partial_of(const struct partial *p, size_t count);
/* The page of a set. */
void partial_of_set(const struct partial *p, const struct uid_set *set, struct uid_set *ret);

#endif
