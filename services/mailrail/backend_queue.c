#include "services/mailrail/backend_call.h"

#include "common/base/bug.h"
#include "proto/directory.pb-c.h"

static bool call(struct backend *b, const char *method, const ProtobufCMessage *request,
                 ProtobufCMessage **ret_reply, struct err *err)
{
    return backend_call(b, "queueadmin", &mailrail__queue_admin__descriptor, method, request,
                        ret_reply, err);
}

static Mailrail__QueueFilter filter_message(struct backend *b, const struct queue_filter *filter)
{
    Mailrail__QueueFilter message = MAILRAIL__QUEUE_FILTER__INIT;
    message.queue_id = filter->ids;
    message.n_queue_id = filter->id_count;
    message.all = filter->all;
    message.account = backend_text(b, filter->account);
    message.sender_contains = backend_text(b, filter->sender_contains);
    message.recipient_contains = backend_text(b, filter->recipient_contains);
    return message;
}

static struct queued_entry queued_entry(const Mailrail__QueueEntry *message)
{
    return (struct queued_entry){
        .id = message->queue_id,
        .account = str_from_cstr(message->account),
        .sender = str_from_cstr(message->sender),
        .recipient = str_from_cstr(message->recipient),
        .attempts = message->attempts,
        .max_attempts = message->max_attempts,
        .next_attempt_ms = message->next_attempt_ms,
        .held = message->held,
        .leased = message->leased,
        .size = message->size,
        .subject = str_from_cstr(message->subject),
        .last_error = str_from_cstr(message->last_error),
    };
}

bool backend_queue_list(struct backend *b, const struct queue_filter *filter,
                        struct queued_list *ret, struct err *err)
{
    Mailrail__QueueFilter message = filter_message(b, filter);
    Mailrail__QueueListRequest request = MAILRAIL__QUEUE_LIST_REQUEST__INIT;
    request.filter = &message;
    ProtobufCMessage *base;
    TRY(call(b, "QueueList", &request.base, &base, err));
    const Mailrail__QueueListReply *reply = (const Mailrail__QueueListReply *)base;
    ret->total = reply->total;
    ret->len = reply->n_entries;
    ret->items = arena_new_array(b->arena, ret->len + 1, struct queued_entry);
    BUG_ON(!ret->items); /* the arena is larger than any reply */
    for (size_t i = 0; i < ret->len; i++)
        ret->items[i] = queued_entry(reply->entries[i]);
    return true;
}

bool backend_queue_change(struct backend *b, const struct queue_filter *filter,
                          enum queue_change change, uint64_t *ret_changed, struct err *err)
{
    Mailrail__QueueFilter message = filter_message(b, filter);
    ProtobufCMessage *base;
    if (change == QUEUE_DROP) {
        TRY(call(b, "QueueDrop", &message.base, &base, err));
    } else {
        Mailrail__QueueScheduleRequest request = MAILRAIL__QUEUE_SCHEDULE_REQUEST__INIT;
        request.filter = &message;
        request.set_held = change != QUEUE_KICK;
        request.held = change == QUEUE_HOLD;
        TRY(call(b, "QueueSchedule", &request.base, &base, err));
    }
    *ret_changed = ((const Mailrail__QueueChangedReply *)base)->changed;
    return true;
}
