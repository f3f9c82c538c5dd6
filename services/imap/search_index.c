#include "services/imap/search_index.h"

#include "common/text/utf8.h"

#define NEEDLES_MAX 64 /* as many keys with words as a program may have */

/* Which ids are in runs. They are asked for in nearly ascending order: `at` is where the last one
 * was found. */
struct id_walk {
    struct id_runs runs;
    size_t at;
};

/* What the index says of one key. */
struct search_hint {
    bool exact;
    struct id_walk hits;
};

struct search_index {
    struct id_walk indexed;
    struct search_hint hints[NEEDLES_MAX];
    struct id_walk
        *necessary; /* hits of a key without which nothing matches; NULL: there is none */
};

/* ---- Asking */

struct asking {
    struct text_needle needles[NEEDLES_MAX];
    struct search_key *keys[NEEDLES_MAX]; /* of the same places */
    size_t count;
};

static enum text_field field_of(const struct search_key *key)
{
    static const struct str names[] = {
        [TEXT_FROM] = STR_INIT("From"),       [TEXT_TO] = STR_INIT("To"),
        [TEXT_CC] = STR_INIT("Cc"),           [TEXT_BCC] = STR_INIT("Bcc"),
        [TEXT_SUBJECT] = STR_INIT("Subject"),
    };
    for (size_t f = TEXT_FROM; key->kind == SEARCH_HEADER && f < ARRAY_LEN(names); f++)
        if (str_eq_nocase(names[f], key->text))
            return (enum text_field)f;
    return TEXT_ANYWHERE;
}

static void collect(struct search_key *key, struct asking *asking)
{
    for (; key; key = key->next) {
        collect(key->child, asking);
        bool has_word = key->kind == SEARCH_HEADER || key->kind == SEARCH_WORDS;
        if (!has_word || key->empty_text || asking->count == NEEDLES_MAX ||
            !utf8_is_valid(key->word))
            continue;
        asking->keys[asking->count] = key;
        asking->needles[asking->count++] = (struct text_needle){field_of(key), key->word};
    }
}

static void give_hints(struct search_program *program, const struct asking *asking,
                       const struct text_found *found)
{
    struct search_index *index = arena_new(&program->arena, struct search_index);
    if (!index)
        return;
    program->index = index;
    index->indexed.runs = found->indexed;
    for (size_t i = 0; i < asking->count; i++) {
        const struct text_hits *hits = &found->hits[i];
        if (!hits->known)
            continue;
        index->hints[i] = (struct search_hint){hits->exact, {.runs = hits->ids}};
        asking->keys[i]->hint = &index->hints[i];
    }
    for (const struct search_key *key = program->keys; key; key = key->next)
        if (key->hint && !key->negated)
            index->necessary = &key->hint->hits;
}

void search_index_ask(struct imap *imap, struct search_program *program)
{
    struct err err;
    struct text_found found;
    struct asking asking = {.count = 0};
    collect(program->keys, &asking);
    bool is_own = view_owner(program->place.view) == account_id(imap->account);
    if (asking.count == 0 || !is_own) /* the index of another would tell of all of his mailboxes */
        return;
    struct backend_call call = imap_call_in(imap, &program->arena);
    if (backend_search_text(imap->server->backend, &call, asking.needles, asking.count, &found,
                            &err))
        give_hints(program, &asking, &found);
}

/* ---- Answering */

static bool is_at(const struct id_walk *w, uint64_t id)
{
    return w->at < w->runs.len && w->runs.items[w->at].end > id &&
           (w->at == 0 || w->runs.items[w->at - 1].end <= id);
}

/* Moves to the first run that ends above `id`. */
static void seek(struct id_walk *w, uint64_t id)
{
    size_t low = 0, high = w->runs.len;
    if (is_at(w, id))
        return;
    w->at++;
    if (is_at(w, id))
        return;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (w->runs.items[middle].end <= id)
            low = middle + 1;
        else
            high = middle;
    }
    w->at = low;
}

static bool has_id(struct id_walk *w, uint64_t id)
{
    seek(w, id);
    return w->at < w->runs.len && w->runs.items[w->at].first <= id;
}

static enum search_verdict verdict_of(const struct search_key *key, const struct view_row *row,
                                      bool indexed);

/* All: the worst answer of any key counts; else the best. */
static enum search_verdict combine(const struct search_key *keys, const struct view_row *row,
                                   bool indexed, bool all)
{
    enum search_verdict result = all ? SEARCH_YES : SEARCH_NO;
    enum search_verdict decided = all ? SEARCH_NO : SEARCH_YES;
    for (const struct search_key *key = keys; key && result != decided; key = key->next) {
        enum search_verdict verdict = verdict_of(key, row, indexed);
        if (all ? verdict < result : verdict > result)
            result = verdict;
    }
    return result;
}

static enum search_verdict plain_verdict(const struct search_key *key, const struct view_row *row,
                                         bool indexed)
{
    if (key->kind == SEARCH_AND || key->kind == SEARCH_OR)
        return combine(key->child, row, indexed, key->kind == SEARCH_AND);
    if (!key->hint || !indexed)
        return SEARCH_PERHAPS;
    if (!has_id(&key->hint->hits, row->message.id))
        return SEARCH_NO;
    return key->hint->exact ? SEARCH_YES : SEARCH_PERHAPS;
}

static enum search_verdict verdict_of(const struct search_key *key, const struct view_row *row,
                                      bool indexed)
{
    if (key->cost == SEARCH_COST_ROW)
        return search_key_matches_row(key, row) ? SEARCH_YES : SEARCH_NO;
    enum search_verdict verdict = plain_verdict(key, row, indexed);
    if (!key->negated || verdict == SEARCH_PERHAPS)
        return verdict;
    return verdict == SEARCH_YES ? SEARCH_NO : SEARCH_YES;
}

enum search_verdict search_index_verdict(struct search_program *program, const struct view_row *row)
{
    bool indexed = program->index && has_id(&program->index->indexed, row->message.id);
    return combine(program->keys, row, indexed, true);
}

bool search_index_excludes(void *user, uint64_t id)
{
    const struct search_program *program = user;
    struct search_index *index = program->index;
    return index && index->necessary && !has_id(index->necessary, id) &&
           has_id(&index->indexed, id);
}
