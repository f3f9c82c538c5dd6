#ifndef COMMON_SERVICE_SIGNALS_H
#define COMMON_SERVICE_SIGNALS_H

#include "common/base/err.h"

#include <pthread.h>

/*
 * Signals as calls on an ordinary thread, which may lock, allocate and log.
 *
 * signals_block runs before any other thread is made, so that all inherit the mask.
 */

struct signal_handlers {
    void (*terminate)(void *user); /* first SIGTERM or SIGINT; a second one ends the process */
    void (*reload)(void *user);    /* SIGHUP */
    void *user;
};

struct signals {
    struct signal_handlers handlers;
    pthread_t thread;
};

/* SIGPIPE is ignored from here on; the others wait. */
void signals_block(void);
bool signals_start(struct signals *signals, const struct signal_handlers *handlers,
                   struct err *err) MUST_USE;
/* Ends the thread. */
void signals_stop(struct signals *signals);

#endif
