#ifndef SERVICES_IMAP_SNAPSHOT_H
#define SERVICES_IMAP_SNAPSHOT_H

#include "common/base/map.h"
#include "services/imap/backend.h"

#include <stdatomic.h>

/*
 * The account's mailboxes and subscriptions at one time: what its clients are told is the
 * difference of two of them (notify.h). Read once, then shared by the sessions of the account,
 * which only look (registry.h, account_list). Counted.
 */

struct snapshot {
    atomic_uint references;
    struct arena arena;
    struct mailbox_list list;
    struct map by_id;      /* own ones -> struct mailbox_info of `list` */
    struct map by_owner;   /* those of others, by owner and id -> the same */
    struct map by_name;    /* the same */
    struct map subscribed; /* names */
    /* How much of the account had been heard of before it was asked for. */
    uint64_t events;
    uint64_t mailbox_events;
};

/* One RPC. NULL when it fails. `others`: with mailboxes of others. */
struct snapshot *snapshot_read(struct backend *b, const struct backend_call *call, bool others,
                               struct err *err) MUST_USE;
struct snapshot *snapshot_ref(struct snapshot *s);
/* NULL is nothing. */
void snapshot_unref(struct snapshot *s);

static inline const struct mailbox_info *snapshot_find(const struct snapshot *s, struct str name)
{
    return map_get(&s->by_name, name);
}

/* The mailbox that has this id, whatever it is called; `owner` 0: an own one. */
const struct mailbox_info *snapshot_find_id(const struct snapshot *s, uint64_t owner, uint64_t id);
/* The mailbox of another snapshot, as it is in this one. */
static inline const struct mailbox_info *snapshot_find_same(const struct snapshot *s,
                                                            const struct mailbox_info *m)
{
    return snapshot_find_id(s, m->owner, m->id);
}

static inline bool snapshot_has_subscription(const struct snapshot *s, struct str name)
{
    return map_get(&s->subscribed, name) != NULL;
}

#endif
