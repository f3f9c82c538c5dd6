#include "services/mailrail/child.h"

#include "common/base/clock.h"
#include "common/http/health.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAUSE_FIRST_MS 100
#define HEALTH_TIMEOUT_MS 1000

/* In the new process, where only async-signal-safe functions may be called. */
static void become(char **argv, pid_t launcher)
{
    sigset_t none;
    sigemptyset(&none);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != launcher) /* it died before prctl */
        _exit(1);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv(argv[0], argv);
    static const char message[] = "mailrail: cannot execute a service's program\n";
    ssize_t written = write(STDERR_FILENO, message, sizeof(message) - 1);
    (void)written;
    _exit(1);
}

bool child_start(struct child *child, const char *config_path, struct err *err)
{
    char *argv[] = {(char *)(uintptr_t)child->program, NULL, NULL, NULL};
    static char option[] = "--config";
    if (config_path) {
        argv[1] = option;
        argv[2] = (char *)(uintptr_t)config_path;
    }
    pid_t launcher = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return err_set_errno(err, errno, "fork");
    if (pid == 0)
        become(argv, launcher);
    child->pid = pid;
    child->state = CHILD_STARTING;
    child->started_ms = clock_monotonic_ms();
    return true;
}

bool child_becomes_ready(struct child *child)
{
    struct buf body;
    struct err err;
    unsigned status = 0;
    buf_init(&body, 1024);
    bool ready = health_get(child->health, "/readyz", HEALTH_TIMEOUT_MS, &status, &body, &err) &&
                 status == 200;
    buf_release(&body);
    if (!ready)
        return false;
    child->state = CHILD_READY;
    child->was_ready = true;
    return true;
}

static int64_t next_pause(int64_t pause_ms, int64_t ran_ms, int64_t max_ms)
{
    if (pause_ms == 0 || ran_ms >= 10 * pause_ms)
        return PAUSE_FIRST_MS;
    return pause_ms * 2 < max_ms ? pause_ms * 2 : max_ms;
}

void child_ended(struct child *child, int status)
{
    int64_t now = clock_monotonic_ms();
    if (WIFSIGNALED(status))
        metric_add(child->exits_signal, 1);
    else if (WEXITSTATUS(status) != 0)
        metric_add(child->exits_status, 1);
    child->pause_ms = next_pause(child->pause_ms, now - child->started_ms, child->pause_max_ms);
    child->state = CHILD_DOWN;
    child->pid = 0;
    child->start_ms = now + child->pause_ms;
}

void child_describe_end(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(text, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(text, size, "exit status %d", WEXITSTATUS(status));
}
