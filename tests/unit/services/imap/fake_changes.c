#include "tests/unit/services/imap/fake_backend_internal.h"

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
    size_t count = fake_split(str_from_cstr(m->keywords), words);
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
    ret->mailbox = fake_info_of(m, arena);
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

void fake_changes_since(const struct fake_mailbox *m, uint64_t since, struct arena *arena,
                        struct changes *ret)
{
    struct pull pull = {.since_modseq = since};
    read_changes(m, &pull, arena, ret);
}

uint64_t fake_backend_pulls(const struct backend *b)
{
    return b->pulls;
}

void fake_backend_during_pull(struct backend *b, void (*run)(void *user), void *user)
{
    b->during_pull = run;
    b->during_pull_user = user;
}

static void run_during_pull(struct backend *b)
{
    void (*run)(void *) = b->during_pull;
    b->during_pull = NULL;
    if (run)
        run(b->during_pull_user);
}

void fake_backend_fail_pull(struct backend *b, enum err_kind kind)
{
    b->pull_failure = kind;
}

static bool fail_pull(struct backend *b, struct err *err)
{
    enum err_kind kind = b->pull_failure;
    b->pull_failure = ERR_NONE;
    return err_set(err, kind, "as the test wants it");
}

bool backend_pull(struct backend *b, const struct backend_call *call, const struct pull *pull,
                  struct changes *ret, struct err *err)
{
    struct fake_mailbox *m =
        pull->mailbox_id ? fake_find_id(b, pull->mailbox_id) : fake_find(b, pull->name);
    b->pulls++;
    if (!fake_is_here(b, call, err))
        return false;
    if (!m)
        return err_set(err, ERR_NOT_FOUND, "no such mailbox");
    read_changes(m, pull, call->arena, ret);
    if (pull->expunged_only) {
        ret->len = 0;
        ret->purged_modseq = b->purged_modseq;
    }
    run_during_pull(b);
    return b->pull_failure == ERR_NONE || fail_pull(b, err);
}

void fake_backend_replace(struct backend *b)
{
    struct fake_mailbox *m = fake_find(b, STR("Inbox"));
    for (size_t i = 0; i < m->messages.len; i++)
        m->messages.items[i].flags = 0;
    b->events.reconnected(b->events.user);
}

void fake_backend_purge(struct backend *b, uint32_t uid)
{
    struct fake_mailbox *m = fake_find(b, STR("Inbox"));
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
