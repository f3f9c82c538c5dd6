#ifndef COMMON_BASE_STR_H
#define COMMON_BASE_STR_H

#include "common/base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * A string is a pointer and a length, passed by value. It borrows bytes that somebody else owns,
 * may hold any byte (NUL included), and is not terminated. The empty string may have a NULL `ptr`;
 * `str_is_null` tells "absent" from "empty" where that matters.
 *
 *     struct str line = STR("RCPT TO:<a@example.org>");
 *     struct str verb, rest;
 *     str_cut(line, ' ', &verb, &rest);               // "RCPT", "TO:<a@example.org>"
 *     printf("%.*s\n", STR_ARG(verb));
 *
 * Functions that compare say in their name whether ASCII case matters. Nothing here allocates:
 * copies are made by an arena (arena.h) or a buffer (buf.h).
 */

struct str {
    const char *ptr;
    size_t len;
};

/* A string from a literal. */
#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
/* The same as a constant initialiser for static tables. */
#define STR_INIT(literal)                                                                          \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }
#define STR_NULL ((struct str){NULL, 0})
/* The two arguments of "%.*s". */
#define STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

/* From a NUL-terminated string (NULL gives STR_NULL), or from a pointer and a length. */
struct str str_from_cstr(const char *cstr);
static inline struct str str_make(const void *ptr, size_t len)
{
    return (struct str){ptr, len};
}

static inline bool str_is_null(struct str s)
{
    return s.ptr == NULL;
}
static inline bool str_is_empty(struct str s)
{
    return s.len == 0;
}

/* Byte-wise comparison; `_nocase` folds A-Z only. */
static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
bool str_eq_nocase(struct str a, struct str b);
/* <0, 0, >0 as memcmp; a prefix sorts before the longer string. */
int str_cmp(struct str a, struct str b);
int str_cmp_nocase(struct str a, struct str b);
bool str_starts_with(struct str s, struct str prefix);
bool str_starts_with_nocase(struct str s, struct str prefix);
bool str_ends_with(struct str s, struct str suffix);
bool str_ends_with_nocase(struct str s, struct str suffix);
/* Comparison whose time does not depend on the content (lengths may leak). For secrets. */
bool str_eq_secret(struct str a, struct str b);

/* The part from `from` (clamped) with at most `len` bytes. */
struct str str_slice(struct str s, size_t from, size_t len);
/* Everything from `from` on; empty when `from` is past the end. */
static inline struct str str_skip(struct str s, size_t from)
{
    if (s.len == 0) /* there may be no pointer to add to */
        return s;
    if (from > s.len)
        from = s.len;
    return str_make(s.ptr + from, s.len - from);
}
/* Without leading and trailing space, tab, CR and LF. */
struct str str_trim(struct str s);

/* Position of the first or last `c`, or of the first `needle`; -1 when there is none. */
ptrdiff_t str_find_char(struct str s, char c);
ptrdiff_t str_rfind_char(struct str s, char c);
ptrdiff_t str_find(struct str s, struct str needle);

/* Splits at the first `c`. Without one, `*ret_before` is all of `s`, `*ret_after` is STR_NULL, and
 * the result is false. Either result pointer may be NULL, or point to the argument itself. */
bool str_cut(struct str s, char c, struct str *ret_before, struct str *ret_after);

/* Decimal digits only, nothing else around them; false (result untouched) when empty, not digits,
 * or above `max`. */
bool str_to_u64(struct str s, uint64_t max, uint64_t *ret_value) MUST_USE;

/* Reads of NUL-terminated text end here: false when `s` holds a NUL or does not fit with its
 * terminator into `size` bytes. */
bool str_copy_cstr(struct str s, char *dst, size_t size) MUST_USE;

/* ASCII case. */
static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}
static inline char ascii_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

/* FNV-1a hashes, for tables; `_nocase` folds A-Z. Not for secrets. */
uint64_t str_hash(struct str s);
uint64_t str_hash_nocase(struct str s);

#endif
