#ifndef COMMON_BASE_MAP_H
#define COMMON_BASE_MAP_H

#include "common/base/str.h"

/*
 * A hash map from a string, or from a number, to a pointer. The map copies string keys, and never
 * owns the values. Not thread-safe.
 *
 *     struct map accounts;
 *     map_init(&accounts);
 *     map_put(&accounts, name, account);          // returns what was there before, or NULL
 *     struct account *a = map_get(&accounts, name);
 *     struct map_entry *e; size_t at = 0;
 *     while ((e = map_next(&accounts, &at))) use(e->key, e->value);
 *     map_release(&accounts);
 *
 * Number keys use the `_u64` functions; one map holds one kind of key.
 */

struct map_entry {
    struct str key;  /* of string maps */
    uint64_t number; /* of number maps: the key; of string maps: its hash */
    void *value;     /* NULL marks a free slot */
};

struct map {
    struct map_entry *slots;
    size_t cap; /* 0 or a power of two */
    size_t len;
    uint64_t seed; /* keeps strangers from choosing keys that collide */
};

void map_init(struct map *m);
void map_release(struct map *m);

/* NULL when absent. */
void *map_get(const struct map *m, struct str key);
void *map_get_u64(const struct map *m, uint64_t key);

/* `value` must not be NULL. Returns the value it replaces, or NULL. */
void *map_put(struct map *m, struct str key, void *value);
void *map_put_u64(struct map *m, uint64_t key, void *value);

/* Returns the value taken out, or NULL. */
void *map_remove(struct map *m, struct str key);
void *map_remove_u64(struct map *m, uint64_t key);

/* The next entry at or after `*at` (start with 0), or NULL at the end. The map must not change
 * meanwhile. */
struct map_entry *map_next(const struct map *m, size_t *at);

#endif
