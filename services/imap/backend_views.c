#include "services/imap/backend_internal.h"

#include <stdlib.h>

bool backend_pull(struct backend *b, const struct backend_call *call, const struct pull *pull,
                  struct changes *ret, struct err *err)
{
    Mailrail__PullRequest request = MAILRAIL__PULL_REQUEST__INIT;
    request.token = data_of(call->token);
    request.owner = call->owner;
    request.mailbox_id = pull->mailbox_id;
    request.since_modseq = pull->since_modseq;
    request.from_uid = pull->from_uid;
    request.expunged_only = pull->expunged_only;
    request.limit = pull->limit;
    request.as_of_modseq = pull->as_of_modseq;
    TRY(wire_text(call->arena, pull->name, &request.name, err));
    ProtobufCMessage *message;
    TRY(backend_ask(b, call, "Pull", &request.base, &message, err));
    return wire_changes((const Mailrail__Changes *)message, call->arena, ret, err);
}

struct messages_asked {
    struct rpc_pending *call;
};

struct messages_asked *backend_messages_ask(struct backend *b, const struct backend_call *call,
                                            const struct messages_query *query, struct err *err)
{
    Mailrail__MessagesRequest request = MAILRAIL__MESSAGES_REQUEST__INIT;
    request.token = data_of(call->token);
    request.owner = call->owner;
    request.mailbox_id = query->mailbox_id;
    request.id = (uint64_t *)(uintptr_t)query->ids;
    request.n_id = query->count;
    request.prefix = query->prefix;
    request.structure = query->structure != 0;
    request.structure_fields = query->structure;
    struct rpc_pending *pending = backend_begin(b, call, "Messages", &request.base, err);
    if (!pending)
        return NULL;
    struct messages_asked *asked = xcalloc(1, sizeof(*asked));
    asked->call = pending;
    return asked;
}

bool backend_messages_take(struct messages_asked *asked, struct arena *arena,
                           struct message_row **ret_rows, size_t *ret_count, struct err *err)
{
    ProtobufCMessage *message;
    bool ok = rpc_end(asked->call, arena, &message, err);
    free(asked);
    if (!ok)
        return false;
    const Mailrail__MessagesReply *reply = (const Mailrail__MessagesReply *)message;
    struct message_row *rows = arena_new_array(arena, reply->n_rows + 1, struct message_row);
    if (!rows)
        return err_set(err, ERR_LIMIT, "too many messages");
    for (size_t i = 0; i < reply->n_rows; i++)
        rows[i] = (struct message_row){
            .id = reply->rows[i]->id,
            .prefix = bytes_of(reply->rows[i]->prefix),
            .structure = bytes_of(reply->rows[i]->structure),
            .email_id = reply->rows[i]->email_id,
            .thread_id = reply->rows[i]->thread_id,
        };
    *ret_rows = rows;
    *ret_count = reply->n_rows;
    return true;
}

void backend_messages_abandon(struct messages_asked *asked)
{
    if (!asked)
        return;
    rpc_abandon(asked->call);
    free(asked);
}

bool backend_messages(struct backend *b, const struct backend_call *call,
                      const struct messages_query *query, struct message_row **ret_rows,
                      size_t *ret_count, struct err *err)
{
    struct messages_asked *asked = backend_messages_ask(b, call, query, err);
    return asked && backend_messages_take(asked, call->arena, ret_rows, ret_count, err);
}
