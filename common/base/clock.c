#include "common/base/clock.h"

static int64_t now_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_monotonic_ms(void)
{
    return now_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_monotonic_us(void)
{
    return now_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
    return now_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_wall_s(void)
{
    return now_us(CLOCK_REALTIME) / 1000000;
}

int clock_poll_timeout(int64_t deadline_ms)
{
    const int64_t day_ms = 24 * 3600 * 1000;
    if (deadline_ms == CLOCK_NEVER)
        return -1;
    int64_t left = deadline_ms - clock_monotonic_ms();
    return (int)(left < 0 ? 0 : left > day_ms ? day_ms : left);
}

struct timespec clock_timespec(int64_t ms)
{
    return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}
