#include "services/submission/check_cache.h"

#define ENTRIES_MAX 8192
#define LIFETIME_MS 10000

struct recent *check_cache_new(void)
{
    return recent_new(ENTRIES_MAX, LIFETIME_MS);
}

/* Neither local parts nor domains hold a NUL, so no two questions have the same key. */
static struct str sender_key(uint64_t account_id, struct address address, struct arena *arena)
{
    const struct str parts[] = {address.localpart, address.domain,
                                str_make(&account_id, sizeof(account_id))};
    return arena_join(arena, parts, ARRAY_LEN(parts), '\0');
}

static struct str domain_key(struct str domain, struct arena *arena)
{
    const struct str parts[] = {STR(""), domain};
    return arena_join(arena, parts, ARRAY_LEN(parts), '\0');
}

static bool has(struct recent *cache, struct str key, int64_t now_ms, struct arena *arena)
{
    struct str yes;
    return !str_is_null(key) && recent_find(cache, key, now_ms, arena, &yes);
}

static void add(struct recent *cache, struct str key, int64_t now_ms)
{
    if (!str_is_null(key))
        recent_add(cache, key, STR("yes"), now_ms);
}

bool check_cache_has_sender(struct recent *cache, uint64_t account_id, struct address address,
                            int64_t now_ms, struct arena *arena)
{
    return has(cache, sender_key(account_id, address, arena), now_ms, arena);
}

void check_cache_add_sender(struct recent *cache, uint64_t account_id, struct address address,
                            int64_t now_ms, struct arena *arena)
{
    add(cache, sender_key(account_id, address, arena), now_ms);
}

bool check_cache_is_remote(struct recent *cache, struct str domain, int64_t now_ms,
                           struct arena *arena)
{
    return has(cache, domain_key(domain, arena), now_ms, arena);
}

void check_cache_add_remote(struct recent *cache, struct str domain, int64_t now_ms,
                            struct arena *arena)
{
    add(cache, domain_key(domain, arena), now_ms);
}
