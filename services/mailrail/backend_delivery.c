#include "services/mailrail/backend_call.h"

#include "common/base/clock.h"
#include "common/bus/data.h"
#include "proto/delivery.pb-c.h"

static bool call(struct backend *b, const char *method, const ProtobufCMessage *request,
                 ProtobufCMessage **ret_reply, struct err *err)
{
    return backend_call(b, "delivery", &mailrail__delivery__descriptor, method, request, ret_reply,
                        err);
}

static bool judge(const Mailrail__ResolveReply *reply, struct str domain, struct err *err)
{
    switch (reply->class_) {
    case MAILRAIL__ADDRESS_CLASS__ADDRESS_CLASS_ACCOUNT:
        return true;
    case MAILRAIL__ADDRESS_CLASS__ADDRESS_CLASS_NOT_LOCAL:
        return err_set(err, ERR_NOT_FOUND, "%.*s is not one of our domains", STR_ARG(domain));
    case MAILRAIL__ADDRESS_CLASS__ADDRESS_CLASS_DOMAIN_DISABLED:
        return err_set(err, ERR_STATE, "the domain %.*s is switched off", STR_ARG(domain));
    case MAILRAIL__ADDRESS_CLASS__ADDRESS_CLASS_REFUSED:
        return err_set(err, ERR_STATE, "the address refuses mail: %u %s", reply->error_code,
                       reply->error_text);
    default:
        return err_set(err, ERR_NOT_FOUND, "no such address");
    }
}

bool backend_resolve(struct backend *b, struct str localpart, struct str domain,
                     struct delivery_target *ret, struct err *err)
{
    Mailrail__ResolveRequest request = MAILRAIL__RESOLVE_REQUEST__INIT;
    ProtobufCMessage *base;
    request.localpart = backend_text(b, localpart);
    request.domain = backend_text(b, domain);
    TRY(call(b, "Resolve", &request.base, &base, err));
    const Mailrail__ResolveReply *reply = (const Mailrail__ResolveReply *)base;
    TRY(judge(reply, domain, err));
    *ret = (struct delivery_target){.account_id = reply->account_id,
                                    .account = str_from_cstr(reply->account),
                                    .mailbox = str_from_cstr(reply->mailbox)};
    return true;
}

static bool read_result(const Mailrail__DeliverReply *reply, uint32_t *ret_uid, struct err *err)
{
    if (reply->n_results != 1)
        return err_set(err, ERR_INTERNAL, "store answered for %zu recipients", reply->n_results);
    const Mailrail__DeliverResult *result = reply->results[0];
    *ret_uid = result->uid;
    if (!result->error || result->error->kind == MAILRAIL__ERROR_KIND__ERROR_KIND_NONE)
        return true;
    return err_set(err, (enum err_kind)result->error->kind, "%s", result->error->detail);
}

static void fill_origin(struct backend *b, const struct delivery_message *m,
                        Mailrail__Origin *origin)
{
    origin->mail_from_localpart = backend_text(b, m->sender_localpart);
    origin->mail_from_domain = backend_text(b, m->sender_domain);
    origin->from_localpart = backend_text(b, m->from_localpart);
    origin->from_domain = backend_text(b, m->from_domain);
    origin->smtputf8 = m->smtputf8;
}

bool backend_deliver(struct backend *b, const struct delivery_message *m,
                     const struct delivery_target *to, uint32_t *ret_uid, struct err *err)
{
    Mailrail__Origin origin = MAILRAIL__ORIGIN__INIT;
    Mailrail__Recipient recipient = MAILRAIL__RECIPIENT__INIT;
    Mailrail__Recipient *recipients[] = {&recipient};
    Mailrail__DeliverRequest request = MAILRAIL__DELIVER_REQUEST__INIT;
    ProtobufCMessage *base;
    fill_origin(b, m, &origin);
    recipient.account_id = to->account_id;
    recipient.mailbox = backend_text(b, to->mailbox);
    recipient.rcpt_localpart = backend_text(b, m->recipient_localpart);
    recipient.rcpt_domain = backend_text(b, m->recipient_domain);
    recipient.prefix = data_of(m->prefix);
    request.key = data_of(m->key);
    request.spool_name = backend_text(b, m->spool_name);
    request.content = data_of(m->content);
    request.file_size = m->size;
    request.received_ms = clock_wall_ms();
    request.structure = data_of(m->structure);
    request.origin = &origin;
    request.recipients = recipients;
    request.n_recipients = 1;
    TRY(call(b, "Deliver", &request.base, &base, err));
    return read_result((const Mailrail__DeliverReply *)base, ret_uid, err);
}
