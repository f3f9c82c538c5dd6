#include "services/imap/backend_internal.h"
#include "services/imap/rights.h"

/* Deadline as the contract states it. */
#define CALL_MS 30000

bool wire_text(struct arena *arena, struct str s, char **ret, struct err *err)
{
    *ret = arena_cstr(arena, s);
    return *ret || err_set(err, ERR_SYNTAX, "NUL in text");
}

bool wire_texts(struct arena *arena, const struct str *list, size_t count, char ***ret,
                struct err *err)
{
    *ret = arena_new_array(arena, count + 1, char *);
    if (!*ret)
        return err_set(err, ERR_LIMIT, "request too large");
    for (size_t i = 0; i < count; i++)
        TRY(wire_text(arena, list[i], &(*ret)[i], err));
    return true;
}

const struct str *wire_strs(struct arena *arena, char *const *list, size_t count)
{
    struct str *ret = arena_new_array(arena, count + 1, struct str);
    for (size_t i = 0; ret && i < count; i++)
        ret[i] = str_from_cstr(list[i]);
    return ret;
}

ProtobufCBinaryData wire_key(struct wire_key *key)
{
    call_key_make(key->bytes);
    return (ProtobufCBinaryData){sizeof(key->bytes), key->bytes};
}

bool backend_ask(struct backend *b, const struct backend_call *call, const char *method,
                 const ProtobufCMessage *request, ProtobufCMessage **ret_reply, struct err *err)
{
    struct rpc_context context = rpc_context_ms(call->cid, CALL_MS);
    return rpc_call(b->mailboxes, &context, method, request, call->arena, ret_reply, err);
}

struct rpc_pending *backend_begin(struct backend *b, const struct backend_call *call,
                                  const char *method, const ProtobufCMessage *request,
                                  struct err *err)
{
    struct rpc_context context = rpc_context_ms(call->cid, CALL_MS);
    return rpc_begin(b->mailboxes, &context, method, request, call->arena, err);
}

bool backend_change(struct backend *b, const struct backend_call *call, const char *method,
                    const ProtobufCMessage *request, ProtobufCMessage **ret_reply, struct err *err)
{
    return backend_ask(b, call, method, request, ret_reply, err) ||
           (err_is_transient(err->kind) && err->kind != ERR_TEMPORARY &&
            err->kind != ERR_NO_SPACE && backend_ask(b, call, method, request, ret_reply, err));
}

struct mailbox_info wire_mailbox(const Mailrail__MailboxInfo *m, struct arena *arena)
{
    return (struct mailbox_info){
        .id = m->id,
        .name = str_from_cstr(m->name),
        .uidvalidity = m->uidvalidity,
        .uidnext = m->uidnext,
        .modseq = m->modseq,
        /* An earlier version of store does not tell them apart. */
        .messages_modseq = m->messages_modseq > 0 ? m->messages_modseq : m->modseq,
        .total = m->total,
        .deleted = m->deleted,
        .unseen = m->unseen,
        .size = m->size,
        .special_use = str_from_cstr(m->special_use),
        .keywords = wire_strs(arena, m->keywords, m->n_keywords),
        .keyword_count = m->n_keywords,
        .owner = m->owner,
        .rights = m->owner != 0 ? m->rights : RIGHTS_ALL,
    };
}

/* Readers index the columns without looking: they must be as long as they claim. */
static bool columns_agree(const Mailrail__Changes *c)
{
    size_t n = c->n_uid;
    if (c->n_id != n || c->n_modseq != n || c->n_createseq != n || c->n_flags != n ||
        c->n_size != n || c->n_prefix_size != n || c->n_received_s != n ||
        c->n_vanished_uid != c->n_vanished_modseq)
        return false;
    if ((c->n_received_zone != 0 && c->n_received_zone != n) ||
        (c->n_keyword_end != 0 && c->n_keyword_end != n))
        return false;
    uint32_t before = 0;
    for (size_t i = 0; i < c->n_keyword_end; i++) {
        if (c->keyword_end[i] < before || c->keyword_end[i] > c->n_keyword_index)
            return false;
        before = c->keyword_end[i];
    }
    for (size_t i = 0; i < c->n_keyword_index; i++)
        if (c->keyword_index[i] >= c->mailbox->n_keywords)
            return false;
    return true;
}

bool wire_changes(const Mailrail__Changes *c, struct arena *arena, struct changes *ret,
                  struct err *err)
{
    *ret = (struct changes){.gone = c && c->gone};
    if (!c || c->gone)
        return true;
    if (!c->mailbox || !columns_agree(c))
        return err_set(err, ERR_CORRUPT, "changes whose columns do not fit together");
    ret->mailbox = wire_mailbox(c->mailbox, arena);
    if (!ret->mailbox.keywords)
        return err_set(err, ERR_LIMIT, "too many keywords");
    ret->len = c->n_uid;
    ret->uid = c->uid;
    ret->id = c->id;
    ret->modseq = c->modseq;
    ret->createseq = c->createseq;
    ret->flags = c->flags;
    ret->size = c->size;
    ret->prefix_size = c->prefix_size;
    ret->received_s = c->received_s;
    ret->saved_s = c->n_saved_s == c->n_uid ? c->saved_s : NULL;
    ret->received_zone = c->n_received_zone > 0 ? c->received_zone : NULL;
    ret->keyword_end = c->n_keyword_end > 0 ? c->keyword_end : NULL;
    ret->keyword_index = c->keyword_index;
    ret->vanished_len = c->n_vanished_uid;
    ret->vanished_uid = c->vanished_uid;
    ret->vanished_modseq = c->vanished_modseq;
    ret->purged_modseq = c->purged_modseq;
    ret->more = c->more;
    ret->last_uid = c->last_uid;
    ret->modseq_seen = c->modseq_seen;
    return true;
}
