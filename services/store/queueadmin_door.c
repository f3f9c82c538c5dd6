#include "services/store/queueadmin_door.h"

#include "common/base/clock.h"
#include "proto/directory.pb-c.h"
#include "services/store/queue.h"

#define WORKERS 2
#define LIST_DEFAULT 1000
#define LIST_MAX 10000

static struct queue_filter filter_of(const Mailrail__QueueFilter *f)
{
    if (!f)
        return (struct queue_filter){0};
    return (struct queue_filter){
        .ids = f->n_queue_id > 0 ? f->queue_id : NULL,
        .id_count = f->n_queue_id,
        .all = f->all,
        .account = str_from_cstr(f->account),
        .sender_contains = str_from_cstr(f->sender_contains),
        .recipient_contains = str_from_cstr(f->recipient_contains),
    };
}

static Mailrail__QueueEntry *make_entry(struct arena *arena, const struct queue_entry *from)
{
    Mailrail__QueueEntry *to = arena_new(arena, Mailrail__QueueEntry);
    if (!to)
        return NULL;
    mailrail__queue_entry__init(to);
    to->queue_id = from->queue_id;
    to->base_id = from->base_id;
    to->account = arena_cstr(arena, from->account);
    to->sender = arena_cstr(arena, from->sender);
    to->recipient = arena_cstr(arena, from->recipient);
    to->attempts = from->attempts;
    to->max_attempts = from->max_attempts;
    to->queued_ms = from->queued_ms;
    to->next_attempt_ms = from->next_attempt_ms;
    to->last_attempt_ms = from->last_attempt_ms;
    to->held = from->held;
    to->leased = from->leased;
    to->size = from->size;
    to->message_id = arena_cstr(arena, from->message_id);
    to->subject = arena_cstr(arena, from->subject);
    to->last_error = arena_cstr(arena, from->last_error);
    return to;
}

static bool run_list(struct rpc_call *call, const Mailrail__QueueListRequest *request,
                     Mailrail__QueueListReply *reply, struct err *err)
{
    struct store *store = call->user;
    struct queue_filter filter = filter_of(request->filter);
    struct queue_entry *entries;
    size_t count;
    size_t limit = request->limit > 0 ? request->limit : LIST_DEFAULT;
    if (limit > LIST_MAX)
        limit = LIST_MAX;
    TRY(queue_list(store->queue, &filter, limit, request->after_queue_id, call->arena, &entries,
                   &count, &reply->total, err));
    reply->entries = arena_new_array(call->arena, count + 1, Mailrail__QueueEntry *);
    for (size_t i = 0; reply->entries && i < count; i++)
        reply->entries[reply->n_entries++] = make_entry(call->arena, &entries[i]);
    return !call->arena->exhausted || err_set(err, ERR_LIMIT, "QueueList: too much at once");
}

static void queueadmin_queue_list(Mailrail__QueueAdmin_Service *service,
                                  const Mailrail__QueueListRequest *request,
                                  Mailrail__QueueListReply_Closure closure, void *closure_data)
{
    (void)service;
    struct err err;
    Mailrail__QueueListReply reply = MAILRAIL__QUEUE_LIST_REPLY__INIT;
    if (run_list(closure_data, request, &reply, &err))
        closure(&reply, closure_data);
    else
        rpc_fail(closure_data, &err);
}

static void answer_changed(bool ok, uint64_t changed, const struct err *err,
                           Mailrail__QueueChangedReply_Closure closure, void *closure_data)
{
    Mailrail__QueueChangedReply reply = MAILRAIL__QUEUE_CHANGED_REPLY__INIT;
    reply.changed = changed;
    if (ok)
        closure(&reply, closure_data);
    else
        rpc_fail(closure_data, err);
}

static void queueadmin_queue_schedule(Mailrail__QueueAdmin_Service *service,
                                      const Mailrail__QueueScheduleRequest *request,
                                      Mailrail__QueueChangedReply_Closure closure,
                                      void *closure_data)
{
    (void)service;
    const struct rpc_call *call = closure_data;
    const struct store *store = call->user;
    struct queue_filter filter = filter_of(request->filter);
    struct err err;
    uint64_t changed = 0;
    int64_t when_ms = request->next_attempt_ms != 0 ? request->next_attempt_ms : clock_wall_ms();
    bool ok = request->set_held
                  ? queue_set_held(store->queue, &filter, request->held, &changed, &err)
                  : queue_schedule(store->queue, &filter, when_ms, &changed, &err);
    answer_changed(ok, changed, &err, closure, closure_data);
}

static void queueadmin_queue_drop(Mailrail__QueueAdmin_Service *service,
                                  const Mailrail__QueueFilter *request,
                                  Mailrail__QueueChangedReply_Closure closure, void *closure_data)
{
    (void)service;
    const struct rpc_call *call = closure_data;
    const struct store *store = call->user;
    struct queue_filter filter = filter_of(request);
    struct err err;
    uint64_t changed = 0;
    bool ok = queue_drop(store->queue, &filter, &changed, &err);
    answer_changed(ok, changed, &err, closure, closure_data);
}

bool queueadmin_door_open(struct store *store, struct service *service, struct err *err)
{
    static Mailrail__QueueAdmin_Service handlers = MAILRAIL__QUEUE_ADMIN__INIT(queueadmin_);
    return store_open_door(store, service, "queueadmin", &handlers.base, WORKERS, err);
}
