#include "services/mailrail/launcher.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/service/layout.h"
#include "common/text/nearest.h"
#include "services/mailrail/child.h"
#include "services/mailrail/siblings.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLL_STARTING_MS 10
#define POLL_IDLE_MS 60000
#define ORPHANS_WAIT_MS 30000
#define EXIT_STATUS_USAGE 2
/* Wakes the main thread: draining was asked for. */
#define SIGNAL_WAKE SIGUSR2

static const struct option launcher_options[] = {
    OPTION_LIST(launcher_config, services,
                "store,dns-resolver,queue-deliverer,smtp-in,submission,imap",
                "services to run, by the names of their programs"),
    OPTION_NUMBER(launcher_config, grace_ms, "20000", 100, 3600000, "ms",
                  "how long services may drain before they are killed"),
    OPTION_NUMBER(launcher_config, restart_pause_max_ms, "30000", 100, 3600000, "ms",
                  "longest pause before a service that keeps ending is started again"),
};

static bool is_one_of(struct str name, const struct str_list *names)
{
    for (size_t i = 0; i < names->len; i++) {
        if (str_eq(name, names->items[i]))
            return true;
    }
    return false;
}

static void reject_service(struct str name, const struct str_list *programs,
                           struct option_report *report)
{
    struct nearest nearest = nearest_to(name);
    for (size_t i = 0; i < programs->len; i++)
        nearest_consider(&nearest, programs->items[i]);
    if (str_is_empty(nearest.best))
        option_reject(report, "services", "there is no service \"%.*s\"", STR_ARG(name));
    else
        option_reject(report, "services", "there is no service \"%.*s\", did you mean \"%.*s\"?",
                      STR_ARG(name), STR_ARG(nearest.best));
}

/* Each service has its program beside this one. */
static void check_config(const void *values, const struct settings *settings,
                         struct option_report *report)
{
    const struct launcher_config *config = values;
    struct str_list programs;
    struct arena arena;
    struct err err;
    (void)settings;
    arena_init(&arena, 1 << 20);
    if (!siblings_list(&arena, &programs, &err)) {
        option_reject(report, "services", "%s", err.detail);
        programs.len = 0;
    }
    for (size_t i = 0; i < config->services.len && programs.len > 0; i++) {
        if (!is_one_of(config->services.items[i], &programs))
            reject_service(config->services.items[i], &programs, report);
    }
    arena_release(&arena);
}

/* What other services need until they have drained. */
static const char *const needed_last[] = {"store", "dns-resolver"};

struct launcher {
    struct service *service;
    const struct launcher_config *config;
    struct child *children;
    size_t child_count;
    int pid_file;
    struct layout_path pid_path;
    pthread_t main_thread;
    int64_t started_ms;
    bool all_were_ready;
    const struct child *hopeless; /* the first that cannot start */
    atomic_size_t ready_count;
    atomic_bool draining;
    atomic_bool reloading; /* SIGHUP is to be passed on */
};

void launcher_block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGNAL_WAKE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* ---- The pid file */

/* Waits for the children of a launcher that was killed: they hold the lock. */
static bool lock_pid_file(struct launcher *l, struct err *err)
{
    int64_t give_up_ms = clock_monotonic_ms() + ORPHANS_WAIT_MS;
    bool said = false;
    while (flock(l->pid_file, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return err_set_errno(err, errno, "%s", l->pid_path.text);
        if (clock_monotonic_ms() > give_up_ms)
            return err_set(err, ERR_CONFLICT, "%s: services of an earlier launcher still run",
                           l->pid_path.text);
        if (!said)
            log_info(&l->service->log, "waiting for services of an earlier launcher");
        said = true;
        usleep(20000);
    }
    return true;
}

/* The descriptor is left open for children, which thereby share the lock. */
static bool take_pid_file(struct launcher *l, struct err *err)
{
    snprintf(l->pid_path.text, sizeof(l->pid_path.text), "%.*s/mailrail.pid",
             STR_ARG(l->service->settings->run));
    l->pid_file = open(l->pid_path.text, O_RDWR | O_CREAT, 0600);
    if (l->pid_file < 0)
        return err_set_errno(err, errno, "%s", l->pid_path.text);
    TRY(lock_pid_file(l, err));
    char text[32];
    int len = snprintf(text, sizeof(text), "%d\n", getpid());
    if (ftruncate(l->pid_file, 0) < 0 || pwrite(l->pid_file, text, (size_t)len, 0) != len)
        return err_set_errno(err, errno, "%s", l->pid_path.text);
    return true;
}

/* ---- Start */

static bool prepare_child(struct launcher *l, struct child *child, struct str name,
                          struct str directory, struct err *err)
{
    struct arena *arena = &l->service->arena;
    struct str run = l->service->settings->run;
    struct metric_family *exits =
        metrics_counter(l->service->metrics, "mailrail_launcher_exits_total",
                        "Services that ended abnormally", "service", "how", NULL);
    child->name = arena_cstr(arena, name);
    child->pause_max_ms = (int64_t)l->config->restart_pause_max_ms;
    child->program = arena_printf(arena, "%.*s/mailrail-%s", STR_ARG(directory), child->name).ptr;
    child->health = arena_printf(arena, "%.*s/%s.health", STR_ARG(run), child->name).ptr;
    child->exits_status = metric_with(exits, child->name, "status", NULL);
    child->exits_signal = metric_with(exits, child->name, "signal", NULL);
    if (access(child->program, X_OK) < 0)
        return err_set_errno(err, errno, "launcher.services: %s", child->program);
    return true;
}

static bool start(struct service *service, struct err *err)
{
    struct launcher *l = arena_new(&service->arena, struct launcher);
    struct str directory;
    BUG_ON(!l);
    service->state = l;
    l->service = service;
    l->config = service->config;
    l->main_thread = pthread_self();
    l->started_ms = clock_monotonic_ms();
    l->pid_file = -1;
    TRY(take_pid_file(l, err));
    TRY(siblings_directory(&service->arena, &directory, err));
    l->child_count = l->config->services.len;
    l->children = arena_new_array(&service->arena, l->child_count + 1, struct child);
    BUG_ON(!l->children);
    for (size_t i = 0; i < l->child_count; i++)
        TRY(prepare_child(l, &l->children[i], l->config->services.items[i], directory, err));
    return true;
}

/* ---- Watching children */

static struct child *child_of(struct launcher *l, pid_t pid)
{
    for (size_t i = 0; i < l->child_count; i++) {
        if (l->children[i].pid == pid)
            return &l->children[i];
    }
    return NULL;
}

/* A first start that fails means that something is set up wrongly, and a restart will not mend it;
 * neither will it mend a configuration that became wrong. */
static bool is_hopeless(const struct launcher *l, const struct child *child, int status)
{
    bool exited = WIFEXITED(status);
    return (exited && WEXITSTATUS(status) == EXIT_STATUS_USAGE) ||
           (exited && !child->was_ready && !l->all_were_ready);
}

static void child_has_ended(struct launcher *l, struct child *child, int status)
{
    char how[64];
    struct log_ctx *log = &l->service->log;
    child_describe_end(status, how, sizeof(how));
    if (child->state == CHILD_READY)
        atomic_fetch_sub(&l->ready_count, 1);
    child_ended(child, status);
    if (atomic_load(&l->draining)) {
        log_debug(log, "service stopped", LOG_CSTR("service", child->name));
    } else if (is_hopeless(l, child, status)) {
        log_error(log, "service cannot start, stopping all", LOG_CSTR("service", child->name),
                  LOG_CSTR("how", how));
        if (!l->hopeless)
            l->hopeless = child;
    } else {
        log_warn(log, "service ended, starting it again", LOG_CSTR("service", child->name),
                 LOG_CSTR("how", how), LOG_I64("pause_ms", child->pause_ms));
    }
}

static void reap(struct launcher *l)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        struct child *child = child_of(l, pid);
        if (child)
            child_has_ended(l, child, status);
    }
}

static void start_due(struct launcher *l)
{
    int64_t now = clock_monotonic_ms();
    for (size_t i = 0; i < l->child_count; i++) {
        struct child *child = &l->children[i];
        struct err err;
        if (child->state != CHILD_DOWN || child->start_ms > now)
            continue;
        if (!child_start(child, l->service->config_path, &err)) {
            log_error(&l->service->log, "cannot start", LOG_CSTR("service", child->name),
                      LOG_ERR(&err));
            child->start_ms = now + 1000;
        }
    }
}

static void note_ready(struct launcher *l, const struct child *child)
{
    int64_t now = clock_monotonic_ms();
    size_t ready = atomic_fetch_add(&l->ready_count, 1) + 1;
    log_info(&l->service->log, "service ready", LOG_CSTR("service", child->name),
             LOG_I64("after_ms", now - child->started_ms));
    if (ready == l->child_count && !l->all_were_ready) {
        l->all_were_ready = true;
        log_info(&l->service->log, "all services ready", LOG_I64("after_ms", now - l->started_ms));
    }
}

/* A child that still starts may not have a handler for the signal yet. */
static void pass_on_reload(struct launcher *l)
{
    bool all = atomic_exchange(&l->reloading, false);
    for (size_t i = 0; i < l->child_count; i++) {
        struct child *child = &l->children[i];
        child->reload_due |= all;
        if (child->state == CHILD_READY && child->reload_due) {
            kill(child->pid, SIGHUP);
            child->reload_due = false;
        }
    }
}

static void ask_starting(struct launcher *l)
{
    for (size_t i = 0; i < l->child_count; i++) {
        struct child *child = &l->children[i];
        if (child->state == CHILD_STARTING && child_becomes_ready(child))
            note_ready(l, child);
    }
}

/* When something is to do again, if no signal comes before. */
static int64_t next_due_ms(const struct launcher *l)
{
    int64_t now = clock_monotonic_ms(), due = now + POLL_IDLE_MS;
    for (size_t i = 0; i < l->child_count; i++) {
        const struct child *child = &l->children[i];
        int64_t at = due;
        if (child->state == CHILD_DOWN)
            at = child->start_ms;
        else if (child->state == CHILD_STARTING)
            at = now + POLL_STARTING_MS;
        due = at < due ? at : due;
    }
    return due;
}

/* Waits for a child's end, for something to pass on, or until `due_ms`. */
static void wait_for_signal(int64_t due_ms)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGNAL_WAKE);
    int ms = clock_poll_timeout(due_ms);
    sigtimedwait(&set, NULL,
                 &(struct timespec){.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000});
}

/* ---- Stopping children */

static bool is_needed_last(const struct child *child)
{
    for (size_t i = 0; i < ARRAY_LEN(needed_last); i++) {
        if (strcmp(child->name, needed_last[i]) == 0)
            return true;
    }
    return false;
}

static size_t signal_stage(struct launcher *l, bool last, int signal_number)
{
    size_t alive = 0;
    for (size_t i = 0; i < l->child_count; i++) {
        const struct child *child = &l->children[i];
        if (child->pid == 0 || is_needed_last(child) != last)
            continue;
        alive++;
        if (signal_number != 0)
            kill(child->pid, signal_number);
    }
    return alive;
}

static void stop_stage(struct launcher *l, bool last)
{
    int64_t give_up_ms = clock_monotonic_ms() + (int64_t)l->config->grace_ms;
    signal_stage(l, last, SIGTERM);
    bool killed = false;
    while (signal_stage(l, last, 0) > 0) {
        if (!killed && clock_monotonic_ms() >= give_up_ms) {
            log_warn(&l->service->log, "services did not stop in time and are killed");
            signal_stage(l, last, SIGKILL);
            killed = true;
        }
        wait_for_signal(killed ? CLOCK_NEVER : give_up_ms);
        reap(l);
    }
}

/* ---- The service */

/* The last line of the log, below those of all the others, which have stopped. */
static void say_last_words(const struct launcher *l)
{
    log_error(&l->service->log,
              "stopped, since a service cannot start: see its line with l=error above",
              LOG_CSTR("service", l->hopeless->name));
}

static void run(struct service *service)
{
    struct launcher *l = service->state;
    while (!atomic_load(&l->draining) && !l->hopeless) {
        start_due(l);
        wait_for_signal(next_due_ms(l));
        reap(l);
        ask_starting(l);
        pass_on_reload(l);
    }
    atomic_store(&l->draining, true);
    stop_stage(l, false);
    stop_stage(l, true);
    if (l->hopeless)
        say_last_words(l);
    service->failed = l->hopeless != NULL;
}

static void drain(struct service *service)
{
    struct launcher *l = service->state;
    atomic_store(&l->draining, true);
    pthread_kill(l->main_thread, SIGNAL_WAKE);
}

static bool reload(struct service *service, struct err *err UNUSED)
{
    struct launcher *l = service->state;
    atomic_store(&l->reloading, true);
    pthread_kill(l->main_thread, SIGNAL_WAKE);
    return true;
}

static void stop(struct service *service)
{
    struct launcher *l = service->state;
    if (!l || l->pid_file < 0)
        return;
    unlink(l->pid_path.text);
    close(l->pid_file);
}

static bool ready(struct service *service, struct err *err)
{
    struct launcher *l = service->state;
    size_t count = atomic_load(&l->ready_count);
    return count == l->child_count ||
           err_set(err, ERR_STATE, "%zu of %zu services ready", count, l->child_count);
}

const struct service_definition launcher_definition = {
    .name = "launcher",
    .summary = "runs all services of one host",
    .options = launcher_options,
    .option_count = ARRAY_LEN(launcher_options),
    .config_size = sizeof(struct launcher_config),
    .check = check_config,
    .start = start,
    .run = run,
    .drain = drain,
    .stop = stop,
    .ready = ready,
    .reload = reload,
};
