/* To another server: hosts in order, a connection, a transaction (spec 10 C12 to C19). */
#include "services/queue-deliverer/remote.h"

#include "common/base/clock.h"
#include "services/queue-deliverer/content.h"
#include "services/queue-deliverer/handover.h"
#include "services/queue-deliverer/hosts.h"

#include <stdlib.h>

#define DIAL_MS 30000

/* One attempt. */
struct attempt {
    struct delivery *d;
    struct track *track;
    struct job *job;
    struct str file;
    struct arena arena;
    struct verdict failure; /* of the last host that could not be talked to */
    bool has_failure;
    bool dual_stack; /* the host in hand has addresses of both families */
    size_t *index;   /* recipients of the job in the letter that is being sent */
};

/* Delivered or refused for good: other hosts are not asked. */
static bool is_settled(const struct verdict *verdict)
{
    return verdict->kind == VERDICT_DELIVERED || verdict->kind == VERDICT_PERMANENT;
}

static bool all_settled(const struct job *job)
{
    for (size_t i = 0; i < job->recipient_count; i++)
        if (!is_settled(&job->recipients[i].verdict))
            return false;
    return true;
}

static void settle_all(struct job *job, const struct verdict *verdict)
{
    for (size_t i = 0; i < job->recipient_count; i++)
        if (!is_settled(&job->recipients[i].verdict))
            job->recipients[i].verdict = *verdict;
}

/* ---- Transaction */

/* Spec 10 C13: who refuses an address by policy may take the other family's. */
static void soften(const struct attempt *a, struct verdict *verdict)
{
    if (a->job->attempt == 1 && a->dual_stack && verdict->kind == VERDICT_PERMANENT &&
        verdict->enhanced[0] == 5 && verdict->enhanced[1] == 7)
        verdict->kind = VERDICT_TEMPORARY;
}

/* Recipients of the letter as those of the job, which may have got verdicts before. */
static size_t map_recipients(const struct attempt *a, const size_t *from, size_t count,
                             size_t to[CLIENT_RECIPIENTS_MAX])
{
    for (size_t i = 0; i < count; i++)
        to[i] = a->index[from[i]];
    return count;
}

static bool on_commit(void *user, const size_t *recipients, size_t count)
{
    const struct attempt *a = user;
    size_t of_job[CLIENT_RECIPIENTS_MAX];
    return handover_commit(a->job, of_job, map_recipients(a, recipients, count, of_job));
}

static void on_answered(void *user, const size_t *recipients, size_t count, bool taken)
{
    const struct attempt *a = user;
    size_t of_job[CLIENT_RECIPIENTS_MAX];
    handover_answered(a->job, of_job, map_recipients(a, recipients, count, of_job), taken);
}

static void send_job(struct attempt *a)
{
    struct job *job = a->job;
    struct client *client = a->track->client;
    struct address *to = arena_new_array(&a->arena, job->recipient_count, struct address);
    struct verdict *verdicts = arena_new_array(&a->arena, job->recipient_count, struct verdict);
    size_t count = 0;
    a->index = arena_new_array(&a->arena, job->recipient_count, size_t);
    if (!a->index || !to || !verdicts || !handover_begin(job))
        return;
    for (size_t i = 0; i < job->recipient_count; i++) {
        if (is_settled(&job->recipients[i].verdict))
            continue;
        a->index[count] = i;
        to[count++] = job->recipients[i].address;
    }
    const struct letter letter = {
        .mail_from = job->mail_from,
        .recipients = to,
        .recipient_count = count,
        .prefix = job->prefix,
        .file = a->file,
        .has_8bit = job->has_8bit,
        .smtputf8 = job->smtputf8,
        .gate = {on_commit, on_answered, a},
    };
    client_send(client, &letter, verdicts);
    for (size_t i = 0; i < count; i++) {
        struct recipient *r = &job->recipients[a->index[i]];
        if (verdicts[i].kind == VERDICT_OPEN)
            continue;
        soften(a, &verdicts[i]);
        r->verdict = verdicts[i];
        recipient_set_remote(job, r, client_host(client), str_from_cstr(client_ip(client)));
    }
}

/* ---- Connection */

static void count_connection(struct delivery *d, const char *result)
{
    metric_add(metric_with(d->connections, result, NULL), 1);
}

/* RFC 7435: where TLS does not come about, a second connection goes without it. */
static bool open_address(struct attempt *a, const struct client_target *target,
                         struct client_failure *ret_failure)
{
    struct delivery *d = a->d;
    struct log_ctx log = log_child(&d->log, "smtp-client", a->job->cid);
    bool ok = client_open(target, &log, &a->track->client, ret_failure);
    if (!ok && ret_failure->tls_failed) {
        struct client_target plain = *target;
        plain.tls = false;
        plain.connect_by_ms = clock_monotonic_ms() + DIAL_MS;
        log_info(&log, "TLS failed, trying without", LOG_STR("host", target->host),
                 LOG_CSTR("err", ret_failure->verdict.text));
        count_connection(d, "tls_failed");
        ok = client_open(&plain, &log, &a->track->client, ret_failure);
    }
    count_connection(d, !ok ? "failed" : client_is_tls(a->track->client) ? "tls" : "plain");
    return ok;
}

/* The addresses of a host share the time for dialling. False with the failure of the last one. */
static bool open_host(struct attempt *a, const struct host *host)
{
    struct ip *ips = NULL;
    size_t count;
    struct client_failure failure = {0};
    a->has_failure = true;
    if (!hosts_addresses(a->d->backend, a->job, host, &a->arena, &ips, &count, &a->failure))
        return false;
    a->dual_stack = false;
    for (size_t i = 1; i < count; i++)
        a->dual_stack |= ips[i].is_v6 != ips[0].is_v6;
    int64_t end_ms = clock_monotonic_ms() + DIAL_MS;
    for (size_t i = 0; i < count; i++) {
        int64_t now_ms = clock_monotonic_ms();
        char text[IP_TEXT_SIZE];
        const struct client_target target = {
            .host = host->name,
            .ip = ips[i],
            .port = host->port,
            .hostname = a->d->settings->hostname,
            .tls = a->d->config->starttls,
            .connect_by_ms = now_ms + (end_ms - now_ms) / (int64_t)(count - i),
        };
        bool ok = open_address(a, &target, &failure);
        ip_format(ips[i], text);
        if (ok || failure.connected)
            job_add_dialed(a->job, host->name, str_from_cstr(text));
        if (ok)
            return true;
        a->failure = failure.verdict;
        if (failure.connected)
            return false;
    }
    return false;
}

/* Transactions on what is open; a session that ended while it was idle leaves the job as it was.
 * The rest of a message that RCPTMAX cut is sent over the same connection. */
static void use_connection(struct attempt *a)
{
    send_job(a);
    if (!client_is_usable(a->track->client) ||
        client_messages(a->track->client) >= a->d->config->messages_per_connection)
        track_close(a->track);
}

static bool is_host(const struct host *host, struct str name)
{
    return str_eq_nocase(host->name, name);
}

static bool has_temporary(const struct job *job)
{
    for (size_t i = 0; i < job->recipient_count; i++)
        if (job->recipients[i].verdict.kind == VERDICT_TEMPORARY)
            return true;
    return false;
}

/* The host that the open connection leads to has had its say when it answered anything. */
static struct str use_kept_connection(struct attempt *a)
{
    if (!a->track->client)
        return STR("");
    struct str host = arena_copy(&a->arena, client_host(a->track->client));
    use_connection(a);
    return has_temporary(a->job) ? host : STR("");
}

static void try_hosts(struct attempt *a, const struct host *hosts, size_t count, struct str tried)
{
    for (size_t i = 0; i < count && !all_settled(a->job) && !handover_is_given_back(a->job); i++) {
        if (is_host(&hosts[i], tried))
            continue;
        track_close(a->track);
        if (open_host(a, &hosts[i])) {
            a->has_failure = false;
            use_connection(a);
        } else if (a->failure.kind == VERDICT_POSTPONED ||
                   (a->failure.kind == VERDICT_PERMANENT && a->failure.code != 0)) {
            return; /* nobody tells us addresses, or a server said no for all of them */
        }
    }
}

static void deliver(struct attempt *a)
{
    struct host *hosts = NULL;
    size_t count;
    struct verdict verdict;
    struct str tried = use_kept_connection(a);
    if (all_settled(a->job))
        return;
    if (!hosts_find(a->d->backend, a->d->config, a->job->cid, a->job->domain, &a->arena, &hosts,
                    &count, &verdict)) {
        if (verdict.kind != VERDICT_POSTPONED)
            settle_all(a->job, &verdict);
        job_decide(a->job, verdict);
        return;
    }
    try_hosts(a, hosts, count, tried);
    if (!a->has_failure)
        return;
    /* What some server said of a recipient stands; the failure to reach another one does not. */
    if (a->failure.kind == VERDICT_PERMANENT && (a->failure.code != 0 || count == 1))
        settle_all(a->job, &a->failure);
    else if (a->failure.kind == VERDICT_PERMANENT)
        a->failure.kind = VERDICT_TEMPORARY;
    job_decide(a->job, a->failure);
}

void remote_deliver(struct delivery *d, struct track *track, struct job *job, struct str file)
{
    struct attempt a = {.d = d, .track = track, .job = job, .file = file};
    struct err err;
    /* RFC 8689 4.2.1: no policy vouches for any server yet. */
    if (job->tls_required) {
        job_decide(job, verdict_make(VERDICT_PERMANENT, 7, 30,
                                     "no server of the domain is known to keep REQUIRETLS"));
        return;
    }
    if (!content_check(job->prefix, &err) || !content_check(file, &err)) {
        err_wrap(&err, "message text");
        job_decide(job, verdict_of_err(&err));
        return;
    }
    arena_init(&a.arena, 8u << 20);
    deliver(&a);
    arena_release(&a.arena);
    job_decide(job, verdict_make(VERDICT_TEMPORARY, 4, 0, "the attempt came to no end"));
}
