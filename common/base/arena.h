#ifndef COMMON_BASE_ARENA_H
#define COMMON_BASE_ARENA_H

#include "common/base/str.h"

/*
 * An arena hands out memory that is all freed at once: everything made for one command, one RPC or
 * one message lives in the arena of that command and dies with its reset.
 *
 * A function that returns new memory takes a `struct arena *` and says "in arena". There is no
 * hidden current arena. An arena has a limit, because what fills it usually comes from strangers:
 * past the limit arena_alloc returns NULL and `exhausted` sticks until the reset; code that parses
 * input turns that into ERR_LIMIT. Under AddressSanitizer, free parts are poisoned.
 *
 *     struct arena a;
 *     arena_init(&a, 1 << 20);
 *     struct str copy = arena_copy(&a, line);
 *     arena_reset(&a);        // `copy` is gone, one block is kept for the next round
 *     arena_release(&a);
 */

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used;                /* bytes handed out since the last reset */
    size_t limit;
    bool exhausted;
};

/* Life cycle. */

void arena_init(struct arena *a, size_t limit);
/* Frees everything handed out; keeps the first block for reuse. */
void arena_reset(struct arena *a);
/* As arena_reset, and overwrites the memory first: for arenas that saw passwords. */
void arena_wipe(struct arena *a);
/* Frees everything, blocks included. */
void arena_release(struct arena *a);

/* Allocation: zeroed, aligned for any type; NULL when the limit would be passed. */
void *arena_alloc(struct arena *a, size_t size) MUST_USE;
/* The same, but not zeroed: for bytes that are all written at once. */
void *arena_alloc_raw(struct arena *a, size_t size) MUST_USE;
/* `count` zeroed elements of `size` bytes; NULL too when the product overflows. */
void *arena_alloc_array(struct arena *a, size_t count, size_t size) MUST_USE;

#define arena_new(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define arena_new_array(arena, count, type)                                                        \
    ((type *)arena_alloc_array((arena), (count), sizeof(type)))

/* Copies, in arena. STR_NULL when the limit would be passed (an empty `s` gives a non-NULL, empty
 * string). */
struct str arena_copy(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *format, ...) PRINTF_LIKE(2, 3);
/* All parts one after the other, any bytes, with `separator` between them. */
struct str arena_join(struct arena *a, const struct str *parts, size_t count, char separator);
struct str arena_lower(struct arena *a, struct str s);

/* A NUL-terminated copy, for libc, OpenSSL and protobuf. NULL when `s` holds a NUL byte, or the
 * limit would be passed. */
char *arena_cstr(struct arena *a, struct str s);

#endif
