#ifndef SERVICES_STORE_QUEUE_BACKOFF_H
#define SERVICES_STORE_QUEUE_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When to try again (spec 10 C2): after attempt n, base * 2^(n-1), a little more or less so that
 * what failed together does not return together. With the usual base of 450 s: 7m30, 15m, 30m, 1h,
 * 2h, 4h, 8h; the eighth attempt, nearly 16 hours after queueing, is the last.
 */

#define QUEUE_DELAY_NOTICE_ATTEMPT 5
/* Half an hour of pauses; then a postponed attempt counts. */
#define QUEUE_POSTPONED_MAX 60
#define QUEUE_BACKOFF_JITTER 10 /* steps of base/450: -5 to +4 */

/* Milliseconds from the start of attempt `attempt` (1 is the first) to the next; `random` is any
 * number. */
int64_t queue_backoff_ms(int64_t base_ms, unsigned attempt, uint64_t random);
/* The same without the random part, summed over `from` up to and without `to`. */
int64_t queue_backoff_sum_ms(int64_t base_ms, unsigned from, unsigned to);
/* Until what was postponed so many times before is tried again: 1 s, 2 s, 4 s, up to 32 s. */
int64_t queue_pause_ms(unsigned postponed);

#endif
