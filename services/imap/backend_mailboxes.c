#include "services/imap/backend_internal.h"

bool backend_list(struct backend *b, const struct backend_call *call, bool others,
                  struct mailbox_list *ret, struct err *err)
{
    Mailrail__ListRequest request = MAILRAIL__LIST_REQUEST__INIT;
    request.token = data_of(call->token);
    request.others = others;
    ProtobufCMessage *message;
    TRY(backend_ask(b, call, "List", &request.base, &message, err));
    const Mailrail__ListReply *reply = (const Mailrail__ListReply *)message;
    *ret = (struct mailbox_list){
        .mailboxes = arena_new_array(call->arena, reply->n_mailboxes + 1, struct mailbox_info),
        .subscriptions = wire_strs(call->arena, reply->subscriptions, reply->n_subscriptions),
        .subscription_count = reply->n_subscriptions,
        .modseq = reply->modseq,
        .owners = reply->owners, /* in the arena, as all of the reply */
        .owner_count = reply->n_owners,
        .unread_owners = reply->unread_owners,
        .unread_owner_count = reply->n_unread_owners,
    };
    if (!ret->mailboxes || !ret->subscriptions)
        return err_set(err, ERR_LIMIT, "too many mailboxes");
    for (size_t i = 0; i < reply->n_mailboxes; i++)
        ret->mailboxes[ret->len++] = wire_mailbox(reply->mailboxes[i], call->arena);
    return true;
}

/* Calls what answers with a MailboxReply. */
static bool change(struct backend *b, const struct backend_call *call, const char *method,
                   const ProtobufCMessage *request, const Mailrail__MailboxReply **ret,
                   uint64_t *ret_modseq, struct err *err)
{
    ProtobufCMessage *message;
    TRY(backend_change(b, call, method, request, &message, err));
    *ret = (const Mailrail__MailboxReply *)message;
    *ret_modseq = (*ret)->modseq;
    return true;
}

bool backend_create(struct backend *b, const struct backend_call *call, struct str name,
                    struct str special_use, struct created_mailbox *ret, uint64_t *ret_modseq,
                    struct err *err)
{
    struct wire_key key;
    Mailrail__CreateRequest request = MAILRAIL__CREATE_REQUEST__INIT;
    request.token = data_of(call->token);
    request.owner = call->owner;
    request.key = wire_key(&key);
    TRY(wire_text(call->arena, name, &request.name, err));
    TRY(wire_text(call->arena, special_use, &request.special_use, err));
    const Mailrail__MailboxReply *reply;
    TRY(change(b, call, "Create", &request.base, &reply, ret_modseq, err));
    ret->names.names = wire_strs(call->arena, reply->created, reply->n_created);
    ret->names.len = reply->n_created;
    ret->id = reply->mailbox_id;
    return ret->names.names || err_set(err, ERR_LIMIT, "too many mailboxes");
}

bool backend_delete(struct backend *b, const struct backend_call *call, struct str name,
                    uint64_t *ret_modseq, struct err *err)
{
    struct wire_key key;
    Mailrail__DeleteRequest request = MAILRAIL__DELETE_REQUEST__INIT;
    request.token = data_of(call->token);
    request.owner = call->owner;
    request.key = wire_key(&key);
    TRY(wire_text(call->arena, name, &request.name, err));
    const Mailrail__MailboxReply *reply;
    return change(b, call, "Delete", &request.base, &reply, ret_modseq, err);
}

bool backend_rename(struct backend *b, const struct backend_call *call, struct str from,
                    struct str to, uint64_t *ret_modseq, struct err *err)
{
    struct wire_key key;
    Mailrail__RenameRequest request = MAILRAIL__RENAME_REQUEST__INIT;
    request.token = data_of(call->token);
    request.owner = call->owner;
    request.key = wire_key(&key);
    TRY(wire_text(call->arena, from, &request.from, err));
    TRY(wire_text(call->arena, to, &request.to, err));
    const Mailrail__MailboxReply *reply;
    return change(b, call, "Rename", &request.base, &reply, ret_modseq, err);
}

bool backend_set_subscribed(struct backend *b, const struct backend_call *call, struct str name,
                            bool subscribed, uint64_t *ret_modseq, struct err *err)
{
    Mailrail__SubscribeRequest request = MAILRAIL__SUBSCRIBE_REQUEST__INIT;
    request.token = data_of(call->token);
    request.subscribe = subscribed;
    TRY(wire_text(call->arena, name, &request.name, err));
    ProtobufCMessage *message;
    TRY(backend_ask(b, call, "Subscribe", &request.base, &message, err));
    *ret_modseq = ((const Mailrail__MailboxReply *)message)->modseq;
    return true;
}
