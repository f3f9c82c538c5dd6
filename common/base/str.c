#include "common/base/str.h"

#include <string.h>

struct str str_from_cstr(const char *cstr)
{
    return cstr ? str_make(cstr, strlen(cstr)) : STR_NULL;
}

static int compare(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

int str_cmp(struct str a, struct str b)
{
    return compare(a, b);
}

int str_cmp_nocase(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < n; i++) {
        int x = (unsigned char)ascii_lower(a.ptr[i]);
        int y = (unsigned char)ascii_lower(b.ptr[i]);
        if (x != y)
            return x - y;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

bool str_eq_nocase(struct str a, struct str b)
{
    return a.len == b.len && str_cmp_nocase(a, b) == 0;
}

bool str_starts_with(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_make(s.ptr, prefix.len), prefix);
}

bool str_starts_with_nocase(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq_nocase(str_make(s.ptr, prefix.len), prefix);
}

bool str_ends_with(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_skip(s, s.len - suffix.len), suffix);
}

bool str_ends_with_nocase(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq_nocase(str_skip(s, s.len - suffix.len), suffix);
}

bool str_eq_secret(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    volatile unsigned char difference = 0;
    for (size_t i = 0; i < a.len; i++)
        difference = (unsigned char)(difference | (a.ptr[i] ^ b.ptr[i]));
    return difference == 0;
}

struct str str_slice(struct str s, size_t from, size_t len)
{
    s = str_skip(s, from);
    return str_make(s.ptr, len < s.len ? len : s.len);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_blank(s.ptr[0]))
        s = str_skip(s, 1);
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

ptrdiff_t str_find_char(struct str s, char c)
{
    const char *p = s.len > 0 ? memchr(s.ptr, c, s.len) : NULL;
    return p ? p - s.ptr : -1;
}

ptrdiff_t str_rfind_char(struct str s, char c)
{
    for (size_t i = s.len; i > 0; i--)
        if (s.ptr[i - 1] == c)
            return (ptrdiff_t)(i - 1);
    return -1;
}

ptrdiff_t str_find(struct str s, struct str needle)
{
    if (needle.len == 0)
        return 0;
    for (size_t from = 0; from + needle.len <= s.len; from++) {
        const char *p = memchr(s.ptr + from, needle.ptr[0], s.len - from - needle.len + 1);
        if (!p)
            return -1;
        from = (size_t)(p - s.ptr);
        if (memcmp(p, needle.ptr, needle.len) == 0)
            return (ptrdiff_t)from;
    }
    return -1;
}

bool str_cut(struct str s, char c, struct str *ret_before, struct str *ret_after)
{
    ptrdiff_t at = str_find_char(s, c);
    struct str before = at < 0 ? s : str_make(s.ptr, (size_t)at);
    struct str after = at < 0 ? STR_NULL : str_skip(s, (size_t)at + 1);
    if (ret_before)
        *ret_before = before;
    if (ret_after)
        *ret_after = after;
    return at >= 0;
}

bool str_to_u64(struct str s, uint64_t max, uint64_t *ret_value)
{
    if (s.len == 0)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(s.ptr[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (value > max)
        return false;
    *ret_value = value;
    return true;
}

bool str_copy_cstr(struct str s, char *dst, size_t size)
{
    if (s.len >= size || str_find_char(s, '\0') >= 0)
        return false;
    if (s.len > 0)
        memcpy(dst, s.ptr, s.len);
    dst[s.len] = '\0';
    return true;
}

#define FNV_OFFSET 14695981039346656037ULL
#define FNV_PRIME 1099511628211ULL

uint64_t str_hash(struct str s)
{
    uint64_t hash = FNV_OFFSET;
    for (size_t i = 0; i < s.len; i++)
        hash = (hash ^ (unsigned char)s.ptr[i]) * FNV_PRIME;
    return hash;
}

uint64_t str_hash_nocase(struct str s)
{
    uint64_t hash = FNV_OFFSET;
    for (size_t i = 0; i < s.len; i++)
        hash = (hash ^ (unsigned char)ascii_lower(s.ptr[i])) * FNV_PRIME;
    return hash;
}
