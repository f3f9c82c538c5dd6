#include "services/smtp-in/resolve_cache.h"

#include <string.h>

#define ENTRIES_MAX 8192
#define LIFETIME_MS 10000 /* events may be lost */

struct recent *resolve_cache_new(void)
{
    return recent_new(ENTRIES_MAX, LIFETIME_MS);
}

/* A local part holds no NUL. */
static struct str key_of(struct address address, struct arena *arena)
{
    const struct str parts[] = {address.localpart, address.domain};
    return arena_join(arena, parts, ARRAY_LEN(parts), '\0');
}

bool resolve_cache_find(struct recent *cache, struct address address, int64_t now_ms,
                        struct arena *arena, struct backend_target *ret)
{
    struct str key = key_of(address, arena), value;
    if (str_is_null(key) || !recent_find(cache, key, now_ms, arena, &value))
        return false;
    *ret = (struct backend_target){.class = BACKEND_ACCOUNT};
    memcpy(&ret->account_id, value.ptr, sizeof(ret->account_id));
    ret->mailbox = str_skip(value, sizeof(ret->account_id));
    return true;
}

void resolve_cache_add(struct recent *cache, struct address address,
                       const struct backend_target *target, int64_t now_ms, struct arena *arena)
{
    struct str key = key_of(address, arena);
    size_t len = sizeof(target->account_id) + target->mailbox.len;
    char *value = target->class == BACKEND_ACCOUNT ? arena_alloc(arena, len) : NULL;
    if (!value || str_is_null(key))
        return;
    memcpy(value, &target->account_id, sizeof(target->account_id));
    if (target->mailbox.len > 0)
        memcpy(value + sizeof(target->account_id), target->mailbox.ptr, target->mailbox.len);
    recent_add(cache, key, str_make(value, len), now_ms);
}
