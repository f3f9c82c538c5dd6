#include "tests/unit/services/imap/fake_backend.h"

#include "common/base/array.h"
#include "common/mail/structure.h"
#include "common/service/layout.h"
#include "common/sys/file.h"
#include "services/imap/flags.h"

#include <stdio.h>
#include <string.h>

#define ACCOUNT 7
#define WORDS_MAX 64

struct fake_message {
    uint32_t uid, flags;
    uint64_t id, modseq, createseq, expunged;
    char keywords[256]; /* separated by spaces */
    char prefix[256];
    uint64_t file_size;
    struct buf structure;
    struct date received;
};

struct fake_mailbox {
    uint64_t id, modseq;
    char name[256], special_use[16], keywords[1024];
    bool subscribed, gone;
    uint32_t uidvalidity, uidnext;
    ARRAY_OF(struct fake_message) messages;
};

struct backend {
    char data[512];
    struct backend_events events;
    ARRAY_OF(struct fake_mailbox *) mailboxes;
    uint64_t modseq, next_id;
    bool away;
};

/* ---- Life cycle */

static struct fake_mailbox *add_mailbox(struct backend *b, struct str name)
{
    struct fake_mailbox *m = xcalloc(1, sizeof(*m));
    BUG_ON(!str_copy_cstr(name, m->name, sizeof(m->name)));
    m->id = b->mailboxes.len + 1;
    m->subscribed = true;
    m->uidvalidity = 1000 + (uint32_t)m->id;
    m->uidnext = 1;
    m->modseq = ++b->modseq;
    array_push(&b->mailboxes, m);
    return m;
}

struct backend *fake_backend_new(struct str data)
{
    struct backend *b = xcalloc(1, sizeof(*b));
    BUG_ON(!str_copy_cstr(data, b->data, sizeof(b->data)));
    add_mailbox(b, STR("Inbox"));
    add_mailbox(b, STR("Archive"));
    add_mailbox(b, STR("Trash"));
    return b;
}

void fake_backend_set_events(struct backend *b, const struct backend_events *events)
{
    b->events = *events;
}

void fake_backend_set_away(struct backend *b, bool away)
{
    b->away = away;
}

void backend_free(struct backend *b)
{
    for (size_t i = 0; i < b->mailboxes.len; i++) {
        struct fake_mailbox *m = b->mailboxes.items[i];
        for (size_t k = 0; k < m->messages.len; k++)
            buf_release(&m->messages.items[k].structure);
        array_release(&m->messages);
        free(m);
    }
    array_release(&b->mailboxes);
    free(b);
}

void backend_subscribe(struct backend *b, uint64_t account_id)
{
    BUG_ON(account_id != ACCOUNT || !b);
}

void backend_unsubscribe(struct backend *b, uint64_t account_id)
{
    BUG_ON(account_id != ACCOUNT || !b);
}

static bool is_here(struct backend *b, const struct backend_call *call, struct err *err)
{
    if (b->away)
        return err_set(err, ERR_UNAVAILABLE, "nobody serves the door");
    return str_eq(call->token, STR("token")) || err_set(err, ERR_DENIED, "bad token");
}

static void publish(struct backend *b, const struct fake_mailbox *m)
{
    struct backend_event event = {ACCOUNT, b->modseq, &m->id, 1};
    if (b->events.changed)
        b->events.changed(b->events.user, &event);
}

/* ---- Login */

bool backend_auth(struct backend *b, const struct backend_call *call,
                  const struct backend_auth *auth, struct backend_auth_result *ret, struct err *err)
{
    static const char right[] = "\0me@localhost\0secret";
    (void)call;
    if (b->away)
        return err_set(err, ERR_UNAVAILABLE, "nobody serves the door");
    if (!str_eq(auth->mechanism, STR("PLAIN")))
        return err_set(err, ERR_NOT_FOUND, "unknown mechanism");
    *ret = (struct backend_auth_result){.outcome = AUTH_WRONG, .counts = true};
    if (!str_eq(auth->response, str_make(right, sizeof(right) - 1)))
        return true;
    ret->outcome = AUTH_SUCCESS;
    ret->login = (struct backend_login){.token = STR("token"),
                                        .expires_ms = INT64_MAX,
                                        .account_id = ACCOUNT,
                                        .account = STR("me"),
                                        .login = STR("me@localhost")};
    return true;
}

bool backend_renew(struct backend *b, const struct backend_call *call, struct backend_login *ret,
                   struct err *err)
{
    *ret = (struct backend_login){.token = STR("token"), .expires_ms = INT64_MAX};
    return is_here(b, call, err);
}

/* ---- Mailboxes */

static bool is_named(const struct fake_mailbox *m, struct str name)
{
    if (str_eq_nocase(name, STR("INBOX")))
        name = STR("Inbox");
    return !m->gone && str_eq(str_from_cstr(m->name), name);
}

static struct fake_mailbox *find(struct backend *b, struct str name)
{
    for (size_t i = 0; i < b->mailboxes.len; i++)
        if (is_named(b->mailboxes.items[i], name))
            return b->mailboxes.items[i];
    return NULL;
}

static struct fake_mailbox *find_id(struct backend *b, uint64_t id)
{
    return id > 0 && id <= b->mailboxes.len ? b->mailboxes.items[id - 1] : NULL;
}

static bool exists(const struct fake_mailbox *m, struct err *err)
{
    return (m && !m->gone) || err_set(err, ERR_NOT_FOUND, "no such mailbox");
}

static size_t split(struct str text, struct str *words)
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

static struct mailbox_info info_of(const struct fake_mailbox *m, struct arena *arena)
{
    struct str *keywords = arena_new_array(arena, WORDS_MAX, struct str);
    struct mailbox_info info = {.id = m->id,
                                .name = arena_copy(arena, str_from_cstr(m->name)),
                                .uidvalidity = m->uidvalidity,
                                .uidnext = m->uidnext,
                                .modseq = m->modseq,
                                .special_use = arena_copy(arena, str_from_cstr(m->special_use)),
                                .keywords = keywords};
    info.keyword_count = split(arena_copy(arena, str_from_cstr(m->keywords)), keywords);
    for (size_t i = 0; i < m->messages.len; i++)
        count_message(&info, &m->messages.items[i]);
    return info;
}

bool backend_list(struct backend *b, const struct backend_call *call, struct mailbox_list *ret,
                  struct err *err)
{
    size_t max = b->mailboxes.len;
    struct str *subscriptions = arena_new_array(call->arena, max, struct str);
    *ret =
        (struct mailbox_list){.mailboxes = arena_new_array(call->arena, max, struct mailbox_info),
                              .subscriptions = subscriptions};
    for (size_t i = 0; i < max; i++) {
        const struct fake_mailbox *m = b->mailboxes.items[i];
        if (!m->gone)
            ret->mailboxes[ret->len++] = info_of(m, call->arena);
        if (m->subscribed)
            subscriptions[ret->subscription_count++] = str_from_cstr(m->name);
    }
    return is_here(b, call, err);
}

bool backend_create(struct backend *b, const struct backend_call *call, struct str name,
                    struct str special_use, struct name_list *ret_created, struct err *err)
{
    if (!is_here(b, call, err))
        return false;
    if (name.len == 0 || name.len > 200 || str_starts_with(name, STR("/")))
        return err_set(err, ERR_SYNTAX, "bad name");
    if (find(b, name))
        return err_set(err, ERR_CONFLICT, "exists");
    struct str *created = arena_new_array(call->arena, 201, struct str);
    *ret_created = (struct name_list){created, 0};
    for (size_t i = 1; i <= name.len; i++) {
        struct str parent = str_slice(name, 0, i);
        bool at_end_of_level = i == name.len || name.ptr[i] == '/';
        if (at_end_of_level && !find(b, parent) && add_mailbox(b, parent))
            created[ret_created->len++] = parent;
    }
    return str_copy_cstr(special_use, find(b, name)->special_use, 16);
}

bool backend_delete(struct backend *b, const struct backend_call *call, struct str name,
                    struct err *err)
{
    struct fake_mailbox *m = find(b, name);
    if (!is_here(b, call, err) || !exists(m, err))
        return false;
    m->gone = true;
    b->modseq++;
    publish(b, m);
    return true;
}

bool backend_rename(struct backend *b, const struct backend_call *call, struct str from,
                    struct str to, struct err *err)
{
    struct fake_mailbox *m = find(b, from);
    if (!is_here(b, call, err) || !exists(m, err))
        return false;
    if (find(b, to))
        return err_set(err, ERR_CONFLICT, "exists");
    return str_copy_cstr(to, m->name, sizeof(m->name)) || err_set(err, ERR_SYNTAX, "bad name");
}

bool backend_set_subscribed(struct backend *b, const struct backend_call *call, struct str name,
                            bool subscribed, struct err *err)
{
    struct fake_mailbox *m = find(b, name);
    if (!is_here(b, call, err) || !exists(m, err))
        return false;
    m->subscribed = subscribed;
    return true;
}

/* ---- Changes */

struct columns {
    uint32_t *uid, *flags, *prefix_size, *zone, *keyword_end, *keyword_index, *vanished_uid;
    uint64_t *id, *modseq, *createseq, *size, *vanished_modseq;
    int64_t *received_s;
};

static struct columns make_columns(struct arena *a, size_t n, struct changes *ret)
{
    struct columns c;
    ret->uid = c.uid = arena_new_array(a, n, uint32_t);
    ret->flags = c.flags = arena_new_array(a, n, uint32_t);
    ret->prefix_size = c.prefix_size = arena_new_array(a, n, uint32_t);
    ret->received_zone = c.zone = arena_new_array(a, n, uint32_t);
    ret->keyword_end = c.keyword_end = arena_new_array(a, n, uint32_t);
    ret->keyword_index = c.keyword_index = arena_new_array(a, n * 16, uint32_t);
    ret->vanished_uid = c.vanished_uid = arena_new_array(a, n, uint32_t);
    ret->id = c.id = arena_new_array(a, n, uint64_t);
    ret->modseq = c.modseq = arena_new_array(a, n, uint64_t);
    ret->createseq = c.createseq = arena_new_array(a, n, uint64_t);
    ret->size = c.size = arena_new_array(a, n, uint64_t);
    ret->vanished_modseq = c.vanished_modseq = arena_new_array(a, n, uint64_t);
    ret->received_s = c.received_s = arena_new_array(a, n, int64_t);
    return c;
}

static void add_row(struct columns *c, struct changes *ret, const struct fake_message *m)
{
    size_t k = ret->len++;
    struct str words[WORDS_MAX];
    size_t count = split(str_from_cstr(m->keywords), words);
    uint32_t end = k > 0 ? c->keyword_end[k - 1] : 0;
    c->uid[k] = m->uid;
    c->id[k] = m->id;
    c->modseq[k] = m->modseq;
    c->createseq[k] = m->createseq;
    c->flags[k] = m->flags;
    c->size[k] = m->file_size + strlen(m->prefix);
    c->prefix_size[k] = (uint32_t)strlen(m->prefix);
    c->received_s[k] = m->received.time_s;
    c->zone[k] = (uint32_t)(m->received.zone_minutes + 1440);
    for (size_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < ret->mailbox.keyword_count; j++)
            if (str_eq(words[i], ret->mailbox.keywords[j]))
                c->keyword_index[end++] = j;
    c->keyword_end[k] = end;
}

static void changes_since(const struct fake_mailbox *m, uint64_t since, struct arena *arena,
                          struct changes *ret)
{
    *ret = (struct changes){.gone = m->gone};
    if (m->gone)
        return;
    ret->mailbox = info_of(m, arena);
    ret->modseq_seen = m->modseq;
    struct columns c = make_columns(arena, m->messages.len + 1, ret);
    for (size_t i = 0; i < m->messages.len; i++) {
        const struct fake_message *message = &m->messages.items[i];
        if (!message->expunged && message->modseq > since)
            add_row(&c, ret, message);
        if (message->expunged <= since || since == 0)
            continue;
        c.vanished_uid[ret->vanished_len] = message->uid;
        c.vanished_modseq[ret->vanished_len++] = message->expunged;
    }
}

bool backend_pull(struct backend *b, const struct backend_call *call, const struct pull *pull,
                  struct changes *ret, struct err *err)
{
    struct fake_mailbox *m = pull->mailbox_id ? find_id(b, pull->mailbox_id) : find(b, pull->name);
    if (!is_here(b, call, err))
        return false;
    if (!m)
        return err_set(err, ERR_NOT_FOUND, "no such mailbox");
    changes_since(m, pull->since_modseq, call->arena, ret);
    return true;
}

bool backend_messages(struct backend *b, const struct backend_call *call, uint64_t mailbox_id,
                      const uint64_t *ids, size_t count, bool prefix, bool structure,
                      struct message_row **ret_rows, size_t *ret_count, struct err *err)
{
    struct fake_mailbox *m = find_id(b, mailbox_id);
    if (!is_here(b, call, err) || !exists(m, err))
        return false;
    *ret_rows = arena_new_array(call->arena, count, struct message_row);
    *ret_count = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < m->messages.len; k++) {
            const struct fake_message *from = &m->messages.items[k];
            if (from->id != ids[i])
                continue;
            struct message_row *row = &(*ret_rows)[(*ret_count)++];
            row->id = from->id;
            if (prefix)
                row->prefix = arena_copy(call->arena, str_from_cstr(from->prefix));
            if (structure)
                row->structure = arena_copy(call->arena, buf_str(&from->structure));
        }
    }
    return true;
}

/* ---- Messages */

bool backend_check_append(struct backend *b, const struct backend_call *call, struct str name,
                          uint64_t *ret_room, struct err *err)
{
    *ret_room = 100000000;
    return is_here(b, call, err) && exists(find(b, name), err);
}

static void add_keyword(char *list, size_t size, struct str keyword)
{
    struct str words[WORDS_MAX];
    size_t count = split(str_from_cstr(list), words), len = strlen(list);
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
    size_t count = split(str_from_cstr(old), words);
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
    message.file_size = text.len;
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
    struct fake_mailbox *m = find(b, mailbox);
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
    publish(b, m);
    return uid;
}

bool backend_append(struct backend *b, const struct backend_call *call, const struct append *append,
                    struct append_result *ret, struct err *err)
{
    struct fake_mailbox *m = find(b, append->name), *view = find_id(b, append->view_mailbox_id);
    if (!is_here(b, call, err) || !exists(m, err))
        return false;
    uint32_t *uids = arena_new_array(call->arena, append->len, uint32_t);
    b->modseq++;
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
        if (!file_read(spool.text, 1 << 26, call->arena, &text, err))
            return false;
        uids[i] = add_message(b, m, message, text, item->structure)->uid;
    }
    *ret = (struct append_result){.uidvalidity = m->uidvalidity, .uids = uids, .len = append->len};
    ret->has_changes = view != NULL;
    if (view)
        changes_since(view, append->since_modseq, call->arena, &ret->changes);
    publish(b, m);
    return true;
}

static struct fake_message *find_uid(struct fake_mailbox *m, uint32_t uid)
{
    for (size_t i = 0; i < m->messages.len; i++)
        if (m->messages.items[i].uid == uid && !m->messages.items[i].expunged)
            return &m->messages.items[i];
    return NULL;
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
                         const struct store_flags *store, uint64_t *ret_modseq,
                         struct changes *ret_changes, struct err *err)
{
    struct fake_mailbox *m = find_id(b, store->mailbox_id);
    if (!is_here(b, call, err) || !exists(m, err))
        return false;
    bool changed = false;
    for (size_t i = 0; i < store->uids.len; i++) {
        struct fake_message *message = find_uid(m, store->uids.uids[i]);
        if (!message)
            continue;
        struct fake_message old = *message;
        set_flags(m, message, store);
        if (old.flags == message->flags && strcmp(old.keywords, message->keywords) == 0)
            continue;
        if (!changed)
            m->modseq = ++b->modseq;
        changed = true;
        message->modseq = b->modseq;
    }
    *ret_modseq = m->modseq;
    changes_since(m, store->since_modseq, call->arena, ret_changes);
    if (changed)
        publish(b, m);
    return true;
}

bool backend_copy(struct backend *b, const struct backend_call *call, const struct copy *copy,
                  struct copy_result *ret, struct err *err)
{
    struct fake_mailbox *from = find_id(b, copy->mailbox_id), *to = find(b, copy->to);
    if (!is_here(b, call, err) || !exists(from, err) || !exists(to, err))
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
    changes_since(from, copy->since_modseq, call->arena, &ret->changes);
    publish(b, to);
    publish(b, from);
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
                     const struct expunge *expunge, struct changes *ret_changes, struct err *err)
{
    struct fake_mailbox *m = find_id(b, expunge->mailbox_id);
    if (!is_here(b, call, err) || !exists(m, err))
        return false;
    b->modseq++;
    for (size_t i = 0; i < m->messages.len; i++) {
        struct fake_message *message = &m->messages.items[i];
        if (is_listed(expunge->only, message->uid) && (message->flags & FLAG_DELETED) &&
            !message->expunged && message->uid < expunge->below_uid)
            message->expunged = m->modseq = b->modseq;
    }
    changes_since(m, expunge->since_modseq, call->arena, ret_changes);
    publish(b, m);
    return true;
}
