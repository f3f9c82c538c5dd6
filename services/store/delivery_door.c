#include "services/store/delivery_door.h"

#include "common/base/clock.h"
#include "common/bus/call_key.h"
#include "common/bus/data.h"
#include "proto/delivery.pb-c.h"
#include "services/store/accounts.h"
#include "services/store/deliver.h"
#include "services/store/directory.h"

#define RECIPIENTS_MAX 1000
#define FLAGS_MAX 200

/* ---- Resolve */

static bool resolve(struct rpc_call *call, const Mailrail__ResolveRequest *request,
                    Mailrail__ResolveReply *reply, struct err *err)
{
    struct resolved_address to;
    TRY(directory_resolve(call->user, str_from_cstr(request->localpart),
                          str_from_cstr(request->domain), call->arena, &to, err));
    reply->class_ = (Mailrail__AddressClass)to.class;
    reply->account_id = to.account_id;
    reply->account = arena_cstr(call->arena, to.account);
    reply->mailbox = arena_cstr(call->arena, to.mailbox);
    reply->canonical_localpart = arena_cstr(call->arena, to.canonical_localpart);
    reply->error_code = to.error_code;
    reply->error_text = arena_cstr(call->arena, to.error_text);
    return true;
}

static void handle_resolve(Mailrail__Delivery_Service *service,
                           const Mailrail__ResolveRequest *request,
                           Mailrail__ResolveReply_Closure closure, void *closure_data)
{
    (void)service;
    struct err err;
    Mailrail__ResolveReply reply = MAILRAIL__RESOLVE_REPLY__INIT;
    if (resolve(closure_data, request, &reply, &err))
        closure(&reply, closure_data);
    else
        rpc_fail(closure_data, &err);
}

/* ---- Deliver */

static struct origin origin_of(const Mailrail__Origin *o, const Mailrail__Recipient *recipient)
{
    struct origin origin = {
        .rcpt_localpart = str_from_cstr(recipient->rcpt_localpart),
        .rcpt_domain = str_from_cstr(recipient->rcpt_domain),
    };
    if (!o)
        return origin;
    origin.hello = str_from_cstr(o->hello);
    origin.mail_from_localpart = str_from_cstr(o->mail_from_localpart);
    origin.mail_from_domain = str_from_cstr(o->mail_from_domain);
    origin.from_localpart = str_from_cstr(o->from_localpart);
    origin.from_domain = str_from_cstr(o->from_domain);
    origin.requiretls = o->requiretls;
    origin.cid = o->cid;
    if (o->peer) {
        origin.remote_ip = str_from_cstr(o->peer->remote_ip);
        origin.tls_version = message_tls_version(o->peer->tls, str_from_cstr(o->peer->tls_version));
        origin.tls_cipher = str_from_cstr(o->peer->tls_cipher);
    }
    return origin;
}

/* Checked here, because every later use trusts it. */
static bool check_request(const Mailrail__DeliverRequest *r, struct err *err)
{
    if (r->key.len != CALL_KEY_SIZE)
        return err_set(err, ERR_SYNTAX, "the key has %zu bytes", r->key.len);
    if (r->n_recipients == 0 || r->n_recipients > RECIPIENTS_MAX)
        return err_set(err, ERR_SYNTAX, "%zu recipients", r->n_recipients);
    return true;
}

static bool read_flags(const Mailrail__Recipient *recipient, struct arena *arena,
                       struct new_message *message, struct err *err)
{
    struct str words[FLAGS_MAX];
    if (recipient->n_flags > FLAGS_MAX)
        return err_set(err, ERR_LIMIT, "%zu flags", recipient->n_flags);
    for (size_t i = 0; i < recipient->n_flags; i++)
        words[i] = str_from_cstr(recipient->flags[i]);
    return flags_parse(words, recipient->n_flags, arena, &message->flags, &message->keywords, err);
}

static bool deliver_one(struct rpc_call *call, const Mailrail__DeliverRequest *request,
                        const Mailrail__Recipient *recipient, const struct new_message *message,
                        struct delivery *d, struct err *err)
{
    struct origin *origin = arena_new(call->arena, struct origin);
    if (!origin)
        return err_set(err, ERR_LIMIT, "too many recipients");
    *origin = origin_of(request->origin, recipient);
    *d = (struct delivery){
        .key = bytes_of(request->key),
        .mailbox = str_from_cstr(recipient->mailbox),
        .message = *message,
    };
    d->message.origin = origin;
    d->message.prefix = bytes_of(recipient->prefix);
    if (d->message.prefix.len > MESSAGE_PREFIX_MAX)
        return err_set(err, ERR_LIMIT, "a prefix of %zu bytes", d->message.prefix.len);
    TRY(read_flags(recipient, call->arena, &d->message, err));
    TRY(directory_account_quota(call->user, recipient->account_id, &d->quota_bytes, err));
    struct account *account;
    TRY(account_open(call->user, recipient->account_id, &account, err));
    bool ok = deliver(account, d, call->arena, err) ||
              account_wrap_error(call->user, recipient->account_id, err);
    account_release(account);
    return ok;
}

static Mailrail__Error *make_error(const struct err *err, struct arena *arena)
{
    Mailrail__Error *e = arena_new(arena, Mailrail__Error);
    if (!e)
        return NULL;
    mailrail__error__init(e);
    e->kind = (Mailrail__ErrorKind)err->kind;
    e->reply = arena_cstr(arena, str_from_cstr(err->reply));
    e->detail = arena_cstr(arena, str_from_cstr(err->detail));
    return e;
}

static void report_delivery(const struct rpc_call *call, const Mailrail__Recipient *recipient,
                            const struct delivery *d, const struct err *err)
{
    struct store *store = call->user;
    struct log_ctx log = log_child(&store->log, NULL, call->cid);
    metric_add(metric_with(store->deliveries, err ? err_kind_name(err->kind) : "ok", NULL), 1);
    if (err)
        log_info(&log, "message not delivered", LOG_U64("account", recipient->account_id),
                 LOG_ERR(err));
    else
        log_info(&log, "message delivered", LOG_U64("account", recipient->account_id),
                 LOG_U64("message", d->message_id), LOG_U64("mailbox", d->mailbox_id),
                 LOG_U64("uid", d->uid),
                 LOG_U64("size", d->message.prefix.len + d->message.text.size));
}

/* One recipient after the other: those of one account share the commit with whoever else delivers
 * to it, and most messages have one. */
static bool deliver_all(struct rpc_call *call, const Mailrail__DeliverRequest *request,
                        Mailrail__DeliverReply *reply, struct err *err)
{
    static const char *const receivers[] = {"smtp-in", "queue-deliverer", "mailrail", NULL};
    struct new_message message = {
        .text = {.spool_name = str_from_cstr(request->spool_name),
                 .content = bytes_of(request->content),
                 .size = request->file_size},
        .structure_bytes = bytes_of(request->structure),
        .received_s = request->received_ms > 0 ? request->received_ms / 1000 : clock_wall_s(),
        .zone = ENTRY_ZONE_UTC,
    };
    TRY(check_request(request, err) && message_text_check(&message.text, receivers, err) &&
        message_decode(&message, call->arena, err));
    size_t count = request->n_recipients;
    Mailrail__DeliverResult *results = arena_new_array(call->arena, count, Mailrail__DeliverResult);
    reply->results = arena_new_array(call->arena, count, Mailrail__DeliverResult *);
    if (!results || !reply->results)
        return err_set(err, ERR_LIMIT, "too many recipients");
    for (size_t i = 0; i < count; i++) {
        struct delivery d;
        struct err failure;
        Mailrail__DeliverResult *result = reply->results[reply->n_results++] = &results[i];
        mailrail__deliver_result__init(result);
        bool ok = deliver_one(call, request, request->recipients[i], &message, &d, &failure);
        report_delivery(call, request->recipients[i], &d, ok ? NULL : &failure);
        if (!ok) {
            result->error = make_error(&failure, call->arena);
            if (!result->error)
                return err_set(err, ERR_LIMIT, "no room for the results");
            continue;
        }
        result->message_id = d.message_id;
        result->mailbox_id = d.mailbox_id;
        result->uid = d.uid;
        result->modseq = d.modseq;
    }
    return true;
}

static void handle_deliver(Mailrail__Delivery_Service *service,
                           const Mailrail__DeliverRequest *request,
                           Mailrail__DeliverReply_Closure closure, void *closure_data)
{
    (void)service;
    struct err err;
    Mailrail__DeliverReply reply = MAILRAIL__DELIVER_REPLY__INIT;
    if (deliver_all(closure_data, request, &reply, &err))
        closure(&reply, closure_data);
    else
        rpc_fail(closure_data, &err);
}

bool delivery_door_open(struct store *store, struct service *service, struct err *err)
{
    static Mailrail__Delivery_Service handlers = MAILRAIL__DELIVERY__INIT(handle_);
    store->deliveries = metrics_counter(store->metrics, "mailrail_store_deliveries_total",
                                        "Messages for mailboxes, by result", "result", NULL);
    return store_open_door(store, service, "delivery", &handlers.base,
                           (unsigned)store->config->delivery_workers, err);
}
