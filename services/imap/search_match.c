#include "common/mail/header.h"
#include "services/imap/flags.h"
#include "services/imap/search.h"

/* What is known of a message while keys are asked. */
struct subject {
    const struct view_message *row;
    struct message *message; /* NULL: only the row */
    struct str file;
    struct arena *scratch;
};

static bool matches(const struct search_key *key, const struct subject *s);

static bool has_keyword(const struct view_message *m, struct str keyword)
{
    struct str rest = m->keywords ? m->keywords->text : STR_NULL, word;
    while (rest.len > 0) {
        str_cut(rest, ' ', &word, &rest);
        if (str_eq(word, keyword))
            return true;
    }
    return false;
}

static bool is_day_in(const struct search_key *key, struct date date)
{
    int64_t day = date_day_number(date);
    return key->first <= day && day <= key->last;
}

/* Messages from before the save date was kept were saved when they were received (RFC 8514 4.3). */
static struct date saved_date(const struct view_message *m)
{
    if (m->saved_s == 0)
        return (struct date){m->received_s, m->zone_minutes};
    return (struct date){.time_s = m->saved_s};
}

static bool was_sent(const struct search_key *key, const struct subject *s)
{
    const struct envelope *envelope = s->message->structure->envelope;
    return envelope->has_date && is_day_in(key, envelope->date);
}

/* Encoded words are undone, so that what the user sees is found. */
static bool field_contains(const struct search_key *key, struct str header, struct arena *scratch)
{
    struct header_walk walk = header_walk_init(header);
    struct header_field field;
    while (header_next(&walk, &field)) {
        if (!str_eq_nocase(field.name, key->text))
            continue;
        if (key->empty_text)
            return true;
        if (search_text_contains(key->words, search_field_value(field.raw_value, scratch)))
            return true;
    }
    return false;
}

static bool has_field(const struct search_key *key, const struct subject *s)
{
    bool found = field_contains(key, s->message->prefix, s->scratch) ||
                 field_contains(key, s->file, s->scratch);
    arena_reset(s->scratch);
    return found;
}

static bool matches_children(const struct search_key *key, const struct subject *s, bool all)
{
    for (const struct search_key *child = key->child; child; child = child->next)
        if (matches(child, s) != all)
            return !all;
    return all;
}

static bool matches_plain(const struct search_key *key, const struct subject *s)
{
    switch (key->kind) {
    case SEARCH_ALL:
        return true;
    case SEARCH_FLAG:
        return s->row->flags & key->flag;
    case SEARCH_KEYWORD:
        return has_keyword(s->row, key->text);
    case SEARCH_UIDS:
        return uid_set_has(&key->uids, s->row->uid) || (key->min > 0 && key->min <= s->row->uid);
    case SEARCH_SIZE:
        return key->min <= s->row->size && s->row->size <= key->max;
    case SEARCH_MODSEQ:
        return key->min <= s->row->modseq;
    case SEARCH_RECEIVED:
        return is_day_in(key, (struct date){s->row->received_s, s->row->zone_minutes});
    case SEARCH_SENT:
        return was_sent(key, s);
    case SEARCH_AGE:
        return key->first <= s->row->received_s && s->row->received_s <= key->last;
    case SEARCH_SAVED:
        return is_day_in(key, saved_date(s->row));
    case SEARCH_HAS_SAVED:
        return s->row->saved_s != 0;
    case SEARCH_HEADER:
        return has_field(key, s);
    case SEARCH_WORDS:
        return search_matches(key->words, s->message->prefix, s->file, s->message->structure);
    case SEARCH_EMAILID:
        return s->message->email_id == key->min;
    case SEARCH_THREADID:
        return s->message->thread_id != 0 && s->message->thread_id == key->min;
    case SEARCH_FILTER:
        break;
    case SEARCH_AND:
        return matches_children(key, s, true);
    case SEARCH_OR:
        return matches_children(key, s, false);
    }
    BUG("search key");
}

static bool matches(const struct search_key *key, const struct subject *s)
{
    return matches_plain(key, s) != key->negated;
}

enum search_cost search_cost(const struct search_program *program)
{
    enum search_cost cost = SEARCH_COST_ROW;
    for (const struct search_key *key = program->keys; key; key = key->next)
        cost = key->cost > cost ? key->cost : cost;
    return cost;
}

static uint32_t pieces_of(const struct search_key *key)
{
    uint32_t pieces = key->kind == SEARCH_SENT    ? STRUCTURE_ENVELOPE
                      : key->kind == SEARCH_WORDS ? STRUCTURE_PARTS
                                                  : 0;
    for (const struct search_key *child = key->child; child; child = child->next)
        pieces |= pieces_of(child);
    return pieces;
}

uint32_t search_pieces(const struct search_program *program)
{
    uint32_t pieces = STRUCTURE_LEAST;
    for (const struct search_key *key = program->keys; key; key = key->next)
        pieces |= pieces_of(key);
    return pieces;
}

bool search_key_matches_row(const struct search_key *key, const struct view_row *row)
{
    struct subject s = {.row = &row->message};
    return matches(key, &s);
}

static bool subject_matches(const struct search_program *program, struct subject *s,
                            bool *ret_matches, struct err *err)
{
    bool matched = true;
    for (const struct search_key *key = program->keys; key && matched; key = key->next) {
        if (key->cost == SEARCH_COST_ROW)
            continue;
        if (key->cost == SEARCH_COST_TEXT && str_is_null(s->file))
            TRY(message_map(s->message, &s->file, err));
        matched = matches(key, s);
    }
    *ret_matches = matched;
    return true;
}

bool search_message_matches(const struct search_program *program, struct message *message,
                            struct arena *scratch, bool *ret_matches, struct err *err)
{
    struct subject s = {.row = message->row, .message = message, .scratch = scratch};
    return subject_matches(program, &s, ret_matches, err);
}

bool search_damaged_matches(const struct search_program *program, const struct message *message,
                            struct arena *arena, struct arena *scratch, bool *ret_matches,
                            struct err *err)
{
    struct message empty = *message;
    struct subject s = {
        .row = message->row, .message = &empty, .file = STR(""), .scratch = scratch};
    empty.prefix = STR("");
    empty.structure = structure_parse(STR(""), arena);
    return subject_matches(program, &s, ret_matches, err);
}
