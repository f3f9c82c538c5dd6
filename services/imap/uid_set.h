#ifndef SERVICES_IMAP_UID_SET_H
#define SERVICES_IMAP_UID_SET_H

#include "common/base/array.h"
#include "common/base/buf.h"

/*
 * A set of UIDs, or of message numbers, as ascending ranges that neither overlap nor touch: what a
 * command works on, and what answers are made of.
 *
 *     struct uid_set set = {0};
 *     uid_set_add(&set, 4);             // ascending: cheap, joins the last range
 *     uid_set_add(&set, 5);
 *     uid_set_write(&set, out);         // "4:5"
 *     uid_set_release(&set);
 */

struct uid_range {
    uint32_t first;
    uint32_t last; /* not below first */
};

struct uid_set {
    struct uid_range *items;
    size_t len;
    size_t cap;
};

/* Adds a number that is above all others. */
void uid_set_add(struct uid_set *set, uint32_t number);
/* Adds a range anywhere; the set is in order again only after uid_set_normalise. */
void uid_set_add_range(struct uid_set *set, uint32_t first, uint32_t last);
/* Sorts and merges. */
void uid_set_normalise(struct uid_set *set);
void uid_set_release(struct uid_set *set);

bool uid_set_is_empty(const struct uid_set *set);
bool uid_set_has(const struct uid_set *set, uint32_t number);
/* How many numbers. */
uint64_t uid_set_count(const struct uid_set *set);

/* "1:3,7"; nothing for the empty set. */
void uid_set_write(const struct uid_set *set, struct buf *out);

#endif
