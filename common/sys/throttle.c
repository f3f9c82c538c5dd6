#include "common/sys/throttle.h"

#include "common/base/attr.h"

#define WINDOW_MS 60000
#define PASS_MAX 10

bool throttle_pass(struct throttle *t, uint64_t hash, int64_t now_ms, uint64_t *ret_held_back)
{
    struct throttle_slot *slot = &t->slots[hash % ARRAY_LEN(t->slots)];
    bool is_same = slot->hash == hash && slot->count > 0;
    if (!is_same || now_ms - slot->window_ms >= WINDOW_MS) {
        *ret_held_back = is_same && slot->count > PASS_MAX ? slot->count - PASS_MAX : 0;
        *slot = (struct throttle_slot){.hash = hash, .window_ms = now_ms, .count = 1};
        return true;
    }
    *ret_held_back = 0;
    return ++slot->count <= PASS_MAX;
}
