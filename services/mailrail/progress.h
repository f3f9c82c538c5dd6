#ifndef SERVICES_MAILRAIL_PROGRESS_H
#define SERVICES_MAILRAIL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * How far a long command is, on standard error: on a terminal one line that is written over (count,
 * rate, what remains), else a line for every 1000 messages. And the wish of its user to end it.
 */

struct progress {
    uint64_t messages;
    uint64_t units; /* of `units_all`, bytes say: what the remaining time is judged by */
    uint64_t units_all;
    /* Private. */
    bool is_terminal;
    uint64_t units_first; /* done before this run */
    uint64_t messages_first;
    int64_t began_ms;
    int64_t shown_ms;
};

/* `messages` and `units` are done already. */
void progress_begin(struct progress *p, uint64_t messages, uint64_t units, uint64_t units_all);
/* One more message; `units` in all. */
void progress_step(struct progress *p, uint64_t units);
/* Clears the line. */
void progress_end(struct progress *p);

/* From now on Ctrl-C and SIGTERM only set what progress_is_interrupted returns; a second one ends
 * the program. */
void progress_catch_interrupts(void);
bool progress_is_interrupted(void);

#endif
