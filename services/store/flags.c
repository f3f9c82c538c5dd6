#include "services/store/flags.h"

#include <string.h>

static const struct {
    struct str name;
    uint32_t bit;
} known[] = {
    {STR_INIT("\\Seen"), FLAG_SEEN},        {STR_INIT("\\Answered"), FLAG_ANSWERED},
    {STR_INIT("\\Flagged"), FLAG_FLAGGED},  {STR_INIT("\\Deleted"), FLAG_DELETED},
    {STR_INIT("\\Draft"), FLAG_DRAFT},      {STR_INIT("$Forwarded"), FLAG_FORWARDED},
    {STR_INIT("$Junk"), FLAG_JUNK},         {STR_INIT("$NotJunk"), FLAG_NOTJUNK},
    {STR_INIT("$Phishing"), FLAG_PHISHING}, {STR_INIT("$MDNSent"), FLAG_MDNSENT},
};

static uint32_t known_flag(struct str word)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (str_eq_nocase(word, known[i].name))
            return known[i].bit;
    }
    return 0;
}

static bool is_keyword_char(char c)
{
    return c > 0x20 && c < 0x7f && !strchr("(){%*\"\\]", c);
}

static bool check_keyword(struct str word, struct err *err)
{
    if (word.len == 0 || word.len > KEYWORD_LEN_MAX)
        return err_set(err, ERR_SYNTAX, "a keyword of %zu bytes", word.len);
    for (size_t i = 0; i < word.len; i++) {
        if (!is_keyword_char(word.ptr[i]))
            return err_set(err, ERR_SYNTAX, "bad character in keyword %.*s", STR_ARG(word));
    }
    return true;
}

/* Adds the word unless it is there. */
static bool add_keyword(struct str word, struct arena *arena, struct str *items, size_t *len,
                        struct err *err)
{
    struct str lower = arena_lower(arena, word);
    for (size_t i = 0; i < *len; i++) {
        if (str_eq(items[i], lower))
            return true;
    }
    if (*len == KEYWORDS_PER_MESSAGE_MAX)
        return err_set(err, ERR_LIMIT, "more than %d keywords", KEYWORDS_PER_MESSAGE_MAX);
    items[(*len)++] = lower;
    return true;
}

bool flags_parse(const struct str *words, size_t count, struct arena *arena, uint32_t *ret_flags,
                 struct keywords *ret_keywords, struct err *err)
{
    struct str *items = arena_new_array(arena, KEYWORDS_PER_MESSAGE_MAX, struct str);
    size_t len = 0;
    uint32_t flags = 0;
    if (!items)
        return err_set(err, ERR_LIMIT, "no room for flags");
    for (size_t i = 0; i < count; i++) {
        uint32_t bit = known_flag(words[i]);
        flags |= bit;
        if (bit != 0)
            continue;
        TRY(check_keyword(words[i], err));
        TRY(add_keyword(words[i], arena, items, &len, err));
    }
    *ret_flags = flags;
    *ret_keywords = (struct keywords){items, len};
    return true;
}

bool keywords_check(const struct str *words, size_t count, struct arena *arena,
                    struct keywords *ret, struct err *err)
{
    uint32_t flags = 0;
    struct keywords keywords;
    TRY(flags_parse(words, count, arena, &flags, &keywords, err));
    if (flags != 0)
        return err_set(err, ERR_SYNTAX, "a well-known flag among the keywords");
    *ret = keywords;
    return true;
}

/* Indexes are stored as 16-bit numbers, low byte first. */

size_t keywords_count(struct str indexes)
{
    return indexes.len / 2;
}

uint32_t keywords_at(struct str indexes, size_t i)
{
    const unsigned char *p = (const unsigned char *)indexes.ptr + 2 * i;
    return p[0] | (uint32_t)p[1] << 8;
}

/* Inserts in order; nothing when it is there. `bytes` has room. */
static size_t insert_index(char *bytes, size_t len, uint32_t index)
{
    struct str present = str_make(bytes, len);
    size_t at = 0;
    while (at < keywords_count(present) && keywords_at(present, at) < index)
        at++;
    if (at < keywords_count(present) && keywords_at(present, at) == index)
        return len;
    memmove(bytes + 2 * at + 2, bytes + 2 * at, len - 2 * at);
    bytes[2 * at] = (char)(index & 0xff);
    bytes[2 * at + 1] = (char)(index >> 8);
    return len + 2;
}

/* The place of `word` in the list; its length in words when it is not there. */
static uint32_t find_word(struct str list, struct str word)
{
    uint32_t n = 0;
    for (struct str rest = list, item; !str_is_empty(rest); n++) {
        str_cut(rest, ' ', &item, &rest);
        if (str_eq(item, word))
            return n;
    }
    return n;
}

static uint32_t count_words(struct str list)
{
    return find_word(list, STR_NULL);
}

bool keywords_resolve(struct keywords keywords, bool is_by_other, struct str *list,
                      struct arena *arena, struct str *ret_indexes, struct err *err)
{
    uint32_t max = is_by_other ? KEYWORDS_BY_OTHERS_MAX : KEYWORDS_PER_MAILBOX_MAX;
    *ret_indexes = STR_NULL;
    if (keywords.len == 0)
        return true;
    char *bytes = arena_alloc(arena, keywords.len * 2 + 2);
    size_t len = 0;
    struct str grown = *list;
    for (size_t i = 0; bytes && i < keywords.len; i++) {
        uint32_t at = find_word(grown, keywords.items[i]);
        if (at == count_words(grown)) {
            if (at >= max)
                return err_set(err, ERR_LIMIT, "more than %u keywords in the mailbox", max);
            grown = arena_printf(arena, "%.*s%s%.*s", STR_ARG(grown), grown.len > 0 ? " " : "",
                                 STR_ARG(keywords.items[i]));
        }
        len = insert_index(bytes, len, at);
    }
    if (!bytes || str_is_null(grown))
        return err_set(err, ERR_LIMIT, "no room for keywords");
    *list = grown;
    *ret_indexes = str_make(bytes, len);
    return true;
}

struct str keywords_find(struct keywords keywords, struct str list, struct arena *arena)
{
    char *bytes = arena_alloc(arena, keywords.len * 2 + 2);
    uint32_t end = count_words(list);
    size_t len = 0;
    for (size_t i = 0; bytes && i < keywords.len; i++) {
        uint32_t at = find_word(list, keywords.items[i]);
        if (at < end)
            len = insert_index(bytes, len, at);
    }
    return len == 0 ? STR_NULL : str_make(bytes, len);
}

bool keywords_union(struct str a, struct str b, struct arena *arena, struct str *ret,
                    struct err *err)
{
    if (b.len == 0 || a.len == 0) {
        *ret = b.len == 0 ? a : b;
        return true;
    }
    char *bytes = arena_alloc(arena, a.len + b.len + 2);
    if (!bytes)
        return err_set(err, ERR_LIMIT, "no room for keywords");
    memcpy(bytes, a.ptr, a.len);
    size_t len = a.len;
    for (size_t i = 0; i < keywords_count(b); i++)
        len = insert_index(bytes, len, keywords_at(b, i));
    *ret = str_make(bytes, len);
    if (keywords_count(*ret) > KEYWORDS_PER_MESSAGE_MAX)
        return err_set(err, ERR_LIMIT, "more than %d keywords", KEYWORDS_PER_MESSAGE_MAX);
    return true;
}

static bool has_index(struct str indexes, uint32_t index)
{
    for (size_t i = 0; i < keywords_count(indexes); i++) {
        if (keywords_at(indexes, i) == index)
            return true;
    }
    return false;
}

struct str keywords_without(struct str a, struct str b, struct arena *arena)
{
    char *bytes = arena_alloc(arena, a.len + 2);
    size_t len = 0;
    for (size_t i = 0; bytes && i < keywords_count(a); i++) {
        if (!has_index(b, keywords_at(a, i)))
            len = insert_index(bytes, len, keywords_at(a, i));
    }
    return len == 0 ? STR_NULL : str_make(bytes, len);
}

struct keywords keywords_names(struct str indexes, struct str list, struct arena *arena)
{
    size_t count = keywords_count(indexes);
    struct str *items = arena_new_array(arena, count + 1, struct str);
    struct keywords names = {items, 0};
    uint32_t n = 0;
    struct str rest = list, item;
    while (items && names.len < count && !str_is_empty(rest)) {
        str_cut(rest, ' ', &item, &rest);
        if (has_index(indexes, n++))
            items[names.len++] = item;
    }
    return names;
}
