#include "services/queue-deliverer/delivery.h"

#include "common/base/clock.h"
#include "common/sys/file.h"
#include "services/queue-deliverer/handover.h"
#include "services/queue-deliverer/hosts.h"
#include "services/queue-deliverer/local.h"
#include "services/queue-deliverer/notify.h"
#include "services/queue-deliverer/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#define REMOTE_MEMORY_MS 5000

void delivery_init(struct delivery *d, struct backend *backend, struct service *service)
{
    *d = (struct delivery){.backend = backend,
                           .config = service->config,
                           .settings = service->settings,
                           .log = service->log};
    struct metrics *m = service->metrics;
    d->attempts =
        metrics_counter(m, "mailrail_deliverer_attempts_total",
                        "Attempts to deliver, by result for each recipient", "result", NULL);
    d->connections =
        metrics_counter(m, "mailrail_deliverer_connections_total",
                        "Connections to other servers, by how they came about", "result", NULL);
    d->notices = metric_with(
        metrics_counter(m, "mailrail_deliverer_notices_total", "DSNs given to senders", NULL),
        NULL);
    d->duration = metric_with(metrics_histogram(m, "mailrail_deliverer_attempt_seconds",
                                                "Time that an attempt took", NULL),
                              NULL);
}

void track_close(struct track *track)
{
    client_close(track->client);
    track->client = NULL;
}

/* ---- The text */

struct text {
    int fd;
    struct file_map map;
    struct str bytes;
};

static bool open_file(const struct delivery *d, const struct job *job, struct text *ret,
                      struct err *err)
{
    struct layout_path path = layout_queue_message(d->settings->data, job->base_id);
    ret->fd = open(path.text, O_RDONLY | O_CLOEXEC);
    if (ret->fd < 0)
        return err_set_errno(err, errno, "%s", path.text);
    TRY(file_map_open(ret->fd, &ret->map, err));
    ret->bytes = ret->map.bytes;
    return true;
}

static bool open_text(const struct delivery *d, const struct job *job, struct text *ret,
                      struct err *err)
{
    ret->bytes = job->content;
    if (job->in_file)
        TRY(open_file(d, job, ret, err));
    if (ret->bytes.len == job->file_size)
        return true;
    return err_set(err, ERR_CORRUPT,
                   "submission %" PRIu64 ": text of %zu bytes instead of %" PRIu64, job->base_id,
                   ret->bytes.len, job->file_size);
}

static void close_text(struct text *text)
{
    file_map_close(&text->map);
    fd_cleanup(&text->fd);
}

/* ---- The attempt */

/* A deliverer that dies with a message must not do so for ever: what came back from its last
 * attempt without a result is not tried again. */
static bool used_up(const struct job *job)
{
    for (size_t i = 0; i < job->recipient_count; i++)
        if (job->attempt <= job->recipients[i].max_attempts)
            return false;
    return true;
}

static void attempt(struct delivery *d, struct track *track, struct job *job, struct str text)
{
    struct err err;
    bool local = false;
    if (used_up(job)) {
        job_decide(job, verdict_make(VERDICT_PERMANENT, 4, 7, "no attempt came to an end"));
        return;
    }
    if (!hosts_has_route(d->config, job->domain) &&
        clock_monotonic_ms() >= track->remote_until_ms) {
        if (!local_deliver(d, job, &local, &err)) {
            job_decide(job, verdict_of_call(&err));
            return;
        }
        if (!local)
            track->remote_until_ms = clock_monotonic_ms() + REMOTE_MEMORY_MS;
    }
    if (!local)
        remote_deliver(d, track, job, text);
}

static const char *result_name(const struct job *job, const struct recipient *r)
{
    switch (r->verdict.kind) {
    case VERDICT_DELIVERED:
        return "delivered";
    case VERDICT_TEMPORARY:
        return recipient_has_failed(job, r) ? "given_up" : "temporary";
    case VERDICT_PERMANENT:
        return "permanent";
    case VERDICT_POSTPONED:
        return "postponed";
    case VERDICT_OPEN:
        break;
    }
    return "released";
}

static void report(const struct delivery *d, const struct job *job)
{
    struct log_ctx log = log_child(&d->log, NULL, job->cid);
    metric_observe_us(d->duration, job->duration_ms * 1000);
    for (size_t i = 0; i < job->recipient_count; i++) {
        const struct recipient *r = &job->recipients[i];
        const char *result = result_name(job, r);
        struct verdict_status status = verdict_status(&r->verdict);
        metric_add(metric_with(d->attempts, result, NULL), 1);
        log_info(&log, "delivery attempt", LOG_U64("queueid", r->queue_id),
                 LOG_CSTR("result", result), LOG_STR("account", job->account),
                 LOG_STR("localpart", r->address.localpart), LOG_STR("domain", r->address.domain),
                 LOG_U64("attempt", job->attempt), LOG_U64("code", r->verdict.code),
                 LOG_CSTR("status", status.text), LOG_STR("host", r->remote_host),
                 LOG_STR("ip", r->remote_ip), LOG_CSTR("text", r->verdict.text),
                 LOG_I64("duration_ms", job->duration_ms));
    }
}

void delivery_run(struct delivery *d, struct track *track, struct job *job)
{
    struct text text = {.fd = -1};
    struct err err;
    int64_t begin_ms = clock_monotonic_ms();
    job->started_ms = clock_wall_ms();
    if (open_text(d, job, &text, &err)) {
        attempt(d, track, job, text.bytes);
    } else {
        log_error(&d->log, "message text", LOG_U64("cid", job->cid), LOG_ERR(&err));
        job_decide(job, verdict_make(VERDICT_TEMPORARY, 3, 0, "the message text cannot be read"));
    }
    job->duration_ms = clock_monotonic_ms() - begin_ms;
    handover_end(job);
    notify_senders(d, job, text.bytes);
    report(d, job);
    close_text(&text);
}
