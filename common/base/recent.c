#include "common/base/recent.h"

#include "common/base/bug.h"
#include "common/base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    int64_t until_ms;
    size_t len;
    char value[];
};

struct recent {
    size_t entries_max;
    int64_t lifetime_ms;
    pthread_mutex_t lock; /* of what follows */
    struct map entries;
    int64_t forgotten_ms; /* answers to what was asked until then are not kept */
};

struct recent *recent_new(size_t entries_max, int64_t lifetime_ms)
{
    struct recent *r = xcalloc(1, sizeof(*r));
    r->entries_max = entries_max;
    r->lifetime_ms = lifetime_ms;
    pthread_mutex_init(&r->lock, NULL);
    map_init(&r->entries);
    r->forgotten_ms = INT64_MIN;
    return r;
}

/* With the lock held. */
static void drop_all(struct recent *r)
{
    struct map_entry *slot;
    size_t at = 0;
    while ((slot = map_next(&r->entries, &at)))
        free(slot->value);
    map_release(&r->entries);
    map_init(&r->entries);
}

void recent_free(struct recent *recent)
{
    if (!recent)
        return;
    drop_all(recent);
    map_release(&recent->entries);
    pthread_mutex_destroy(&recent->lock);
    free(recent);
}

bool recent_find(struct recent *recent, struct str key, int64_t now_ms, struct arena *arena,
                 struct str *ret_value)
{
    pthread_mutex_lock(&recent->lock);
    const struct entry *entry = map_get(&recent->entries, key);
    bool found = entry && now_ms < entry->until_ms;
    if (found)
        *ret_value = arena_copy(arena, str_make(entry->value, entry->len));
    pthread_mutex_unlock(&recent->lock);
    return found && !str_is_null(*ret_value);
}

void recent_add(struct recent *recent, struct str key, struct str value, int64_t now_ms)
{
    struct entry *entry = xmalloc(sizeof(*entry) + value.len);
    entry->until_ms = now_ms + recent->lifetime_ms;
    entry->len = value.len;
    if (value.len > 0)
        memcpy(entry->value, value.ptr, value.len);
    pthread_mutex_lock(&recent->lock);
    if (recent->entries.len >= recent->entries_max)
        drop_all(recent);
    struct entry *unused = entry;
    if (now_ms > recent->forgotten_ms)
        unused = map_put(&recent->entries, key, entry);
    pthread_mutex_unlock(&recent->lock);
    free(unused);
}

void recent_forget(struct recent *recent, int64_t now_ms)
{
    pthread_mutex_lock(&recent->lock);
    drop_all(recent);
    recent->forgotten_ms = now_ms;
    pthread_mutex_unlock(&recent->lock);
}
