#include "services/imap/backend_internal.h"

/* NULL for a column that was not asked for; one of another length is refused. */
static bool text_column(struct arena *arena, char *const *list, size_t len, size_t count,
                        const struct str **ret)
{
    *ret = len > 0 ? wire_strs(arena, list, len) : NULL;
    return len == 0 || (len == count && *ret);
}

static bool are_references_sound(const Mailrail__SortKeysReply *r, size_t count)
{
    uint32_t end = 0;
    if (r->n_is_reply != r->n_reference_end || r->n_message_id != r->n_reference_end ||
        (r->n_reference_end != 0 && r->n_reference_end != count))
        return false;
    for (size_t i = 0; i < r->n_reference_end; i++) {
        if (r->reference_end[i] < end || r->reference_end[i] > r->n_reference)
            return false;
        end = r->reference_end[i];
    }
    return true;
}

static bool keys_of(const Mailrail__SortKeysReply *r, size_t count, struct arena *arena,
                    struct sort_keys *ret)
{
    *ret = (struct sort_keys){
        .sent_s = r->n_sent_s > 0 ? r->sent_s : NULL,
        .is_reply = r->n_is_reply > 0 ? r->is_reply : NULL,
        .reference_end = r->n_reference_end > 0 ? r->reference_end : NULL,
        .references = wire_strs(arena, r->reference, r->n_reference),
    };
    return ret->references && (r->n_sent_s == 0 || r->n_sent_s == count) &&
           are_references_sound(r, count) &&
           text_column(arena, r->subject, r->n_subject, count, &ret->subject) &&
           text_column(arena, r->from, r->n_from, count, &ret->from) &&
           text_column(arena, r->to, r->n_to, count, &ret->to) &&
           text_column(arena, r->cc, r->n_cc, count, &ret->cc) &&
           text_column(arena, r->display_from, r->n_display_from, count, &ret->display_from) &&
           text_column(arena, r->display_to, r->n_display_to, count, &ret->display_to) &&
           text_column(arena, r->message_id, r->n_message_id, count, &ret->message_id);
}

/* Every column that was asked for is there. */
static bool has_keys(const struct sort_keys *k, unsigned keys)
{
    return (!(keys & SORT_KEY_DATE) || k->sent_s) && (!(keys & SORT_KEY_SUBJECT) || k->subject) &&
           (!(keys & SORT_KEY_FROM) || k->from) && (!(keys & SORT_KEY_TO) || k->to) &&
           (!(keys & SORT_KEY_CC) || k->cc) &&
           (!(keys & SORT_KEY_DISPLAY_FROM) || k->display_from) &&
           (!(keys & SORT_KEY_DISPLAY_TO) || k->display_to) &&
           (!(keys & SORT_KEY_THREAD) || k->message_id);
}

bool backend_sort_keys(struct backend *b, const struct backend_call *call, uint64_t mailbox_id,
                       const uint64_t *ids, size_t count, unsigned keys, struct sort_keys *ret,
                       struct err *err)
{
    Mailrail__SortKeysRequest request = MAILRAIL__SORT_KEYS_REQUEST__INIT;
    request.token = data_of(call->token);
    request.owner = call->owner;
    request.mailbox_id = mailbox_id;
    request.id = (uint64_t *)(uintptr_t)ids;
    request.n_id = count;
    request.keys = keys;
    ProtobufCMessage *message;
    TRY(backend_ask(b, call, "SortKeys", &request.base, &message, err));
    if (keys_of((const Mailrail__SortKeysReply *)message, count, call->arena, ret) &&
        has_keys(ret, keys))
        return true;
    if (call->arena->exhausted)
        return err_set(err, ERR_LIMIT, "too many sort keys");
    return err_set(err, ERR_CORRUPT, "sort keys that do not fit");
}
