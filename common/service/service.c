#include "common/service/service.h"

#include "common/base/bug.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/version.h"
#include "common/http/health.h"
#include "common/service/arguments.h"
#include "common/service/layout.h"
#include "common/service/signals.h"
#include "common/service/surroundings.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONFIG_ARENA_MAX (16u << 20)
#define PRINTED_MAX (4u << 20)
#define HEALTH_TIMEOUT_MS 5000
#define EXIT_USAGE 2

static const struct option common_options[] = {
    OPTION_STRING(service_common, metrics_listen, "",
                  "address:port for /healthz, /readyz and /metrics over HTTP; empty: none"),
};

/* The process: what `struct service` shows, and what it hides. */
struct process {
    struct service service;
    const struct service_definition *definition;
    struct settings settings;
    struct service_common common;
    struct log *log;
    struct health_server *health;
    struct signals signals;
    char group_name[64]; /* the service's name with "_" for "-" */
    char health_path[LAYOUT_PATH_MAX];
    atomic_bool started;
    atomic_bool draining;
    pthread_mutex_t lock; /* with `drained`: for services without a `run` */
    pthread_cond_t drained;
};

uint64_t service_next_cid(void)
{
    static atomic_uint_fast64_t next;
    uint_fast64_t unset = 0;
    atomic_compare_exchange_strong(&next, &unset, (uint_fast64_t)clock_wall_ms());
    return atomic_fetch_add(&next, 1);
}

/* ---- Configuration */

#define GROUPS_MAX 4

static void check_common(const void *values, struct option_report *report)
{
    const struct service_common *common = values;
    struct ip ip;
    uint16_t port;
    if (common->metrics_listen.len > 0 && !health_address_parse(common->metrics_listen, &ip, &port))
        option_reject(report, "metrics_listen", "\"%.*s\" is not address:port",
                      STR_ARG(common->metrics_listen));
}

struct option_group service_common_group(const char *group_name, struct service_common *common)
{
    return (struct option_group){.name = group_name,
                                 .options = common_options,
                                 .count = ARRAY_LEN(common_options),
                                 .values = common,
                                 .check = check_common};
}

static void check_service(const void *values, struct option_report *report)
{
    const struct process *p = values;
    p->definition->check(p->service.config, &p->settings, report);
}

/* The last one has no options: it checks the service's own against the common ones. */
static size_t fill_groups(struct process *p, struct option_group *groups)
{
    const struct service_definition *d = p->definition;
    groups[0] = settings_group(&p->settings);
    groups[1] = (struct option_group){.name = p->group_name,
                                      .options = d->options,
                                      .count = d->option_count,
                                      .values = p->service.config};
    groups[2] = service_common_group(p->group_name, &p->common);
    groups[3] = (struct option_group){
        .name = p->group_name, .values = p, .check = d->check ? check_service : NULL};
    return GROUPS_MAX;
}

static bool read_config(struct process *p, const char *path, struct buf *all_errors,
                        struct err *err)
{
    struct option_group groups[GROUPS_MAX];
    size_t count = fill_groups(p, groups);
    return options_read(path, groups, count, &p->service.arena, all_errors, err);
}

static int fail_config(const struct process *p, const struct err *err)
{
    fprintf(stderr, "mailrail-%s: %s\n", p->definition->name, err->detail);
    return EXIT_USAGE;
}

static int check_config(struct process *p, const char *path)
{
    struct buf all_errors;
    struct err err;
    buf_init(&all_errors, PRINTED_MAX);
    bool ok = read_config(p, path, &all_errors, &err);
    fprintf(stderr, "%.*s", STR_ARG(buf_str(&all_errors)));
    buf_release(&all_errors);
    return ok ? EXIT_SUCCESS : EXIT_USAGE;
}

static int print_config(struct process *p)
{
    struct option_group groups[GROUPS_MAX];
    struct buf text;
    buf_init(&text, PRINTED_MAX);
    options_print(groups, fill_groups(p, groups), &text);
    printf("%.*s", STR_ARG(buf_str(&text)));
    buf_release(&text);
    return EXIT_SUCCESS;
}

/* Only the service's own group: the common options are described once, by `mailrail`. */
static int describe_config(struct process *p)
{
    struct option_group groups[GROUPS_MAX];
    struct buf text;
    buf_init(&text, PRINTED_MAX);
    options_describe(groups + 1, fill_groups(p, groups) - 1, &text);
    printf("%.*s", STR_ARG(buf_str(&text)));
    buf_release(&text);
    return EXIT_SUCCESS;
}

/* ---- Health */

static bool is_ready(void *user, struct err *err)
{
    struct process *p = user;
    if (!atomic_load(&p->started))
        return err_set(err, ERR_STATE, "starting");
    if (atomic_load(&p->draining))
        return err_set(err, ERR_STATE, "draining");
    return !p->definition->ready || p->definition->ready(&p->service, err);
}

static void write_metrics(void *user, struct buf *out)
{
    struct process *p = user;
    struct metric_family *lines = metrics_gauge(p->service.metrics, "mailrail_log_lines",
                                                "Lines logged since the start", "level", NULL);
    for (enum log_level level = LOG_ERROR; level <= LOG_INFO; level++)
        metric_set(metric_with(lines, log_level_name(level), NULL),
                   (int64_t)log_count(p->log, level));
    metrics_write(p->service.metrics, out);
}

static bool start_health(struct process *p, struct err *err)
{
    const struct health_ops ops = {is_ready, write_metrics, p};
    p->health = health_server_new(p->health_path, &ops, err);
    if (!p->health)
        return err_wrap(err, "health");
    if (p->common.metrics_listen.len > 0 &&
        !health_server_listen(p->health, p->common.metrics_listen, err))
        return err_wrap(err, "metrics_listen");
    return true;
}

static int ask_health(const struct process *p)
{
    struct buf body;
    struct err err;
    unsigned status;
    buf_init(&body, 4096);
    if (!health_get(p->health_path, "/readyz", HEALTH_TIMEOUT_MS, &status, &body, &err)) {
        fprintf(stderr, "mailrail-%s: %s\n", p->definition->name, err.detail);
        return EXIT_FAILURE;
    }
    struct str text = str_trim(buf_str(&body));
    printf("%.*s\n", STR_ARG(text));
    buf_release(&body);
    return status == 200 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- Serving */

static void terminate(void *user)
{
    struct process *p = user;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->draining, true);
    pthread_cond_broadcast(&p->drained);
    pthread_mutex_unlock(&p->lock);
    log_info(&p->service.log, "draining");
    if (atomic_load(&p->started) && p->definition->drain)
        p->definition->drain(&p->service);
}

static void reload(void *user)
{
    struct process *p = user;
    struct err err;
    if (!p->definition->reload || !atomic_load(&p->started))
        return;
    if (p->definition->reload(&p->service, &err))
        log_info(&p->service.log, "reloaded");
    else
        log_error(&p->service.log, "cannot reload", LOG_ERR(&err));
}

static void wait_for_drain(struct process *p)
{
    pthread_mutex_lock(&p->lock);
    while (!atomic_load(&p->draining))
        pthread_cond_wait(&p->drained, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

/* Between start and stop. */
static bool run(struct process *p, struct err *err)
{
    log_info(&p->service.log, "started", LOG_CSTR("version", MAILRAIL_VERSION),
             LOG_I64("pid", getpid()));
    if (p->definition->run)
        p->definition->run(&p->service);
    else
        wait_for_drain(p);
    return p->service.failed || atomic_load(&p->draining) ||
           err_set(err, ERR_INTERNAL, "ended without being told to");
}

/* Everything that may fail before the service serves. */
static bool start(struct process *p, struct err *err)
{
    TRY(surroundings_make_run(&p->settings, err));
    TRY(p->definition->without_data || surroundings_check_data(&p->settings, err));
    TRY(start_health(p, err));
    TRY(!p->definition->start || p->definition->start(&p->service, err));
    atomic_store(&p->started, true);
    const struct signal_handlers handlers = {terminate, reload, p};
    return signals_start(&p->signals, &handlers, err);
}

/* Half a start is not undone: the process ends, and the kernel takes back what it had. */
NORETURN static void fail_start(struct process *p, const struct err *err)
{
    log_error(&p->service.log, "cannot start", LOG_ERR(err));
    health_server_free(p->health);
    _exit(EXIT_FAILURE);
}

/* Work that has not ended in time uses what would be freed now: the process ends as it is, and what
 * was not answered counts as not done. */
NORETURN static void leave(struct process *p, int status)
{
    log_warn(&p->service.log, "left work unfinished");
    _exit(status);
}

static int serve(struct process *p)
{
    struct err err;
    surroundings_prepare();
    signals_block();
    p->log = surroundings_make_log(&p->settings);
    p->service.log = log_root(p->log, p->definition->name);
    p->service.metrics = metrics_new();
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->drained, NULL);

    if (!start(p, &err))
        fail_start(p, &err);
    bool ok = run(p, &err);
    signals_stop(&p->signals);
    health_server_free(p->health); /* it asks what is stopped next */
    if (p->definition->stop)
        p->definition->stop(&p->service);
    if (!ok)
        log_error(&p->service.log, "cannot go on", LOG_ERR(&err));
    else if (!p->service.failed)
        log_info(&p->service.log, "stopped");

    int status = ok && !p->service.failed ? EXIT_SUCCESS : EXIT_FAILURE;
    if (p->service.is_busy)
        leave(p, status);
    metrics_free(p->service.metrics);
    log_free(p->log);
    return status;
}

static int act(struct process *p, const struct arguments *arguments)
{
    struct err err;
    p->service.config_path = arguments->config_path;
    switch (arguments->action) {
    case SERVICE_VERSION:
        printf("%s\n", MAILRAIL_PRODUCT);
        return EXIT_SUCCESS;
    case SERVICE_HELP:
        arguments_print_help(p->definition->name, p->definition->summary);
        return EXIT_SUCCESS;
    case SERVICE_DESCRIBE_CONFIG:
        return describe_config(p);
    case SERVICE_CHECK_CONFIG:
        return check_config(p, arguments->config_path);
    default:
        break;
    }
    if (!read_config(p, arguments->config_path, NULL, &err))
        return fail_config(p, &err);
    snprintf(p->health_path, sizeof(p->health_path), "%.*s/%s.health", STR_ARG(p->settings.run),
             p->definition->name);
    if (arguments->action == SERVICE_PRINT_CONFIG)
        return print_config(p);
    return arguments->action == SERVICE_HEALTH ? ask_health(p) : serve(p);
}

static struct process *process_new(const struct service_definition *definition)
{
    struct process *p = xcalloc(1, sizeof(*p));
    p->definition = definition;
    p->service.name = definition->name;
    p->service.settings = &p->settings;
    p->service.config = xcalloc(1, definition->config_size);
    arena_init(&p->service.arena, CONFIG_ARENA_MAX);
    snprintf(p->group_name, sizeof(p->group_name), "%s", definition->name);
    for (char *c = p->group_name; *c != '\0'; c++)
        *c = *c == '-' ? '_' : *c;
    return p;
}

static void process_free(struct process *p)
{
    arena_release(&p->service.arena);
    free(p->service.config);
    free(p);
}

int service_main(int argc, char **argv, const struct service_definition *definition)
{
    struct process *p = process_new(definition);
    struct arguments arguments;
    struct err err;
    int status =
        arguments_parse(argc, argv, &arguments, &err) ? act(p, &arguments) : fail_config(p, &err);
    process_free(p);
    return status;
}
