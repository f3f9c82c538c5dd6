#include "services/imap/command.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/search.h"
#include "services/imap/select.h"

/*
 * SEARCH (RFC 9051 6.4.4). Rows of the view are asked first; the messages that remain are read in
 * turns, so that a long search does not keep its worker from others.
 */

#define NUMBERS_PER_LINE 100 /* of the old answer */
#define MESSAGES_PER_TURN 32
#define SCRATCH_MAX (4u << 20)

enum search_return {
    RETURN_MIN = 1,
    RETURN_MAX = 2,
    RETURN_ALL = 4,
    RETURN_COUNT = 8,
    RETURN_SAVE = 16,
};

struct search_work {
    struct search_program program;
    bool extended;    /* the answer is ESEARCH */
    unsigned returns; /* enum search_return */
    struct uid_set uids;
    struct uid_set numbers; /* of the same messages */
    struct rows rows;
    bool reading;
    struct arena scratch;
    unsigned turn;
};

static void work_free(void *pointer)
{
    struct search_work *work = pointer;
    search_release(&work->program);
    uid_set_release(&work->uids);
    uid_set_release(&work->numbers);
    if (work->reading)
        rows_release(&work->rows);
    arena_release(&work->scratch);
    free(work);
}

/* ---- Answers */

static void write_numbers(struct imap *imap, const struct uid_set *hits)
{
    struct buf *out = imap_out(imap);
    size_t on_line = 0;
    buf_append(out, STR("* SEARCH"));
    for (size_t i = 0; i < hits->len; i++) {
        for (uint64_t n = hits->items[i].first; n <= hits->items[i].last; n++) {
            if (on_line++ == NUMBERS_PER_LINE) {
                buf_append(out, STR("\r\n* SEARCH"));
                on_line = 1;
            }
            buf_append_char(out, ' ');
            buf_append_u64(out, n);
        }
    }
    buf_append(out, STR("\r\n"));
}

static void write_esearch(struct imap *imap, const struct search_work *work,
                          const struct uid_set *hits)
{
    struct buf *out = imap_out(imap);
    if (work->returns == RETURN_SAVE)
        return;
    buf_append(out, STR("* ESEARCH (TAG "));
    respond_string(out, imap->tag, false);
    buf_append(out, imap->uid ? STR(") UID") : STR(")"));
    if ((work->returns & RETURN_MIN) && hits->len > 0)
        buf_printf(out, " MIN %u", hits->items[0].first);
    if ((work->returns & RETURN_MAX) && hits->len > 0)
        buf_printf(out, " MAX %u", hits->items[hits->len - 1].last);
    if (work->returns & RETURN_COUNT)
        buf_printf(out, " COUNT %llu", (unsigned long long)uid_set_count(hits));
    if ((work->returns & RETURN_ALL) && hits->len > 0) {
        buf_append(out, STR(" ALL "));
        uid_set_write(hits, out);
    }
    buf_append(out, STR("\r\n"));
}

/* RFC 5182 2.4: with only MIN and MAX, only those are saved. */
static void save(struct imap *imap, struct search_work *work)
{
    struct uid_set *saved = &imap->selected.saved;
    if (!(work->returns & RETURN_SAVE))
        return;
    uid_set_release(saved);
    const struct uid_set *uids = &work->uids;
    bool ends = (work->returns & (RETURN_MIN | RETURN_MAX)) &&
                !(work->returns & (RETURN_ALL | RETURN_COUNT));
    if (!ends) {
        *saved = work->uids;
        work->uids = (struct uid_set){0};
        return;
    }
    if ((work->returns & RETURN_MIN) && uids->len > 0)
        uid_set_add_range(saved, uids->items[0].first, uids->items[0].first);
    if ((work->returns & RETURN_MAX) && uids->len > 0)
        uid_set_add_range(saved, uids->items[uids->len - 1].last, uids->items[uids->len - 1].last);
    uid_set_normalise(saved);
}

static enum session_next finish(struct imap *imap, struct search_work *work)
{
    const struct uid_set *hits = imap->uid ? &work->uids : &work->numbers;
    if (work->extended)
        write_esearch(imap, work, hits);
    else
        write_numbers(imap, hits);
    save(imap, work);
    return respond_ok(imap, "searched");
}

/* ---- Searching */

static void add_hit(struct search_work *work, const struct view_row *row)
{
    uid_set_add(&work->uids, row->message.uid);
    uid_set_add(&work->numbers, row->seq);
}

/* Over all messages that the client knows of, by what the view knows of them. */
static void search_rows(struct imap *imap, struct search_work *work)
{
    struct uid_range everything = {1, UINT32_MAX};
    const struct uid_set all = {.items = &everything, .len = 1};
    struct view_row rows[ROWS_BATCH];
    struct selected *selected = &imap->selected;
    uint32_t after = 0;
    size_t count;
    do {
        count =
            view_read(selected->view, selected->user.horizon, &all, after, rows, ARRAY_LEN(rows));
        for (size_t i = 0; i < count; i++)
            if (search_row_matches(&work->program, &rows[i]))
                add_hit(work, &rows[i]);
        if (count > 0)
            after = rows[count - 1].message.uid;
    } while (count == ARRAY_LEN(rows));
}

/* A failed search with SAVE leaves nothing saved (RFC 5182 2.1). */
static enum session_next fail(struct imap *imap, struct search_work *work, const struct err *err)
{
    if (work->returns & RETURN_SAVE)
        uid_set_release(&imap->selected.saved);
    return respond_err(imap, err);
}

/* A message whose file or row is gone matches nothing. */
static enum session_next search_more(struct imap *imap)
{
    struct err err;
    struct search_work *work = imap->work;
    imap->more = search_more;
    for (unsigned n = 0; n < MESSAGES_PER_TURN; n++) {
        bool hit = false;
        bool ok = rows_load(&work->rows, imap, &err);
        if (!ok && err.kind == ERR_NONE)
            return finish(imap, work);
        if (ok && work->rows.message.structure)
            ok = search_message_matches(&work->program, &work->rows.message, &work->scratch, &hit,
                                        &err);
        if (!ok && err.kind != ERR_NOT_FOUND)
            return fail(imap, work, &err);
        if (hit)
            add_hit(work, &work->rows.row);
        rows_next(&work->rows);
    }
    return SESSION_MORE;
}

static enum session_next search(struct imap *imap, struct search_work *work)
{
    search_rows(imap, work);
    enum search_cost cost = search_cost(&work->program);
    if (cost == SEARCH_COST_ROW)
        return finish(imap, work);
    rows_init(&work->rows, imap, &work->uids, true, cost == SEARCH_COST_TEXT);
    uid_set_release(&work->numbers);
    work->reading = true;
    return search_more(imap);
}

/* ---- Arguments */

/* "RETURN" SP "(" [return-option *(SP return-option)] ")" */
static unsigned take_returns(struct cursor *c)
{
    static const struct {
        struct str word;
        enum search_return option;
    } options[] = {{STR_INIT("MIN"), RETURN_MIN},
                   {STR_INIT("MAX"), RETURN_MAX},
                   {STR_INIT("ALL"), RETURN_ALL},
                   {STR_INIT("COUNT"), RETURN_COUNT},
                   {STR_INIT("SAVE"), RETURN_SAVE}};
    unsigned returns = 0;
    cursor_expect(c, '(');
    while (!cursor_at_end(c) && !cursor_next_is(c, ')')) {
        if (returns)
            parse_space(c);
        struct str word = parse_atom(c, "return option");
        unsigned option = 0;
        for (size_t i = 0; i < ARRAY_LEN(options); i++)
            if (str_eq_nocase(options[i].word, word))
                option = options[i].option;
        if (option == 0)
            cursor_fail(c, "a known return option");
        returns |= option;
    }
    cursor_expect(c, ')');
    return returns ? returns : RETURN_ALL;
}

enum session_next cmd_search(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct search_work *work = xcalloc(1, sizeof(*work));
    arena_init(&work->scratch, SCRATCH_MAX);
    imap_set_work(imap, work, work_free);
    work->extended = imap->rev2;
    work->returns = RETURN_ALL;
    if (cursor_skip_nocase(args, STR(" RETURN "))) {
        work->extended = true;
        work->returns = take_returns(args);
    }
    if (!search_take(imap, args, &work->program, &err))
        return respond_syntax(imap, &err);
    if (work->program.bad_charset)
        return respond_no(imap, "[BADCHARSET (US-ASCII UTF-8)] unknown charset");
    if (!selected_check(imap, &err))
        return fail(imap, work, &err);
    return search(imap, work);
}
