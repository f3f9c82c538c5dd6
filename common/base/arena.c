#include "common/base/arena.h"

#include "common/base/bug.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(ptr, size) __asan_poison_memory_region((ptr), (size))
#define UNPOISON(ptr, size) __asan_unpoison_memory_region((ptr), (size))
#else
#define POISON(ptr, size) ((void)(ptr), (void)(size))
#define UNPOISON(ptr, size) ((void)(ptr), (void)(size))
#endif

#define BLOCK_SIZE 4096
#define ALIGNMENT alignof(max_align_t)

struct arena_block {
    struct arena_block *next; /* older */
    size_t size;              /* of data */
    size_t used;
    max_align_t data[];
};

void arena_init(struct arena *a, size_t limit)
{
    *a = (struct arena){.limit = limit};
}

static struct arena_block *add_block(struct arena *a, size_t need)
{
    size_t size = BLOCK_SIZE - sizeof(struct arena_block);
    if (a->blocks)
        size = a->blocks->size * 2;
    if (size > 256 * 1024)
        size = 256 * 1024;
    if (size < need)
        size = need;
    struct arena_block *block = xmalloc(sizeof(*block) + size);
    *block = (struct arena_block){.next = a->blocks, .size = size};
    POISON(block->data, size);
    a->blocks = block;
    return block;
}

void *arena_alloc_raw(struct arena *a, size_t size)
{
    if (size == 0)
        size = 1;
    if (size > a->limit - a->used || a->exhausted) {
        a->exhausted = true;
        return NULL;
    }
    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct arena_block *block = a->blocks;
    if (!block || rounded > block->size - block->used)
        block = add_block(a, rounded);
    void *p = (char *)block->data + block->used;
    block->used += rounded;
    a->used += size;
    UNPOISON(p, size);
    return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *p = arena_alloc_raw(a, size);
    return p ? memset(p, 0, size > 0 ? size : 1) : NULL;
}

void *arena_alloc_array(struct arena *a, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        a->exhausted = true;
        return NULL;
    }
    return arena_alloc(a, total);
}

static void wipe_block(struct arena_block *block)
{
    UNPOISON(block->data, block->size);
    explicit_bzero(block->data, block->used);
}

static void reset(struct arena *a, bool wipe)
{
    while (a->blocks) {
        struct arena_block *block = a->blocks;
        if (wipe)
            wipe_block(block);
        if (!block->next) {
            block->used = 0;
            POISON(block->data, block->size);
            break;
        }
        a->blocks = block->next;
        UNPOISON(block->data, block->size);
        free(block);
    }
    a->used = 0;
    a->exhausted = false;
}

void arena_reset(struct arena *a)
{
    reset(a, false);
}

void arena_wipe(struct arena *a)
{
    reset(a, true);
}

void arena_release(struct arena *a)
{
    reset(a, false);
    if (a->blocks) {
        UNPOISON(a->blocks->data, a->blocks->size);
        free(a->blocks);
    }
    a->blocks = NULL;
}

struct str arena_copy(struct arena *a, struct str s)
{
    char *p = arena_alloc_raw(a, s.len);
    if (!p)
        return STR_NULL;
    if (s.len > 0)
        memcpy(p, s.ptr, s.len);
    return str_make(p, s.len);
}

struct str arena_printf(struct arena *a, const char *format, ...)
{
    char text[256]; /* what is longer is formatted again, for its length is known then */
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(text, sizeof(text), format, args);
    BUG_ON(len < 0);
    char *p = arena_alloc_raw(a, (size_t)len + 1);
    if (p && (size_t)len < sizeof(text))
        memcpy(p, text, (size_t)len + 1);
    else if (p)
        vsnprintf(p, (size_t)len + 1, format, again);
    va_end(again);
    va_end(args);
    return p ? str_make(p, (size_t)len) : STR_NULL;
}

struct str arena_join(struct arena *a, const struct str *parts, size_t count, char separator)
{
    size_t len = count > 0 ? count - 1 : 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    char *text = arena_alloc_raw(a, len), *at = text;
    for (size_t i = 0; text && i < count; i++) {
        if (i > 0)
            *at++ = separator;
        if (parts[i].len > 0)
            memcpy(at, parts[i].ptr, parts[i].len);
        at += parts[i].len;
    }
    return text ? str_make(text, len) : STR_NULL;
}

/* ascii_lower of eight bytes at once. The sums carry into the top bit of each byte, and no
 * further: it then says whether the byte is at least 'A', and above 'Z'. */
static uint64_t lower_eight(uint64_t bytes)
{
    const uint64_t each = 0x0101010101010101u, tops = 0x80 * each;
    uint64_t low = bytes & ~tops;
    uint64_t from_a = low + (0x80 - 'A') * each;
    uint64_t above_z = low + (0x7f - 'Z') * each;
    uint64_t upper = from_a & ~above_z & ~bytes & tops;
    return bytes | upper >> 2; /* 0x80 to 0x20 */
}

struct str arena_lower(struct arena *a, struct str s)
{
    char *p = arena_alloc_raw(a, s.len);
    if (!p)
        return STR_NULL;
    size_t i = 0;
    for (uint64_t bytes; i + sizeof(bytes) <= s.len; i += sizeof(bytes)) {
        memcpy(&bytes, s.ptr + i, sizeof(bytes));
        bytes = lower_eight(bytes);
        memcpy(p + i, &bytes, sizeof(bytes));
    }
    for (; i < s.len; i++)
        p[i] = ascii_lower(s.ptr[i]);
    return str_make(p, s.len);
}

char *arena_cstr(struct arena *a, struct str s)
{
    if (str_find_char(s, '\0') >= 0)
        return NULL;
    char *p = arena_alloc_raw(a, s.len + 1);
    if (p && s.len > 0)
        memcpy(p, s.ptr, s.len);
    if (p)
        p[s.len] = '\0';
    return p;
}
