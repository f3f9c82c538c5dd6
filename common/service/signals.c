#include "common/service/signals.h"

#include "common/base/clock.h"

#include <signal.h>
#include <unistd.h>

/* Ends the waiting thread; sent by signals_stop alone. */
#define SIGNAL_STOP SIGUSR1
/* The kernel tells of the launcher's death once for each of its threads, in one instant: what comes
 * so soon is no second request. */
#define SAME_REQUEST_MS 200

static void fill_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGNAL_STOP);
}

void signals_block(void)
{
    sigset_t set;
    fill_set(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void *wait_for_signals(void *arg)
{
    struct signals *signals = arg;
    sigset_t set;
    fill_set(&set);
    int64_t terminated_ms = 0; /* 0: not yet */
    for (;;) {
        int received;
        if (sigwait(&set, &received) != 0)
            continue;
        if (received == SIGNAL_STOP)
            return NULL;
        if (received == SIGHUP) {
            signals->handlers.reload(signals->handlers.user);
            continue;
        }
        int64_t now = clock_monotonic_ms();
        if (terminated_ms == 0) {
            terminated_ms = now;
            signals->handlers.terminate(signals->handlers.user);
        } else if (now - terminated_ms > SAME_REQUEST_MS) {
            _exit(1);
        }
    }
}

bool signals_start(struct signals *signals, const struct signal_handlers *handlers, struct err *err)
{
    signals->handlers = *handlers;
    int failed = pthread_create(&signals->thread, NULL, wait_for_signals, signals);
    if (failed != 0)
        return err_set_errno(err, failed, "cannot start the signal thread");
    return true;
}

void signals_stop(struct signals *signals)
{
    pthread_kill(signals->thread, SIGNAL_STOP);
    pthread_join(signals->thread, NULL);
}
