#ifndef SERVICES_STORE_UIDS_H
#define SERVICES_STORE_UIDS_H

#include "common/base/arena.h"
#include "common/text/wire.h"

/*
 * A list of UIDs: arguments and results of the operations on messages.
 */

struct uids {
    uint32_t *items;
    size_t len;
};

/* Room for `count`, in arena; `items` is NULL when that is full. */
struct uids uids_new(struct arena *arena, size_t count);
/* True when they ascend and none is 0. */
bool uids_are_ascending(const uint32_t *items, size_t len);

/* For results that are kept under a key (account.h). */
void uids_save(struct buf *out, struct uids uids);
struct uids uids_load(struct wire *w, struct arena *arena);

#endif
