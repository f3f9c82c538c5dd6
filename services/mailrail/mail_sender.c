#include "services/mailrail/mail_sender.h"

#include "services/mailrail/progress.h"

#define BATCH_ARENA_MAX (64u << 20)
#define BATCH_BYTES (4u << 20)

void mail_sender_init(struct mail_sender *s, struct transfer *to, struct str key)
{
    s->to = to;
    s->key = key;
    s->sent = s->position = 0;
    s->count = 0;
    arena_init(&s->batch, BATCH_ARENA_MAX);
}

void mail_sender_release(struct mail_sender *s)
{
    arena_release(&s->batch);
}

bool mail_sender_flush(struct mail_sender *s, struct err *err)
{
    if (s->count == 0)
        return true;
    TRY(transfer_add(s->to, s->key, s->sent + 1, s->items, s->count, s->position, err));
    s->sent += s->count;
    s->count = 0;
    arena_reset(&s->batch);
    return true;
}

static bool send_large(struct mail_sender *s, struct str text, struct err *err)
{
    uint64_t sequence = s->sent + s->count + 1;
    for (uint64_t offset = 0; offset < text.len;) {
        struct str piece = str_slice(text, (size_t)offset, TRANSFER_PIECE_MAX);
        if (progress_is_interrupted())
            return err_set(err, ERR_TEMPORARY, "interrupted");
        TRY(transfer_add_text(s->to, s->key, sequence, offset, piece, err));
        offset += piece.len;
    }
    return true;
}

static bool copy_flags(struct mail_sender *s, const struct mail_flags *flags,
                       const struct mail_flags **ret)
{
    struct mail_flags *copy = arena_new(&s->batch, struct mail_flags);
    if (!copy)
        return false;
    *copy = *flags;
    for (size_t i = 0; i < copy->keyword_count; i++)
        copy->keywords[i] = arena_copy(&s->batch, flags->keywords[i]);
    *ret = copy;
    return true;
}

static bool copy_item(struct mail_sender *s, const struct import_item *message, struct err *err)
{
    struct import_item *item = &s->items[s->count];
    bool is_large = message->content.len > TRANSFER_CONTENT_MAX;
    *item = *message;
    item->content = is_large ? STR_NULL : arena_copy(&s->batch, message->content);
    item->structure = arena_copy(&s->batch, message->structure);
    item->mail_from = (struct address){arena_copy(&s->batch, message->mail_from.localpart),
                                       arena_copy(&s->batch, message->mail_from.domain)};
    return (copy_flags(s, message->flags, &item->flags) && !s->batch.exhausted) ||
           err_set(err, ERR_LIMIT, "not enough memory for the message");
}

bool mail_sender_add(struct mail_sender *s, const struct import_item *message, uint64_t position,
                     struct err *err)
{
    if (message->content.len > TRANSFER_CONTENT_MAX)
        TRY(send_large(s, message->content, err));
    TRY(copy_item(s, message, err));
    s->count++;
    s->position = position;
    return (s->count < TRANSFER_ITEMS_MAX && s->batch.used < BATCH_BYTES) ||
           mail_sender_flush(s, err);
}
