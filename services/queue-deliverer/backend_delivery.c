/* Door `delivery`: who is local, and into their mailboxes. */
#include "services/queue-deliverer/backend.h"

#include "common/base/clock.h"
#include "proto/delivery.pb-c.h"

#define RESOLVE_MS 10000
#define DELIVER_MS 60000
#define ARENA_MAX (64u << 20)

static ProtobufCBinaryData data_of(const void *bytes, size_t len)
{
    return (ProtobufCBinaryData){.len = len, .data = (uint8_t *)(uintptr_t)bytes};
}

bool backend_resolve(struct backend *b, uint64_t cid, struct address address, struct arena *arena,
                     struct local_address *ret, struct err *err)
{
    Mailrail__ResolveRequest request = MAILRAIL__RESOLVE_REQUEST__INIT;
    ProtobufCMessage *message;
    struct rpc_context context = rpc_context_ms(cid, RESOLVE_MS);
    request.localpart = arena_cstr(arena, address.localpart);
    request.domain = arena_cstr(arena, address.domain);
    if (!request.localpart || !request.domain)
        return err_set(err, ERR_SYNTAX, "address with a NUL byte");
    TRY(rpc_call(b->delivery, &context, "Resolve", &request.base, arena, &message, err));
    const Mailrail__ResolveReply *reply = (const Mailrail__ResolveReply *)message;
    *ret = (struct local_address){
        .class = (enum local_class)reply->class_,
        .account_id = reply->account_id,
        .mailbox = str_from_cstr(reply->mailbox),
        .error_code = reply->error_code,
        .error_text = str_from_cstr(reply->error_text),
    };
    return true;
}

static Mailrail__Origin *make_origin(const struct local_delivery *d, struct arena *arena)
{
    Mailrail__Origin *origin = arena_new(arena, Mailrail__Origin);
    if (!origin)
        return NULL;
    mailrail__origin__init(origin);
    origin->hello = arena_cstr(arena, d->hello);
    origin->mail_from_localpart = arena_cstr(arena, d->mail_from.localpart);
    origin->mail_from_domain = arena_cstr(arena, d->mail_from.domain);
    origin->smtputf8 = d->smtputf8;
    origin->cid = d->cid;
    origin->is_dsn = d->is_dsn;
    return origin;
}

static Mailrail__Recipient *make_recipient(const struct local_recipient *from, struct arena *arena)
{
    Mailrail__Recipient *to = arena_new(arena, Mailrail__Recipient);
    if (!to)
        return NULL;
    mailrail__recipient__init(to);
    to->account_id = from->account_id;
    to->mailbox = arena_cstr(arena, from->mailbox);
    to->rcpt_localpart = arena_cstr(arena, from->address.localpart);
    to->rcpt_domain = arena_cstr(arena, from->address.domain);
    to->prefix = data_of(from->prefix.ptr, from->prefix.len);
    return to;
}

static void read_result(const Mailrail__DeliverResult *result, struct local_recipient *to)
{
    const Mailrail__Error *error = result->error;
    if (!error || error->kind == MAILRAIL__ERROR_KIND__ERROR_KIND_NONE) {
        to->verdict = verdict_make(VERDICT_DELIVERED, 1, 5, "delivered here");
        return;
    }
    to->account_gone = error->kind == MAILRAIL__ERROR_KIND__ERROR_KIND_NOT_FOUND;
    const char *text = error->reply && error->reply[0] ? error->reply : error->detail;
    if (to->account_gone)
        to->verdict = verdict_make(VERDICT_PERMANENT, 1, 1, "%s", text);
    else if (error->kind == MAILRAIL__ERROR_KIND__ERROR_KIND_LIMIT)
        to->verdict = verdict_make(VERDICT_TEMPORARY, 2, 2, "%s", text);
    else
        to->verdict = verdict_make(VERDICT_TEMPORARY, 3, 0, "%s", text);
}

static bool call_deliver(struct backend *b, const struct local_delivery *d, struct arena *arena,
                         struct err *err)
{
    Mailrail__DeliverRequest request = MAILRAIL__DELIVER_REQUEST__INIT;
    ProtobufCMessage *message;
    struct rpc_context context = rpc_context_ms(d->cid, DELIVER_MS);
    request.key = data_of(d->key, sizeof(d->key));
    request.spool_name = arena_cstr(arena, d->spool_name);
    request.content = data_of(d->content.ptr, d->content.len);
    request.file_size = d->file_size;
    request.received_ms = clock_wall_ms();
    request.structure = data_of(d->structure.ptr, d->structure.len);
    request.origin = make_origin(d, arena);
    request.recipients = arena_new_array(arena, d->recipient_count + 1, Mailrail__Recipient *);
    for (size_t i = 0; request.recipients && i < d->recipient_count; i++)
        request.recipients[request.n_recipients++] = make_recipient(&d->recipients[i], arena);
    if (arena->exhausted)
        return err_set(err, ERR_LIMIT, "delivery: too much at once");
    TRY(rpc_call(b->delivery, &context, "Deliver", &request.base, arena, &message, err));
    const Mailrail__DeliverReply *reply = (const Mailrail__DeliverReply *)message;
    if (reply->n_results != d->recipient_count)
        return err_set(err, ERR_INTERNAL, "Deliver: %zu results for %zu recipients",
                       reply->n_results, d->recipient_count);
    for (size_t i = 0; i < reply->n_results; i++)
        read_result(reply->results[i], &d->recipients[i]);
    return true;
}

bool backend_deliver(struct backend *b, const struct local_delivery *delivery, struct err *err)
{
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    bool ok = call_deliver(b, delivery, &arena, err);
    arena_release(&arena);
    return ok;
}
