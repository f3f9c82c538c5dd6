#include "services/imap/rows.h"

#include <string.h>

#define BATCH_ARENA_MAX (256u << 20)

void rows_init(struct rows *r, struct imap *imap, struct uid_set *uids, uint32_t structure,
               bool prefix)
{
    r->uids = *uids;
    *uids = (struct uid_set){0};
    r->view = imap->selected.view;
    r->horizon = imap->selected.user.horizon;
    r->structure = structure;
    r->prefix = prefix;
    arena_init(&r->batch_arena, BATCH_ARENA_MAX);
    arena_init(&r->row_arena, STRUCTURE_ARENA_SIZE);
    r->message = (struct message){.data = imap->server->settings->data, .fd = -1};
}

void rows_release(struct rows *r)
{
    message_close(&r->message);
    uid_set_release(&r->uids);
    arena_release(&r->batch_arena);
    arena_release(&r->row_arena);
}

/* Which messages of the batch have something to ask for. Of another's all that are read: store says
 * whether they are still in the mailbox, which their files do not. */
static size_t collect_ids(const struct rows *r, uint64_t *ids)
{
    size_t count = 0;
    for (size_t i = 0; i < r->len; i++)
        if (r->structure || r->ids || r->is_others || r->batch[i].message.prefix_size > 0)
            ids[count++] = r->batch[i].message.id;
    return count;
}

/* Rows and answers are in the same order; those of messages that are gone are missing. */
static void match_texts(struct rows *r, struct message_row *texts, size_t count)
{
    size_t next = 0;
    for (size_t i = 0; i < r->len && next < count; i++)
        if (texts[next].id == r->batch[i].message.id)
            r->texts[i] = &texts[next++];
}

static bool load_texts(struct rows *r, struct imap *imap, struct err *err)
{
    uint64_t ids[ROWS_BATCH];
    memset(r->texts, 0, sizeof(r->texts));
    r->is_others = view_owner(r->view) != account_id(imap->account);
    size_t wanted = r->structure || r->ids || r->prefix ? collect_ids(r, ids) : 0, count;
    if (wanted == 0)
        return true;
    arena_reset(&r->batch_arena);
    struct message_row *texts;
    struct backend_call call = imap_call_on(imap, r->view);
    call.arena = &r->batch_arena;
    if (!backend_messages(imap->server->backend, &call, view_info(r->view).mailbox_id, ids, wanted,
                          r->prefix, r->structure, &texts, &count, err))
        return false;
    match_texts(r, texts, count);
    return true;
}

static bool load_batch(struct rows *r, struct imap *imap, struct err *err)
{
    r->at = 0;
    r->len = view_read_since(r->view, r->horizon, &r->uids, r->changed_since, r->after_uid,
                             r->batch, ROWS_BATCH);
    if (r->len == 0)
        return false;
    r->after_uid = r->batch[r->len - 1].message.uid;
    return load_texts(r, imap, err);
}

static void decode_structure(struct rows *r, struct str bytes)
{
    struct err damage; /* whoever needs the structure will say so */
    struct message *m = &r->message;
    arena_reset(&r->row_arena);
    m->structure_damaged =
        !structure_decode_pieces(bytes, r->structure, &r->row_arena, &m->structure, &damage);
}

static bool load_message(struct rows *r, struct err *err)
{
    struct message *m = &r->message;
    m->account_id = view_owner(r->view);
    const struct message_row *text = r->texts[r->at];
    r->row = r->batch[r->at];
    m->row = &r->row.message;
    m->prefix = text ? text->prefix : STR_NULL;
    m->structure = NULL;
    m->structure_damaged = false;
    m->email_id = text ? text->email_id : 0;
    m->thread_id = text ? text->thread_id : 0;
    bool is_read = r->prefix && (r->row.message.prefix_size > 0 || r->is_others);
    if (!text && (is_read || r->ids || (r->structure && r->is_others)))
        return err_set(err, ERR_NOT_FOUND, "message %u is gone", m->row->uid);
    m->prefix_damaged = r->prefix && m->prefix.len != r->row.message.prefix_size;
    if (text && r->structure)
        decode_structure(r, text->structure);
    return true;
}

bool rows_load(struct rows *r, struct imap *imap, struct err *err)
{
    err->kind = ERR_NONE;
    if (r->loaded)
        return true;
    if (r->at == r->len && !load_batch(r, imap, err))
        return false;
    r->loaded = load_message(r, err);
    return r->loaded;
}

void rows_next(struct rows *r)
{
    message_close(&r->message);
    r->loaded = false;
    r->at++;
}

void rows_log_damage(const struct rows *r, struct imap *imap, const struct err *damage)
{
    const struct message *m = &r->message;
    log_error(session_log(imap->session), "message damaged", LOG_U64("account", m->account_id),
              LOG_U64("message", m->row->id), LOG_U64("uid", m->row->uid), LOG_ERR(damage));
}
