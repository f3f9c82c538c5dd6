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
    struct map by_id;      /* -> struct mailbox_info of `list` */
    struct map by_name;    /* the same */
    struct map subscribed; /* names */
    /* How much of the account had been heard of before it was asked for. */
    uint64_t number; /* which of the account's snapshots it is, from 1 */
    uint64_t events;
    uint64_t mailbox_events;
};

/* One RPC. NULL when it fails. */
struct snapshot *snapshot_read(struct backend *b, const struct backend_call *call,
                               struct err *err) MUST_USE;
struct snapshot *snapshot_ref(struct snapshot *s);
/* NULL is nothing. */
void snapshot_unref(struct snapshot *s);

static inline const struct mailbox_info *snapshot_find(const struct snapshot *s, struct str name)
{
    return map_get(&s->by_name, name);
}

static inline bool snapshot_has_subscription(const struct snapshot *s, struct str name)
{
    return map_get(&s->subscribed, name) != NULL;
}

#endif
