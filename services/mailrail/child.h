#ifndef SERVICES_MAILRAIL_CHILD_H
#define SERVICES_MAILRAIL_CHILD_H

#include "common/service/service.h"

#include <sys/types.h>

/*
 * One service as a child process of the launcher.
 *
 *              child_start           readiness seen
 *   DOWN ---------------> STARTING ----------------> READY
 *    ^  wait until           |                         |
 *    |  start_ms             |        it ended         |
 *    +-----------------------+-------------------------+
 *
 * A child that ends is started again after a pause: 0.1 s, doubled each time up to a maximum; one
 * that ran for ten times its last pause begins with 0.1 s again. Only the thread that starts
 * children may use them: the kernel signals them when that thread ends (PR_SET_PDEATHSIG).
 */

enum child_state { CHILD_DOWN, CHILD_STARTING, CHILD_READY };

struct child {
    const char *name;    /* "imap" */
    const char *program; /* its path */
    const char *health;  /* path of its socket */
    enum child_state state;
    pid_t pid;          /* 0 while it is down */
    bool was_ready;     /* at any time */
    bool reload_due;    /* gets SIGHUP as soon as it can take it */
    int64_t started_ms; /* monotonic */
    int64_t start_ms;   /* while down: when to start it */
    int64_t pause_ms;   /* before the next start */
    int64_t pause_max_ms;
    struct metric *exits_status; /* mailrail_launcher_exits_total{service,how} */
    struct metric *exits_signal;
};

/* Starts the program with `--config config_path` (NULL: without). It gets SIGTERM when the launcher
 * dies, and is in a process group of its own, so that Ctrl-C reaches the launcher alone. */
bool child_start(struct child *child, const char *config_path, struct err *err) MUST_USE;
/* Asks a starting child whether it is ready. True when it just became so. */
bool child_becomes_ready(struct child *child);
/* Notes that it ended with `status` (of waitpid): counts it, plans the next start. */
void child_ended(struct child *child, int status);
/* What `status` means: "exit status 1", "signal 9 (Killed)". */
void child_describe_end(int status, char *text, size_t size);

#endif
