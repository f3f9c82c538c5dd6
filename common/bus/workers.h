#ifndef COMMON_BUS_WORKERS_H
#define COMMON_BUS_WORKERS_H

#include "common/base/arena.h"

#include <nng/nng.h>

/* The threads that serve a door: each takes a request of the socket, answers it, and takes the
 * next. The one that worked last takes first, because its memory is warm. */

struct workers;

struct workers_duty {
    /* Returns the reply, in `arena`, which is reset after it was sent. */
    struct str (*serve)(void *user, struct arena *arena, struct str request);
    void *user;
    unsigned count;
    size_t arena_max;
    bool has_secrets; /* overwrites request and arena after use */
};

/* `socket`: an open rep0. */
struct workers *workers_new(nng_socket socket, const struct workers_duty *duty);
/* They take no new requests any more. More than once is fine. */
void workers_stop(struct workers *workers);
/* After workers_stop: true when all have finished what they were at, by then
 * (clock_monotonic_ms). */
bool workers_join(struct workers *workers, int64_t deadline_ms) MUST_USE;
/* After workers_join said true, and nng_close of the socket. */
void workers_free(struct workers *workers);

#endif
