#include "tests/unit/services/imap/fake_backend_internal.h"

#include "common/mail/structure.h"
#include "common/service/layout.h"
#include "common/sys/file.h"

#include <stdio.h>

#define SAVED_S 1710000000 /* 9 March 2024: all messages come into their mailboxes then */

struct fake_message *fake_in_inbox(struct backend *b, uint32_t uid)
{
    struct fake_mailbox *m = fake_find(b, STR("Inbox"));
    for (size_t i = 0; i < m->messages.len; i++)
        if (m->messages.items[i].uid == uid)
            return &m->messages.items[i];
    BUG("no such message");
}

bool backend_check_append(struct backend *b, const struct backend_call *call, struct str name,
                          uint64_t size, uint64_t *ret_room, struct err *err)
{
    *ret_room = size < 100000000 ? 100000000 : 0;
    return fake_is_here(b, call, err) && fake_exists(fake_find(b, name), err);
}

static void add_keyword(char *list, size_t size, struct str keyword)
{
    struct str words[WORDS_MAX];
    size_t count = fake_split(str_from_cstr(list), words), len = strlen(list);
    for (size_t i = 0; i < count; i++)
        if (str_eq(words[i], keyword))
            return;
    BUG_ON(len + keyword.len + 2 > size);
    if (len > 0)
        list[len++] = ' ';
    memcpy(list + len, keyword.ptr, keyword.len);
    list[len + keyword.len] = '\0';
}

static void remove_keyword(char *list, size_t size, struct str keyword)
{
    struct str words[WORDS_MAX];
    char old[1024];
    strcpy(old, list);
    list[0] = '\0';
    size_t count = fake_split(str_from_cstr(old), words);
    for (size_t i = 0; i < count; i++)
        if (!str_eq(words[i], keyword))
            add_keyword(list, size, words[i]);
}

static struct fake_message *add_message(struct backend *b, struct fake_mailbox *m,
                                        struct fake_message message, struct str text,
                                        struct str structure)
{
    struct err err;
    struct str data = str_from_cstr(b->data);
    message.uid = m->uidnext++;
    message.id = ++b->next_id;
    message.email_id = message.email_id ? message.email_id : message.id; /* a copy has it */
    message.file_size = text.len;
    message.saved_s = SAVED_S;
    message.modseq = message.createseq = m->modseq = b->modseq;
    buf_init(&message.structure, 1 << 24);
    buf_append(&message.structure, structure);
    if (!directory_make(layout_message_directory(data, ACCOUNT, message.id).text, 0700, &err))
        BUG("%s", err.detail);
    FILE *file = fopen(layout_message(data, ACCOUNT, message.id).text, "w");
    if (!file || fwrite(text.ptr, 1, text.len, file) != text.len || fclose(file) != 0)
        BUG("message file");
    array_push(&m->messages, message);
    return &array_last(&m->messages);
}

uint32_t fake_backend_deliver(struct backend *b, struct str mailbox, struct str prefix,
                              struct str text)
{
    struct err err;
    struct arena arena;
    struct buf encoded;
    struct fake_mailbox *m = fake_find(b, mailbox);
    struct fake_message message = {.received = {1700000000, 60}};
    arena_init(&arena, STRUCTURE_ARENA_SIZE);
    buf_init(&encoded, 1 << 24);
    if (!structure_encode(structure_parse(text, &arena), &arena, &encoded, &err))
        BUG("%s", err.detail);
    b->modseq++;
    BUG_ON(!str_copy_cstr(prefix, message.prefix, sizeof(message.prefix)));
    uint32_t uid = add_message(b, m, message, text, buf_str(&encoded))->uid;
    buf_release(&encoded);
    arena_release(&arena);
    fake_publish(b, m);
    return uid;
}

static struct fake_message *find_uid(struct fake_mailbox *m, uint32_t uid)
{
    for (size_t i = 0; i < m->messages.len; i++)
        if (m->messages.items[i].uid == uid && !m->messages.items[i].expunged)
            return &m->messages.items[i];
    return NULL;
}

bool backend_append(struct backend *b, const struct backend_call *call, const struct append *append,
                    struct append_result *ret, struct err *err)
{
    struct fake_mailbox *m = fake_find(b, append->name),
                        *view = fake_find_id(b, append->view_mailbox_id);
    if (!fake_is_here(b, call, err) || !fake_exists(m, err))
        return false;
    uint32_t *uids = arena_new_array(call->arena, append->len, uint32_t);
    struct fake_message *old = append->replace_uid ? find_uid(view, append->replace_uid) : NULL;
    if (append->replace_uid && !old) {
        err_set(err, ERR_STATE, "gone");
        return err_reply(err, "the message to replace is gone");
    }
    b->modseq++;
    if (old)
        old->expunged = view->modseq = b->modseq;
    for (size_t i = 0; i < append->len; i++) {
        const struct append_item *item = &append->items[i];
        struct fake_message message = {.flags = item->flags, .received = {1700000000, 0}};
        if (item->has_received)
            message.received = item->received;
        for (size_t k = 0; k < item->keyword_count; k++) {
            add_keyword(message.keywords, sizeof(message.keywords), item->keywords[k]);
            add_keyword(m->keywords, sizeof(m->keywords), item->keywords[k]);
        }
        struct str text;
        struct layout_path spool = layout_spool(str_from_cstr(b->data), item->spool_name);
        text = item->content;
        if (item->spool_name.len > 0 && !file_read(spool.text, 1 << 26, call->arena, &text, err))
            return false;
        uids[i] = add_message(b, m, message, text, item->structure)->uid;
    }
    *ret = (struct append_result){.uidvalidity = m->uidvalidity, .uids = uids, .len = append->len};
    ret->has_changes = view != NULL;
    if (view)
        fake_changes_since(view, append->since_modseq, call->arena, &ret->changes);
    fake_publish(b, m);
    if (old)
        fake_publish(b, view);
    return true;
}

void fake_backend_meanwhile(struct backend *b, void (*run)(void *user), void *user)
{
    b->meanwhile = run;
    b->meanwhile_user = user;
}

static void run_meanwhile(struct backend *b)
{
    void (*run)(void *) = b->meanwhile;
    b->meanwhile = NULL;
    if (run)
        run(b->meanwhile_user);
}

static void set_flags(struct fake_mailbox *m, struct fake_message *message,
                      const struct store_flags *store)
{
    if (store->mode == STORE_REPLACE)
        message->flags = 0, message->keywords[0] = '\0';
    if (store->mode == STORE_REMOVE)
        message->flags &= ~store->flags;
    else
        message->flags |= store->flags;
    for (size_t k = 0; k < store->keyword_count; k++) {
        if (store->mode == STORE_REMOVE) {
            remove_keyword(message->keywords, sizeof(message->keywords), store->keywords[k]);
            continue;
        }
        add_keyword(message->keywords, sizeof(message->keywords), store->keywords[k]);
        add_keyword(m->keywords, sizeof(m->keywords), store->keywords[k]);
    }
}

bool backend_store_flags(struct backend *b, const struct backend_call *call,
                         const struct store_flags *store, struct store_result *ret, struct err *err)
{
    struct fake_mailbox *m = fake_find_id(b, store->mailbox_id);
    if (!fake_is_here(b, call, err) || !fake_exists(m, err))
        return false;
    bool changed = false;
    /* As store: what flags alone did since the caller's view it may work out for itself. */
    bool derives = store->mode != STORE_REPLACE && store->keyword_count == 0 &&
                   !store->has_unchanged_since && m->modseq <= store->since_modseq;
    uint32_t *modified = arena_new_array(call->arena, store->uids.len, uint32_t);
    *ret = (struct store_result){.modified.uids = modified};
    for (size_t i = 0; i < store->uids.len; i++) {
        struct fake_message *message = find_uid(m, store->uids.uids[i]);
        if (!message)
            continue;
        if (store->has_unchanged_since && message->modseq > store->unchanged_since) {
            modified[ret->modified.len++] = message->uid;
            continue;
        }
        struct fake_message old = *message;
        set_flags(m, message, store);
        if (old.flags == message->flags && strcmp(old.keywords, message->keywords) == 0)
            continue;
        if (!changed)
            m->modseq = ++b->modseq;
        changed = true;
        message->modseq = b->modseq;
    }
    ret->modseq = m->modseq;
    fake_changes_since(m, derives ? m->modseq : store->since_modseq, call->arena, &ret->changes);
    if (derives)
        ret->changes.derived = (struct flag_change){store->uids.uids, store->uids.len,
                                                    store->mode == STORE_ADD ? store->flags : 0,
                                                    store->mode == STORE_REMOVE ? store->flags : 0};
    if (changed)
        fake_publish(b, m);
    run_meanwhile(b);
    return true;
}

void fake_backend_expunge(struct backend *b, uint32_t uid)
{
    struct fake_mailbox *m = fake_find(b, STR("Inbox"));
    fake_in_inbox(b, uid)->expunged = m->modseq = ++b->modseq;
}

void fake_backend_mark(struct backend *b, uint32_t uid, struct str keyword)
{
    struct fake_mailbox *m = fake_find(b, STR("Inbox"));
    struct fake_message *message = fake_in_inbox(b, uid);
    struct store_flags store = {.mode = STORE_ADD, .keywords = &keyword, .keyword_count = 1};
    set_flags(m, message, &store);
    message->modseq = m->modseq = ++b->modseq;
    fake_publish(b, m);
}

bool backend_copy(struct backend *b, const struct backend_call *call, const struct copy *copy,
                  struct copy_result *ret, struct err *err)
{
    struct fake_mailbox *from = fake_find_id(b, copy->mailbox_id), *to = fake_find(b, copy->to);
    if (!fake_is_here(b, call, err) || !fake_exists(from, err) || !fake_exists(to, err))
        return false;
    if (from == to)
        return err_set(err, ERR_CONFLICT, "same mailbox");
    uint32_t *source = arena_new_array(call->arena, copy->uids.len, uint32_t);
    uint32_t *target = arena_new_array(call->arena, copy->uids.len, uint32_t);
    size_t len = 0;
    b->modseq++;
    for (size_t i = 0; i < copy->uids.len; i++) {
        struct str text;
        struct fake_message *m = find_uid(from, copy->uids.uids[i]);
        if (!m)
            continue;
        struct layout_path path = layout_message(str_from_cstr(b->data), ACCOUNT, m->id);
        if (!file_read(path.text, 1 << 26, call->arena, &text, err))
            return false;
        source[len] = m->uid;
        target[len++] = add_message(b, to, *m, text, buf_str(&m->structure))->uid;
        if (copy->move)
            m->expunged = from->modseq = b->modseq;
    }
    *ret = (struct copy_result){
        .uidvalidity = to->uidvalidity, .source = {source, len}, .target = {target, len}};
    fake_changes_since(from, copy->since_modseq, call->arena, &ret->changes);
    fake_publish(b, to);
    fake_publish(b, from);
    return true;
}

static bool is_listed(const struct uid_list *list, uint32_t uid)
{
    for (size_t i = 0; list && i < list->len; i++)
        if (list->uids[i] == uid)
            return true;
    return list == NULL;
}

bool backend_expunge(struct backend *b, const struct backend_call *call,
                     const struct expunge *expunge, struct expunge_result *ret, struct err *err)
{
    struct fake_mailbox *m = fake_find_id(b, expunge->mailbox_id);
    if (!fake_is_here(b, call, err) || !fake_exists(m, err))
        return false;
    b->modseq++;
    *ret = (struct expunge_result){0};
    for (size_t i = 0; i < m->messages.len; i++) {
        struct fake_message *message = &m->messages.items[i];
        if (!is_listed(expunge->only, message->uid) || !(message->flags & FLAG_DELETED) ||
            message->expunged || message->uid >= expunge->below_uid)
            continue;
        message->expunged = m->modseq = b->modseq;
        ret->removed++;
    }
    fake_changes_since(m, expunge->since_modseq, call->arena, &ret->changes);
    fake_publish(b, m);
    return true;
}
