#include "services/store/queue_backoff.h"

#define DOUBLINGS_MAX 10
#define PAUSE_DOUBLINGS_MAX 5

static int64_t doubled(int64_t ms, unsigned attempt)
{
    unsigned doublings = attempt > 0 ? attempt - 1 : 0;
    if (doublings > DOUBLINGS_MAX)
        doublings = DOUBLINGS_MAX;
    return ms * ((int64_t)1 << doublings);
}

int64_t queue_backoff_ms(int64_t base_ms, unsigned attempt, uint64_t random)
{
    int64_t steps = (int64_t)(random % QUEUE_BACKOFF_JITTER) - 5;
    return doubled(base_ms + steps * base_ms / 450, attempt);
}

int64_t queue_backoff_sum_ms(int64_t base_ms, unsigned from, unsigned to)
{
    int64_t sum = 0;
    for (unsigned attempt = from; attempt < to; attempt++)
        sum += doubled(base_ms, attempt);
    return sum;
}

int64_t queue_pause_ms(unsigned postponed)
{
    unsigned doublings = postponed < PAUSE_DOUBLINGS_MAX ? postponed : PAUSE_DOUBLINGS_MAX;
    return (int64_t)1000 << doublings;
}
