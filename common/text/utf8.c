#include "common/text/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* How many bytes at the start are ASCII. */
static size_t ascii_prefix(struct str s)
{
    size_t i = 0;
    for (; i + sizeof(uint64_t) <= s.len; i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, s.ptr + i, sizeof(word));
        if (word & 0x8080808080808080u)
            break;
    }
    while (i < s.len && (unsigned char)s.ptr[i] < 0x80)
        i++;
    return i;
}

bool str_is_ascii(struct str s)
{
    return ascii_prefix(s) == s.len;
}

/* What may follow a lead byte: how many bytes in all, and the range of the second (RFC 3629 4). */
struct lead {
    unsigned size;
    unsigned char low, high;
};

static struct lead lead_of(unsigned char c)
{
    if (c < 0x80)
        return (struct lead){1, 0, 0};
    if (c < 0xc2 || c > 0xf4)
        return (struct lead){0, 0, 0};
    if (c < 0xe0)
        return (struct lead){2, 0x80, 0xbf};
    if (c < 0xf0)
        return (struct lead){3, c == 0xe0 ? 0xa0 : 0x80, c == 0xed ? 0x9f : 0xbf};
    return (struct lead){4, c == 0xf0 ? 0x90 : 0x80, c == 0xf4 ? 0x8f : 0xbf};
}

/* Bytes of the valid character at `p`, 0 when there is none; `*ret_truncated` when `len` ends in
 * the middle of what may become one. */
static size_t character_size(const unsigned char *p, size_t len, bool *ret_truncated)
{
    struct lead lead = lead_of(p[0]);
    if (lead.size <= 1)
        return lead.size;
    for (size_t i = 1; i < lead.size; i++) {
        if (i == len) {
            *ret_truncated = true;
            return 0;
        }
        if (p[i] < (i == 1 ? lead.low : 0x80) || p[i] > (i == 1 ? lead.high : 0xbf))
            return 0;
    }
    return lead.size;
}

size_t utf8_valid_prefix(struct str s, bool *ret_truncated)
{
    bool truncated = false;
    size_t at = 0;
    while (at < s.len) {
        if ((unsigned char)s.ptr[at] < 0x80) {
            at += ascii_prefix(str_skip(s, at));
            continue;
        }
        size_t size = character_size((const unsigned char *)s.ptr + at, s.len - at, &truncated);
        if (size == 0)
            break;
        at += size;
    }
    if (ret_truncated)
        *ret_truncated = truncated;
    return at;
}

bool utf8_is_valid(struct str s)
{
    return str_is_ascii(s) || utf8_valid_prefix(s, NULL) == s.len;
}

/* Length of the start that is valid and free of NUL. */
static size_t clean_prefix(struct str s)
{
    size_t len = utf8_valid_prefix(s, NULL);
    ptrdiff_t nul = str_find_char(str_make(s.ptr, len), '\0');
    return nul < 0 ? len : (size_t)nul;
}

struct str utf8_repair(struct str s, struct arena *arena)
{
    bool clean = str_is_ascii(s) ? str_find_char(s, '\0') < 0 : clean_prefix(s) == s.len;
    if (clean)
        return s;
    if (s.len > SIZE_MAX / 3)
        return STR_NULL;
    char *begin = arena_alloc(arena, s.len * 3);
    if (!begin)
        return STR_NULL;
    char *to = begin;
    while (s.len > 0) {
        size_t len = clean_prefix(s);
        memcpy(to, s.ptr, len);
        to += len;
        s = str_skip(s, len);
        if (s.len > 0) {
            memcpy(to, REPLACEMENT, 3);
            to += 3;
            s = str_skip(s, 1);
        }
    }
    return str_make(begin, (size_t)(to - begin));
}

static bool starts_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

size_t utf8_length(struct str s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += starts_character(s.ptr[i]);
    return count;
}

struct str utf8_truncate(struct str s, size_t count)
{
    for (size_t i = 0; i < s.len; i++)
        if (starts_character(s.ptr[i]) && count-- == 0)
            return str_make(s.ptr, i);
    return s;
}

struct str utf8_truncate_bytes(struct str s, size_t max)
{
    if (s.len <= max)
        return s;
    while (max > 0 && !starts_character(s.ptr[max]))
        max--;
    return str_make(s.ptr, max);
}

/* The result of a libunistring call (on the heap), moved to the arena. */
static struct str take_result(uint8_t *result, size_t len, struct arena *arena)
{
    if (!result)
        return STR_NULL;
    struct str copy = arena_copy(arena, str_make(result, len));
    free(result);
    return copy;
}

struct str utf8_nfc(struct str s, struct arena *arena)
{
    if (str_is_ascii(s))
        return s;
    size_t len;
    uint8_t *result = u8_normalize(UNINORM_NFC, (const uint8_t *)s.ptr, s.len, NULL, &len);
    return take_result(result, len, arena);
}

struct str utf8_casefold(struct str s, struct arena *arena)
{
    if (str_is_ascii(s))
        return s.len > 0 ? arena_lower(arena, s) : s;
    size_t len;
    uint8_t *result = u8_casefold((const uint8_t *)s.ptr, s.len, NULL, NULL, NULL, &len);
    return take_result(result, len, arena);
}

struct str utf8_lower(struct str s, struct arena *arena)
{
    if (str_is_ascii(s))
        return s.len > 0 ? arena_lower(arena, s) : s;
    size_t len;
    uint8_t *result = u8_tolower((const uint8_t *)s.ptr, s.len, NULL, NULL, NULL, &len);
    return take_result(result, len, arena);
}

static struct str casemap_ascii(struct str s, struct arena *arena)
{
    char *copy = arena_alloc(arena, s.len);
    for (size_t i = 0; copy && i < s.len; i++)
        copy[i] = ascii_upper(s.ptr[i]);
    return copy ? str_make(copy, s.len) : STR_NULL;
}

/* The simple mappings of single characters, as RFC 5051 2 has it. A title case has at most 4 bytes.
 */
static struct str titlecase(struct str s, struct arena *arena)
{
    char *copy = arena_alloc_array(arena, s.len, 4);
    size_t len = 0;
    if (!copy)
        return STR_NULL;
    while (s.len > 0) {
        uint32_t character;
        s = str_skip(s, utf8_decode(s, &character));
        len += utf8_encode(uc_totitle(character), copy + len);
    }
    return str_make(copy, len);
}

struct str utf8_casemap(struct str s, struct arena *arena)
{
    if (str_is_ascii(s))
        return s.len > 0 ? casemap_ascii(s, arena) : s;
    size_t len;
    struct str title = titlecase(s, arena);
    if (str_is_null(title))
        return STR_NULL;
    uint8_t *result = u8_normalize(UNINORM_NFKD, (const uint8_t *)title.ptr, title.len, NULL, &len);
    return take_result(result, len, arena);
}

size_t utf8_decode(struct str s, uint32_t *ret_character)
{
    static const unsigned char lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t size = lead_of((unsigned char)s.ptr[0]).size;
    if (size == 0 || size > s.len) { /* a caller that did not check must still get on */
        *ret_character = 0xfffd;
        return 1;
    }
    uint32_t character = (unsigned char)s.ptr[0] & lead_bits[size];
    for (size_t i = 1; i < size; i++)
        character = character << 6 | ((unsigned char)s.ptr[i] & 0x3f);
    *ret_character = character;
    return size;
}

size_t utf8_encode(uint32_t character, char dst[4])
{
    if (character < 0x80) {
        dst[0] = (char)character;
        return 1;
    }
    size_t size = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, character >>= 6)
        dst[i] = (char)(0x80 | (character & 0x3f));
    dst[0] = (char)((0xf00u >> size) | character);
    return size;
}
