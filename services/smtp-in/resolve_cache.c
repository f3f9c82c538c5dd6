#include "services/smtp-in/resolve_cache.h"

#include "common/base/bug.h"
#include "common/base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 8192
#define LIFETIME_MS 500
#define KEY_MAX 512

struct entry {
    int64_t until_ms;
    uint64_t account_id;
    size_t mailbox_len;
    char mailbox[];
};

struct resolve_cache {
    pthread_mutex_t lock;
    struct map entries; /* by "local\0domain" */
};

struct resolve_cache *resolve_cache_new(void)
{
    struct resolve_cache *cache = xcalloc(1, sizeof(*cache));
    pthread_mutex_init(&cache->lock, NULL);
    map_init(&cache->entries);
    return cache;
}

/* With the lock held. */
static void drop_all(struct resolve_cache *cache)
{
    struct map_entry *slot;
    size_t at = 0;
    while ((slot = map_next(&cache->entries, &at)))
        free(slot->value);
    map_release(&cache->entries);
    map_init(&cache->entries);
}

void resolve_cache_free(struct resolve_cache *cache)
{
    if (!cache)
        return;
    drop_all(cache);
    map_release(&cache->entries);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/* STR_NULL for addresses too long to be kept. */
static struct str key_of(struct address address, char text[KEY_MAX])
{
    size_t len = address.localpart.len + 1 + address.domain.len;
    if (len > KEY_MAX)
        return STR_NULL;
    struct buf key;
    buf_init(&key, KEY_MAX);
    buf_append(&key, address.localpart);
    buf_append_char(&key, '\0');
    buf_append(&key, address.domain);
    memcpy(text, key.ptr, len);
    buf_release(&key);
    return str_make(text, len);
}

bool resolve_cache_find(struct resolve_cache *cache, struct address address, int64_t now_ms,
                        struct arena *arena, struct backend_target *ret)
{
    char text[KEY_MAX];
    struct str key = key_of(address, text);
    if (str_is_null(key))
        return false;
    pthread_mutex_lock(&cache->lock);
    const struct entry *entry = map_get(&cache->entries, key);
    bool found = entry && now_ms < entry->until_ms;
    if (found)
        *ret = (struct backend_target){
            .class = BACKEND_ACCOUNT,
            .account_id = entry->account_id,
            .mailbox = arena_copy(arena, str_make(entry->mailbox, entry->mailbox_len)),
        };
    pthread_mutex_unlock(&cache->lock);
    return found && !str_is_null(ret->mailbox);
}

void resolve_cache_add(struct resolve_cache *cache, struct address address,
                       const struct backend_target *target, int64_t now_ms)
{
    char text[KEY_MAX];
    struct str key = key_of(address, text);
    if (target->class != BACKEND_ACCOUNT || str_is_null(key))
        return;
    struct entry *entry = xmalloc(sizeof(*entry) + target->mailbox.len);
    *entry = (struct entry){now_ms + LIFETIME_MS, target->account_id, target->mailbox.len};
    if (target->mailbox.len > 0)
        memcpy(entry->mailbox, target->mailbox.ptr, target->mailbox.len);
    pthread_mutex_lock(&cache->lock);
    if (cache->entries.len >= ENTRIES_MAX)
        drop_all(cache);
    struct entry *replaced = map_put(&cache->entries, key, entry);
    pthread_mutex_unlock(&cache->lock);
    free(replaced);
}
