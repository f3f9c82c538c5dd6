#include "services/store/queue_door.h"

#include "common/base/clock.h"
#include "common/bus/data.h"
#include "proto/queue.pb-c.h"
#include "services/store/queue.h"

#define WORKERS 6
#define MESSAGES_MAX 1000
#define DOMAINS_MAX 200
#define LEASE_MS_MIN 1000
#define LEASE_MS_MAX (3600 * 1000)
#define DELIVERER_MAX 128
#define RESULTS_MAX 2000

static bool too_much(struct err *err)
{
    return err_set(err, ERR_LIMIT, "too much at once");
}

/* ---- Lease */

static bool check_lease(const Mailrail__LeaseRequest *r, struct err *err)
{
    size_t name = str_from_cstr(r->deliverer).len;
    if (name == 0 || name > DELIVERER_MAX)
        return err_set(err, ERR_SYNTAX, "Lease: deliverer of %zu bytes", name);
    if (r->max_messages == 0 || r->max_messages > MESSAGES_MAX)
        return err_set(err, ERR_SYNTAX, "Lease: max_messages is %u", r->max_messages);
    if (r->max_domains == 0 || r->max_domains > DOMAINS_MAX)
        return err_set(err, ERR_SYNTAX, "Lease: max_domains is %u", r->max_domains);
    if (r->lease_ms < LEASE_MS_MIN || r->lease_ms > LEASE_MS_MAX)
        return err_set(err, ERR_SYNTAX, "Lease: lease_ms is %u", r->lease_ms);
    return true;
}

static Mailrail__MailAddress *make_address(struct arena *arena, const struct queue_address *from)
{
    Mailrail__MailAddress *to = arena_new(arena, Mailrail__MailAddress);
    if (!to)
        return NULL;
    mailrail__mail_address__init(to);
    to->localpart = arena_cstr(arena, from->localpart);
    to->domain = arena_cstr(arena, from->domain);
    return to;
}

/* "host ip" lines to a list. */
static void make_dialed(struct arena *arena, struct str lines, size_t *ret_count,
                        Mailrail__DialedIp ***ret)
{
    size_t max = 0, count = 0;
    for (size_t i = 0; i < lines.len; i++)
        max += lines.ptr[i] == '\n';
    *ret = arena_new_array(arena, max + 1, Mailrail__DialedIp *);
    while (*ret && lines.len > 0 && count < max) {
        struct str line, host, ip;
        Mailrail__DialedIp *dialed = arena_new(arena, Mailrail__DialedIp);
        str_cut(lines, '\n', &line, &lines);
        str_cut(line, ' ', &host, &ip);
        if (!dialed)
            break;
        mailrail__dialed_ip__init(dialed);
        dialed->host = arena_cstr(arena, host);
        dialed->ip = arena_cstr(arena, ip);
        (*ret)[count++] = dialed;
    }
    *ret_count = count;
}

static void fill_submission(struct arena *arena, const struct queue_submission *from,
                            Mailrail__QueuedMessage *to)
{
    to->account_id = from->account_id;
    to->account = arena_cstr(arena, from->account);
    to->mail_from = make_address(arena, &from->mail_from);
    to->queued_ms = from->queued_ms;
    to->file_size = from->file_size;
    to->prefix = data_of(from->prefix);
    to->structure = data_of(from->structure);
    to->has_8bit = from->has_8bit;
    to->smtputf8 = from->smtputf8;
    to->tls = (Mailrail__TlsNeed)from->tls;
    to->message_id = arena_cstr(arena, from->message_id);
    to->subject = arena_cstr(arena, from->subject);
    to->future_release = arena_cstr(arena, from->future_release);
    to->is_dsn = from->mail_from.localpart.len == 0 && from->mail_from.domain.len == 0;
    to->cid = from->cid;
}

/* `is_first` of its group: what the recipients share comes once. */
static Mailrail__QueuedMessage *make_message(struct arena *arena, const struct queue_leased *from,
                                             bool is_first)
{
    Mailrail__QueuedMessage *to = arena_new(arena, Mailrail__QueuedMessage);
    if (!to)
        return NULL;
    mailrail__queued_message__init(to);
    to->queue_id = from->queue_id;
    to->lease = from->lease;
    to->base_id = from->base_id;
    to->lane = from->lane;
    to->recipient = make_address(arena, &from->recipient);
    to->attempt = from->attempt;
    to->max_attempts = from->max_attempts;
    to->notify_delay = from->notify_delay;
    to->next_attempt_ms = from->next_attempt_ms;
    to->last_attempt_planned_ms = from->last_attempt_planned_ms;
    make_dialed(arena, from->dialed, &to->n_dialed, &to->dialed);
    if (is_first) {
        fill_submission(arena, from->submission, to);
        to->content = data_of(from->content);
    }
    return to;
}

static bool fill_lease_reply(struct arena *arena, const struct queue_lease_reply *from,
                             Mailrail__LeaseReply *to, struct err *err)
{
    to->messages = arena_new_array(arena, from->count + 1, Mailrail__QueuedMessage *);
    for (size_t i = 0; to->messages && i < from->count; i++) {
        const struct queue_leased *m = &from->messages[i];
        bool is_first = i == 0 || m->submission != from->messages[i - 1].submission;
        to->messages[i] = make_message(arena, m, is_first);
        to->n_messages++;
    }
    to->next_due_ms = from->next_due_ms;
    to->more = from->more;
    return !arena->exhausted || too_much(err);
}

static void queue_door_lease(Mailrail__Queue_Service *service,
                             const Mailrail__LeaseRequest *request,
                             Mailrail__LeaseReply_Closure closure, void *closure_data)
{
    (void)service;
    struct rpc_call *call = closure_data;
    struct store *store = call->user;
    struct err err;
    struct queue_lease_reply leased;
    Mailrail__LeaseReply reply = MAILRAIL__LEASE_REPLY__INIT;
    const struct queue_lease_request wanted = {
        .deliverer = str_from_cstr(request->deliverer),
        .max_messages = request->max_messages,
        .max_domains = request->max_domains,
        .lease_ms = request->lease_ms,
    };
    reply.now_ms = clock_wall_ms();
    if (!check_lease(request, &err) ||
        !queue_lease(store->queue, &wanted, reply.now_ms, call->arena, &leased, &err) ||
        !fill_lease_reply(call->arena, &leased, &reply, &err)) {
        rpc_fail(call, &err);
        return;
    }
    closure(&reply, call);
}

/* ---- Confirm */

static void queue_door_confirm(Mailrail__Queue_Service *service,
                               const Mailrail__ConfirmRequest *request,
                               Mailrail__ConfirmReply_Closure closure, void *closure_data)
{
    (void)service;
    struct rpc_call *call = closure_data;
    struct store *store = call->user;
    struct err err;
    Mailrail__ConfirmReply reply = MAILRAIL__CONFIRM_REPLY__INIT;
    if (queue_confirm(store->queue, request->lease, &err))
        closure(&reply, call);
    else
        rpc_fail(call, &err);
}

/* ---- Extend */

static bool run_extend(struct rpc_call *call, const Mailrail__ExtendRequest *request,
                       Mailrail__ExtendReply *reply, struct err *err)
{
    struct store *store = call->user;
    size_t count = request->n_queue_id;
    if (count != request->n_lease || count > RESULTS_MAX)
        return err_set(err, ERR_SYNTAX, "Extend: %zu ids, %zu leases", count, request->n_lease);
    if (request->lease_ms < LEASE_MS_MIN || request->lease_ms > LEASE_MS_MAX)
        return err_set(err, ERR_SYNTAX, "Extend: lease_ms is %u", request->lease_ms);
    struct queue_hold *holds = arena_new_array(call->arena, count + 1, struct queue_hold);
    reply->lost_queue_id = arena_new_array(call->arena, count + 1, uint64_t);
    if (!holds || !reply->lost_queue_id)
        return too_much(err);
    for (size_t i = 0; i < count; i++)
        holds[i] = (struct queue_hold){request->queue_id[i], request->lease[i], false};
    TRY(queue_extend(store->queue, holds, count, clock_wall_ms() + (int64_t)request->lease_ms,
                     err));
    for (size_t i = 0; i < count; i++)
        if (holds[i].lost)
            reply->lost_queue_id[reply->n_lost_queue_id++] = holds[i].queue_id;
    return true;
}

static void queue_door_extend(Mailrail__Queue_Service *service,
                              const Mailrail__ExtendRequest *request,
                              Mailrail__ExtendReply_Closure closure, void *closure_data)
{
    (void)service;
    struct rpc_call *call = closure_data;
    struct err err;
    Mailrail__ExtendReply reply = MAILRAIL__EXTEND_REPLY__INIT;
    if (run_extend(call, request, &reply, &err))
        closure(&reply, call);
    else
        rpc_fail(call, &err);
}

/* ---- Finish */

static struct str error_of(struct arena *arena, const Mailrail__AttemptResult *r)
{
    if ((int)r->outcome == QUEUE_DELIVERED)
        return STR("");
    struct str host = str_from_cstr(r->remote_host);
    return arena_printf(arena, "%.*s%s%s", STR_ARG(host), host.len > 0 ? ": " : "", r->text);
}

static struct str dialed_of(struct arena *arena, const Mailrail__AttemptResult *r)
{
    struct str lines = STR("");
    for (size_t i = 0; i < r->n_dialed; i++)
        lines = arena_printf(arena, "%.*s%s %s\n", STR_ARG(lines), r->dialed[i]->host,
                             r->dialed[i]->ip);
    return lines;
}

static bool read_result(struct arena *arena, const Mailrail__AttemptResult *r,
                        struct queue_result *ret, struct err *err)
{
    if ((int)r->outcome < QUEUE_RELEASED || (int)r->outcome > QUEUE_POSTPONED)
        return err_set(err, ERR_SYNTAX, "Finish: outcome %d", (int)r->outcome);
    *ret = (struct queue_result){
        .hold = {r->queue_id, r->lease, false},
        .outcome = (enum queue_outcome)r->outcome,
        .error = error_of(arena, r),
        .dialed = dialed_of(arena, r),
    };
    return true;
}

static bool run_finish(struct rpc_call *call, const Mailrail__FinishRequest *request,
                       Mailrail__FinishReply *reply, struct err *err)
{
    struct store *store = call->user;
    size_t count = request->n_results;
    if (count > RESULTS_MAX)
        return err_set(err, ERR_SYNTAX, "Finish: %zu results", count);
    struct queue_result *results = arena_new_array(call->arena, count + 1, struct queue_result);
    reply->lost_queue_id = arena_new_array(call->arena, count + 1, uint64_t);
    if (!results || !reply->lost_queue_id)
        return too_much(err);
    for (size_t i = 0; i < count; i++)
        TRY(read_result(call->arena, request->results[i], &results[i], err));
    TRY(queue_finish(store->queue, results, count, clock_wall_ms(), err));
    for (size_t i = 0; i < count; i++)
        if (results[i].hold.lost)
            reply->lost_queue_id[reply->n_lost_queue_id++] = results[i].hold.queue_id;
    return true;
}

static void queue_door_finish(Mailrail__Queue_Service *service,
                              const Mailrail__FinishRequest *request,
                              Mailrail__FinishReply_Closure closure, void *closure_data)
{
    (void)service;
    struct rpc_call *call = closure_data;
    struct err err;
    Mailrail__FinishReply reply = MAILRAIL__FINISH_REPLY__INIT;
    if (run_finish(call, request, &reply, &err))
        closure(&reply, call);
    else
        rpc_fail(call, &err);
}

bool queue_door_open(struct store *store, struct service *service, struct err *err)
{
    static Mailrail__Queue_Service handlers = MAILRAIL__QUEUE__INIT(queue_door_);
    return store_open_door(store, service, "queue", &handlers.base, WORKERS, err);
}
