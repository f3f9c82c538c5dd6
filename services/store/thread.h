#ifndef SERVICES_STORE_THREAD_H
#define SERVICES_STORE_THREAD_H

#include "services/store/account.h"

/*
 * Which conversation a new message belongs to (spec 20 1.18).
 */

#define THREAD_PARENTS_MAX 1000 /* ancestors kept with a message */

/* What a thread is found by: from the message's structure. */
struct thread_keys {
    struct str message_id; /* canonical; STR_NULL when there is none */
    const struct str *references;
    size_t reference_count;
    struct str subject_base;
    bool subject_is_reply;
    bool is_dsn;
    int64_t received_s;
    uint64_t origin_mailbox_id;
    uint64_t before_id; /* by the same message-id or subject only older messages; 0: all */
};

struct thread_place {
    uint64_t thread_id;
    struct str parents; /* message ids, 64 bit, low byte first, closest first; STR_NULL at a root */
    bool missing_link;
    bool muted;
    bool collapsed;
};

/* The place of the message `id`. Parents in the change's arena. */
bool thread_assign(struct change *c, uint64_t id, const struct thread_keys *keys,
                   struct thread_place *ret, struct err *err) MUST_USE;

/* The place of a copy, the child of the original, whose row begins with id, thread_id, parents,
 * muted, collapsed. Parents in arena. */
bool thread_place_copy(struct db_query *original, struct arena *arena, struct thread_place *ret,
                       struct err *err) MUST_USE;

/* The i-th ancestor of such a list. */
uint64_t thread_parent_at(struct str parents, size_t i);

/* What a text is found by in the index. */
int64_t thread_hash(struct str text);

#endif
