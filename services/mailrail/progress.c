#include "services/mailrail/progress.h"

#include "services/mailrail/plural.h"

#include "common/base/clock.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define SHOW_EVERY_MS 200
#define LINE_EVERY 1000

static volatile sig_atomic_t is_interrupted;

static void interrupt(int signal_number)
{
    (void)signal_number;
    is_interrupted = 1;
}

void progress_catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool progress_is_interrupted(void)
{
    return is_interrupted != 0;
}

void progress_begin(struct progress *p, uint64_t messages, uint64_t units, uint64_t units_all)
{
    *p = (struct progress){.messages = messages,
                           .units = units,
                           .units_all = units_all,
                           .is_terminal = isatty(STDERR_FILENO),
                           .units_first = units,
                           .messages_first = messages,
                           .began_ms = clock_monotonic_ms()};
}

static void show(struct progress *p)
{
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms - p->shown_ms < SHOW_EVERY_MS)
        return;
    p->shown_ms = now_ms;
    uint64_t took_ms = (uint64_t)(now_ms - p->began_ms) + 1;
    uint64_t done = p->units - p->units_first, left = p->units_all - p->units;
    fprintf(stderr, "\r\033[K%" PRIu64 " message%s, %" PRIu64 " a second", p->messages,
            plural(p->messages, "s"), (p->messages - p->messages_first) * 1000 / took_ms);
    if (p->units_all > 0 && done > 0) {
        uint64_t left_s = (uint64_t)((double)left / (double)done * (double)took_ms / 1000);
        fprintf(stderr, ", %d %%, %" PRIu64 ":%02" PRIu64 " left",
                (int)((double)p->units * 100 / (double)p->units_all), left_s / 60, left_s % 60);
    }
}

void progress_step(struct progress *p, uint64_t units)
{
    p->messages++;
    p->units = units > p->units_all ? p->units_all : units;
    if (p->is_terminal)
        show(p);
    else if (p->messages % LINE_EVERY == 0)
        fprintf(stderr, "%" PRIu64 " messages\n", p->messages);
}

void progress_end(struct progress *p)
{
    if (p->is_terminal)
        fprintf(stderr, "\r\033[K");
}
