#ifndef SERVICES_IMAP_KEPT_VIEWS_H
#define SERVICES_IMAP_KEPT_VIEWS_H

#include "common/base/array.h"
#include "services/imap/view.h"

/*
 * Views that no session has open any more. Who comes back, as clients do every few minutes, finds
 * his, and it is brought up to date with what changed since, instead of being read anew. The one
 * unused longest goes when there are too many, or too many messages in all.
 *
 * Not thread-safe: the registry has its lock.
 */

#define KEPT_MESSAGES_MAX 250000 /* about 20 MB */
#define KEPT_VIEWS_MAX 256
#define KEPT_MESSAGES_MIN 100 /* a smaller view is read as quickly as it is found */

struct kept_view {
    uint64_t account_id;
    struct view *view;
    size_t messages;
};

/* Zeroed at first. */
struct kept_views {
    ARRAY_OF(struct kept_view) views; /* the one unused longest comes first */
    size_t messages;                  /* of all */
};

void kept_views_release(struct kept_views *k);
/* Drops all: what they know may no longer be true. */
void kept_views_clear(struct kept_views *k);

/* Takes over the reference. */
void kept_views_put(struct kept_views *k, uint64_t account_id, struct view *view);
/* The view with its reference, and it is not kept any more; NULL when there is none. */
struct view *kept_views_take(struct kept_views *k, uint64_t account_id, uint64_t mailbox_id);
/* The id of the account's mailbox that was called so; 0 when none is kept. */
uint64_t kept_views_find(const struct kept_views *k, uint64_t account_id, struct str name,
                         struct arena *arena);

#endif
