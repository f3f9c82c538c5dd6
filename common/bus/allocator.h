#ifndef COMMON_BUS_ALLOCATOR_H
#define COMMON_BUS_ALLOCATOR_H

#include "common/base/arena.h"

#include <protobuf-c/protobuf-c.h>

/* An allocator that lets protobuf-c unpack into an arena, so that messages need no freeing.
 *
 *     ProtobufCAllocator in_arena = arena_allocator(arena);
 *     mailrail__structure__unpack(&in_arena, len, bytes);
 *
 * Unpacking fails (NULL) when the arena's limit is reached. */
ProtobufCAllocator arena_allocator(struct arena *arena);

#endif
