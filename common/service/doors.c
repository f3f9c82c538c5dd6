/* A service's doors: those it knocks at, and those it opens. */
#include "common/service/service.h"

#include "common/base/bug.h"
#include "common/service/door.h"

#define REQUEST_MAX (16u << 20)

struct rpc_client *service_connect(struct service *service, const char *door,
                                   const ProtobufCServiceDescriptor *descriptor, struct err *err)
{
    return rpc_client_new(door_address(service->settings, service->name, door, &service->arena),
                          descriptor, err);
}

struct event_subscriber *service_subscribe(struct service *service, const char *door,
                                           const struct event_handler *handler, struct err *err)
{
    return event_subscriber_new(
        door_address(service->settings, service->name, door, &service->arena), handler, err);
}

struct event_publisher *service_open_events(struct service *service, const char *door,
                                            struct err *err)
{
    return event_publisher_new(
        door_address(service->settings, service->name, door, &service->arena), 0660, err);
}

/* What the `finished` hook of one door needs; lives as long as the process. */
struct door_watch {
    struct service *service;
    const char *door;
    struct metric_family *calls;
    struct metric_family *seconds;
};

/* A failure that only the administrator can end is an error; one that passes is a warning; what the
 * caller did wrong is the caller's to log. */
static enum log_level level_of(const struct err *err)
{
    if (!err)
        return LOG_DEBUG;
    switch (err->kind) {
    case ERR_CORRUPT:
    case ERR_INTERNAL:
    case ERR_NO_SPACE:
        return LOG_ERROR;
    case ERR_TEMPORARY:
    case ERR_TIMEOUT:
    case ERR_UNAVAILABLE:
        return LOG_WARN;
    default:
        return LOG_DEBUG;
    }
}

static void call_finished(void *user, const struct rpc_call *call, const struct err *err,
                          int64_t duration_us)
{
    const struct door_watch *watch = user;
    const char *method = call->method ? call->method : "unknown";
    const char *result = err ? err_kind_name(err->kind) : "ok";
    metric_add(metric_with(watch->calls, watch->door, method, result, NULL), 1);
    metric_observe_us(metric_with(watch->seconds, watch->door, method, NULL), duration_us);

    struct log_ctx log = log_child(&watch->service->log, NULL, call->cid);
    enum log_level level = level_of(err);
    if (!log_is_on(&log, level))
        return;
    if (err)
        log_write(&log, level, "call failed", LOG_CSTR("door", watch->door),
                  LOG_CSTR("method", method), LOG_ERR(err), LOG_I64("duration_us", duration_us),
                  LOG_END);
    else
        log_write(&log, level, "call", LOG_CSTR("door", watch->door), LOG_CSTR("method", method),
                  LOG_I64("duration_us", duration_us), LOG_END);
}

struct rpc_server *service_open_door(struct service *service, const char *door,
                                     ProtobufCService *handlers, unsigned workers, void *user,
                                     struct err *err)
{
    struct door_watch *watch = arena_new(&service->arena, struct door_watch);
    BUG_ON(!watch);
    *watch = (struct door_watch){
        .service = service,
        .door = door,
        .calls = metrics_counter(service->metrics, "mailrail_rpc_calls_total",
                                 "Calls served, by door, method and result", "door", "method",
                                 "result", NULL),
        .seconds = metrics_histogram(service->metrics, "mailrail_rpc_seconds",
                                     "Time from request to reply, by door and method", "door",
                                     "method", NULL),
    };
    const struct rpc_door opened = {
        .at = door_address(service->settings, service->name, door, &service->arena),
        .service = handlers,
        .workers = workers,
        .request_max = REQUEST_MAX,
        .has_secrets = door_has_secrets(door),
        .user = user,
        .finished = call_finished,
        .finished_user = watch,
    };
    return rpc_server_new(&opened, err);
}
