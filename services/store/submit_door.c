#include "services/store/submit_door.h"

#include "common/base/clock.h"
#include "common/bus/data.h"
#include "proto/submit.pb-c.h"
#include "services/store/directory.h"
#include "services/store/queue.h"
#include "services/store/token.h"

#define KEY_MAX 64
#define RECIPIENTS_MAX 1000
#define PREFIX_MAX (256 * 1024)

static struct str localpart_of(const Mailrail__MailAddress *address)
{
    return address ? str_from_cstr(address->localpart) : STR("");
}

static struct str domain_of(const Mailrail__MailAddress *address)
{
    return address ? str_from_cstr(address->domain) : STR("");
}

static bool check_token(struct rpc_call *call, ProtobufCBinaryData token, struct token_session *ret,
                        struct err *err)
{
    return token_check(call->user, bytes_of(token), TOKEN_SUBMIT, ret, err);
}

static void no_memory(struct rpc_call *call)
{
    struct err err;
    err_set(&err, ERR_LIMIT, "%s: too much at once", call->method);
    rpc_fail(call, &err);
}

/* ---- CheckSenders */

static void submit_check_senders(Mailrail__Submit_Service *service,
                                 const Mailrail__CheckSendersRequest *request,
                                 Mailrail__CheckSendersReply_Closure closure, void *closure_data)
{
    (void)service;
    struct rpc_call *call = closure_data;
    struct err err;
    struct token_session session;
    Mailrail__CheckSendersReply reply = MAILRAIL__CHECK_SENDERS_REPLY__INIT;
    reply.n_verdicts = request->n_addresses;
    reply.verdicts =
        arena_new_array(call->arena, request->n_addresses + 1, Mailrail__SenderVerdict);
    if (!reply.verdicts) {
        no_memory(call);
        return;
    }
    bool ok = check_token(call, request->token, &session, &err);
    for (size_t i = 0; ok && i < request->n_addresses; i++) {
        enum sender_verdict verdict = SENDER_FOREIGN;
        ok = directory_check_sender(call->user, session.account_id,
                                    localpart_of(request->addresses[i]),
                                    domain_of(request->addresses[i]), &verdict, &err);
        reply.verdicts[i] = (Mailrail__SenderVerdict)verdict;
    }
    if (ok)
        closure(&reply, call);
    else
        rpc_fail(call, &err);
}

/* ---- CheckRecipient */

static void submit_check_recipient(Mailrail__Submit_Service *service,
                                   const Mailrail__CheckRecipientRequest *request,
                                   Mailrail__ResolveReply_Closure closure, void *closure_data)
{
    (void)service;
    struct rpc_call *call = closure_data;
    struct err err;
    struct token_session session;
    struct resolved_address to = {0};
    if (!check_token(call, request->token, &session, &err) ||
        !directory_resolve(call->user, localpart_of(request->address), domain_of(request->address),
                           call->arena, &to, &err)) {
        rpc_fail(call, &err);
        return;
    }
    Mailrail__ResolveReply reply = MAILRAIL__RESOLVE_REPLY__INIT;
    reply.class_ = (Mailrail__AddressClass)to.class;
    reply.account_id = to.account_id;
    reply.account = arena_cstr(call->arena, to.account);
    reply.mailbox = arena_cstr(call->arena, to.mailbox);
    reply.canonical_localpart = arena_cstr(call->arena, to.canonical_localpart);
    reply.error_code = to.error_code;
    reply.error_text = arena_cstr(call->arena, to.error_text);
    closure(&reply, call);
}

/* ---- Enqueue */

static bool check_request(const Mailrail__EnqueueRequest *r, struct err *err)
{
    if (r->key.len == 0 || r->key.len > KEY_MAX)
        return err_set(err, ERR_SYNTAX, "Enqueue: key of %zu bytes", r->key.len);
    if (r->n_recipients == 0 || r->n_recipients > RECIPIENTS_MAX)
        return err_set(err, ERR_SYNTAX, "Enqueue: %zu recipients", r->n_recipients);
    if (r->prefix.len > PREFIX_MAX)
        return err_set(err, ERR_SYNTAX, "Enqueue: prefix of %zu bytes", r->prefix.len);
    for (size_t i = 0; i < r->n_recipients; i++)
        if (domain_of(r->recipients[i]).len == 0)
            return err_set(err, ERR_SYNTAX, "Enqueue: recipient %zu has no domain", i);
    return true;
}

static struct queue_submission submission_of(const Mailrail__EnqueueRequest *r,
                                             const struct directory_account *account)
{
    return (struct queue_submission){
        .account_id = account->id,
        .account = account->name,
        .mail_from = {localpart_of(r->mail_from), domain_of(r->mail_from)},
        .prefix = bytes_of(r->prefix),
        .structure = bytes_of(r->structure),
        .has_8bit = r->has_8bit,
        .smtputf8 = r->smtputf8,
        .tls = (unsigned)r->tls,
        .message_id = str_from_cstr(r->message_id),
        .subject = str_from_cstr(r->subject),
        .future_release = str_from_cstr(r->future_release),
        .cid = r->cid,
    };
}

static bool run_enqueue(struct rpc_call *call, const Mailrail__EnqueueRequest *r,
                        uint64_t *ret_first_id, struct err *err)
{
    struct store *store = call->user;
    struct token_session session;
    struct directory_account account = {0};
    TRY(check_token(call, r->token, &session, err));
    TRY(check_request(r, err));
    TRY(directory_account(store, session.account_id, call->arena, &account, err));
    struct queue_address *to = arena_new_array(call->arena, r->n_recipients, struct queue_address);
    if (!to)
        return err_set(err, ERR_LIMIT, "Enqueue: too much at once");
    for (size_t i = 0; i < r->n_recipients; i++)
        to[i] = (struct queue_address){localpart_of(r->recipients[i]), domain_of(r->recipients[i])};
    const struct queue_enqueue request = {
        .key = bytes_of(r->key),
        .text = {.spool_name = str_from_cstr(r->spool_name),
                 .content = bytes_of(r->content),
                 .size = r->file_size},
        .message = submission_of(r, &account),
        .recipients = to,
        .recipient_count = r->n_recipients,
        .hold_until_ms = r->hold_until_ms,
        .limits = {account.max_outgoing, account.max_new_recipients},
    };
    return queue_enqueue(store->queue, &request, clock_wall_ms(), ret_first_id, err);
}

static void submit_enqueue(Mailrail__Submit_Service *service,
                           const Mailrail__EnqueueRequest *request,
                           Mailrail__EnqueueReply_Closure closure, void *closure_data)
{
    (void)service;
    struct rpc_call *call = closure_data;
    struct err err;
    uint64_t first_id;
    Mailrail__EnqueueReply reply = MAILRAIL__ENQUEUE_REPLY__INIT;
    reply.n_queue_ids = request->n_recipients;
    reply.queue_ids = arena_new_array(call->arena, request->n_recipients + 1, uint64_t);
    if (!reply.queue_ids) {
        no_memory(call);
        return;
    }
    if (!run_enqueue(call, request, &first_id, &err)) {
        rpc_fail(call, &err);
        return;
    }
    for (size_t i = 0; i < request->n_recipients; i++)
        reply.queue_ids[i] = first_id + i;
    closure(&reply, call);
}

bool submit_door_open(struct store *store, struct service *service, struct err *err)
{
    static Mailrail__Submit_Service handlers = MAILRAIL__SUBMIT__INIT(submit_);
    return store_open_door(store, service, "submit", &handlers.base,
                           (unsigned)store->config->submit_workers, err);
}
