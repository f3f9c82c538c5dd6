#include "tests/unit/services/imap/fake_backend_internal.h"

#include "services/imap/rights.h"

struct fake_mailbox *fake_add_mailbox(struct backend *b, struct str name)
{
    struct fake_mailbox *m = xcalloc(1, sizeof(*m));
    BUG_ON(!str_copy_cstr(name, m->name, sizeof(m->name)));
    m->id = b->mailboxes.len + 1;
    m->subscribed = true;
    m->uidvalidity = 1000 + (uint32_t)m->id;
    m->uidnext = 1;
    m->modseq = m->createseq = ++b->modseq;
    array_push(&b->mailboxes, m);
    return m;
}

static bool is_named(const struct fake_mailbox *m, struct str name)
{
    if (str_eq_nocase(name, STR("INBOX")))
        name = STR("Inbox");
    return !m->gone && str_eq(str_from_cstr(m->name), name);
}

struct fake_mailbox *fake_find(struct backend *b, struct str name)
{
    for (size_t i = 0; i < b->mailboxes.len; i++)
        if (is_named(b->mailboxes.items[i], name))
            return b->mailboxes.items[i];
    return NULL;
}

struct fake_mailbox *fake_find_id(struct backend *b, uint64_t id)
{
    return id > 0 && id <= b->mailboxes.len ? b->mailboxes.items[id - 1] : NULL;
}

bool fake_exists(const struct fake_mailbox *m, struct err *err)
{
    return (m && !m->gone) || err_set(err, ERR_NOT_FOUND, "no such mailbox");
}

size_t fake_split(struct str text, struct str *words)
{
    size_t count = 0;
    for (; text.len > 0 && count < WORDS_MAX; count++)
        str_cut(text, ' ', &words[count], &text);
    return count;
}

static void count_message(struct mailbox_info *info, const struct fake_message *m)
{
    if (m->expunged)
        return;
    info->total += !(m->flags & FLAG_DELETED);
    info->deleted += (m->flags & FLAG_DELETED) != 0;
    info->unseen += !(m->flags & FLAG_SEEN);
    info->size += m->file_size + strlen(m->prefix);
}

static uint64_t messages_modseq(const struct fake_mailbox *m)
{
    uint64_t highest = m->createseq;
    for (size_t i = 0; i < m->messages.len; i++) {
        const struct fake_message *message = &m->messages.items[i];
        uint64_t modseq = message->expunged ? message->expunged : message->modseq;
        highest = modseq > highest ? modseq : highest;
    }
    return highest;
}

struct mailbox_info fake_info_of(const struct fake_mailbox *m, struct arena *arena)
{
    struct str *keywords = arena_new_array(arena, WORDS_MAX, struct str);
    struct mailbox_info info = {.id = m->id,
                                .name = arena_copy(arena, str_from_cstr(m->name)),
                                .uidvalidity = m->uidvalidity,
                                .uidnext = m->uidnext,
                                .modseq = m->modseq,
                                .messages_modseq = messages_modseq(m),
                                .special_use = arena_copy(arena, str_from_cstr(m->special_use)),
                                .keywords = keywords,
                                .rights = RIGHTS_ALL};
    info.keyword_count = fake_split(arena_copy(arena, str_from_cstr(m->keywords)), keywords);
    for (size_t i = 0; i < m->messages.len; i++)
        count_message(&info, &m->messages.items[i]);
    return info;
}

bool backend_list(struct backend *b, const struct backend_call *call, bool others UNUSED,
                  struct mailbox_list *ret, struct err *err)
{
    size_t max = b->mailboxes.len;
    struct str *subscriptions = arena_new_array(call->arena, max, struct str);
    *ret =
        (struct mailbox_list){.mailboxes = arena_new_array(call->arena, max, struct mailbox_info),
                              .subscriptions = subscriptions,
                              .modseq = b->modseq};
    for (size_t i = 0; i < max; i++) {
        const struct fake_mailbox *m = b->mailboxes.items[i];
        if (!m->gone)
            ret->mailboxes[ret->len++] = fake_info_of(m, call->arena);
        if (m->subscribed)
            subscriptions[ret->subscription_count++] =
                arena_copy(call->arena, str_from_cstr(m->name));
    }
    return fake_is_here(b, call, err);
}

bool backend_create(struct backend *b, const struct backend_call *call, struct str name,
                    struct str special_use, struct created_mailbox *ret, uint64_t *ret_modseq,
                    struct err *err)
{
    if (!fake_is_here(b, call, err))
        return false;
    if (name.len == 0 || name.len > 200 || str_starts_with(name, STR("/")))
        return err_set(err, ERR_SYNTAX, "bad name");
    if (fake_find(b, name))
        return err_set(err, ERR_CONFLICT, "exists");
    struct str *created = arena_new_array(call->arena, 201, struct str);
    ret->names = (struct name_list){created, 0};
    for (size_t i = 1; i <= name.len; i++) {
        struct str parent = str_slice(name, 0, i);
        bool at_end_of_level = i == name.len || name.ptr[i] == '/';
        if (at_end_of_level && !fake_find(b, parent) && fake_add_mailbox(b, parent))
            created[ret->names.len++] = parent;
    }
    ret->id = fake_find(b, name)->id;
    *ret_modseq = b->modseq;
    fake_publish_changed(b, fake_find(b, name), true);
    return str_copy_cstr(special_use, fake_find(b, name)->special_use, 16);
}

bool backend_delete(struct backend *b, const struct backend_call *call, struct str name,
                    uint64_t *ret_modseq, struct err *err)
{
    struct fake_mailbox *m = fake_find(b, name);
    if (!fake_is_here(b, call, err) || !fake_exists(m, err))
        return false;
    m->gone = true;
    *ret_modseq = ++b->modseq;
    fake_publish_changed(b, m, true);
    return true;
}

bool backend_rename(struct backend *b, const struct backend_call *call, struct str from,
                    struct str to, uint64_t *ret_modseq, struct err *err)
{
    struct fake_mailbox *m = fake_find(b, from);
    if (!fake_is_here(b, call, err) || !fake_exists(m, err))
        return false;
    if (fake_find(b, to))
        return err_set(err, ERR_CONFLICT, "exists");
    if (!str_copy_cstr(to, m->name, sizeof(m->name)))
        return err_set(err, ERR_SYNTAX, "bad name");
    *ret_modseq = ++b->modseq;
    fake_publish_changed(b, m, true);
    return true;
}

bool backend_set_subscribed(struct backend *b, const struct backend_call *call, struct str name,
                            bool subscribed, uint64_t *ret_modseq, struct err *err)
{
    struct fake_mailbox *m = fake_find(b, name);
    if (!fake_is_here(b, call, err) || !fake_exists(m, err))
        return false;
    *ret_modseq = m->subscribed == subscribed ? 0 : ++b->modseq;
    m->subscribed = subscribed;
    fake_publish_changed(b, m, true);
    return true;
}

bool backend_quota(struct backend *b, const struct backend_call *call, uint64_t mailbox_id,
                   struct quota *ret, struct err *err)
{
    *ret = (struct quota){.bytes_max = b->bytes_max, .messages_max = b->messages_max};
    for (size_t i = 0; i < b->mailboxes.len; i++) {
        const struct fake_mailbox *m = b->mailboxes.items[i];
        for (size_t k = 0; k < m->messages.len; k++) {
            uint64_t size = m->messages.items[k].file_size + strlen(m->messages.items[k].prefix);
            ret->messages++;
            ret->bytes += size;
            if (m->id == mailbox_id && (m->messages.items[k].flags & FLAG_DELETED) &&
                !m->messages.items[k].expunged)
                ret->deleted_bytes += size;
        }
    }
    return fake_is_here(b, call, err);
}
