#include "services/imap/search.h"

#include "common/base/clock.h"
#include "services/imap/objectid.h"
#include "services/imap/condstore.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/search_filter.h"
#include "services/imap/select.h"

#define PROGRAM_ARENA_MAX (24u << 20)
#define DEPTH_MAX 200
#define FILTERS_MAX 100
#define FILTER_DEPTH_MAX 5 /* of those that name others; RFC 5466 3.1 wants 3 */
#define WORDS_MAX 64       /* keys with words: each has tables of its own */
#define DAY_MIN INT64_MIN
#define DAY_MAX INT64_MAX

/* What follows a key. */
enum argument {
    NOTHING,
    DATE,
    SECONDS,
    NUMBER,
    MODSEQ,
    KEYWORD,
    OBJECTID,
    WORDS,
    FIELD,       /* the words of a field named by the key */
    FIELD_NAMED, /* HEADER: the field, then the words */
    SET,
    FILTER,
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
    {STR_INIT("EMAILID"), SEARCH_EMAILID, OBJECTID, false, OBJECTID_MESSAGE},
    {STR_INIT("FILTER"), SEARCH_FILTER, FILTER, false, 0},
    {STR_INIT("FLAGGED"), SEARCH_FLAG, NOTHING, false, FLAG_FLAGGED},
    {STR_INIT("FROM"), SEARCH_HEADER, FIELD, false, 0},
    {STR_INIT("HEADER"), SEARCH_HEADER, FIELD_NAMED, false, 0},
    {STR_INIT("KEYWORD"), SEARCH_KEYWORD, KEYWORD, false, 0},
    {STR_INIT("LARGER"), SEARCH_SIZE, NUMBER, false, ABOVE},
    {STR_INIT("MODSEQ"), SEARCH_MODSEQ, MODSEQ, false, 0},
    {STR_INIT("NEW"), SEARCH_ALL, NOTHING, true, 0}, /* no message is ever \Recent */
    {STR_INIT("NOT"), SEARCH_AND, ONE_KEY, true, 0},
    {STR_INIT("OLD"), SEARCH_ALL, NOTHING, false, 0},
    {STR_INIT("OLDER"), SEARCH_AGE, SECONDS, false, BEFORE},
    {STR_INIT("ON"), SEARCH_RECEIVED, DATE, false, ON},
    {STR_INIT("OR"), SEARCH_OR, TWO_KEYS, false, 0},
    {STR_INIT("RECENT"), SEARCH_ALL, NOTHING, true, 0},
    {STR_INIT("SAVEDATESUPPORTED"), SEARCH_HAS_SAVED, NOTHING, false, 0},
    {STR_INIT("SAVEDBEFORE"), SEARCH_SAVED, DATE, false, BEFORE},
    {STR_INIT("SAVEDON"), SEARCH_SAVED, DATE, false, ON},
    {STR_INIT("SAVEDSINCE"), SEARCH_SAVED, DATE, false, SINCE},
    {STR_INIT("SEEN"), SEARCH_FLAG, NOTHING, false, FLAG_SEEN},
    {STR_INIT("SENTBEFORE"), SEARCH_SENT, DATE, false, BEFORE},
    {STR_INIT("SENTON"), SEARCH_SENT, DATE, false, ON},
    {STR_INIT("SENTSINCE"), SEARCH_SENT, DATE, false, SINCE},
    {STR_INIT("SINCE"), SEARCH_RECEIVED, DATE, false, SINCE},
    {STR_INIT("SMALLER"), SEARCH_SIZE, NUMBER, false, BELOW},
    {STR_INIT("SUBJECT"), SEARCH_HEADER, FIELD, false, 0},
    {STR_INIT("TEXT"), SEARCH_WORDS, WORDS, false, SEARCH_TEXT},
    {STR_INIT("THREADID"), SEARCH_THREADID, OBJECTID, false, OBJECTID_THREAD},
    {STR_INIT("TO"), SEARCH_HEADER, FIELD, false, 0},
    {STR_INIT("UID"), SEARCH_UIDS, SET, false, 0},
    {STR_INIT("UNANSWERED"), SEARCH_FLAG, NOTHING, true, FLAG_ANSWERED},
    {STR_INIT("UNDELETED"), SEARCH_FLAG, NOTHING, true, FLAG_DELETED},
    {STR_INIT("UNDRAFT"), SEARCH_FLAG, NOTHING, true, FLAG_DRAFT},
    {STR_INIT("UNFLAGGED"), SEARCH_FLAG, NOTHING, true, FLAG_FLAGGED},
    {STR_INIT("UNKEYWORD"), SEARCH_KEYWORD, KEYWORD, true, 0},
    {STR_INIT("UNSEEN"), SEARCH_FLAG, NOTHING, true, FLAG_SEEN},
    {STR_INIT("YOUNGER"), SEARCH_AGE, SECONDS, false, SINCE},
};

struct parser {
    struct imap *imap;
    struct cursor *c;
    struct search_program *program;
    unsigned depth;
    unsigned words;
    unsigned filters; /* so many were put in */
    unsigned filter_depth;
    bool only_looks; /* filters are not looked up */
};

static struct search_key *take_key(struct parser *p);

/* ---- Arguments */

/* "5:*" are also messages that come later, while the search is kept (RFC 5267 4.3). */
static uint64_t find_open_end(const struct sequence_set *set)
{
    uint64_t first = 0;
    for (size_t i = 0; i < set->len; i++) {
        struct sequence_range range = set->ranges[i];
        uint64_t known = range.first ? range.first : range.last;
        if ((range.first == 0 || range.last == 0) && known > 0 && (first == 0 || known < first))
            first = known;
    }
    return first;
}

static void take_set(struct parser *p, struct search_key *key, bool uid)
{
    struct err err;
    struct sequence_set set = parse_sequence_set(p->c, &p->program->arena);
    if (cursor_failed(p->c))
        return;
    p->program->uses_saved = p->program->uses_saved || set.saved;
    key->min = uid ? find_open_end(&set) : 0;
    p->program->uid_required = p->imap->uid_only && !uid && !set.saved;
    if (p->program->uid_required)
        cursor_fail(p->c, "UIDs");
    else if (p->program->owned_count == ARRAY_LEN(p->program->owned))
        cursor_fail_too_long(p->c, "list of sets");
    else if (!place_resolve(p->imap, &p->program->place, &set, uid || set.saved, &key->uids, &err))
        cursor_fail(p->c, "message numbers that exist");
    else
        p->program->owned[p->program->owned_count++] = &key->uids;
}

static void set_days(struct search_key *key, enum range range, int64_t day)
{
    key->first = range == BEFORE ? DAY_MIN : day;
    key->last = range == SINCE ? DAY_MAX : range == ON ? day : day - 1;
}

/* RFC 5032 3: OLDER means received that long ago or longer, YOUNGER that long ago or less. */
static void take_age(struct parser *p, struct search_key *key, enum range range)
{
    uint64_t seconds = cursor_take_number(p->c, UINT32_MAX, "interval");
    if (seconds == 0)
        cursor_fail(p->c, "interval above 0");
    int64_t then = clock_wall_s() - (int64_t)seconds;
    key->first = range == BEFORE ? INT64_MIN : then;
    key->last = range == BEFORE ? then : INT64_MAX;
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
    key->word = text;
    key->empty_text = text.len == 0;
    if (++p->words <= WORDS_MAX)
        key->words = search_new(&text, 1, NULL, 0, scope, arena);
    if (!key->words)
        cursor_fail_too_long(p->c, "list of words");
}

/* The account that is searched: nothing is, before a mailbox is chosen. */
static uint64_t owner_of(const struct parser *p)
{
    const struct view *view = p->program->place.view;
    return view ? view_owner(view) : 0;
}

static void take_keyword(struct parser *p, struct search_key *key)
{
    struct flag_list list = {0};
    if (cursor_next_is(p->c, '\\')) /* those have keys of their own */
        cursor_fail(p->c, "a keyword");
    parse_flag(p->c, &p->program->arena, &list);
    if (list.keyword_count > 0) {
        key->text = list.keywords[0];
        return;
    }
    key->kind = SEARCH_FLAG;
    key->flag = list.flags;
}

/* [entry-name SP entry-type-req SP] mod-sequence-valzer. Flags have no modseqs of their own here,
 * so the entry that may be named does not matter. */
static void take_modseq(struct parser *p, struct search_key *key)
{
    static const struct str types[] = {STR_INIT("priv"), STR_INIT("shared"), STR_INIT("all")};
    if (cursor_next_is(p->c, '"')) {
        struct str entry = parse_string(p->c, &p->program->arena);
        parse_space(p->c);
        struct str type = parse_atom(p->c, "entry type");
        bool known = false;
        for (size_t i = 0; i < ARRAY_LEN(types); i++)
            known = known || str_eq_nocase(types[i], type);
        if (!known || !str_starts_with(entry, STR("/flags/")))
            cursor_fail(p->c, "\"/flags/...\" and priv, shared or all");
        parse_space(p->c);
    }
    key->min = condstore_take_modseq(p->c);
    p->program->modseq = true;
    if (!imap_has_capability(p->imap, STR("CONDSTORE")))
        cursor_fail(p->c, "a known search key");
}

static void take_filter(struct parser *p, struct search_key *key);

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
    case SECONDS:
        take_age(p, key, (enum range)word->detail);
        break;
    case NUMBER:
        set_sizes(key, (enum range)word->detail, cursor_take_number(p->c, INT64_MAX, "size"));
        break;
    case MODSEQ:
        take_modseq(p, key);
        break;
    case KEYWORD:
        take_keyword(p, key);
        break;
    case OBJECTID:
        key->min = objectid_take(p->c, (enum objectid_kind)word->detail, owner_of(p));
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
    case FILTER:
        take_filter(p, key);
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
    return kind == SEARCH_SENT || kind == SEARCH_EMAILID || kind == SEARCH_THREADID
               ? SEARCH_COST_STRUCTURE
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

/* What an account does not have (imap_has_capability) is unknown to it. */
static bool is_known(const struct imap *imap, enum search_kind kind)
{
    switch (kind) {
    case SEARCH_AGE:
        return imap_has_capability(imap, STR("WITHIN"));
    case SEARCH_SAVED:
    case SEARCH_HAS_SAVED:
        return imap_has_capability(imap, STR("SAVEDATE"));
    case SEARCH_EMAILID:
    case SEARCH_THREADID:
        return imap_has_capability(imap, STR("OBJECTID"));
    case SEARCH_FILTER:
        return imap_has_capability(imap, STR("FILTERS"));
    default:
        return true;
    }
}

static const struct key_word *take_word(struct parser *p)
{
    struct str name = cursor_take_while0(p->c, is_alpha, 32, "search key");
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq_nocase(words[i].word, name) && is_known(p->imap, words[i].kind))
            return &words[i];
    cursor_fail(p->c, "a known search key");
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
    const struct key_word *word = take_word(p);
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

/* ---- Filters (RFC 5466 3.1) */

static bool take_keys(struct parser *p, struct search_key **list)
{
    do {
        struct search_key *key = take_key(p);
        if (key)
            insert_by_cost(list, key);
    } while (cursor_skip(p->c, ' '));
    return !cursor_failed(p->c) && cursor_at_end(p->c);
}

/* By itself, before it becomes part of something else. */
static bool is_whole(struct parser *p, struct str text)
{
    struct cursor alone = cursor_init(text), *outer = p->c;
    struct search_key *keys = NULL;
    unsigned words_before = p->words;
    p->c = &alone;
    p->filter_depth++;
    bool ok = take_keys(p, &keys);
    p->filter_depth--;
    p->c = outer;
    p->words = words_before;
    return ok;
}

static bool find_filter(struct parser *p, struct str name, struct str *ret)
{
    struct search_program *program = p->program;
    struct err err = {.kind = ERR_NOT_FOUND};
    bool too_many = p->filters++ == FILTERS_MAX || p->filter_depth == FILTER_DEPTH_MAX;
    bool found = !too_many && search_filter_find(p->imap, name, ret, &err);
    if (!found && err.kind == ERR_NOT_FOUND)
        program->undefined_filter = arena_copy(&program->arena, name);
    else if (!found)
        program->filter_err = err;
    return found;
}

/* Its text is put in place of the key, word for word: of "NOT FILTER x", NOT is about the first key
 * of x. */
static void take_filter(struct parser *p, struct search_key *key)
{
    struct str text, name = search_filter_take_name(p->c);
    struct search_program *program = p->program;
    program->uses_filter = true;
    key->kind = SEARCH_ALL;
    if (p->only_looks || cursor_failed(p->c))
        return;
    bool ok = find_filter(p, name, &text) && is_whole(p, text);
    if (!ok && !search_is_refused(program))
        program->broken_filter = arena_copy(&program->arena, name);
    struct str joined = arena_printf(&program->arena, "%.*s%.*s", ok ? (int)text.len : 0,
                                     ok ? text.ptr : "", STR_ARG(cursor_rest(p->c)));
    if (!ok || program->arena.exhausted)
        cursor_fail(p->c, "a filter");
    if (cursor_failed(p->c))
        return;
    *p->c = cursor_init(joined);
    take_key_body(p, key);
}

bool search_is_refused(const struct search_program *program)
{
    return program->bad_charset || !str_is_null(program->undefined_filter) ||
           !str_is_null(program->broken_filter) || program->filter_err.kind != ERR_NONE;
}

/* RFC 5466 3.1: BAD for a charset that cannot be that of a filter. */
enum session_next search_refuse(struct imap *imap, const struct search_program *program)
{
    if (program->bad_charset && program->uses_filter)
        return respond_bad(imap, "[BADCHARSET (UTF-8)] filters are in UTF-8");
    if (program->bad_charset)
        return respond_bad_charset(imap);
    if (program->filter_err.kind != ERR_NONE)
        return respond_err(imap, &program->filter_err);
    if (!str_is_null(program->undefined_filter))
        return respond_no(imap, "[UNDEFINED-FILTER %.*s] no such filter",
                          STR_ARG(program->undefined_filter));
    return respond_no(imap, "the filter %.*s is no search program",
                      STR_ARG(program->broken_filter));
}

/* ---- Programs */

static void take_charset(struct parser *p)
{
    struct str charset = parse_astring(p->c, &p->program->arena);
    parse_space(p->c);
    p->program->bad_charset = !cursor_failed(p->c) && !str_eq_nocase(charset, STR("UTF-8")) &&
                              !str_eq_nocase(charset, STR("US-ASCII"));
}

/* In a charset that we cannot read, only filters matter. */
static bool look_for_filters(struct parser *p)
{
    struct search_key *keys = NULL;
    p->only_looks = true;
    take_keys(p, &keys);
    return true;
}

static bool take_program(struct imap *imap, struct cursor *c, bool charset,
                         struct search_program *ret, struct err *err)
{
    struct parser p = {.imap = imap, .c = c, .program = ret};
    arena_init(&ret->arena, PROGRAM_ARENA_MAX);
    if (charset)
        take_charset(&p);
    if (ret->bad_charset)
        return look_for_filters(&p);
    take_keys(&p, &ret->keys);
    if (search_is_refused(ret))
        return true;
    if (cursor_finish(c, err)) {
        imap->condstore = imap->condstore || ret->modseq; /* RFC 7162 3.1: it enables */
        return true;
    }
    return ret->uid_required ? err_reply(err, "[UIDREQUIRED] UIDs only, as was enabled") : false;
}

bool search_is_program(struct imap *imap, struct str text)
{
    struct cursor c = cursor_init(text);
    struct search_program program = {.place = {.view = NULL}};
    struct search_key *keys = NULL;
    struct parser p = {.imap = imap, .c = &c, .program = &program, .only_looks = true};
    arena_init(&program.arena, PROGRAM_ARENA_MAX);
    bool ok = take_keys(&p, &keys);
    search_release(&program);
    return ok;
}

bool search_take(struct imap *imap, struct cursor *c, struct search_program *ret, struct err *err)
{
    parse_space(c);
    return take_program(imap, c, cursor_skip_nocase(c, STR("CHARSET ")), ret, err);
}

bool search_take_in_charset(struct imap *imap, struct cursor *c, struct search_program *ret,
                            struct err *err)
{
    parse_space(c);
    return take_program(imap, c, true, ret, err);
}

void search_release(struct search_program *program)
{
    for (size_t i = 0; i < program->owned_count; i++)
        uid_set_release(program->owned[i]);
    program->owned_count = 0;
    arena_release(&program->arena);
}
