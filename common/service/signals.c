#include "common/service/signals.h"

#include <signal.h>
#include <unistd.h>

/* Ends the waiting thread; sent by signals_stop alone. */
#define SIGNAL_STOP SIGUSR1

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
    bool terminating = false;
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
        if (terminating)
            _exit(1);
        terminating = true;
        signals->handlers.terminate(signals->handlers.user);
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
