#ifndef COMMON_BASE_CLOCK_H
#define COMMON_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/*
 * Two clocks: monotonic time for deadlines and durations, wall time for what is stored and shown.
 * Deadlines are absolute monotonic milliseconds; CLOCK_NEVER means none.
 */

#define CLOCK_NEVER INT64_MAX

/* Since some fixed moment; never goes back; same for all processes of a machine until reboot. */
int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);
/* Since 1970-01-01 UTC. */
int64_t clock_wall_ms(void);
int64_t clock_wall_s(void);

/* Milliseconds until `deadline_ms`, 0 when it has passed; for poll: -1 for CLOCK_NEVER, capped at
 * one day. */
int clock_poll_timeout(int64_t deadline_ms);
/* A moment of either clock, not negative, as pthread_cond_timedwait takes it. */
struct timespec clock_timespec(int64_t ms);

#endif
