#ifndef COMMON_BASE_BUF_H
#define COMMON_BASE_BUF_H

#include "common/base/str.h"

/*
 * A growable byte buffer with a hard maximum.
 *
 * Invariants: `len <= cap <= max`; `ptr` is NULL while nothing was ever appended. The fields are
 * free to read; only the functions below write them. The buffer owns its bytes, and a `struct str`
 * taken from it is good until the next append.
 *
 * Appends that would pass `max` change nothing and set `overflow`, which sticks until buf_reset:
 * a writer appends a whole reply and asks once at the end.
 *
 *     struct buf line;
 *     buf_init(&line, 512);
 *     buf_printf(&line, "* %u EXISTS\r\n", count);
 *     if (line.overflow) ...
 *     buf_release(&line);
 */

struct buf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t max;
    bool overflow;
};

/* Life cycle. */

/* An empty buffer that never holds more than `max` bytes. Allocates nothing. */
void buf_init(struct buf *b, size_t max);
/* Frees the bytes; the buffer is empty again with the same maximum. */
void buf_release(struct buf *b);
/* Overwrites the bytes before freeing them: for what held secrets. */
void buf_release_secret(struct buf *b);
/* Empties the buffer, keeps its memory, clears `overflow`. */
void buf_reset(struct buf *b);

/* Reading. */

static inline struct str buf_str(const struct buf *b)
{
    return str_make(b->ptr, b->len);
}
/* Bytes that still fit below the maximum. */
static inline size_t buf_room(const struct buf *b)
{
    return b->max - b->len;
}

/* For read(2) and encoders: makes room for `count` more bytes and returns where they go (NULL when
 * the maximum forbids it). What was written there counts after buf_commit(b, n), n <= count. */
char *buf_reserve_more(struct buf *b, size_t count); /* its slow part: there is no room */
static inline char *buf_reserve(struct buf *b, size_t count)
{
    return b->ptr && count <= b->cap - b->len ? b->ptr + b->len : buf_reserve_more(b, count);
}
void buf_commit(struct buf *b, size_t count);

/* Appending: all return false, and set `overflow`, when the maximum would be passed. */

static inline bool buf_append(struct buf *b, struct str s)
{
    char *dst = s.len > 0 ? buf_reserve(b, s.len) : NULL;
    if (dst) {
        memcpy(dst, s.ptr, s.len);
        b->len += s.len;
    }
    return dst || s.len == 0;
}
static inline bool buf_append_char(struct buf *b, char c)
{
    char *dst = buf_reserve(b, 1);
    if (dst) {
        *dst = c;
        b->len++;
    }
    return dst != NULL;
}
bool buf_append_cstr(struct buf *b, const char *cstr);
bool buf_append_u64(struct buf *b, uint64_t value);
bool buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);

/* Removing. */

/* Drops the first `count` bytes (at most all) and moves the rest to the front. */
void buf_consume(struct buf *b, size_t count);
/* Shortens to `len`, which must not be more than there is. */
void buf_truncate(struct buf *b, size_t len);

#endif
