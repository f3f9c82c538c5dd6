#ifndef COMMON_SYS_RATE_LIMIT_H
#define COMMON_SYS_RATE_LIMIT_H

#include "common/sys/ip.h"

/*
 * Counts events per network against limits, in three classes of network around an address (IPv4
 * /32, /26 and /21; IPv6 /64, /48 and /32) and in one or more fixed windows of time. An event that
 * would pass a limit in any class or window is refused and counted nowhere.
 *
 *     static const struct rate_window connections[] = {{60 * 1000, {300, 900, 2700}}};
 *     struct rate_limit *limit = rate_limit_new(connections, 1, 100000);
 *     if (!rate_limit_add(limit, peer, 1, clock_wall_ms())) refuse();
 *
 * Memory is bounded: while a window counts `networks_max` networks of a class, further ones are let
 * in uncounted. Thread-safe.
 */

#define RATE_CLASSES 3
#define RATE_WINDOWS_MAX 4
#define RATE_FOREVER INT64_MAX

struct rate_window {
    int64_t length_ms; /* windows begin at multiples of this; RATE_FOREVER: one that never ends */
    uint32_t limits[RATE_CLASSES];
};

struct rate_limit;

struct rate_limit *rate_limit_new(const struct rate_window *windows, size_t window_count,
                                  size_t networks_max);
void rate_limit_free(struct rate_limit *limit);

/* Counts `n` events at `now_ms` (clock_wall_ms), or refuses and counts nothing. */
bool rate_limit_add(struct rate_limit *limit, struct ip ip, uint32_t n, int64_t now_ms) MUST_USE;
/* As rate_limit_add, but only asks. */
bool rate_limit_has_room(struct rate_limit *limit, struct ip ip, uint32_t n, int64_t now_ms);
/* Takes back `n` events, for what is counted while it lasts. */
void rate_limit_release(struct rate_limit *limit, struct ip ip, uint32_t n, int64_t now_ms);
/* Takes back all that the narrowest class counts for the address, in all classes. */
void rate_limit_reset(struct rate_limit *limit, struct ip ip, int64_t now_ms);

#endif
