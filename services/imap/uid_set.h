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
/* Takes all numbers of `other` out. */
void uid_set_subtract(struct uid_set *set, const struct uid_set *other);
void uid_set_release(struct uid_set *set);

bool uid_set_is_empty(const struct uid_set *set);
bool uid_set_has(const struct uid_set *set, uint32_t number);
/* How many numbers. */
uint64_t uid_set_count(const struct uid_set *set);
/* Adds numbers `from` up to, but not with, `to` of the set, counted from 0. */
void uid_set_slice(const struct uid_set *set, uint64_t from, uint64_t to, struct uid_set *ret);

/* "1:3,7"; nothing for the empty set. */
void uid_set_write(const struct uid_set *set, struct buf *out);

/* Numbers in an order of their own, as of messages that are sorted (RFC 5267 3.2): those that
 * ascend by one are a range.
 *
 *     struct number_list list = {0};
 *     number_list_add(&list, 7, out);     // 7, 3, 4
 *     ...
 *     number_list_end(&list, out);        // "7,3:4"
 */
struct number_list {
    uint32_t first, last; /* the range that is not yet written; 0: there is none */
    bool written;         /* something was, before it */
};
void number_list_add(struct number_list *list, uint32_t number, struct buf *out);
void number_list_end(struct number_list *list, struct buf *out);

#endif
