#include "common/mail/search.h"

#include "common/mail/content.h"
#include "common/mail/encoded_word.h"
#include "common/mail/header.h"
#include "common/text/charset.h"
#include "common/text/utf8.h"

#include <string.h>

#define CHUNK_SIZE 8192
#define HEADER_DECODED_MAX (1u << 20) /* more of a header section is searched raw only */
#define NOTHING '\xff'                /* stands for what is not valid: no word has it */

struct search {
    struct str *words; /* folded; the required ones first */
    bool *found;
    size_t required_count;
    size_t count;
    size_t longest;
    bool impossible; /* a required word that no text has */
    enum search_scope scope;
};

static bool take_words(struct search *s, const struct str *words, size_t count, bool required,
                       struct arena *arena)
{
    for (size_t i = 0; i < count; i++) {
        if (!utf8_is_valid(words[i])) {
            s->impossible |= required;
            continue;
        }
        struct str copy = arena_copy(arena, words[i]);
        struct str folded = str_is_null(copy) ? copy : utf8_casefold(copy, arena);
        if (str_is_null(folded))
            return false;
        s->words[s->count++] = folded;
        s->longest = folded.len > s->longest ? folded.len : s->longest;
    }
    return true;
}

struct search *search_new(const struct str *required, size_t required_count,
                          const struct str *forbidden, size_t forbidden_count,
                          enum search_scope scope, struct arena *arena)
{
    struct search *s = arena_new(arena, struct search);
    if (!s)
        return NULL;
    s->scope = scope;
    s->words = arena_new_array(arena, required_count + forbidden_count, struct str);
    s->found = arena_new_array(arena, required_count + forbidden_count, bool);
    if (!s->words || !s->found || !take_words(s, required, required_count, true, arena))
        return NULL;
    s->required_count = s->count;
    return take_words(s, forbidden, forbidden_count, false, arena) ? s : NULL;
}

/* One match: text comes in as UTF-8 in pieces, is folded into a window, and the window is searched;
 * its tail stays, so that words are found across pieces. */
struct match {
    struct search *search;
    search_sink *sink; /* takes all windows; nothing is searched then */
    void *user;
    struct buf text;   /* not folded yet: at most an unfinished character between pieces */
    struct buf window; /* folded */
    struct arena scratch;
    size_t missing; /* required words not found yet */
    bool refused;   /* a forbidden word was found */
};

static void init_buffers(struct match *m)
{
    buf_init(&m->text, SIZE_MAX / 4);
    buf_init(&m->window, SIZE_MAX / 4);
    arena_init(&m->scratch, SIZE_MAX / 4);
}

static void begin_match(struct match *m, struct search *s)
{
    *m = (struct match){.search = s, .missing = s->required_count, .refused = s->impossible};
    init_buffers(m);
    memset(s->found, 0, s->count * sizeof(*s->found));
}

static void end_match(struct match *m)
{
    buf_release(&m->text);
    buf_release(&m->window);
    arena_release(&m->scratch);
}

static bool is_decided(const struct match *m)
{
    return !m->sink &&
           (m->refused || (m->missing == 0 && m->search->count == m->search->required_count));
}

static void give_window(struct match *m)
{
    if (m->window.len > 0)
        m->sink(m->user, buf_str(&m->window), false);
    buf_reset(&m->window);
}

static void search_window(struct match *m)
{
    struct search *s = m->search;
    if (m->sink) {
        give_window(m);
        return;
    }
    for (size_t i = 0; i < s->count; i++) {
        if (s->found[i])
            continue;
        struct str word = s->words[i];
        if (word.len > 0 &&
            (m->window.len == 0 || !memmem(m->window.ptr, m->window.len, word.ptr, word.len)))
            continue;
        s->found[i] = true;
        if (i < s->required_count)
            m->missing--;
        else
            m->refused = true;
    }
    if (m->window.len > s->longest)
        buf_consume(&m->window, m->window.len - s->longest);
}

static void fold(struct match *m, struct str valid)
{
    if (valid.len == 0)
        return;
    buf_append(&m->window, utf8_casefold(valid, &m->scratch));
    arena_reset(&m->scratch);
}

/* Folds what is there; an unfinished character waits, unless this is the end. */
static void take_text(struct match *m, bool at_end)
{
    struct str rest = buf_str(&m->text);
    while (rest.len > 0) {
        bool truncated;
        size_t valid = utf8_valid_prefix(rest, &truncated);
        fold(m, str_slice(rest, 0, valid));
        rest = str_skip(rest, valid);
        if (rest.len == 0 || (truncated && !at_end))
            break;
        buf_append_char(&m->window, NOTHING);
        rest = str_skip(rest, 1);
    }
    buf_consume(&m->text, m->text.len - rest.len);
    search_window(m);
}

/* Words do not reach from one piece of a message into the next. */
static void end_piece(struct match *m)
{
    take_text(m, true);
    buf_reset(&m->text);
    buf_reset(&m->window);
    if (m->sink)
        m->sink(m->user, STR(""), true);
}

static void add_text(struct match *m, struct str text)
{
    for (size_t at = 0; at < text.len && !is_decided(m); at += CHUNK_SIZE) {
        buf_append(&m->text, str_slice(text, at, CHUNK_SIZE));
        take_text(m, false);
    }
}

static void match_header(struct match *m, struct str prefix, struct str header)
{
    add_text(m, prefix);
    add_text(m, header);
    end_piece(m);
    if (is_decided(m) || header.len > HEADER_DECODED_MAX || str_find(header, STR("=?")) < 0)
        return;
    struct arena arena;
    arena_init(&arena, 16 * HEADER_DECODED_MAX);
    add_text(m, encoded_word_decode(header, &arena));
    end_piece(m);
    arena_release(&arena);
}

/* The text of one part, decoded piece by piece. */
static void match_body(struct match *m, const struct part *part, struct str body)
{
    struct content_decoder content;
    struct charset_decoder *charset =
        charset_decoder_new(parameter_find(part->params, STR("charset")));
    struct buf bytes;
    buf_init(&bytes, 4 * CHUNK_SIZE);
    content_decoder_init(&content, part->encoding, false);
    for (size_t at = 0; at < body.len && !is_decided(m); at += CHUNK_SIZE) {
        content_decode(&content, str_slice(body, at, CHUNK_SIZE), &bytes);
        if (at + CHUNK_SIZE >= body.len)
            content_decode_end(&content, &bytes);
        if (charset)
            charset_decoder_feed(charset, buf_str(&bytes), &m->text);
        else
            buf_append(&m->text, buf_str(&bytes));
        take_text(m, false);
        buf_reset(&bytes);
    }
    end_piece(m);
    buf_release(&bytes);
    charset_decoder_free(charset);
}

static void match_message(struct match *m, enum search_scope scope, struct str prefix,
                          struct str message, const struct structure *structure)
{
    for (const struct part *p = structure->root; p && !is_decided(m); p = part_next(p)) {
        size_t header_len = (size_t)(p->body_offset - p->header_offset);
        if (scope == SEARCH_TEXT)
            match_header(m, p->parent ? STR("") : prefix,
                         str_slice(message, (size_t)p->header_offset, header_len));
        if (part_is_text(p, STR("")))
            match_body(m, p, str_slice(message, (size_t)p->body_offset, (size_t)part_body_size(p)));
    }
}

bool search_matches(struct search *s, struct str prefix, struct str message,
                    const struct structure *structure)
{
    struct match m;
    begin_match(&m, s);
    search_window(&m); /* the empty word */
    match_message(&m, s->scope, prefix, message, structure);
    end_match(&m);
    return m.missing == 0 && !m.refused;
}

bool search_text_contains(struct search *s, struct str text)
{
    struct match m;
    begin_match(&m, s);
    search_window(&m);
    add_text(&m, text);
    end_piece(&m);
    end_match(&m);
    return m.missing == 0 && !m.refused;
}

struct str search_field_value(struct str raw_value, struct arena *arena)
{
    return encoded_word_decode(header_unfold(raw_value, arena), arena);
}

void search_walk_message(struct str prefix, struct str message, const struct structure *structure,
                         search_sink *sink, void *user)
{
    struct match m = {.sink = sink, .user = user};
    init_buffers(&m);
    match_message(&m, SEARCH_TEXT, prefix, message, structure);
    end_match(&m);
}

void search_walk_text(struct str text, search_sink *sink, void *user)
{
    struct match m = {.sink = sink, .user = user};
    init_buffers(&m);
    add_text(&m, text);
    end_piece(&m);
    end_match(&m);
}
