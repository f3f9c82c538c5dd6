#include "tests/unit/services/imap/fake_backend.h"

#include "common/base/array.h"
#include "common/mail/header.h"
#include "common/mail/structure.h"
#include "common/service/layout.h"
#include "common/sys/file.h"
#include "common/text/utf8.h"
#include "services/imap/flags.h"
#include "services/imap/rights.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ACCOUNT 7
#define WORDS_MAX 64
#define SAVED_S 1710000000 /* 9 March 2024: all messages come into their mailboxes then */

struct fake_message {
    uint32_t uid, flags;
    uint64_t id, email_id, modseq, createseq, expunged;
    bool purged;        /* nobody remembers that it was expunged */
    char keywords[256]; /* separated by spaces */
    char prefix[256];
    bool prefix_is_cut; /* by its last byte */
    uint64_t file_size;
    struct buf structure;
    struct date received;
    int64_t saved_s;
};

struct fake_mailbox {
    uint64_t id, modseq, createseq;
    char name[256], special_use[16], keywords[1024];
    bool subscribed, gone;
    uint32_t uidvalidity, uidnext;
    ARRAY_OF(struct fake_message) messages;
};

struct fake_annotation {
    uint64_t mailbox_id, modseq;
    char name[128], value[128];
    size_t size;
    bool binary, removed;
};

struct fake_right {
    uint64_t mailbox_id;
    char identifier[64];
    unsigned rights;
};

struct backend {
    ARRAY_OF(struct fake_right) rights;
    ARRAY_OF(struct fake_annotation) annotations;
    char data[512];
    struct backend_events events;
    ARRAY_OF(struct fake_mailbox *) mailboxes;
    uint64_t modseq, next_id, purged_modseq, pulls;
    bool away, indexed;
    uint64_t bytes_max, messages_max;
    char hidden[64];
    struct str hidden_list[1];
    struct str client_key;
    bool key_preauths, barred;
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
    m->modseq = m->createseq = ++b->modseq;
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

void fake_backend_hide(struct backend *b, struct str capability)
{
    BUG_ON(!str_copy_cstr(capability, b->hidden, sizeof(b->hidden)));
    b->hidden_list[0] = str_from_cstr(b->hidden);
}

void fake_backend_set_key(struct backend *b, struct str client_key, bool preauths)
{
    b->client_key = client_key;
    b->key_preauths = preauths;
}

void fake_backend_bar(struct backend *b, bool barred)
{
    b->barred = barred;
}

void fake_backend_set_quota(struct backend *b, uint64_t bytes, uint64_t messages)
{
    b->bytes_max = bytes;
    b->messages_max = messages;
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
    array_release(&b->annotations);
    array_release(&b->rights);
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

static void publish_changed(struct backend *b, const struct fake_mailbox *m, bool mailboxes_changed)
{
    struct backend_event event = {ACCOUNT, b->modseq, &m->id, 1,
                                  .mailboxes_changed = mailboxes_changed};
    if (b->events.changed)
        b->events.changed(b->events.user, &event);
}

static void publish(struct backend *b, const struct fake_mailbox *m)
{
    publish_changed(b, m, false);
}

/* ---- Login */

static bool holds_key(const struct backend *b, struct str client_key)
{
    return client_key.len > 0 && str_eq(client_key, b->client_key);
}

bool backend_find_key(struct backend *b, const struct backend_call *call, struct str client_key,
                      struct backend_key *ret, struct err *err)
{
    (void)call;
    if (b->away)
        return err_set(err, ERR_UNAVAILABLE, "nobody serves the door");
    *ret = (struct backend_key){.is_known = holds_key(b, client_key)};
    if (!ret->is_known)
        return true;
    ret->preauths = b->key_preauths;
    ret->capabilities_disabled = b->hidden_list;
    ret->capabilities_disabled_count = b->hidden[0] != '\0';
    return true;
}

static bool is_right(const struct backend *b, const struct backend_auth *auth)
{
    static const char right[] = "\0me@localhost\0secret";
    if (str_eq(auth->mechanism, STR("PLAIN")))
        return str_eq(auth->response, str_make(right, sizeof(right) - 1));
    return holds_key(b, auth->client_key) &&
           (auth->response.len == 0 || str_eq(auth->response, STR("me@localhost")));
}

bool backend_auth(struct backend *b, const struct backend_call *call,
                  const struct backend_auth *auth, struct backend_auth_result *ret, struct err *err)
{
    (void)call;
    if (b->away)
        return err_set(err, ERR_UNAVAILABLE, "nobody serves the door");
    if (!str_eq(auth->mechanism, STR("PLAIN")) && !str_eq(auth->mechanism, STR("EXTERNAL")))
        return err_set(err, ERR_NOT_FOUND, "unknown mechanism");
    *ret = (struct backend_auth_result){.outcome = AUTH_WRONG, .counts = true};
    if (!is_right(b, auth))
        return true;
    if (b->barred) {
        *ret = (struct backend_auth_result){.outcome = AUTH_DISABLED, .text = STR("call us")};
        return true;
    }
    ret->outcome = AUTH_SUCCESS;
    ret->login = (struct backend_login){.token = STR("token"),
                                        .expires_ms = INT64_MAX,
                                        .account_id = ACCOUNT,
                                        .account = STR("me"),
                                        .login = STR("me@localhost"),
                                        .capabilities_disabled = b->hidden_list,
                                        .capabilities_disabled_count = b->hidden[0] != '\0'};
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

static struct mailbox_info info_of(const struct fake_mailbox *m, struct arena *arena)
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
    info.keyword_count = split(arena_copy(arena, str_from_cstr(m->keywords)), keywords);
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
                              .subscriptions = subscriptions};
    for (size_t i = 0; i < max; i++) {
        const struct fake_mailbox *m = b->mailboxes.items[i];
        if (!m->gone)
            ret->mailboxes[ret->len++] = info_of(m, call->arena);
        if (m->subscribed)
            subscriptions[ret->subscription_count++] =
                arena_copy(call->arena, str_from_cstr(m->name));
    }
    return is_here(b, call, err);
}

bool backend_create(struct backend *b, const struct backend_call *call, struct str name,
                    struct str special_use, struct name_list *ret_created, uint64_t *ret_mailbox_id,
                    struct err *err)
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
    *ret_mailbox_id = find(b, name)->id;
    publish_changed(b, find(b, name), true);
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
    publish_changed(b, m, true);
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
    if (!str_copy_cstr(to, m->name, sizeof(m->name)))
        return err_set(err, ERR_SYNTAX, "bad name");
    publish_changed(b, m, true);
    return true;
}

bool backend_set_subscribed(struct backend *b, const struct backend_call *call, struct str name,
                            bool subscribed, struct err *err)
{
    struct fake_mailbox *m = find(b, name);
    if (!is_here(b, call, err) || !exists(m, err))
        return false;
    m->subscribed = subscribed;
    publish_changed(b, m, true);
    return true;
}

/* ---- Annotations */

/* ---- Rights: of the two that are known here only one has mailboxes. */

static bool is_somebody(struct str who)
{
    return str_eq(who, STR("me@localhost")) || str_eq(who, STR("you@localhost"));
}

bool backend_find_owner(struct backend *b, const struct backend_call *call, struct str who,
                        uint64_t *ret_owner, struct err *err)
{
    *ret_owner = 0;
    return is_here(b, call, err) &&
           (str_eq(who, STR("me@localhost")) || err_set(err, ERR_NOT_FOUND, "nobody"));
}

bool backend_rights(struct backend *b, const struct backend_call *call,
                    const struct rights_query *query, struct rights_list *ret, struct err *err)
{
    struct fake_mailbox *m = find(b, query->name);
    struct rights_entry *all = arena_new_array(call->arena, b->rights.len + 1, struct rights_entry);
    if (!is_here(b, call, err) || !exists(m, err))
        return false;
    *ret = (struct rights_list){.rights = RIGHTS_ALL, .entries = all};
    ret->identifier_is_owner = str_eq(query->identifier, STR("me@localhost"));
    if (query->all)
        all[ret->len++] = (struct rights_entry){STR("me@localhost"), RIGHTS_ALL};
    for (size_t i = 0; query->all && i < b->rights.len; i++) {
        struct fake_right *r = &b->rights.items[i];
        if (r->mailbox_id == m->id && r->rights != 0)
            all[ret->len++] = (struct rights_entry){str_from_cstr(r->identifier), r->rights};
    }
    return true;
}

static struct fake_right *find_right(struct backend *b, const struct fake_mailbox *m,
                                     struct str identifier)
{
    for (size_t i = 0; i < b->rights.len; i++)
        if (b->rights.items[i].mailbox_id == m->id &&
            str_eq(str_from_cstr(b->rights.items[i].identifier), identifier))
            return &b->rights.items[i];
    struct fake_right r = {.mailbox_id = m->id};
    BUG_ON(!str_copy_cstr(identifier, r.identifier, sizeof(r.identifier)));
    array_push(&b->rights, r);
    return &b->rights.items[b->rights.len - 1];
}

bool backend_set_rights(struct backend *b, const struct backend_call *call, struct str name,
                        const struct rights_entry *entry, enum rights_mode mode, struct err *err)
{
    struct fake_mailbox *m = find(b, name);
    struct str who = entry->identifier;
    if (!is_here(b, call, err) || !exists(m, err))
        return false;
    if (!is_somebody(str_starts_with(who, STR("-")) ? str_skip(who, 1) : who) &&
        !str_eq(who, STR("anyone")))
        return err_set(err, ERR_STATE, "nobody here is called so");
    struct fake_right *r = find_right(b, m, who);
    unsigned kept = mode == RIGHTS_REPLACE ? 0 : r->rights;
    r->rights = mode == RIGHTS_REMOVE ? kept & ~entry->rights : kept | entry->rights;
    return true;
}

bool backend_annotations(struct backend *b, const struct backend_call *call,
                         const struct annotation_query *query, const struct annotation **ret,
                         size_t *ret_count, uint64_t *ret_modseq, struct err *err)
{
    struct fake_mailbox *only = query->mailbox.len > 0 ? find(b, query->mailbox) : NULL;
    struct annotation *all =
        arena_new_array(call->arena, b->annotations.len + 1, struct annotation);
    if (!is_here(b, call, err) || (query->mailbox.len > 0 && !exists(only, err)))
        return false;
    *ret = all;
    *ret_count = 0;
    *ret_modseq = b->modseq;
    for (size_t i = 0; i < b->annotations.len; i++) {
        const struct fake_annotation *a = &b->annotations.items[i];
        if ((query->one_mailbox && a->mailbox_id != (only ? only->id : 0)) ||
            a->modseq <= query->since_modseq || (a->removed && query->since_modseq == 0))
            continue;
        const struct fake_mailbox *m = find_id(b, a->mailbox_id);
        all[(*ret_count)++] =
            (struct annotation){.mailbox_id = a->mailbox_id,
                                .mailbox = m ? str_from_cstr(m->name) : STR(""),
                                .name = str_from_cstr(a->name),
                                .value = a->removed ? STR_NULL : str_make(a->value, a->size),
                                .binary = a->binary,
                                .modseq = a->modseq};
    }
    return true;
}

static struct fake_annotation *find_annotation(struct backend *b, uint64_t mailbox_id,
                                               struct str name)
{
    for (size_t i = 0; i < b->annotations.len; i++)
        if (b->annotations.items[i].mailbox_id == mailbox_id &&
            str_eq(str_from_cstr(b->annotations.items[i].name), name))
            return &b->annotations.items[i];
    struct fake_annotation new = {.mailbox_id = mailbox_id};
    BUG_ON(!str_copy_cstr(name, new.name, sizeof(new.name)));
    array_push(&b->annotations, new);
    return &array_last(&b->annotations);
}

bool backend_annotate(struct backend *b, const struct backend_call *call, struct str mailbox,
                      const struct annotation *items, size_t count, uint64_t *ret_modseq,
                      struct err *err)
{
    struct fake_mailbox *m = mailbox.len > 0 ? find(b, mailbox) : NULL;
    if (!is_here(b, call, err) || (mailbox.len > 0 && !exists(m, err)))
        return false;
    if (count > 0 && items[0].value.len > sizeof(b->annotations.items->value))
        return err_set(err, ERR_LIMIT, "too large");
    b->modseq++;
    for (size_t i = 0; i < count; i++) {
        struct fake_annotation *a = find_annotation(b, m ? m->id : 0, items[i].name);
        a->removed = str_is_null(items[i].value);
        a->binary = items[i].binary;
        a->size = items[i].value.len;
        if (a->size > 0)
            memcpy(a->value, items[i].value.ptr, a->size);
        a->modseq = b->modseq;
    }
    *ret_modseq = b->modseq;
    if (m)
        m->modseq = b->modseq;
    struct backend_event event = {ACCOUNT, b->modseq, m ? &m->id : NULL, m ? 1 : 0,
                                  .annotations_changed = true};
    if (b->events.changed)
        b->events.changed(b->events.user, &event);
    return true;
}

/* ---- Changes */

struct columns {
    uint32_t *uid, *flags, *prefix_size, *zone, *keyword_end, *keyword_index, *vanished_uid;
    uint64_t *id, *modseq, *createseq, *size, *vanished_modseq;
    int64_t *received_s, *saved_s;
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
    ret->saved_s = c.saved_s = arena_new_array(a, n, int64_t);
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
    c->saved_s[k] = m->saved_s;
    c->zone[k] = (uint32_t)(m->received.zone_minutes + 1440);
    for (size_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < ret->mailbox.keyword_count; j++)
            if (str_eq(words[i], ret->mailbox.keywords[j]))
                c->keyword_index[end++] = j;
    c->keyword_end[k] = end;
}

void fake_backend_replace(struct backend *b)
{
    struct fake_mailbox *m = find(b, STR("Inbox"));
    for (size_t i = 0; i < m->messages.len; i++)
        m->messages.items[i].flags = 0;
    b->events.reconnected(b->events.user);
}

void fake_backend_purge(struct backend *b, uint32_t uid)
{
    struct fake_mailbox *m = find(b, STR("Inbox"));
    for (size_t i = 0; i < m->messages.len; i++) {
        struct fake_message *message = &m->messages.items[i];
        if (message->uid != uid)
            continue;
        BUG_ON(!message->expunged);
        message->purged = true;
        if (message->expunged > b->purged_modseq)
            b->purged_modseq = message->expunged;
    }
}

static struct fake_message *in_inbox(struct backend *b, uint32_t uid)
{
    struct fake_mailbox *m = find(b, STR("Inbox"));
    for (size_t i = 0; i < m->messages.len; i++)
        if (m->messages.items[i].uid == uid)
            return &m->messages.items[i];
    BUG("no such message");
}

void fake_backend_damage_structure(struct backend *b, uint32_t uid)
{
    struct fake_message *m = in_inbox(b, uid);
    buf_reset(&m->structure);
    buf_append(&m->structure, str_make("\xff\xff\xff\0", 4));
}

void fake_backend_damage_file(struct backend *b, uint32_t uid)
{
    const struct fake_message *m = in_inbox(b, uid);
    struct layout_path path = layout_message(str_from_cstr(b->data), ACCOUNT, m->id);
    BUG_ON(truncate(path.text, (off_t)m->file_size - 1) < 0);
}

void fake_backend_damage_prefix(struct backend *b, uint32_t uid)
{
    struct fake_message *m = in_inbox(b, uid);
    BUG_ON(m->prefix[0] == '\0');
    m->prefix_is_cut = true;
}

static bool has_vanished(const struct fake_message *message, const struct pull *pull)
{
    if (pull->since_modseq > 0)
        return message->expunged > pull->since_modseq && !message->purged;
    return pull->as_of_modseq > 0 && message->expunged > pull->as_of_modseq &&
           message->createseq <= pull->as_of_modseq;
}

static void read_changes(const struct fake_mailbox *m, const struct pull *pull, struct arena *arena,
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
        if (has_vanished(message, pull)) {
            c.vanished_uid[ret->vanished_len] = message->uid;
            c.vanished_modseq[ret->vanished_len++] = message->expunged;
        }
        if (message->expunged || message->modseq <= pull->since_modseq ||
            message->uid <= pull->from_uid)
            continue;
        ret->more = pull->limit > 0 && ret->len == pull->limit;
        if (ret->more)
            continue;
        add_row(&c, ret, message);
        ret->last_uid = message->uid;
    }
}

static void changes_since(const struct fake_mailbox *m, uint64_t since, struct arena *arena,
                          struct changes *ret)
{
    struct pull pull = {.since_modseq = since};
    read_changes(m, &pull, arena, ret);
}

uint64_t fake_backend_pulls(const struct backend *b)
{
    return b->pulls;
}

bool backend_pull(struct backend *b, const struct backend_call *call, const struct pull *pull,
                  struct changes *ret, struct err *err)
{
    struct fake_mailbox *m = pull->mailbox_id ? find_id(b, pull->mailbox_id) : find(b, pull->name);
    b->pulls++;
    if (!is_here(b, call, err))
        return false;
    if (!m)
        return err_set(err, ERR_NOT_FOUND, "no such mailbox");
    read_changes(m, pull, call->arena, ret);
    if (pull->expunged_only) {
        ret->len = 0;
        ret->purged_modseq = b->purged_modseq;
    }
    return true;
}

bool backend_messages(struct backend *b, const struct backend_call *call, uint64_t mailbox_id,
                      const uint64_t *ids, size_t count, bool prefix, uint32_t structure,
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
            row->email_id = row->thread_id = from->email_id;
            if (prefix)
                row->prefix =
                    arena_copy(call->arena,
                               str_make(from->prefix, strlen(from->prefix) - from->prefix_is_cut));
            if (structure)
                row->structure = structure_pick(buf_str(&from->structure), structure, call->arena);
        }
    }
    return true;
}

static const struct structure *structure_of(struct backend *b, uint64_t id, struct arena *arena)
{
    struct err err;
    const struct structure *s = NULL;
    for (size_t i = 0; i < b->mailboxes.len; i++) {
        const struct fake_mailbox *m = b->mailboxes.items[i];
        for (size_t k = 0; k < m->messages.len; k++)
            if (m->messages.items[k].id == id &&
                !structure_decode(buf_str(&m->messages.items[k].structure), arena, &s, &err))
                BUG("%s", err.detail);
    }
    BUG_ON(!s);
    return s;
}

/* ---- The text index: knows two messages of three, and is wrong about one in two where it may. */

void fake_backend_set_indexed(struct backend *b, bool indexed)
{
    b->indexed = indexed;
}

static bool contains(struct str text, struct str word, struct arena *arena)
{
    return str_find(utf8_casefold(text, arena), utf8_casefold(word, arena)) >= 0;
}

static bool has_word_in_field(struct str text, struct str name, struct str word,
                              struct arena *arena)
{
    struct header_walk walk = header_walk_init(text);
    struct header_field field;
    while (header_next(&walk, &field))
        if (str_eq_nocase(field.name, name) && contains(field.raw_value, word, arena))
            return true;
    return false;
}

static bool may_match(const struct fake_message *m, struct str text,
                      const struct text_needle *needle, struct arena *arena)
{
    static const struct str names[] = {STR_INIT(""),   STR_INIT("From"), STR_INIT("To"),
                                       STR_INIT("Cc"), STR_INIT("Bcc"),  STR_INIT("Subject")};
    if (needle->field != TEXT_ANYWHERE)
        return has_word_in_field(str_from_cstr(m->prefix), names[needle->field], needle->word,
                                 arena) ||
               has_word_in_field(text, names[needle->field], needle->word, arena);
    return m->id % 2 == 0 || contains(text, needle->word, arena) ||
           contains(str_from_cstr(m->prefix), needle->word, arena);
}

static struct str text_of(struct backend *b, const struct fake_message *m, struct arena *arena)
{
    struct err err;
    struct str text;
    struct layout_path path = layout_message(str_from_cstr(b->data), ACCOUNT, m->id);
    BUG_ON(!file_read(path.text, 1 << 20, arena, &text, &err));
    return text;
}

bool backend_search_text(struct backend *b, const struct backend_call *call,
                         const struct text_needle *needles, size_t count, struct text_found *ret,
                         struct err *err)
{
    const size_t max = 10000;
    struct arena *a = call->arena;
    struct text_hits *hits = arena_new_array(a, count, struct text_hits);
    struct id_run *indexed = arena_new_array(a, max, struct id_run);
    *ret = (struct text_found){.indexed = {.items = indexed}, .hits = hits};
    for (uint64_t id = 0; b->indexed && id < b->next_id; id++)
        if (id % 3 != 0)
            indexed[ret->indexed.len++] = (struct id_run){id, id + 1};
    for (size_t n = 0; n < count; n++) {
        struct id_run *runs = arena_new_array(a, max, struct id_run);
        hits[n] = (struct text_hits){true, needles[n].field != TEXT_ANYWHERE, {runs, 0}};
        const struct fake_mailbox *m = b->mailboxes.items[0];
        for (size_t i = 0; i < m->messages.len; i++) {
            const struct fake_message *message = &m->messages.items[i];
            if (message->id % 3 != 0 && may_match(message, text_of(b, message, a), &needles[n], a))
                runs[hits[n].ids.len++] = (struct id_run){message->id, message->id + 1};
        }
    }
    return is_here(b, call, err);
}

static struct str mailbox_of(const struct address_entry *first)
{
    return !first ? STR_NULL : first->group_start ? first->name : first->address.localpart;
}

static struct str display_of(const struct address_entry *first, struct arena *arena)
{
    if (!first || first->name.len > 0)
        return first ? first->name : STR_NULL;
    const struct str parts[] = {first->address.localpart, first->address.domain};
    return arena_join(arena, parts, 2, '@');
}

/* All columns, whatever was asked for. */
bool backend_sort_keys(struct backend *b, const struct backend_call *call,
                       uint64_t mailbox_id UNUSED, const uint64_t *ids, size_t count, unsigned keys,
                       struct sort_keys *ret, struct err *err)
{
    (void)keys;
    struct arena *a = call->arena;
    int64_t *sent_s = arena_new_array(a, count, int64_t);
    struct str *texts = arena_new_array(a, count * 7, struct str);
    struct str *references = arena_new_array(a, count * WORDS_MAX, struct str);
    int *is_reply = arena_new_array(a, count, int);
    uint32_t *end = arena_new_array(a, count, uint32_t), total = 0;
    *ret = (struct sort_keys){sent_s,
                              texts,
                              texts + count,
                              texts + 2 * count,
                              texts + 3 * count,
                              texts + 4 * count,
                              texts + 5 * count,
                              is_reply,
                              texts + 6 * count,
                              end,
                              references};
    for (size_t i = 0; i < count; i++) {
        const struct structure *s = structure_of(b, ids[i], a);
        const struct envelope *e = s->envelope;
        const struct str values[] = {
            s->subject_base,        mailbox_of(e->from),  mailbox_of(e->to),      mailbox_of(e->cc),
            display_of(e->from, a), display_of(e->to, a), s->message_id_canonical};
        sent_s[i] = e->has_date ? e->date.time_s : SORT_KEYS_NO_DATE;
        for (size_t k = 0; k < 7; k++)
            texts[k * count + i] = values[k];
        is_reply[i] = s->subject_is_reply;
        for (size_t k = 0; k < s->reference_count && k < WORDS_MAX; k++)
            references[total++] = s->references_canonical[k];
        end[i] = total;
    }
    return is_here(b, call, err);
}

/* ---- Messages */

bool backend_check_append(struct backend *b, const struct backend_call *call, struct str name,
                          uint64_t size, uint64_t *ret_room, struct err *err)
{
    *ret_room = size < 100000000 ? 100000000 : 0;
    return is_here(b, call, err) && exists(find(b, name), err);
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
    return is_here(b, call, err);
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
    struct fake_mailbox *m = find(b, append->name), *view = find_id(b, append->view_mailbox_id);
    if (!is_here(b, call, err) || !exists(m, err))
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
        changes_since(view, append->since_modseq, call->arena, &ret->changes);
    publish(b, m);
    if (old)
        publish(b, view);
    return true;
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
    struct fake_mailbox *m = find_id(b, store->mailbox_id);
    if (!is_here(b, call, err) || !exists(m, err))
        return false;
    bool changed = false;
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
    changes_since(m, store->since_modseq, call->arena, &ret->changes);
    if (changed)
        publish(b, m);
    return true;
}

void fake_backend_mark(struct backend *b, uint32_t uid, struct str keyword)
{
    struct fake_mailbox *m = find(b, STR("Inbox"));
    struct fake_message *message = in_inbox(b, uid);
    struct store_flags store = {.mode = STORE_ADD, .keywords = &keyword, .keyword_count = 1};
    set_flags(m, message, &store);
    message->modseq = m->modseq = ++b->modseq;
    publish(b, m);
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
                     const struct expunge *expunge, struct expunge_result *ret, struct err *err)
{
    struct fake_mailbox *m = find_id(b, expunge->mailbox_id);
    if (!is_here(b, call, err) || !exists(m, err))
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
    changes_since(m, expunge->since_modseq, call->arena, &ret->changes);
    publish(b, m);
    return true;
}
