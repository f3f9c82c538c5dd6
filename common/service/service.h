#ifndef COMMON_SERVICE_SERVICE_H
#define COMMON_SERVICE_SERVICE_H

#include "common/bus/events.h"
#include "common/bus/rpc.h"
#include "common/service/settings.h"
#include "common/sys/log.h"
#include "common/sys/metrics.h"

/*
 * What every main() needs, once: arguments, configuration, log, metrics, signals, health, draining.
 *
 *     static const struct service_definition imap = {
 *         .name = "imap", .summary = "IMAP server", .options = imap_options, ...
 *         .start = imap_start, .run = imap_run, .drain = imap_drain, .ready = imap_ready,
 *     };
 *     int main(int argc, char **argv) { return service_main(argc, argv, &imap); }
 *
 * The program then understands: --config FILE (default: $MAILRAIL_CONFIG, else
 * /etc/mailrail/mailrail.conf when there is one), --check-config, --print-config, --describe-config
 * (its options as Markdown), --health (asks the running service, exit status 0 when ready),
 * --version, --help.
 *
 * Signals: SIGTERM and SIGINT call `drain` once, from an ordinary thread; a second one ends the
 * process at once. SIGHUP calls `reload` (certificates). SIGPIPE is ignored. Exit status: 0 after a
 * drain, 1 after a failure (one line says what), 2 for wrong usage or configuration.
 *
 * Health: HTTP on the unix socket `<run>/<name>.health` and, when the service's option
 * `metrics_listen` ("127.0.0.1:8010") is set, on TCP: /healthz (the process lives), /readyz
 * (`ready` says yes, and it is not draining; else 503 with the reason), /metrics.
 */

struct service {
    const char *name;
    struct log_ctx log;
    struct metrics *metrics;
    const struct settings *settings;
    const char *config_path; /* NULL: there is no file */
    void *config;            /* the service's own options, filled */
    void *state;             /* for the service's use */
    bool failed;             /* set by `run`, which has logged why: exit status 1 */
    bool is_busy;            /* set by `stop`: work has not ended in time, and nothing was freed */
    struct arena arena;      /* lives as long as the process */
};

struct service_definition {
    const char *name; /* as in services/NAME; its option group is the name with "_" for "-" */
    const char *summary;
    const struct option *options;
    size_t option_count;
    size_t config_size;
    /* What the rows of the options cannot say; see struct option_group. May be NULL. */
    void (*check)(const void *config, const struct settings *settings,
                  struct option_report *report);
    bool without_data; /* does not touch the data directory; others start only when it is there */
    /* Everything that can fail at start. Failures end the process with one line. */
    bool (*start)(struct service *service, struct err *err);
    /* Serves until drained. NULL: waits for the signal. */
    void (*run)(struct service *service);
    /* Makes `run` return when work in progress is done. Any thread. May be NULL. */
    void (*drain)(struct service *service);
    /* Frees what start made, unless it says that the service is busy. May be NULL. */
    void (*stop)(struct service *service);
    /* Able to do its job now? False with the reason. NULL: always. */
    bool (*ready)(struct service *service, struct err *err);
    /* SIGHUP; failures are logged. May be NULL. */
    bool (*reload)(struct service *service, struct err *err);
};

/* Options that service_main gives to each service's group. */
struct service_common {
    struct str metrics_listen;
};
struct option_group service_common_group(const char *group_name, struct service_common *common);

int service_main(int argc, char **argv, const struct service_definition *definition);

/* A connection to a door by its name, see settings_door_url. */
struct rpc_client *service_connect(struct service *service, const char *door,
                                   const ProtobufCServiceDescriptor *descriptor, struct err *err);
/* The same for the doors of events: "events", "notices", "queueevents" (proto/events.proto). */
struct event_subscriber *service_subscribe(struct service *service, const char *door,
                                           const struct event_handler *handler, struct err *err);
struct event_publisher *service_open_events(struct service *service, const char *door,
                                            struct err *err);
/* Opens a door for others: URL from the settings, `finished` set to the usual log line and
 * metrics. */
struct rpc_server *service_open_door(struct service *service, const char *door,
                                     ProtobufCService *handlers, unsigned workers, void *user,
                                     struct err *err);

/* Connection and task ids: start at the wall clock in milliseconds, unique in this process. */
uint64_t service_next_cid(void);

#endif
