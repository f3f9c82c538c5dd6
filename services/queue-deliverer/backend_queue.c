/* Door `queue`: leases become jobs, jobs become results. */
#include "services/queue-deliverer/backend.h"

#include "common/base/clock.h"
#include "proto/queue.pb-c.h"

#define CALL_MS 10000
#define ARENA_MAX (256u << 20)

/* ---- Lease */

static struct str copy_bytes(struct job *job, ProtobufCBinaryData data)
{
    return arena_copy(&job->arena, str_make(data.data, data.len));
}

static struct str copy_text(struct job *job, const char *text)
{
    return arena_copy(&job->arena, str_from_cstr(text ? text : ""));
}

static struct address copy_address(struct job *job, const Mailrail__MailAddress *from)
{
    if (!from)
        return (struct address){STR(""), STR("")};
    return (struct address){copy_text(job, from->localpart), copy_text(job, from->domain)};
}

static struct job *make_job(const Mailrail__QueuedMessage *m, size_t recipients, unsigned lease_ms)
{
    struct job *job = job_new();
    job->lease_until_ms = clock_monotonic_ms() + lease_ms;
    job->base_id = m->base_id;
    job->cid = m->cid;
    job->account_id = m->account_id;
    job->account = copy_text(job, m->account);
    job->lane = m->lane;
    job->mail_from = copy_address(job, m->mail_from);
    job->is_dsn = m->is_dsn;
    job->prefix = copy_bytes(job, m->prefix);
    job->structure = copy_bytes(job, m->structure);
    job->file_size = m->file_size;
    job->in_file = m->content.len == 0 && m->file_size > 0;
    job->content = copy_bytes(job, m->content);
    job->has_8bit = m->has_8bit;
    job->smtputf8 = m->smtputf8;
    job->tls_required = m->tls == MAILRAIL__TLS_NEED__TLS_NEED_REQUIRED;
    job->message_id = copy_text(job, m->message_id);
    job->subject = copy_text(job, m->subject);
    job->future_release = copy_text(job, m->future_release);
    job->queued_ms = m->queued_ms;
    job->attempt = m->attempt;
    job->recipients = arena_new_array(&job->arena, recipients, struct recipient);
    for (size_t i = 0; i < m->n_dialed; i++)
        job_add_dialed(job, str_from_cstr(m->dialed[i]->host), str_from_cstr(m->dialed[i]->ip));
    job->dialed_before = job->dialed_count;
    return job;
}

static void add_recipient(struct job *job, const Mailrail__QueuedMessage *m)
{
    struct recipient *r = &job->recipients[job->recipient_count++];
    r->queue_id = m->queue_id;
    r->lease = m->lease;
    r->address = copy_address(job, m->recipient);
    r->max_attempts = m->max_attempts;
    r->notify_delay = m->notify_delay;
    r->next_attempt_ms = m->next_attempt_ms;
    r->last_attempt_planned_ms = m->last_attempt_planned_ms;
    job->domain = r->address.domain;
}

static bool same_job(const Mailrail__QueuedMessage *a, const Mailrail__QueuedMessage *b)
{
    return a->base_id == b->base_id && a->lane == b->lane && a->attempt == b->attempt &&
           a->recipient && b->recipient &&
           str_eq(str_from_cstr(a->recipient->domain), str_from_cstr(b->recipient->domain));
}

/* Members of a group are neighbours in the reply. */
static void make_jobs(const Mailrail__LeaseReply *reply, unsigned lease_ms,
                      struct backend_lease *ret)
{
    size_t i = 0;
    while (i < reply->n_messages) {
        size_t end = i + 1;
        while (end < reply->n_messages && same_job(reply->messages[i], reply->messages[end]))
            end++;
        struct job *job = make_job(reply->messages[i], end - i, lease_ms);
        for (; i < end && job->recipients; i++)
            add_recipient(job, reply->messages[i]);
        i = end;
        if (job->arena.exhausted) /* its leases run out, and it comes back */
            job_free(job);
        else
            list_append(&ret->jobs, &job->link);
    }
    ret->number = reply->n_messages > 0 ? reply->messages[0]->lease : 0;
}

bool backend_lease(struct backend *b, unsigned max_messages, unsigned max_domains,
                   unsigned lease_ms, struct backend_lease *ret, struct err *err)
{
    Mailrail__LeaseRequest request = MAILRAIL__LEASE_REQUEST__INIT;
    request.deliverer = b->deliverer;
    request.max_messages = max_messages;
    request.max_domains = max_domains;
    request.lease_ms = lease_ms;
    struct rpc_context context = rpc_context_ms(0, CALL_MS);
    ProtobufCMessage *message;
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    list_init(&ret->jobs);
    bool ok = rpc_call(b->queue, &context, "Lease", &request.base, &arena, &message, err);
    if (ok) {
        const Mailrail__LeaseReply *reply = (const Mailrail__LeaseReply *)message;
        make_jobs(reply, lease_ms, ret);
        ret->more = reply->more;
        int64_t in_ms = reply->next_due_ms - reply->now_ms;
        ret->next_due_in_ms = reply->next_due_ms == 0 ? -1 : in_ms > 0 ? in_ms : 0;
    }
    arena_release(&arena);
    return ok;
}

bool backend_confirm(struct backend *b, uint64_t lease, struct err *err)
{
    Mailrail__ConfirmRequest request = MAILRAIL__CONFIRM_REQUEST__INIT;
    ProtobufCMessage *message;
    struct rpc_context context = rpc_context_ms(0, CALL_MS);
    struct arena arena;
    request.deliverer = b->deliverer;
    request.lease = lease;
    arena_init(&arena, 65536);
    bool ok = rpc_call(b->queue, &context, "Confirm", &request.base, &arena, &message, err);
    arena_release(&arena);
    return ok;
}

/* ---- Finish */

static Mailrail__AttemptResult *make_result(struct arena *arena, const struct job *job,
                                            const struct recipient *r)
{
    Mailrail__AttemptResult *result = arena_new(arena, Mailrail__AttemptResult);
    if (!result)
        return NULL;
    mailrail__attempt_result__init(result);
    result->queue_id = r->queue_id;
    result->lease = r->lease;
    result->outcome = (Mailrail__AttemptOutcome)r->verdict.kind;
    result->code = r->verdict.code;
    result->enhanced = arena_cstr(arena, str_from_cstr(verdict_status(&r->verdict).text));
    result->text = arena_cstr(arena, str_from_cstr(r->verdict.text));
    result->remote_host = arena_cstr(arena, r->remote_host);
    result->remote_ip = arena_cstr(arena, r->remote_ip);
    result->started_ms = job->started_ms;
    result->duration_ms = (uint32_t)job->duration_ms;
    size_t count = job->dialed_count - job->dialed_before;
    result->dialed = arena_new_array(arena, count + 1, Mailrail__DialedIp *);
    for (size_t i = 0; result->dialed && i < count; i++) {
        const struct dialed *from = &job->dialed[job->dialed_before + i];
        Mailrail__DialedIp *to = arena_new(arena, Mailrail__DialedIp);
        if (!to)
            break;
        mailrail__dialed_ip__init(to);
        to->host = arena_cstr(arena, from->host);
        to->ip = arena_cstr(arena, from->ip);
        result->dialed[result->n_dialed++] = to;
    }
    return result;
}

static size_t count_recipients(const struct list_link *jobs)
{
    size_t count = 0;
    LIST_FOREACH(link, jobs)
    count += CONTAINER_OF(link, struct job, link)->recipient_count;
    return count;
}

static void mark_lost(struct list_link *jobs, const uint64_t *ids, size_t count)
{
    LIST_FOREACH(link, jobs)
    {
        struct job *job = CONTAINER_OF(link, struct job, link);
        for (size_t i = 0; i < count; i++)
            for (size_t r = 0; r < job->recipient_count; r++)
                job->lost |= job->recipients[r].queue_id == ids[i];
    }
}

static bool call_finish(struct backend *b, struct list_link *jobs, struct arena *arena,
                        struct err *err)
{
    Mailrail__FinishRequest request = MAILRAIL__FINISH_REQUEST__INIT;
    ProtobufCMessage *message;
    struct rpc_context context = rpc_context_ms(0, CALL_MS);
    request.deliverer = b->deliverer;
    request.results = arena_new_array(arena, count_recipients(jobs) + 1, Mailrail__AttemptResult *);
    LIST_FOREACH(link, jobs)
    {
        const struct job *job = CONTAINER_OF(link, struct job, link);
        for (size_t i = 0; request.results && i < job->recipient_count; i++)
            if (!job->recipients[i].unreported)
                request.results[request.n_results++] = make_result(arena, job, &job->recipients[i]);
    }
    if (arena->exhausted)
        return err_set(err, ERR_LIMIT, "too many results at once");
    TRY(rpc_call(b->queue, &context, "Finish", &request.base, arena, &message, err));
    const Mailrail__FinishReply *reply = (const Mailrail__FinishReply *)message;
    mark_lost(jobs, reply->lost_queue_id, reply->n_lost_queue_id);
    return true;
}

bool backend_finish(struct backend *b, struct list_link *jobs, struct err *err)
{
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    bool ok = call_finish(b, jobs, &arena, err);
    arena_release(&arena);
    return ok;
}

/* ---- Extend */

static bool call_extend(struct backend *b, struct backend_hold *holds, size_t count,
                        unsigned lease_ms, struct arena *arena, struct err *err)
{
    Mailrail__ExtendRequest request = MAILRAIL__EXTEND_REQUEST__INIT;
    ProtobufCMessage *message;
    struct rpc_context context = rpc_context_ms(0, CALL_MS);
    request.deliverer = b->deliverer;
    request.lease_ms = lease_ms;
    request.queue_id = arena_new_array(arena, count + 1, uint64_t);
    request.lease = arena_new_array(arena, count + 1, uint64_t);
    if (arena->exhausted)
        return err_set(err, ERR_LIMIT, "too many leases at once");
    request.n_queue_id = request.n_lease = count;
    for (size_t i = 0; i < count; i++) {
        request.queue_id[i] = holds[i].queue_id;
        request.lease[i] = holds[i].lease;
    }
    TRY(rpc_call(b->queue, &context, "Extend", &request.base, arena, &message, err));
    const Mailrail__ExtendReply *reply = (const Mailrail__ExtendReply *)message;
    for (size_t i = 0; i < count; i++)
        for (size_t l = 0; l < reply->n_lost_queue_id; l++)
            holds[i].lost |= holds[i].queue_id == reply->lost_queue_id[l];
    return true;
}

bool backend_extend(struct backend *b, struct backend_hold *holds, size_t count, unsigned lease_ms,
                    struct err *err)
{
    struct arena arena;
    arena_init(&arena, 16u << 20);
    bool ok = call_extend(b, holds, count, lease_ms, &arena, err);
    arena_release(&arena);
    return ok;
}
