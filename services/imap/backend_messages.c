#include "services/imap/backend_internal.h"

bool backend_check_append(struct backend *b, const struct backend_call *call, struct str name,
                          uint64_t size, uint64_t *ret_room, struct err *err)
{
    Mailrail__CheckAppendRequest request = MAILRAIL__CHECK_APPEND_REQUEST__INIT;
    request.token = data_of(call->token);
    request.owner = call->owner;
    request.size = size;
    TRY(wire_text(call->arena, name, &request.name, err));
    ProtobufCMessage *message;
    TRY(backend_ask(b, call, "CheckAppend", &request.base, &message, err));
    *ret_room = ((const Mailrail__CheckAppendReply *)message)->room;
    return true;
}

bool backend_quota(struct backend *b, const struct backend_call *call, uint64_t mailbox_id,
                   struct quota *ret, struct err *err)
{
    Mailrail__QuotaRequest request = MAILRAIL__QUOTA_REQUEST__INIT;
    request.token = data_of(call->token);
    request.owner = call->owner;
    request.mailbox_id = mailbox_id;
    ProtobufCMessage *message;
    TRY(backend_ask(b, call, "Quota", &request.base, &message, err));
    const Mailrail__QuotaReply *reply = (const Mailrail__QuotaReply *)message;
    *ret = (struct quota){.bytes = reply->bytes,
                          .bytes_max = reply->bytes_max,
                          .messages = reply->messages,
                          .messages_max = reply->messages_max,
                          .deleted_bytes = reply->deleted_bytes};
    return true;
}

static bool item_of(const struct append_item *from, struct arena *arena, Mailrail__AppendItem *item,
                    struct err *err)
{
    mailrail__append_item__init(item);
    item->content = data_of(from->content);
    item->file_size = from->file_size;
    item->structure = data_of(from->structure);
    item->flags = from->flags;
    item->n_keywords = from->keyword_count;
    item->received_s = from->has_received ? from->received.time_s : 0;
    item->received_zone_minutes = from->has_received ? from->received.zone_minutes : 0;
    TRY(wire_texts(arena, from->keywords, from->keyword_count, &item->keywords, err));
    return wire_text(arena, from->spool_name, &item->spool_name, err);
}

bool backend_append(struct backend *b, const struct backend_call *call, const struct append *append,
                    struct append_result *ret, struct err *err)
{
    struct wire_key key;
    Mailrail__AppendRequest request = MAILRAIL__APPEND_REQUEST__INIT;
    request.token = data_of(call->token);
    request.owner = call->owner;
    request.key = wire_key(&key);
    request.replace_uid = append->replace_uid;
    request.view_mailbox_id = append->view_mailbox_id;
    request.since_modseq = append->since_modseq;
    TRY(wire_text(call->arena, append->name, &request.name, err));
    Mailrail__AppendItem *items = arena_new_array(call->arena, append->len, Mailrail__AppendItem);
    request.items = arena_new_array(call->arena, append->len, Mailrail__AppendItem *);
    if (!items || !request.items)
        return err_set(err, ERR_LIMIT, "too many messages");
    for (size_t i = 0; i < append->len; i++) {
        TRY(item_of(&append->items[i], call->arena, &items[i], err));
        request.items[request.n_items++] = &items[i];
    }
    ProtobufCMessage *message;
    TRY(backend_change(b, call, "Append", &request.base, &message, err));
    const Mailrail__AppendReply *reply = (const Mailrail__AppendReply *)message;
    *ret = (struct append_result){.uidvalidity = reply->uidvalidity,
                                  .uids = reply->uid,
                                  .len = reply->n_uid,
                                  .has_changes = reply->changes != NULL};
    return wire_changes(reply->changes, call->arena, &ret->changes, err);
}

bool backend_store_flags(struct backend *b, const struct backend_call *call,
                         const struct store_flags *store, struct store_result *ret, struct err *err)
{
    static const Mailrail__StoreMode modes[] = {
        [STORE_REPLACE] = MAILRAIL__STORE_MODE__STORE_MODE_REPLACE,
        [STORE_ADD] = MAILRAIL__STORE_MODE__STORE_MODE_ADD,
        [STORE_REMOVE] = MAILRAIL__STORE_MODE__STORE_MODE_REMOVE,
    };
    struct wire_key key;
    Mailrail__StoreFlagsRequest request = MAILRAIL__STORE_FLAGS_REQUEST__INIT;
    request.token = data_of(call->token);
    request.owner = call->owner;
    request.key = wire_key(&key);
    request.mailbox_id = store->mailbox_id;
    request.uid = (uint32_t *)(uintptr_t)store->uids.uids;
    request.n_uid = store->uids.len;
    request.mode = modes[store->mode];
    request.flags = store->flags;
    request.n_keywords = store->keyword_count;
    request.has_unchanged_since = store->has_unchanged_since;
    request.unchanged_since = store->unchanged_since;
    request.since_modseq = store->since_modseq;
    request.derives = true;
    TRY(wire_texts(call->arena, store->keywords, store->keyword_count, &request.keywords, err));
    ProtobufCMessage *message;
    TRY(backend_change(b, call, "StoreFlags", &request.base, &message, err));
    const Mailrail__StoreFlagsReply *reply = (const Mailrail__StoreFlagsReply *)message;
    *ret = (struct store_result){.modseq = reply->modseq,
                                 .modified = {reply->modified_uid, reply->n_modified_uid}};
    TRY(wire_changes(reply->changes, call->arena, &ret->changes, err));
    if (reply->derived)
        ret->changes.derived =
            (struct flag_change){store->uids.uids, store->uids.len, reply->added, reply->removed};
    return true;
}

bool backend_copy(struct backend *b, const struct backend_call *call, const struct copy *copy,
                  struct copy_result *ret, struct err *err)
{
    struct wire_key key;
    Mailrail__CopyRequest request = MAILRAIL__COPY_REQUEST__INIT;
    request.token = data_of(call->token);
    request.owner = call->owner;
    request.key = wire_key(&key);
    request.mailbox_id = copy->mailbox_id;
    request.uid = (uint32_t *)(uintptr_t)copy->uids.uids;
    request.n_uid = copy->uids.len;
    request.since_modseq = copy->since_modseq;
    request.to_owner = copy->to_owner;
    TRY(wire_text(call->arena, copy->to, &request.to, err));
    ProtobufCMessage *message;
    TRY(backend_change(b, call, copy->move ? "Move" : "Copy", &request.base, &message, err));
    const Mailrail__CopyReply *reply = (const Mailrail__CopyReply *)message;
    *ret = (struct copy_result){.uidvalidity = reply->uidvalidity,
                                .source = {reply->source_uid, reply->n_source_uid},
                                .target = {reply->uid, reply->n_uid}};
    return wire_changes(reply->changes, call->arena, &ret->changes, err);
}

bool backend_expunge(struct backend *b, const struct backend_call *call,
                     const struct expunge *expunge, struct expunge_result *ret, struct err *err)
{
    struct wire_key key;
    Mailrail__ExpungeRequest request = MAILRAIL__EXPUNGE_REQUEST__INIT;
    request.token = data_of(call->token);
    request.owner = call->owner;
    request.key = wire_key(&key);
    request.mailbox_id = expunge->mailbox_id;
    request.only = expunge->only != NULL;
    request.below_uid = expunge->below_uid;
    request.since_modseq = expunge->since_modseq;
    if (expunge->only) {
        request.uid = (uint32_t *)(uintptr_t)expunge->only->uids;
        request.n_uid = expunge->only->len;
    }
    ProtobufCMessage *message;
    TRY(backend_change(b, call, "Expunge", &request.base, &message, err));
    const Mailrail__ExpungeReply *reply = (const Mailrail__ExpungeReply *)message;
    *ret = (struct expunge_result){.removed = reply->n_uid};
    return wire_changes(reply->changes, call->arena, &ret->changes, err);
}
