#include "common/bus/allocator.h"

static void *allocate(void *arena, size_t size)
{
    return arena_alloc_raw(arena, size);
}

static void leave(void *arena, void *pointer)
{
    (void)arena;
    (void)pointer;
}

ProtobufCAllocator arena_allocator(struct arena *arena)
{
    return (ProtobufCAllocator){.alloc = allocate, .free = leave, .allocator_data = arena};
}
