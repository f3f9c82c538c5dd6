#include "common/mail/maildir.h"

#include "common/text/cursor.h"

#include <inttypes.h>
#include <string.h>

/* In the order in which names have them. */
static const char letters_known[] = "DFRST";
static const uint32_t letter_bits[] = {MAIL_DRAFT, MAIL_FLAGGED, MAIL_ANSWERED, MAIL_SEEN,
                                       MAIL_DELETED};

static void read_letters(struct str letters, struct maildir_name *name)
{
    for (size_t i = 0; i < letters.len; i++) {
        char c = letters.ptr[i];
        const char *at = c != '\0' ? strchr(letters_known, c) : NULL;
        if (at)
            name->bits |= letter_bits[at - letters_known];
        else if (c >= 'a' && c <= 'z')
            name->letters |= 1u << (c - 'a');
    }
}

struct maildir_name maildir_parse_name(struct str text)
{
    struct maildir_name name = {.unique = text};
    struct str time;
    uint64_t seconds;
    ptrdiff_t flags = str_find(text, STR(":2,"));
    if (flags >= 0) {
        name.unique = str_slice(text, 0, (size_t)flags);
        read_letters(str_skip(text, (size_t)flags + 3), &name);
    }
    if (str_cut(name.unique, '.', &time, NULL) && str_to_u64(time, UINT32_MAX, &seconds)) {
        name.has_time = true;
        name.time_s = (int64_t)seconds;
    }
    return name;
}

/* ---- Keywords */

static bool is_known(const struct maildir_keywords *k, struct str word)
{
    for (size_t i = 0; i < MAILDIR_KEYWORDS_MAX; i++) {
        if (str_eq_nocase(k->words[i], word))
            return true;
    }
    return false;
}

bool maildir_keywords_line(struct maildir_keywords *k, struct str line, struct arena *arena,
                           struct err *err)
{
    line = str_trim(line);
    if (line.len == 0)
        return true;
    struct cursor c = cursor_init(line);
    size_t index = (size_t)cursor_take_number(&c, MAILDIR_KEYWORDS_MAX - 1, "index from 0 to 25");
    cursor_expect(&c, ' ');
    struct str word =
        cursor_take_while(&c, is_visible, MAIL_KEYWORD_LEN_MAX, "keyword without blanks");
    TRY(cursor_finish(&c, err));
    struct mail_flags probe = {.bits = 0};
    mail_flags_add_word(&probe, word, arena);
    if (probe.bits == 0 && probe.keyword_count == 0)
        return err_set(err, ERR_SYNTAX, "bad keyword %.*s", STR_ARG(word));
    if (k->words[index].len > 0)
        return err_set(err, ERR_SYNTAX, "index %zu is there twice", index);
    if (is_known(k, word))
        return err_set(err, ERR_SYNTAX, "keyword %.*s is there twice", STR_ARG(word));
    k->words[index] = probe.bits != 0 ? arena_copy(arena, word) : probe.keywords[0];
    return true;
}

void maildir_flags(const struct maildir_name *name, const struct maildir_keywords *k,
                   struct mail_flags *flags, struct arena *arena)
{
    flags->bits |= name->bits;
    for (size_t i = 0; i < MAILDIR_KEYWORDS_MAX; i++) {
        if (name->letters & 1u << i && k->words[i].len > 0)
            mail_flags_add_word(flags, k->words[i], arena);
    }
}

/* ---- Writing */

static uint32_t letter_of(struct maildir_keywords *k, struct str word, struct arena *arena)
{
    for (size_t i = 0; i < MAILDIR_KEYWORDS_MAX; i++) {
        if (k->words[i].len == 0)
            k->words[i] = arena_copy(arena, word);
        if (str_eq(k->words[i], word))
            return 1u << i;
    }
    return 0;
}

uint32_t maildir_letters(struct maildir_keywords *k, const struct mail_flags *flags,
                         struct arena *arena)
{
    uint32_t letters = 0, bit;
    struct str word;
    for (size_t i = 0; !str_is_null(word = mail_flags_word(i, &bit)); i++) {
        if (mail_flags_words_of(flags->bits) & bit)
            letters |= letter_of(k, word, arena);
    }
    for (size_t i = 0; i < flags->keyword_count; i++)
        letters |= letter_of(k, flags->keywords[i], arena);
    return letters;
}

bool maildir_write_name(struct buf *out, int64_t time_s, uint64_t id, uint32_t bits,
                        uint32_t letters)
{
    buf_printf(out, "%" PRId64 ".%" PRIu64 ".mailrail:2,", time_s, id);
    for (size_t i = 0; letters_known[i]; i++) {
        if (bits & letter_bits[i])
            buf_append_char(out, letters_known[i]);
    }
    for (int i = 0; i < MAILDIR_KEYWORDS_MAX; i++) {
        if (letters & 1u << i)
            buf_append_char(out, (char)('a' + i));
    }
    return !out->overflow;
}

bool maildir_write_keywords(struct buf *out, const struct maildir_keywords *k)
{
    for (size_t i = 0; i < MAILDIR_KEYWORDS_MAX && k->words[i].len > 0; i++)
        buf_printf(out, "%zu %.*s\n", i, STR_ARG(k->words[i]));
    return !out->overflow;
}
