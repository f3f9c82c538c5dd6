#include "common/base/map.h"

#include "common/base/bug.h"
#include "common/base/hash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_release(struct map *m)
{
    for (size_t i = 0; i < m->cap; i++)
        free((char *)m->slots[i].key.ptr);
    free(m->slots);
    map_init(m);
}

/* A slot is free when its value is NULL; probing is linear and removal shifts back, so that a free
 * slot always ends a search. */
static size_t home_slot(const struct map *m, uint64_t number)
{
    return hash_mix(number ^ m->seed) & (m->cap - 1);
}

static uint64_t seeded_hash(const struct map *m, struct str key)
{
    uint64_t hash = m->seed;
    for (size_t i = 0; i < key.len; i++)
        hash = hash_mix(hash + (unsigned char)key.ptr[i]);
    return hash;
}

static bool find(const struct map *m, uint64_t number, const struct str *key, size_t *ret_slot)
{
    size_t i = home_slot(m, number);
    while (m->slots[i].value) {
        if (m->slots[i].number == number && (!key || str_eq(m->slots[i].key, *key))) {
            *ret_slot = i;
            return true;
        }
        i = (i + 1) & (m->cap - 1);
    }
    *ret_slot = i;
    return false;
}

static void grow(struct map *m)
{
    struct map old = *m;
    if (m->cap == 0 && getrandom(&m->seed, sizeof(m->seed), 0) != sizeof(m->seed))
        BUG("no random numbers");
    m->cap = old.cap > 0 ? old.cap * 2 : 16;
    m->slots = xcalloc(m->cap, sizeof(*m->slots));
    for (size_t i = 0; i < old.cap; i++) {
        if (!old.slots[i].value)
            continue;
        size_t slot;
        find(m, old.slots[i].number, &old.slots[i].key, &slot);
        m->slots[slot] = old.slots[i];
    }
    free(old.slots);
}

static void *put(struct map *m, uint64_t number, const struct str *key, void *value)
{
    size_t slot;
    if (find(m, number, key, &slot)) {
        void *old = m->slots[slot].value;
        m->slots[slot].value = value;
        return old;
    }
    struct str copy = STR_NULL;
    if (key) {
        char *p = xmalloc(key->len);
        if (key->len > 0)
            memcpy(p, key->ptr, key->len);
        copy = str_make(p, key->len);
    }
    m->slots[slot] = (struct map_entry){.key = copy, .number = number, .value = value};
    m->len++;
    return NULL;
}

static void *remove_slot(struct map *m, size_t slot)
{
    void *value = m->slots[slot].value;
    free((char *)m->slots[slot].key.ptr);
    size_t hole = slot;
    for (size_t i = (slot + 1) & (m->cap - 1); m->slots[i].value; i = (i + 1) & (m->cap - 1)) {
        size_t home = home_slot(m, m->slots[i].number);
        if (((i - home) & (m->cap - 1)) >= ((i - hole) & (m->cap - 1))) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct map_entry){0};
    m->len--;
    return value;
}

static void make_room(struct map *m)
{
    if ((m->len + 1) * 4 > m->cap * 3)
        grow(m);
}

void *map_get(const struct map *m, struct str key)
{
    size_t slot;
    return m->cap > 0 && find(m, seeded_hash(m, key), &key, &slot) ? m->slots[slot].value : NULL;
}

void *map_get_u64(const struct map *m, uint64_t key)
{
    size_t slot;
    return m->cap > 0 && find(m, key, NULL, &slot) ? m->slots[slot].value : NULL;
}

void *map_put(struct map *m, struct str key, void *value)
{
    BUG_ON(!value);
    make_room(m);
    return put(m, seeded_hash(m, key), &key, value);
}

void *map_put_u64(struct map *m, uint64_t key, void *value)
{
    BUG_ON(!value);
    make_room(m);
    return put(m, key, NULL, value);
}

void *map_remove(struct map *m, struct str key)
{
    size_t slot;
    if (m->cap == 0 || !find(m, seeded_hash(m, key), &key, &slot))
        return NULL;
    return remove_slot(m, slot);
}

void *map_remove_u64(struct map *m, uint64_t key)
{
    size_t slot;
    if (m->cap == 0 || !find(m, key, NULL, &slot))
        return NULL;
    return remove_slot(m, slot);
}

struct map_entry *map_next(const struct map *m, size_t *at)
{
    while (*at < m->cap) {
        struct map_entry *entry = &m->slots[(*at)++];
        if (entry->value)
            return entry;
    }
    return NULL;
}
