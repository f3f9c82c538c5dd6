#include "services/imap/snapshot.h"

#include "common/base/bug.h"

#include <stdlib.h>

#define LIST_ARENA_MAX (64u << 20)

struct owner_key {
    uint64_t owner;
    uint64_t id;
};

static struct str key_bytes(const struct owner_key *key)
{
    return str_make((const char *)key, sizeof(*key));
}

static void index_id(struct snapshot *s, struct mailbox_info *m)
{
    const struct owner_key key = {m->owner, m->id};
    if (m->owner == 0)
        map_put_u64(&s->by_id, m->id, m);
    else
        map_put(&s->by_owner, key_bytes(&key), m);
}

const struct mailbox_info *snapshot_find_id(const struct snapshot *s, uint64_t owner, uint64_t id)
{
    const struct owner_key key = {owner, id};
    return owner == 0 ? map_get_u64(&s->by_id, id) : map_get(&s->by_owner, key_bytes(&key));
}

static void index_list(struct snapshot *s)
{
    for (size_t i = 0; i < s->list.len; i++) {
        index_id(s, &s->list.mailboxes[i]);
        map_put(&s->by_name, s->list.mailboxes[i].name, &s->list.mailboxes[i]);
    }
    for (size_t i = 0; i < s->list.subscription_count; i++)
        map_put(&s->subscribed, s->list.subscriptions[i], s);
}

struct snapshot *snapshot_read(struct backend *b, const struct backend_call *call, bool others,
                               struct err *err)
{
    struct snapshot *s = xcalloc(1, sizeof(*s));
    atomic_init(&s->references, 1);
    arena_init(&s->arena, LIST_ARENA_MAX);
    map_init(&s->by_id);
    map_init(&s->by_owner);
    map_init(&s->by_name);
    map_init(&s->subscribed);
    const struct backend_call in_arena = {
        .cid = call->cid, .token = call->token, .arena = &s->arena};
    if (!backend_list(b, &in_arena, others, &s->list, err)) {
        snapshot_unref(s);
        return NULL;
    }
    index_list(s);
    return s;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
    atomic_fetch_add(&s->references, 1);
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    if (!s || atomic_fetch_sub(&s->references, 1) > 1)
        return;
    map_release(&s->by_id);
    map_release(&s->by_owner);
    map_release(&s->by_name);
    map_release(&s->subscribed);
    arena_release(&s->arena);
    free(s);
}
