#include "services/imap/backend_internal.h"

bool backend_find_owner(struct backend *b, const struct backend_call *call, struct str who,
                        uint64_t *ret_owner, struct err *err)
{
    Mailrail__FindOwnerRequest request = MAILRAIL__FIND_OWNER_REQUEST__INIT;
    request.token = data_of(call->token);
    TRY(wire_text(call->arena, who, &request.who, err));
    ProtobufCMessage *message;
    TRY(backend_ask(b, call, "FindOwner", &request.base, &message, err));
    *ret_owner = ((const Mailrail__FindOwnerReply *)message)->owner;
    return true;
}

bool backend_rights(struct backend *b, const struct backend_call *call,
                    const struct rights_query *query, struct rights_list *ret, struct err *err)
{
    Mailrail__GetRightsRequest request = MAILRAIL__GET_RIGHTS_REQUEST__INIT;
    request.token = data_of(call->token);
    request.owner = call->owner;
    request.mailbox_id = query->mailbox_id;
    request.all = query->all;
    TRY(wire_text(call->arena, query->name, &request.name, err));
    TRY(wire_text(call->arena, query->identifier, &request.identifier, err));
    ProtobufCMessage *message;
    TRY(backend_ask(b, call, "GetRights", &request.base, &message, err));
    const Mailrail__GetRightsReply *reply = (const Mailrail__GetRightsReply *)message;
    struct rights_entry *entries =
        arena_new_array(call->arena, reply->n_entries, struct rights_entry);
    if (!entries)
        return err_set(err, ERR_LIMIT, "too many identifiers");
    for (size_t i = 0; i < reply->n_entries; i++)
        entries[i] = (struct rights_entry){str_from_cstr(reply->entries[i]->identifier),
                                           reply->entries[i]->rights};
    *ret = (struct rights_list){.rights = reply->rights,
                                .entries = entries,
                                .len = reply->n_entries,
                                .identifier_is_owner = reply->identifier_is_owner};
    return true;
}

bool backend_set_rights(struct backend *b, const struct backend_call *call, struct str name,
                        const struct rights_entry *entry, enum rights_mode mode, struct err *err)
{
    Mailrail__SetRightsRequest request = MAILRAIL__SET_RIGHTS_REQUEST__INIT;
    request.token = data_of(call->token);
    request.owner = call->owner;
    request.mode = (Mailrail__RightsMode)mode;
    request.rights = entry->rights;
    TRY(wire_text(call->arena, name, &request.name, err));
    TRY(wire_text(call->arena, entry->identifier, &request.identifier, err));
    ProtobufCMessage *message;
    return backend_ask(b, call, "SetRights", &request.base, &message, err);
}
