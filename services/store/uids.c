#include "services/store/uids.h"

struct uids uids_new(struct arena *arena, size_t count)
{
    return (struct uids){.items = arena_new_array(arena, count, uint32_t)};
}

bool uids_are_ascending(const uint32_t *items, size_t len)
{
    uint32_t last = 0;
    for (size_t i = 0; i < len; i++) {
        if (items[i] <= last)
            return false;
        last = items[i];
    }
    return true;
}

void uids_save(struct buf *out, struct uids uids)
{
    wire_put_u32(out, (uint32_t)uids.len);
    for (size_t i = 0; i < uids.len; i++)
        wire_put_u32(out, uids.items[i]);
}

struct uids uids_load(struct wire *w, struct arena *arena)
{
    size_t count = wire_take_u32(w, "number of UIDs");
    if (count > wire_left(w) / 4) {
        wire_fail(w, "number of UIDs");
        return (struct uids){0};
    }
    struct uids uids = uids_new(arena, count);
    if (!uids.items)
        wire_fail(w, "number of UIDs");
    while (uids.items && uids.len < count)
        uids.items[uids.len++] = wire_take_u32(w, "UID");
    return uids;
}
