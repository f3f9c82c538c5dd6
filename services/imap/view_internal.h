#ifndef SERVICES_IMAP_VIEW_INTERNAL_H
#define SERVICES_IMAP_VIEW_INTERNAL_H

#include "common/base/array.h"
#include "common/base/map.h"
#include "services/imap/view.h"

#include <pthread.h>
#include <stdatomic.h>

/*
 * What the files of the view share: view.c (life cycle, users), view_changes.c (keeping it
 * current), view_load.c (reading its rows), view_read.c (reading at a horizon). Functions here want
 * the lock to be held.
 */

#define VIEW_NAME_MAX (16 * 1024)
#define VIEW_KEYWORDS_MAX (1 << 20)

/* An expunged message that is still in the array. */
struct grave {
    uint32_t uid;
    uint64_t expunged;
};

typedef ARRAY_OF(struct view_message) view_messages;
typedef ARRAY_OF(struct grave) view_graves;

struct view {
    uint64_t owner;
    pthread_rwlock_t lock; /* of what follows */
    view_messages messages;
    view_graves graves;      /* by uid */
    atomic_bool is_counted;  /* `counted` is known, and no rows */
    uint32_t counted;        /* messages at `modseq` */
    uint32_t first_unseen;   /* its number; 0: not known */
    struct map keyword_sets; /* text -> struct keyword_set */
    struct list_link users;
    const struct view_user *slowest; /* the last of those with the lowest horizon, when view_bury */
    uint64_t slowest_horizon;        /* last looked; NULL: it has to look */
    struct view_info info;
    struct buf name;
    struct buf keywords; /* of the mailbox, each with a space in front */

    _Atomic uint64_t nudges; /* how many there were */
    _Atomic uint64_t modseq; /* current up to here */
    _Atomic uint64_t wanted; /* store is at least here */
    atomic_bool unknown;     /* store may be anywhere */
    atomic_uint references;
    pthread_mutex_t pulling;
    atomic_bool left; /* a session came while another pulled, and has left it to that one */
};

/* Rows on the way into a view, chunk by chunk. Zeroed at first, but for `as_of`. */
struct view_loading {
    uint64_t as_of;  /* the view's modseq when it began */
    uint64_t modseq; /* of the first chunk */
    uint32_t last_uid;
    view_messages messages;
    view_graves graves;
};
void view_loading_release(struct view_loading *l);
void view_loading_add(struct view *v, struct view_loading *l, const struct changes *c);
/* The rows become the view's. ERR_CORRUPT: they are not as many as its sessions were told. */
bool view_loading_end(struct view *v, struct view_loading *l, struct err *err) MUST_USE;
/* Does all that; `call` has an arena for one chunk. Without the lock. */
bool view_load_rows(struct view *v, struct backend *b, const struct backend_call *call,
                    struct err *err) MUST_USE;

/* The k-th message of `c`. */
struct view_message view_message_of(struct view *v, const struct changes *c, size_t k);
void view_apply_mailbox(struct view *v, const struct mailbox_info *mailbox);
/* The view is current up to `modseq`. */
void view_advance(struct view *v, uint64_t modseq);
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
