#include "services/imap/view_internal.h"

#include <inttypes.h>

/*
 * Reading the rows of a view that knows only how many there are
 * (docs/decisions/0031-lazy-views.md).
 *
 * Its sessions were told the number of the messages at the view's modseq. So the rows that are read
 * later must be those messages, in their order, whatever was expunged meanwhile: that comes as
 * graves among them. The view has no rows until all are read, and then it has them at once.
 */

void view_loading_release(struct view_loading *l)
{
    array_release(&l->messages);
    array_release(&l->graves);
}

/* Messages of one mailbox ascend by UID, and their createseqs never fall. */
static bool add_message(struct view_loading *l, struct view_message message)
{
    if (l->messages.len > 0) {
        const struct view_message *before = &array_last(&l->messages);
        if (message.uid <= before->uid)
            return false;
        if (message.createseq < before->createseq)
            message.createseq = before->createseq;
    }
    array_push(&l->messages, message);
    return true;
}

/* Nothing is known of a message that went before it was read, but that it was there. */
static void add_graves(struct view_loading *l, const struct changes *c, size_t *at, uint32_t end)
{
    for (; *at < c->vanished_len && c->vanished_uid[*at] <= end; (*at)++) {
        struct grave grave = {c->vanished_uid[*at], c->vanished_modseq[*at]};
        if (grave.uid <= l->last_uid)
            continue;
        if (add_message(l, (struct view_message){.uid = grave.uid, .expunged = grave.expunged}))
            array_push(&l->graves, grave);
    }
}

/* A chunk is about the UIDs from where the last one ended up to `last_uid`, at one moment. What
 * vanished outside of them is of no interest: earlier ones are rows already, which the next pull
 * will bury, and later ones come with their chunk. */
void view_loading_add(struct view *v, struct view_loading *l, const struct changes *c)
{
    size_t grave = 0;
    if (l->modseq == 0)
        l->modseq = c->modseq_seen;
    for (size_t k = 0; k < c->len; k++) {
        add_graves(l, c, &grave, c->uid[k]);
        add_message(l, view_message_of(v, c, k));
    }
    uint32_t end = c->more ? c->last_uid : UINT32_MAX;
    add_graves(l, c, &grave, end);
    l->last_uid = end;
    view_apply_mailbox(v, &c->mailbox);
}

static size_t count_until(const struct view_loading *l, uint64_t modseq)
{
    size_t count = 0;
    while (count < l->messages.len && l->messages.items[count].createseq <= modseq)
        count++;
    return count;
}

bool view_loading_end(struct view *v, struct view_loading *l, struct err *err)
{
    size_t count = count_until(l, v->modseq);
    if (v->is_counted && count != v->counted)
        return err_set(err, ERR_CORRUPT, "mailbox %" PRIu64 " has %zu messages and counts %u",
                       v->info.mailbox_id, count, v->counted);
    array_release(&v->messages);
    array_release(&v->graves);
    v->messages = l->messages;
    v->graves = l->graves;
    v->is_counted = false;
    view_advance(v, l->modseq);
    *l = (struct view_loading){0};
    return true;
}

static bool load_chunk(struct view *v, struct view_loading *l, struct backend *b,
                       const struct backend_call *call, struct changes *changes, struct err *err)
{
    struct pull pull = {
        .mailbox_id = v->info.mailbox_id, .from_uid = l->last_uid, .as_of_modseq = l->as_of};
    TRY(backend_pull(b, call, &pull, changes, err));
    pthread_rwlock_wrlock(&v->lock);
    v->info.gone = v->info.gone || changes->gone;
    if (!changes->gone)
        view_loading_add(v, l, changes);
    pthread_rwlock_unlock(&v->lock);
    return true;
}

static bool load_all(struct view *v, struct view_loading *l, struct backend *b,
                     const struct backend_call *call, struct err *err)
{
    struct changes changes;
    do {
        arena_reset(call->arena);
        TRY(load_chunk(v, l, b, call, &changes, err));
    } while (changes.more);
    if (changes.gone)
        return true;
    uint64_t first = l->modseq;
    pthread_rwlock_wrlock(&v->lock);
    bool alone = v->modseq == l->as_of; /* else another session opened the view meanwhile */
    bool ok = !alone || view_loading_end(v, l, err);
    pthread_rwlock_unlock(&v->lock);
    if (!alone)
        view_nudge(v, UINT64_MAX);
    else if (ok && changes.modseq_seen > first)
        view_nudge(v, changes.modseq_seen);
    return ok;
}

bool view_load_rows(struct view *v, struct backend *b, const struct backend_call *call,
                    struct err *err)
{
    struct view_loading l = {.as_of = v->modseq};
    bool ok = load_all(v, &l, b, call, err);
    view_loading_release(&l);
    return ok;
}

bool view_load(struct view *v, struct backend *b, const struct backend_call *call, struct err *err)
{
    while (view_is_counted(v)) {
        TRY(view_refresh(v, b, call, true, err));
        if (view_is_counted(v) && view_info(v).gone) {
            err_set(err, ERR_NOT_FOUND, "the selected mailbox was deleted");
            return err_reply(err, "the selected mailbox was deleted");
        }
    }
    return true;
}
