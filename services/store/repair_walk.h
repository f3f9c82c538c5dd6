#ifndef SERVICES_STORE_REPAIR_WALK_H
#define SERVICES_STORE_REPAIR_WALK_H

#include "services/store/repair.h"

/*
 * A walk over all messages of an account, for repairs that compare them with their files: a batch
 * is looked at on a snapshot, then what was found is put right in a change, and so on.
 */

struct repair_message {
    uint64_t id;
    uint64_t mailbox_id;
    uint32_t uid;
    bool has_entry;       /* else it waits to be erased */
    uint64_t prefix_size; /* of the prefix that is there */
    /* As recorded. */
    bool has_size;
    uint64_t size;
    uint64_t size_of_prefix; /* with has_entry */
};

struct repair_walk {
    struct account *account;
    struct job *job; /* may be NULL */
    uint64_t batch;
    void (*look)(void *ctx, const struct repair_message *m);
    /* After each batch, and in no transaction. */
    bool (*mend)(void *ctx, struct err *err);
    void *ctx;
};

bool repair_walk(const struct repair_walk *w, struct err *err) MUST_USE;

#endif
