#include "common/base/buf.h"

#include "common/base/bug.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 128

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_release(struct buf *b)
{
    free(b->ptr);
    buf_init(b, b->max);
}

void buf_release_secret(struct buf *b)
{
    if (b->ptr)
        explicit_bzero(b->ptr, b->cap);
    buf_release(b);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->overflow = false;
}

char *buf_reserve_more(struct buf *b, size_t count)
{
    if (count > b->max - b->len) {
        b->overflow = true;
        return NULL;
    }
    size_t need = b->len + count;
    size_t cap = b->cap > 0 ? b->cap : FIRST_CAPACITY;
    if (cap > b->max)
        cap = b->max;
    while (cap < need)
        cap = cap > b->max / 2 ? b->max : cap * 2;
    b->ptr = xrealloc(b->ptr, cap);
    b->cap = cap;
    return b->ptr + b->len;
}

void buf_commit(struct buf *b, size_t count)
{
    BUG_ON(count > b->cap - b->len);
    b->len += count;
}

bool buf_append_cstr(struct buf *b, const char *cstr)
{
    return buf_append(b, str_from_cstr(cstr));
}

bool buf_append_u64(struct buf *b, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return buf_append(b, str_make(digits + at, sizeof(digits) - at));
}

/* Text that is longer than most: its length is known by now. */
static bool print_long(struct buf *b, size_t len, const char *format, va_list args)
{
    if (len > buf_room(b)) {
        b->overflow = true;
        return false;
    }
    char *text = xmalloc(len + 1); /* with the terminator, which never counts */
    vsnprintf(text, len + 1, format, args);
    bool ok = buf_append(b, str_make(text, len));
    free(text);
    return ok;
}

bool buf_printf(struct buf *b, const char *format, ...)
{
    char text[256];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(text, sizeof(text), format, args);
    BUG_ON(len < 0);
    bool ok = (size_t)len < sizeof(text) ? buf_append(b, str_make(text, (size_t)len))
                                         : print_long(b, (size_t)len, format, again);
    va_end(again);
    va_end(args);
    return ok;
}

void buf_consume(struct buf *b, size_t count)
{
    if (count >= b->len) {
        b->len = 0;
        return;
    }
    memmove(b->ptr, b->ptr + count, b->len - count);
    b->len -= count;
}

void buf_truncate(struct buf *b, size_t len)
{
    BUG_ON(len > b->len);
    b->len = len;
}
