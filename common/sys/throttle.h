#ifndef COMMON_SYS_THROTTLE_H
#define COMMON_SYS_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Keeps repeated events from flooding: of equal events, told apart by a hash, the first ten of a
 * minute pass. The first that passes afterwards says how many were held back.
 *
 * Remembers the 64 events seen last; memory is fixed. Not thread-safe.
 */

struct throttle_slot {
    uint64_t hash;
    int64_t window_ms; /* when its minute began */
    uint64_t count;    /* in this minute */
};

struct throttle {
    struct throttle_slot slots[64]; /* by hash; a new event takes the place of an old one */
};

/* May this one pass? Then `*ret_held_back` is the number of equal ones that did not since the last
 * that did. `now_ms` is monotonic. */
bool throttle_pass(struct throttle *t, uint64_t hash, int64_t now_ms, uint64_t *ret_held_back);

#endif
