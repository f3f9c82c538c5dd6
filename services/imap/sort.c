#include "services/imap/sort.h"

#include "common/text/charclass.h"
#include "common/text/utf8.h"

#include <string.h>

/* A million messages with texts of usual length take 200 MiB. */
#define VALUES_MAX (512u << 20)

/* ---- Criteria */

static const struct sort_word {
    struct str word;
    enum sort_by by;
    unsigned key; /* enum sort_key; 0: the row of the view suffices */
} words[] = {
    {STR_INIT("ARRIVAL"), SORT_ARRIVAL, 0},
    {STR_INIT("CC"), SORT_CC, SORT_KEY_CC},
    {STR_INIT("DATE"), SORT_DATE, SORT_KEY_DATE},
    {STR_INIT("DISPLAYFROM"), SORT_DISPLAYFROM, SORT_KEY_DISPLAY_FROM},
    {STR_INIT("DISPLAYTO"), SORT_DISPLAYTO, SORT_KEY_DISPLAY_TO},
    {STR_INIT("FROM"), SORT_FROM, SORT_KEY_FROM},
    {STR_INIT("SIZE"), SORT_SIZE, 0},
    {STR_INIT("SUBJECT"), SORT_SUBJECT, SORT_KEY_SUBJECT},
    {STR_INIT("TO"), SORT_TO, SORT_KEY_TO},
};

static const struct sort_word *find_word(const struct imap *imap, struct str text)
{
    bool display = imap_has_capability(imap, STR("SORT=DISPLAY"));
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq_nocase(words[i].word, text) &&
            (display || (words[i].by != SORT_DISPLAYFROM && words[i].by != SORT_DISPLAYTO)))
            return &words[i];
    return NULL;
}

/* sort-criterion = ["REVERSE" SP] sort-key */
static void take_criterion(const struct imap *imap, struct cursor *c, struct sort *sort)
{
    bool reverse = cursor_skip_nocase(c, STR("REVERSE "));
    const struct sort_word *word = find_word(imap, cursor_take_while0(c, is_alpha, 16, "sort key"));
    if (!word)
        cursor_fail(c, "a known sort key");
    else if (sort->criteria_count == SORT_CRITERIA_MAX)
        cursor_fail_too_long(c, "list of sort keys");
    else
        sort->criteria[sort->criteria_count++] = (struct sort_criterion){word->by, reverse};
}

void sort_take_criteria(const struct imap *imap, struct cursor *c, struct sort *sort)
{
    cursor_expect(c, '(');
    do
        take_criterion(imap, c, sort);
    while (cursor_skip(c, ' '));
    cursor_expect(c, ')');
}

unsigned sort_wanted(const struct sort *sort)
{
    unsigned wanted = 0;
    for (size_t i = 0; i < sort->criteria_count; i++)
        wanted |= words[sort->criteria[i].by].key;
    return wanted;
}

/* ---- Records */

void sort_init(struct sort *sort)
{
    arena_init(&sort->arena, VALUES_MAX);
}

void sort_release(struct sort *sort)
{
    array_release(&sort->records);
    arena_release(&sort->arena);
}

int64_t sort_date(const struct key_walk *batch, size_t at)
{
    int64_t sent_s = batch->keys.sent_s[at];
    return sent_s != SORT_KEYS_NO_DATE ? sent_s : batch->rows[at].message.received_s;
}

static const struct str *column_of(const struct sort_keys *k, enum sort_by by)
{
    switch (by) {
    case SORT_CC:
        return k->cc;
    case SORT_DISPLAYFROM:
        return k->display_from;
    case SORT_DISPLAYTO:
        return k->display_to;
    case SORT_FROM:
        return k->from;
    case SORT_SUBJECT:
        return k->subject;
    case SORT_TO:
        return k->to;
    case SORT_ARRIVAL:
    case SORT_DATE:
    case SORT_SIZE:
        break;
    }
    return NULL; /* a number */
}

static union sort_value value_of(const struct key_walk *batch, size_t at, enum sort_by by,
                                 struct arena *arena)
{
    const struct str *column = column_of(&batch->keys, by);
    union sort_value value;
    if (column)
        value.text = utf8_casemap(column[at], arena);
    else if (by == SORT_DATE)
        value.number = sort_date(batch, at);
    else if (by == SORT_SIZE)
        value.number = (int64_t)batch->rows[at].message.size;
    else
        value.number = batch->rows[at].message.received_s;
    return value;
}

bool sort_add(struct sort *sort, const struct key_walk *batch, struct err *err)
{
    for (size_t i = 0; i < batch->len; i++) {
        union sort_value *values =
            arena_new_array(&sort->arena, sort->criteria_count, union sort_value);
        for (size_t k = 0; values && k < sort->criteria_count; k++)
            values[k] = value_of(batch, i, sort->criteria[k].by, &sort->arena);
        if (sort->arena.exhausted)
            return err_set(err, ERR_LIMIT, "the messages have too much to be sorted by");
        struct sort_record record = {batch->rows[i].message.uid, batch->rows[i].seq, values};
        array_push(&sort->records, record);
    }
    return true;
}

/* ---- Order */

static bool is_number(enum sort_by by)
{
    return by == SORT_ARRIVAL || by == SORT_DATE || by == SORT_SIZE;
}

static int compare_values(enum sort_by by, const union sort_value *a, const union sort_value *b)
{
    if (is_number(by))
        return (a->number > b->number) - (a->number < b->number);
    return str_cmp(a->text, b->text);
}

static bool comes_before(const struct sort *sort, const struct sort_record *a,
                         const struct sort_record *b)
{
    for (size_t k = 0; k < sort->criteria_count; k++) {
        int order = compare_values(sort->criteria[k].by, &a->values[k], &b->values[k]);
        if (order != 0)
            return (order < 0) != sort->criteria[k].reverse;
    }
    return a->uid < b->uid; /* with REVERSE as well (RFC 5256 3) */
}

/* Merges two runs that follow each other. */
static void merge(const struct sort *sort, const struct sort_record *from, size_t middle,
                  size_t end, struct sort_record *to)
{
    size_t left = 0, right = middle;
    for (size_t i = 0; i < end; i++) {
        bool take_right =
            left == middle || (right < end && comes_before(sort, &from[right], &from[left]));
        to[i] = take_right ? from[right++] : from[left++];
    }
}

/* One pass over runs of `width`, all merged in pairs. */
static void merge_pairs(const struct sort *sort, const struct sort_record *from, size_t len,
                        size_t width, struct sort_record *to)
{
    for (size_t at = 0; at < len; at += 2 * width) {
        size_t rest = len - at, end = rest < 2 * width ? rest : 2 * width;
        merge(sort, &from[at], end < width ? end : width, end, &to[at]);
    }
}

/* Bottom up; at the end what was in order before is one run, and the rest the other. */
void sort_run(struct sort *sort, size_t from)
{
    struct sort_record *items = sort->records.items;
    size_t len = sort->records.len - from;
    ARRAY_OF(struct sort_record) other = {0};
    if (len == 0)
        return;
    array_reserve(&other, sort->records.len);
    for (size_t width = 1; width < len; width *= 2) {
        merge_pairs(sort, items + from, len, width, other.items + from);
        memcpy(items + from, other.items + from, len * sizeof(*items));
    }
    if (from > 0) {
        merge(sort, items, from, sort->records.len, other.items);
        memcpy(items, other.items, sort->records.len * sizeof(*items));
    }
    array_release(&other);
}

/* ---- Records that are kept */

size_t sort_bytes(const struct sort *sort)
{
    return sort->arena.used + sort->records.cap * sizeof(*sort->records.items);
}

static const union sort_value *copy_values(const struct sort *sort, const union sort_value *values,
                                           struct arena *arena)
{
    union sort_value *copy = arena_new_array(arena, sort->criteria_count, union sort_value);
    for (size_t k = 0; copy && k < sort->criteria_count; k++) {
        copy[k] = values[k];
        if (!is_number(sort->criteria[k].by))
            copy[k].text = arena_copy(arena, values[k].text);
    }
    return copy;
}

void sort_compact(struct sort *sort)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    for (size_t i = 0; i < sort->records.len; i++)
        sort->records.items[i].values = copy_values(sort, sort->records.items[i].values, &arena);
    arena.limit = sort->arena.limit;
    arena_release(&sort->arena);
    sort->arena = arena;
}
