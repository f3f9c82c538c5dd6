#include "services/store/mailboxes_reply.h"

#include "services/store/flags.h"

bool reply_no_room(struct err *err)
{
    return err_set(err, ERR_LIMIT, "no room for the reply");
}

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
    info->messages_modseq = m->messages_modseq;
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

bool reply_mailboxes(const struct mailbox_list *list, struct arena *arena, Mailrail__ListReply *out,
                     struct err *err)
{
    out->mailboxes = arena_new_array(arena, list->mailboxes.len, Mailrail__MailboxInfo *);
    for (size_t i = 0; out->mailboxes && i < list->mailboxes.len; i++)
        out->mailboxes[out->n_mailboxes++] = reply_mailbox(&list->mailboxes.items[i], arena);
    return !arena->exhausted || reply_no_room(err);
}

bool reply_subscriptions(struct db *db, struct arena *arena, char ***ret, size_t *ret_count,
                         struct err *err)
{
    ARRAY_OF(char *) names = {0};
    struct db_query q = db_query(db, SUBSCRIPTION_LIST);
    while (db_step(&q))
        array_push(&names, arena_cstr(arena, db_column_str(&q, 0)));
    bool ok = db_done(&q, err);
    *ret = arena_new_array(arena, names.len, char *);
    *ret_count = names.len;
    for (size_t i = 0; *ret && i < names.len; i++)
        (*ret)[i] = names.items[i];
    array_release(&names);
    return ok && (!arena->exhausted || reply_no_room(err));
}

Mailrail__Annotation *reply_annotation(const struct annotation *a, struct arena *arena)
{
    Mailrail__Annotation *out = arena_new(arena, Mailrail__Annotation);
    if (!out)
        return NULL;
    mailrail__annotation__init(out);
    out->mailbox_id = a->mailbox_id;
    out->mailbox = arena_cstr(arena, a->mailbox);
    out->name = arena_cstr(arena, a->name);
    out->value = (ProtobufCBinaryData){a->value.len, (uint8_t *)(uintptr_t)a->value.ptr};
    out->binary = a->binary;
    out->removed = str_is_null(a->value);
    out->modseq = a->modseq;
    return arena->exhausted ? NULL : out;
}

bool reply_changes(const struct changes *c, struct arena *arena, Mailrail__Changes *out,
                   struct err *err)
{
    out->gone = c->gone;
    if (c->gone)
        return true;
    out->mailbox = reply_mailbox(&c->mailbox, arena);
    if (!out->mailbox)
        return reply_no_room(err);
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
    out->purged_modseq = c->purged_modseq;
    return true;
}

void reply_sort_keys(const struct sort_keys *keys, size_t count, Mailrail__SortKeysReply *out)
{
    out->sent_s = keys->sent_s;
    out->n_sent_s = keys->sent_s ? count : 0;
    out->subject = keys->subject;
    out->n_subject = keys->subject ? count : 0;
    out->from = keys->from;
    out->n_from = keys->from ? count : 0;
    out->to = keys->to;
    out->n_to = keys->to ? count : 0;
    out->cc = keys->cc;
    out->n_cc = keys->cc ? count : 0;
    out->display_from = keys->display_from;
    out->n_display_from = keys->display_from ? count : 0;
    out->display_to = keys->display_to;
    out->n_display_to = keys->display_to ? count : 0;
    out->is_reply = keys->is_reply;
    out->message_id = keys->message_id;
    out->reference_end = keys->reference_end;
    out->n_is_reply = out->n_message_id = out->n_reference_end = keys->is_reply ? count : 0;
    out->reference = keys->references;
    out->n_reference = keys->reference_count;
}

bool reply_thread(const struct thread *thread, struct arena *arena, Mailrail__ThreadReply *out,
                  struct err *err)
{
    Mailrail__ThreadMember *members = arena_new_array(arena, thread->len, Mailrail__ThreadMember);
    out->members = arena_new_array(arena, thread->len, Mailrail__ThreadMember *);
    if (!members || !out->members)
        return reply_no_room(err);
    for (size_t i = 0; i < thread->len; i++) {
        const struct thread_member *from = &thread->members[i];
        mailrail__thread_member__init(&members[i]);
        members[i].id = from->id;
        members[i].mailbox_id = from->mailbox_id;
        members[i].uid = from->uid;
        members[i].parents = (uint64_t *)(uintptr_t)from->parents;
        members[i].n_parents = from->parent_count;
        members[i].missing_link = from->missing_link;
        members[i].muted = from->muted;
        members[i].collapsed = from->collapsed;
        out->members[i] = &members[i];
    }
    out->n_members = thread->len;
    return true;
}
