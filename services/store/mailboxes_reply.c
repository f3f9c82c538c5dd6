#include "services/store/mailboxes_reply.h"

#include "services/store/flags.h"

char **reply_names(const struct str *names, size_t count, struct arena *arena)
{
    char **copies = arena_new_array(arena, count, char *);
    for (size_t i = 0; copies && i < count; i++) {
        copies[i] = arena_cstr(arena, names[i]);
        if (!copies[i])
            return NULL;
    }
    return copies;
}

static bool reply_keywords(struct str list, struct arena *arena, Mailrail__MailboxInfo *info)
{
    info->keywords = arena_new_array(arena, KEYWORDS_PER_MAILBOX_MAX, char *);
    for (struct str item; info->keywords && !str_is_empty(list);) {
        str_cut(list, ' ', &item, &list);
        if (info->n_keywords == KEYWORDS_PER_MAILBOX_MAX)
            return false;
        info->keywords[info->n_keywords++] = arena_cstr(arena, item);
    }
    return info->keywords && !arena->exhausted;
}

Mailrail__MailboxInfo *reply_mailbox(const struct mailbox *m, struct arena *arena)
{
    Mailrail__MailboxInfo *info = arena_new(arena, Mailrail__MailboxInfo);
    if (!info)
        return NULL;
    mailrail__mailbox_info__init(info);
    info->id = m->id;
    info->name = arena_cstr(arena, m->name);
    info->uidvalidity = m->uidvalidity;
    info->uidnext = (uint32_t)m->uidnext;
    info->modseq = m->modseq;
    info->total = (uint64_t)m->total;
    info->deleted = (uint64_t)m->deleted;
    info->unread = (uint64_t)m->unread;
    info->unseen = (uint64_t)m->unseen;
    info->size = (uint64_t)m->size;
    info->special_use = arena_cstr(arena, m->special_use);
    return (str_is_empty(m->keywords) || reply_keywords(m->keywords, arena, info)) &&
                   !arena->exhausted
               ? info
               : NULL;
}

bool reply_changes(const struct changes *c, struct arena *arena, Mailrail__Changes *out,
                   struct err *err)
{
    out->gone = c->gone;
    if (c->gone)
        return true;
    out->mailbox = reply_mailbox(&c->mailbox, arena);
    if (!out->mailbox)
        return err_set(err, ERR_LIMIT, "no room for the reply");
    out->n_uid = out->n_id = out->n_modseq = out->n_createseq = c->count;
    out->n_flags = out->n_size = out->n_prefix_size = c->count;
    out->n_received_s = out->n_saved_s = c->count;
    out->uid = c->uid;
    out->id = c->id;
    out->modseq = c->modseq;
    out->createseq = c->createseq;
    out->flags = c->flags;
    out->size = c->size;
    out->prefix_size = c->prefix_size;
    out->received_s = c->received_s;
    out->saved_s = c->saved_s;
    out->n_keyword_end = c->keyword_end ? c->count : 0;
    out->keyword_end = c->keyword_end;
    out->n_keyword_index = c->keyword_count;
    out->keyword_index = c->keyword_index;
    out->n_received_zone = c->zone ? c->count : 0;
    out->received_zone = c->zone;
    out->n_vanished_uid = out->n_vanished_modseq = c->vanished_count;
    out->vanished_uid = c->vanished_uid;
    out->vanished_modseq = c->vanished_modseq;
    out->more = c->more;
    out->last_uid = c->last_uid;
    out->modseq_seen = c->mailbox.modseq;
    return true;
}
