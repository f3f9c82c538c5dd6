#include "services/imap/rows.h"

#include "common/base/clock.h"

#include <string.h>

#define BATCH_ARENA_MAX (256u << 20)
#define PATIENCE_MS 1000 /* waiting for what was asked ahead, before it is asked again */

void rows_init(struct rows *r, struct imap *imap, struct uid_set *uids, uint32_t structure,
               bool prefix)
{
    r->uids = *uids;
    *uids = (struct uid_set){0};
    r->view = imap->selected.view;
    r->horizon = imap->selected.user.horizon;
    r->structure = structure;
    r->prefix = prefix;
    for (size_t i = 0; i < ARRAY_LEN(r->batches); i++)
        arena_init(&r->batches[i].arena, BATCH_ARENA_MAX);
    arena_init(&r->row_arena, STRUCTURE_ARENA_SIZE);
    r->message = (struct message){.data = imap->server->settings->data, .fd = -1};
}

void rows_release(struct rows *r)
{
    message_close(&r->message);
    uid_set_release(&r->uids);
    for (size_t i = 0; i < ARRAY_LEN(r->batches); i++) {
        backend_messages_abandon(r->batches[i].asked);
        arena_release(&r->batches[i].arena);
    }
    arena_release(&r->row_arena);
}

/* ---- Batches */

/* Is anything wanted that is not in the view? */
static bool wants_texts(const struct rows *r)
{
    return r->structure || r->ids || r->prefix;
}

/* Which messages of the batch have something to ask for. Of another's all that are read: store says
 * whether they are still in the mailbox, which their files do not. */
static size_t collect_ids(const struct rows *r, const struct rows_batch *b, uint64_t *ids)
{
    size_t count = 0;
    if (!wants_texts(r))
        return 0;
    for (size_t i = 0; i < b->len; i++)
        if (r->structure || r->ids || r->is_others || b->rows[i].message.prefix_size > 0)
            ids[count++] = b->rows[i].message.id;
    return count;
}

/* Rows and answers are in the same order; those of messages that are gone are missing. */
static void match_texts(struct rows_batch *b, struct message_row *texts, size_t count)
{
    size_t next = 0;
    for (size_t i = 0; i < b->len && next < count; i++)
        if (texts[next].id == b->rows[i].message.id)
            b->texts[i] = &texts[next++];
}

static void read_rows(struct rows *r, struct rows_batch *b)
{
    b->len = view_read_since(r->view, r->horizon, &r->uids, r->changed_since, r->after_uid, b->rows,
                             ROWS_BATCH);
    memset(b->texts, 0, sizeof(b->texts));
    if (b->len > 0)
        r->after_uid = b->rows[b->len - 1].message.uid;
}

/* True with nothing asked when the batch has all that is wanted. */
static bool ask_texts(const struct rows *r, struct imap *imap, struct rows_batch *b,
                      struct err *err)
{
    uint64_t ids[ROWS_BATCH];
    struct messages_query query = {.mailbox_id = view_info(r->view).mailbox_id,
                                   .ids = ids,
                                   .count = collect_ids(r, b, ids),
                                   .prefix = r->prefix,
                                   .structure = r->structure};
    if (query.count == 0)
        return true;
    arena_reset(&b->arena);
    struct backend_call call = imap_call_on(imap, r->view);
    call.arena = &b->arena;
    b->asked = backend_messages_ask(imap->server->backend, &call, &query, err);
    return b->asked != NULL;
}

/* True at once when nothing was asked. */
static bool take_texts(struct rows_batch *b, struct err *err)
{
    struct message_row *texts;
    size_t count;
    struct messages_asked *asked = b->asked;
    if (!asked)
        return true;
    b->asked = NULL;
    TRY(backend_messages_take(asked, &b->arena, &texts, &count, err));
    match_texts(b, texts, count);
    return true;
}

/* What was asked ahead may have been lost with a store that was restarted while the client took its
 * time: it is asked again. Not when we have waited for it: nobody waits twice as long. */
static bool load_texts(const struct rows *r, struct imap *imap, struct rows_batch *b,
                       struct err *err)
{
    if (b->asked) {
        int64_t began_ms = clock_monotonic_ms();
        if (take_texts(b, err))
            return true;
        if (!err_is_transient(err->kind) || clock_monotonic_ms() - began_ms > PATIENCE_MS)
            return false;
    }
    return ask_texts(r, imap, b, err) && take_texts(b, err);
}

/* Where nothing is asked there is no need: rows that are read later are newer. Of another's mailbox
 * store is asked as late as can be, since the right to read it may go. A failure is met when the
 * batch is loaded. */
static void look_ahead(struct rows *r, struct imap *imap, const struct rows_batch *current,
                       struct rows_batch *next)
{
    struct err err;
    bool may_be_more = current->len == ROWS_BATCH;
    next->len = 0;
    if (!may_be_more || r->is_others || !wants_texts(r))
        return;
    read_rows(r, next);
    (void)ask_texts(r, imap, next, &err);
}

static bool load_batch(struct rows *r, struct imap *imap, struct err *err)
{
    struct rows_batch *used = &r->batches[r->current], *b = &r->batches[!r->current];
    r->at = 0;
    r->current = !r->current;
    r->is_others = view_owner(r->view) != account_id(imap->account);
    if (b->len == 0)
        read_rows(r, b);
    used->len = 0;
    if (b->len == 0 || !load_texts(r, imap, b, err))
        return false;
    look_ahead(r, imap, b, used);
    return true;
}

bool rows_is_known_expunged(const struct rows *r)
{
    const struct rows_batch *b = &r->batches[r->current];
    return r->at < b->len && b->rows[r->at].message.expunged != 0;
}

/* ---- Messages */

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
    const struct rows_batch *b = &r->batches[r->current];
    const struct message_row *text = b->texts[r->at];
    r->row = b->rows[r->at];
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
    if (r->at == r->batches[r->current].len && !load_batch(r, imap, err))
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
