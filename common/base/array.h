#ifndef COMMON_BASE_ARRAY_H
#define COMMON_BASE_ARRAY_H

#include "common/base/bug.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/*
 * A growable array of one element type on the heap.
 *
 *     ARRAY_OF(uint32_t) uids = {0};
 *     array_push(&uids, 17);
 *     for (size_t i = 0; i < uids.len; i++) use(uids.items[i]);
 *     array_release(&uids);
 *
 * Elements move when the array grows; do not keep pointers into it across a push. Whoever fills an
 * array from input checks its `len` against a limit first.
 */

#define ARRAY_OF(type)                                                                             \
    struct {                                                                                       \
        type *items;                                                                               \
        size_t len;                                                                                \
        size_t cap;                                                                                \
    }

/* Makes room for `count` elements in all. */
#define array_reserve(array, count)                                                                \
    ((array)->items = array_grow((array)->items, &(array)->cap, (count), sizeof(*(array)->items)))
#define array_push(array, value)                                                                   \
    (array_reserve((array), (array)->len + 1), (void)((array)->items[(array)->len++] = (value)))
/* Inserts at `at` (0 to len) or removes `count` elements from `at`, moving the tail. */
#define array_insert(array, at, value)                                                             \
    (array_reserve((array), (array)->len + 1),                                                     \
     memmove((array)->items + (at) + 1, (array)->items + (at),                                     \
             ((array)->len - (at)) * sizeof(*(array)->items)),                                     \
     (array)->items[at] = (value), (void)(array)->len++)
#define array_remove(array, at, count)                                                             \
    (memmove((array)->items + (at), (array)->items + (at) + (count),                               \
             ((array)->len - (at) - (count)) * sizeof(*(array)->items)),                           \
     (void)((array)->len -= (count)))
#define array_last(array) ((array)->items[(array)->len - 1])
/* Frees the elements' memory; the array is empty and usable again. */
#define array_release(array)                                                                       \
    (free((array)->items), (array)->items = NULL, (array)->len = (array)->cap = 0)

static inline void *array_grow(void *items, size_t *cap, size_t count, size_t size)
{
    if (count <= *cap)
        return items;
    size_t wanted = *cap > 0 ? *cap * 2 : 8;
    if (wanted < count)
        wanted = count;
    size_t bytes;
    if (__builtin_mul_overflow(wanted, size, &bytes))
        BUG("array of %zu elements", wanted);
    *cap = wanted;
    return xrealloc(items, bytes);
}

#endif
