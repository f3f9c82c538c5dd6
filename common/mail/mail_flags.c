#include "common/mail/mail_flags.h"

#include "common/base/attr.h"
#include "common/text/charclass.h"

static const struct {
    struct str word;
    uint32_t bit;
} words[] = {
    {STR_INIT("$Forwarded"), MAIL_FORWARDED}, {STR_INIT("$Junk"), MAIL_JUNK},
    {STR_INIT("$NotJunk"), MAIL_NOTJUNK},     {STR_INIT("$Phishing"), MAIL_PHISHING},
    {STR_INIT("$MDNSent"), MAIL_MDNSENT},     {STR_INIT("$NonJunk"), MAIL_NOTJUNK},
};
#define WORDS_WRITTEN 5 /* the rest are other spellings */

static uint32_t known_bit(struct str word)
{
    struct str bare = str_starts_with(word, STR("$")) ? str_skip(word, 1) : word;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq_nocase(bare, str_skip(words[i].word, 1)))
            return words[i].bit;
    }
    return 0;
}

static bool is_keyword(struct str word)
{
    if (word.len == 0 || word.len > MAIL_KEYWORD_LEN_MAX)
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (!is_visible((unsigned char)word.ptr[i]) ||
            str_find_char(STR("(){%*\"\\]"), word.ptr[i]) >= 0)
            return false;
    }
    return true;
}

static bool has_keyword(const struct mail_flags *flags, struct str lower)
{
    for (size_t i = 0; i < flags->keyword_count; i++) {
        if (str_eq(flags->keywords[i], lower))
            return true;
    }
    return false;
}

void mail_flags_add_word(struct mail_flags *flags, struct str word, struct arena *arena)
{
    uint32_t bit = known_bit(word);
    flags->bits |= bit;
    if (bit != 0 || !is_keyword(word) || flags->keyword_count == MAIL_KEYWORDS_MAX)
        return;
    struct str lower = arena_lower(arena, word);
    if (!str_is_null(lower) && !has_keyword(flags, lower))
        flags->keywords[flags->keyword_count++] = lower;
}

struct str mail_flags_word(size_t number, uint32_t *ret_bit)
{
    if (number >= WORDS_WRITTEN)
        return STR_NULL;
    *ret_bit = words[number].bit;
    return words[number].word;
}

uint32_t mail_flags_words_of(uint32_t bits)
{
    uint32_t both = MAIL_JUNK | MAIL_NOTJUNK;
    bits &= MAIL_FORWARDED | both | MAIL_PHISHING | MAIL_MDNSENT;
    return (bits & both) == both ? bits & ~both : bits;
}
