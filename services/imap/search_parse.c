#include "services/imap/search.h"

#include "services/imap/parse.h"
#include "services/imap/select.h"

#define PROGRAM_ARENA_MAX (24u << 20)
#define DEPTH_MAX 50
#define WORDS_MAX 64 /* keys with words: each has tables of its own */
#define DAY_MIN INT64_MIN
#define DAY_MAX INT64_MAX

/* What follows a key. */
enum argument {
    NOTHING,
    DATE,
    NUMBER,
    KEYWORD,
    WORDS,
    FIELD,       /* the words of a field named by the key */
    FIELD_NAMED, /* HEADER: the field, then the words */
    SET,
    ONE_KEY,
    TWO_KEYS,
};

enum range { BEFORE, ON, SINCE, ABOVE, BELOW };

static const struct key_word {
    struct str word;
    enum search_kind kind;
    enum argument argument;
    bool negated;
    int detail; /* the flag, enum range, or enum search_scope */
} words[] = {
    {STR_INIT("ALL"), SEARCH_ALL, NOTHING, false, 0},
    {STR_INIT("ANSWERED"), SEARCH_FLAG, NOTHING, false, FLAG_ANSWERED},
    {STR_INIT("BCC"), SEARCH_HEADER, FIELD, false, 0},
    {STR_INIT("BEFORE"), SEARCH_RECEIVED, DATE, false, BEFORE},
    {STR_INIT("BODY"), SEARCH_WORDS, WORDS, false, SEARCH_BODY},
    {STR_INIT("CC"), SEARCH_HEADER, FIELD, false, 0},
    {STR_INIT("DELETED"), SEARCH_FLAG, NOTHING, false, FLAG_DELETED},
    {STR_INIT("DRAFT"), SEARCH_FLAG, NOTHING, false, FLAG_DRAFT},
    {STR_INIT("FLAGGED"), SEARCH_FLAG, NOTHING, false, FLAG_FLAGGED},
    {STR_INIT("FROM"), SEARCH_HEADER, FIELD, false, 0},
    {STR_INIT("HEADER"), SEARCH_HEADER, FIELD_NAMED, false, 0},
    {STR_INIT("KEYWORD"), SEARCH_KEYWORD, KEYWORD, false, 0},
    {STR_INIT("LARGER"), SEARCH_SIZE, NUMBER, false, ABOVE},
    {STR_INIT("NEW"), SEARCH_ALL, NOTHING, true, 0}, /* no message is ever \Recent */
    {STR_INIT("NOT"), SEARCH_AND, ONE_KEY, true, 0},
    {STR_INIT("OLD"), SEARCH_ALL, NOTHING, false, 0},
    {STR_INIT("ON"), SEARCH_RECEIVED, DATE, false, ON},
    {STR_INIT("OR"), SEARCH_OR, TWO_KEYS, false, 0},
    {STR_INIT("RECENT"), SEARCH_ALL, NOTHING, true, 0},
    {STR_INIT("SEEN"), SEARCH_FLAG, NOTHING, false, FLAG_SEEN},
    {STR_INIT("SENTBEFORE"), SEARCH_SENT, DATE, false, BEFORE},
    {STR_INIT("SENTON"), SEARCH_SENT, DATE, false, ON},
    {STR_INIT("SENTSINCE"), SEARCH_SENT, DATE, false, SINCE},
    {STR_INIT("SINCE"), SEARCH_RECEIVED, DATE, false, SINCE},
    {STR_INIT("SMALLER"), SEARCH_SIZE, NUMBER, false, BELOW},
    {STR_INIT("SUBJECT"), SEARCH_HEADER, FIELD, false, 0},
    {STR_INIT("TEXT"), SEARCH_WORDS, WORDS, false, SEARCH_TEXT},
    {STR_INIT("TO"), SEARCH_HEADER, FIELD, false, 0},
    {STR_INIT("UID"), SEARCH_UIDS, SET, false, 0},
    {STR_INIT("UNANSWERED"), SEARCH_FLAG, NOTHING, true, FLAG_ANSWERED},
    {STR_INIT("UNDELETED"), SEARCH_FLAG, NOTHING, true, FLAG_DELETED},
    {STR_INIT("UNDRAFT"), SEARCH_FLAG, NOTHING, true, FLAG_DRAFT},
    {STR_INIT("UNFLAGGED"), SEARCH_FLAG, NOTHING, true, FLAG_FLAGGED},
    {STR_INIT("UNKEYWORD"), SEARCH_KEYWORD, KEYWORD, true, 0},
    {STR_INIT("UNSEEN"), SEARCH_FLAG, NOTHING, true, FLAG_SEEN},
};

struct parser {
    struct imap *imap;
    struct cursor *c;
    struct search_program *program;
    unsigned depth;
    unsigned words;
};

static struct search_key *take_key(struct parser *p);

/* ---- Arguments */

static void take_set(struct parser *p, struct search_key *key, bool uid)
{
    struct err err;
    struct sequence_set set = parse_sequence_set(p->c, &p->program->arena);
    if (cursor_failed(p->c))
        return;
    if (p->program->owned_count == ARRAY_LEN(p->program->owned))
        cursor_fail_too_long(p->c, "list of sets");
    else if (!selected_resolve(p->imap, &set, uid || set.saved, &key->uids, &err))
        cursor_fail(p->c, "message numbers that exist");
    else
        p->program->owned[p->program->owned_count++] = &key->uids;
}

static void set_days(struct search_key *key, enum range range, int64_t day)
{
    key->first = range == BEFORE ? DAY_MIN : day;
    key->last = range == SINCE ? DAY_MAX : range == ON ? day : day - 1;
}

static void set_sizes(struct search_key *key, enum range range, uint64_t size)
{
    key->min = range == ABOVE ? size + 1 : 0;
    key->max = range == ABOVE ? UINT64_MAX : size;
    if (range == BELOW && size == 0)
        key->min = 1; /* nothing is smaller */
    else if (range == BELOW)
        key->max = size - 1;
}

static void take_words(struct parser *p, struct search_key *key, enum search_scope scope)
{
    struct arena *arena = &p->program->arena;
    struct str text = arena_copy(arena, parse_astring(p->c, arena));
    if (cursor_failed(p->c))
        return;
    key->empty_text = text.len == 0;
    if (++p->words <= WORDS_MAX)
        key->words = search_new(&text, 1, NULL, 0, scope, arena);
    if (!key->words)
        cursor_fail_too_long(p->c, "list of words");
}

static void take_keyword(struct parser *p, struct search_key *key)
{
    struct flag_list list = {0};
    parse_flag(p->c, &p->program->arena, &list);
    if (list.keyword_count > 0) {
        key->text = list.keywords[0];
        return;
    }
    key->kind = SEARCH_FLAG;
    key->flag = list.flags;
}

static void take_argument(struct parser *p, struct search_key *key, const struct key_word *word)
{
    if (word->argument != NOTHING)
        parse_space(p->c);
    switch (word->argument) {
    case NOTHING:
        break;
    case DATE:
        set_days(key, (enum range)word->detail, parse_date(p->c));
        break;
    case NUMBER:
        set_sizes(key, (enum range)word->detail, cursor_take_number(p->c, INT64_MAX, "size"));
        break;
    case KEYWORD:
        take_keyword(p, key);
        break;
    case FIELD:
        key->text = word->word;
        take_words(p, key, SEARCH_TEXT);
        break;
    case FIELD_NAMED:
        key->text = parse_astring(p->c, &p->program->arena);
        key->text = arena_copy(&p->program->arena, key->text);
        parse_space(p->c);
        take_words(p, key, SEARCH_TEXT);
        break;
    case WORDS:
        take_words(p, key, (enum search_scope)word->detail);
        break;
    case SET:
        take_set(p, key, true);
        break;
    case ONE_KEY:
        key->child = take_key(p);
        break;
    case TWO_KEYS:
        key->child = take_key(p);
        parse_space(p->c);
        if (key->child)
            key->child->next = take_key(p);
        break;
    }
}

/* ---- Keys */

static enum search_cost own_cost(enum search_kind kind)
{
    return kind == SEARCH_SENT                             ? SEARCH_COST_STRUCTURE
           : kind == SEARCH_HEADER || kind == SEARCH_WORDS ? SEARCH_COST_TEXT
                                                           : SEARCH_COST_ROW;
}

static void set_cost(struct search_key *key)
{
    key->cost = own_cost(key->kind);
    for (const struct search_key *child = key->child; child; child = child->next)
        if (child->cost > key->cost)
            key->cost = child->cost;
}

/* Keeps siblings in order of cost: what is cheap to know is asked first. */
static void insert_by_cost(struct search_key **list, struct search_key *key)
{
    while (*list && (*list)->cost <= key->cost)
        list = &(*list)->next;
    key->next = *list;
    *list = key;
}

/* "(" search-key *(SP search-key) ")" */
static void take_group(struct parser *p, struct search_key *group)
{
    cursor_expect(p->c, '(');
    do {
        struct search_key *key = take_key(p);
        if (key)
            insert_by_cost(&group->child, key);
    } while (cursor_skip(p->c, ' '));
    cursor_expect(p->c, ')');
    group->kind = SEARCH_AND;
}

static const struct key_word *take_word(struct cursor *c)
{
    struct str name = cursor_take_while0(c, is_alpha, 32, "search key");
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq_nocase(words[i].word, name))
            return &words[i];
    cursor_fail(c, "a known search key");
    return NULL;
}

static void take_key_body(struct parser *p, struct search_key *key)
{
    if (cursor_next_is(p->c, '(')) {
        take_group(p, key);
        return;
    }
    if (parse_at_sequence_set(p->c)) {
        key->kind = SEARCH_UIDS;
        take_set(p, key, false);
        return;
    }
    const struct key_word *word = take_word(p->c);
    if (!word)
        return;
    key->kind = word->kind;
    key->negated = word->negated;
    if (word->kind == SEARCH_FLAG)
        key->flag = (uint32_t)word->detail;
    take_argument(p, key, word);
}

/* NULL after a failure. */
static struct search_key *take_key(struct parser *p)
{
    struct search_key *key = arena_new(&p->program->arena, struct search_key);
    if (!key || p->depth == DEPTH_MAX) {
        cursor_fail_too_long(p->c, "nesting of search keys");
        return NULL;
    }
    p->depth++;
    take_key_body(p, key);
    p->depth--;
    if (cursor_failed(p->c))
        return NULL;
    set_cost(key);
    return key;
}

static void take_charset(struct parser *p)
{
    if (!cursor_skip_nocase(p->c, STR("CHARSET ")))
        return;
    struct str charset = parse_astring(p->c, &p->program->arena);
    parse_space(p->c);
    p->program->bad_charset =
        !str_eq_nocase(charset, STR("UTF-8")) && !str_eq_nocase(charset, STR("US-ASCII"));
}

bool search_take(struct imap *imap, struct cursor *c, struct search_program *ret, struct err *err)
{
    struct parser p = {.imap = imap, .c = c, .program = ret};
    arena_init(&ret->arena, PROGRAM_ARENA_MAX);
    parse_space(c);
    take_charset(&p);
    if (ret->bad_charset) /* the rest may be in a form that we cannot read */
        return true;
    do {
        struct search_key *key = take_key(&p);
        if (key)
            insert_by_cost(&ret->keys, key);
    } while (cursor_skip(c, ' '));
    return cursor_finish(c, err);
}

void search_release(struct search_program *program)
{
    for (size_t i = 0; i < program->owned_count; i++)
        uid_set_release(program->owned[i]);
    program->owned_count = 0;
    arena_release(&program->arena);
}
