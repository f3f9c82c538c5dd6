#include "services/imap/search_return.h"

#include "services/imap/fetch.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"

#define ROWS 256
#define NAME_MAX_BYTES (64u << 10)

/* ---- Options */

static const struct option_word {
    struct str word;
    enum search_return option;
} words[] = {
    {STR_INIT("MIN"), RETURN_MIN},   {STR_INIT("MAX"), RETURN_MAX},
    {STR_INIT("ALL"), RETURN_ALL},   {STR_INIT("COUNT"), RETURN_COUNT},
    {STR_INIT("SAVE"), RETURN_SAVE}, {STR_INIT("PARTIAL"), RETURN_PARTIAL},
};

/* PARTIAL is of contexts too (RFC 5267 4.4). */
static enum search_return find_option(const struct imap *imap, struct str word, bool has_context)
{
    bool has_partial = has_context || imap_has_capability(imap, STR("PARTIAL"));
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq_nocase(words[i].word, word) &&
            (words[i].option != RETURN_PARTIAL || has_partial))
            return words[i].option;
    return 0;
}

/* modifier-update = "UPDATE" [SP "(" fetch-att *(SP fetch-att) ")"] (RFC 5465 7). */
static void take_update(struct imap *imap, struct cursor *c, struct search_returns *returns)
{
    struct cursor mark = cursor_mark(c);
    returns->update = true;
    if (!cursor_skip(c, ' ') || !cursor_next_is(c, '(')) {
        cursor_rewind(c, mark);
        return;
    }
    struct str rest = cursor_rest(c);
    fetch_take_items(c, &imap->arena);
    returns->items = str_slice(rest, 0, rest.len - cursor_rest(c).len);
    if (!imap_has_capability(imap, STR("NOTIFY")))
        cursor_fail(c, "a known return option");
}

/* True when it was CONTEXT or UPDATE. */
static bool take_context_option(struct imap *imap, struct cursor *c, struct str word,
                                struct search_returns *returns)
{
    if (str_eq_nocase(word, STR("UPDATE")) && !returns->update)
        take_update(imap, c, returns);
    else if (str_eq_nocase(word, STR("CONTEXT")))
        returns->context = true;
    else
        return false;
    return true;
}

static void take_option(struct imap *imap, struct cursor *c, bool has_context,
                        struct search_returns *returns)
{
    struct str word = parse_atom(c, "return option");
    if (has_context && take_context_option(imap, c, word, returns))
        return;
    enum search_return option = find_option(imap, word, has_context);
    if (option == 0)
        cursor_fail(c, "a known return option");
    if (option == RETURN_PARTIAL) {
        if (returns->options & RETURN_PARTIAL)
            cursor_fail(c, "one PARTIAL");
        parse_space(c);
        returns->partial = partial_take(c);
    }
    returns->options |= option;
    /* RFC 9394 3.1: one of both. */
    if ((returns->options & RETURN_PARTIAL) && (returns->options & RETURN_ALL))
        cursor_fail(c, "either PARTIAL or ALL");
}

struct search_returns search_returns_take(struct imap *imap, struct cursor *c, struct str context)
{
    struct search_returns returns = {.extended = imap->rev2};
    bool has_context = imap_has_capability(imap, context);
    if (cursor_skip_nocase(c, STR(" RETURN "))) {
        returns.asked = returns.extended = true;
        cursor_expect(c, '(');
        while (!cursor_at_end(c) && !cursor_next_is(c, ')')) {
            if (returns.options || returns.context || returns.update)
                parse_space(c);
            take_option(imap, c, has_context, &returns);
        }
        cursor_expect(c, ')');
    }
    if (!returns.options && !returns.context && !returns.update)
        returns.options = RETURN_ALL;
    return returns;
}

uint64_t search_returns_enough(const struct search_returns *returns)
{
    unsigned options = returns->options & ~(unsigned)RETURN_SAVE;
    if (returns->update) /* later changes are told of all */
        return UINT64_MAX;
    if (options == RETURN_MIN)
        return 1;
    bool page = options == RETURN_PARTIAL || options == (RETURN_PARTIAL | RETURN_MIN);
    return page && !returns->partial.from_end ? returns->partial.last : UINT64_MAX;
}

/* ---- The answer */

static void add_all(struct uid_set *to, const struct uid_set *from)
{
    for (size_t i = 0; i < from->len; i++)
        uid_set_add_range(to, from->items[i].first, from->items[i].last);
}

bool search_returns_name_all(const struct search_returns *returns)
{
    unsigned few = RETURN_MIN | RETURN_MAX | RETURN_PARTIAL;
    return !(returns->options & few) || (returns->options & (RETURN_ALL | RETURN_COUNT));
}

void search_returns_named(const struct search_returns *returns, const struct uid_set *hits,
                          struct uid_set *ret)
{
    if (search_returns_name_all(returns)) {
        add_all(ret, hits);
        return;
    }
    if (returns->options & RETURN_PARTIAL)
        partial_of_set(&returns->partial, hits, ret);
    if ((returns->options & RETURN_MIN) && hits->len > 0)
        uid_set_add_range(ret, hits->items[0].first, hits->items[0].first);
    if ((returns->options & RETURN_MAX) && hits->len > 0)
        uid_set_add_range(ret, array_last(hits).last, array_last(hits).last);
    uid_set_normalise(ret);
}

uint64_t search_returns_modseq(const struct view_place *place, const struct uid_set *named)
{
    struct view_row rows[ROWS];
    uint64_t highest = 0;
    uint32_t after = 0;
    size_t count;
    do {
        count = view_read(place->view, place->horizon, named, after, rows, ROWS);
        for (size_t i = 0; i < count; i++) {
            after = rows[i].message.uid;
            if (rows[i].message.modseq > highest)
                highest = rows[i].message.modseq;
        }
    } while (count == ROWS);
    return highest;
}

/* RFC 7377 2.1: which mailbox the hits are in. */
static void write_mailbox(struct imap *imap, struct buf *out, struct str prefix, struct view *view)
{
    struct arena arena;
    arena_init(&arena, NAME_MAX_BYTES);
    buf_append(out, STR(" MAILBOX "));
    struct str name = view_name(view, &arena);
    respond_mailbox(imap, out, arena_printf(&arena, "%.*s%.*s", STR_ARG(prefix), STR_ARG(name)));
    buf_printf(out, " UIDVALIDITY %u", view_info(view).uidvalidity);
    arena_release(&arena);
}

void search_returns_write_start(struct imap *imap, struct str tag,
                                const struct search_returns *returns, bool uid)
{
    struct buf *out = imap_out(imap);
    buf_append(out, STR("* ESEARCH (TAG "));
    respond_string(out, tag, false);
    if (returns->mailbox)
        write_mailbox(imap, out, returns->prefix, returns->mailbox);
    buf_append(out, uid ? STR(") UID") : STR(")"));
}

bool search_returns_begin(struct imap *imap, const struct search_returns *returns)
{
    if (returns->options == RETURN_SAVE)
        return false;
    search_returns_write_start(imap, imap->tag, returns, imap->uid);
    return true;
}

void search_returns_write_ends(struct imap *imap, const struct search_returns *returns,
                               const struct search_ends *ends)
{
    struct buf *out = imap_out(imap);
    if ((returns->options & RETURN_MIN) && ends->count > 0)
        buf_printf(out, " MIN %u", ends->first);
    if ((returns->options & RETURN_MAX) && ends->count > 0)
        buf_printf(out, " MAX %u", ends->last);
    if (returns->options & RETURN_COUNT)
        buf_printf(out, " COUNT %llu", (unsigned long long)ends->count);
}

void search_returns_end(struct imap *imap, uint64_t modseq)
{
    struct buf *out = imap_out(imap);
    if (modseq > 0)
        buf_printf(out, " MODSEQ %llu", (unsigned long long)modseq);
    buf_append(out, STR("\r\n"));
}

/* A page without results is NIL (RFC 9394 3.1). */
static void write_page(struct buf *out, const struct search_returns *returns,
                       const struct uid_set *hits)
{
    struct uid_set page = {0};
    partial_of_set(&returns->partial, hits, &page);
    buf_printf(out, " PARTIAL (%.*s ", STR_ARG(returns->partial.text));
    if (uid_set_is_empty(&page))
        buf_append(out, STR("NIL"));
    uid_set_write(&page, out);
    buf_append_char(out, ')');
    uid_set_release(&page);
}

void search_returns_write(struct imap *imap, const struct search_returns *returns,
                          const struct uid_set *hits, uint64_t modseq)
{
    struct buf *out = imap_out(imap);
    struct search_ends ends = {.count = uid_set_count(hits)};
    if (!search_returns_begin(imap, returns))
        return;
    if (ends.count > 0) {
        ends.first = hits->items[0].first;
        ends.last = array_last(hits).last;
    }
    search_returns_write_ends(imap, returns, &ends);
    if (returns->options & RETURN_PARTIAL)
        write_page(out, returns, hits);
    if ((returns->options & RETURN_ALL) && ends.count > 0) {
        buf_append(out, STR(" ALL "));
        uid_set_write(hits, out);
    }
    search_returns_end(imap, modseq);
}

/* ---- The saved result */

void search_returns_save(struct imap *imap, const struct search_returns *returns,
                         struct uid_set *named)
{
    if (!(returns->options & RETURN_SAVE))
        return;
    uid_set_release(&imap->selected.saved);
    imap->selected.saved = *named;
    *named = (struct uid_set){0};
}

void search_returns_fail(struct imap *imap, const struct search_returns *returns)
{
    if (returns->options & RETURN_SAVE)
        uid_set_release(&imap->selected.saved);
}
