#ifndef SERVICES_IMAP_VIEW_INTERNAL_H
#define SERVICES_IMAP_VIEW_INTERNAL_H

#include "common/base/array.h"
#include "common/base/map.h"
#include "services/imap/view.h"

#include <pthread.h>
#include <stdatomic.h>

/*
 * What the files of the view share: view.c (life cycle, users), view_changes.c (keeping it
 * current), view_read.c (reading at a horizon). Functions here want the lock to be held.
 */

#define VIEW_NAME_MAX (16 * 1024)
#define VIEW_KEYWORDS_MAX (1 << 20)

/* An expunged message that is still in the array. */
struct grave {
    uint32_t uid;
    uint64_t expunged;
};

struct view {
    pthread_rwlock_t lock; /* of what follows */
    ARRAY_OF(struct view_message) messages;
    ARRAY_OF(struct grave) graves; /* by uid */
    struct map keyword_sets;       /* text -> struct keyword_set */
    struct list_link users;
    struct view_info info;
    struct buf name;
    struct buf keywords; /* of the mailbox, each with a space in front */

    _Atomic uint64_t modseq; /* current up to here */
    _Atomic uint64_t wanted; /* store is at least here */
    atomic_bool unknown;     /* store may be anywhere */
    atomic_uint references;
    pthread_mutex_t pulling;
};

/* The first message whose UID is not below `uid`. */
size_t view_index_of_uid(const struct view *v, uint32_t uid);
/* Removes the graves that every session has passed. */
void view_bury(struct view *v);
void view_wake_waiting(struct view *v);

static inline bool view_is_hidden(const struct view_message *m, uint64_t horizon)
{
    return m->expunged != 0 && m->expunged <= horizon;
}

#endif
