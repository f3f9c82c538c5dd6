#ifndef COMMON_TEXT_UTF8_H
#define COMMON_TEXT_UTF8_H

#include "common/base/arena.h"

/*
 * UTF-8 (RFC 3629) and the Unicode operations that mail needs, on libunistring.
 *
 * Functions that take text say whether it must be valid; utf8_is_valid decides, utf8_repair makes
 * it so. ASCII, the usual case, takes a fast path everywhere.
 */

/* No byte from 0x80. */
bool str_is_ascii(struct str s);

/* Valid UTF-8: shortest forms, no surrogates, at most U+10FFFF. NUL is allowed. */
bool utf8_is_valid(struct str s);
/* Length of the longest valid start. `*ret_truncated` (may be NULL) says that what follows is only
 * the beginning of a character, as happens at the end of a chunk. */
size_t utf8_valid_prefix(struct str s, bool *ret_truncated);

/* `s` with every invalid byte and NUL replaced by U+FFFD: in arena, or `s` itself when it is fine.
 * STR_NULL when the arena is full. */
struct str utf8_repair(struct str s, struct arena *arena);

/* Characters (code points) of valid UTF-8, and its longest start with at most `count` of them. */
size_t utf8_length(struct str s);
struct str utf8_truncate(struct str s, size_t count);
/* The longest start of at most `max` bytes that does not split a character. */
struct str utf8_truncate_bytes(struct str s, size_t max);

/* Of valid UTF-8; in arena, or `s` itself when it would not change; STR_NULL when the arena is
 * full. */

/* Normalization form C. */
struct str utf8_nfc(struct str s, struct arena *arena);
/* Full case folding, for comparing without case. Not normalized. */
struct str utf8_casefold(struct str s, struct arena *arena);
struct str utf8_lower(struct str s, struct arena *arena);
/* What the collation i;unicode-casemap compares byte by byte (RFC 5051): each character in its
 * title case, then decomposed. */
struct str utf8_casemap(struct str s, struct arena *arena);

/* Decodes one character at the start of valid, non-empty `s`; returns its bytes, at least 1. */
size_t utf8_decode(struct str s, uint32_t *ret_character);
/* Writes `character` (a Unicode scalar value) to `dst`, returns how many of the 4 bytes it took. */
size_t utf8_encode(uint32_t character, char dst[4]);

#endif
