#include "services/imap/snapshot.h"

#include "common/base/bug.h"

#include <stdlib.h>

#define LIST_ARENA_MAX (64u << 20)

static void index_list(struct snapshot *s)
{
    for (size_t i = 0; i < s->list.len; i++) {
        map_put_u64(&s->by_id, s->list.mailboxes[i].id, &s->list.mailboxes[i]);
        map_put(&s->by_name, s->list.mailboxes[i].name, &s->list.mailboxes[i]);
    }
    for (size_t i = 0; i < s->list.subscription_count; i++)
        map_put(&s->subscribed, s->list.subscriptions[i], s);
}

struct snapshot *snapshot_read(struct backend *b, const struct backend_call *call, struct err *err)
{
    struct snapshot *s = xcalloc(1, sizeof(*s));
    atomic_init(&s->references, 1);
    arena_init(&s->arena, LIST_ARENA_MAX);
    map_init(&s->by_id);
    map_init(&s->by_name);
    map_init(&s->subscribed);
    const struct backend_call in_arena = {
        .cid = call->cid, .token = call->token, .arena = &s->arena};
    if (!backend_list(b, &in_arena, false, &s->list, err)) {
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
    map_release(&s->by_name);
    map_release(&s->subscribed);
    arena_release(&s->arena);
    free(s);
}
