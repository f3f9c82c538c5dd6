#include "services/imap/search_run.h"

#include "services/imap/search_index.h"

#define MESSAGES_PER_TURN 32
#define SCRATCH_MAX (4u << 20)

void search_run_init(struct search_run *run, const struct imap *imap)
{
    struct view_place place = selected_place(imap);
    search_run_init_in(run, imap, &place);
}

void search_run_init_in(struct search_run *run, const struct imap *imap,
                        const struct view_place *place)
{
    run->program.place = *place;
    arena_init(&run->scratch, SCRATCH_MAX);
    run->enough = UINT64_MAX;
    run->progress = progress_start(imap);
}

void search_run_release(struct search_run *run)
{
    search_release(&run->program);
    uid_set_release(&run->uids);
    uid_set_release(&run->numbers);
    uid_set_release(&run->sure);
    uid_set_release(&run->sure_numbers);
    if (run->reading)
        rows_release(&run->rows);
    arena_release(&run->scratch);
}

static void add_hit(struct search_run *run, const struct view_row *row)
{
    uid_set_add(&run->uids, row->message.uid);
    uid_set_add(&run->numbers, row->seq);
    run->hits++;
}

static void add_sure(struct search_run *run, const struct view_row *row)
{
    uid_set_add(&run->sure, row->message.uid);
    uid_set_add(&run->sure_numbers, row->seq);
}

static void judge_row(struct search_run *run, const struct view_row *row)
{
    enum search_verdict verdict = search_index_verdict(&run->program, row);
    if (verdict == SEARCH_PERHAPS)
        add_hit(run, row);
    else if (verdict == SEARCH_YES)
        add_sure(run, row);
}

static void add_all(struct uid_set *set, const struct uid_set *others)
{
    for (size_t i = 0; i < others->len; i++)
        uid_set_add_range(set, others->items[i].first, others->items[i].last);
    uid_set_normalise(set);
}

static enum search_step finish(struct search_run *run)
{
    add_all(&run->uids, &run->sure);
    add_all(&run->numbers, &run->sure_numbers);
    run->hits += uid_set_count(&run->sure);
    return SEARCH_DONE;
}

/* Over the messages that the client knows of, by what is known of them without reading. */
static void search_rows(struct search_run *run)
{
    struct uid_range everything = {1, UINT32_MAX};
    const struct uid_set all = {.items = &everything, .len = 1};
    const struct uid_set *within = run->within ? run->within : &all;
    struct view_row rows[ROWS_BATCH];
    const struct view_place *place = &run->program.place;
    uint32_t after = 0;
    size_t count;
    do {
        count = view_read_without(place->view, place->horizon, within, search_index_excludes,
                                  &run->program, after, rows, ARRAY_LEN(rows));
        for (size_t i = 0; i < count; i++)
            judge_row(run, &rows[i]);
        if (count > 0)
            after = rows[count - 1].message.uid;
    } while (count == ARRAY_LEN(rows));
}

/* What may match is read, and searched further. */
static void begin_reading(struct imap *imap, struct search_run *run, enum search_cost cost)
{
    run->candidates = run->hits;
    run->hits = 0;
    rows_init(&run->rows, imap, &run->uids, search_pieces(&run->program), cost == SEARCH_COST_TEXT);
    run->rows.view = run->program.place.view;
    run->rows.horizon = run->program.place.horizon;
    uid_set_release(&run->numbers);
    run->reading = true;
}

static bool judge_message(struct imap *imap, struct search_run *run, bool *ret_hit, struct err *err)
{
    struct rows *r = &run->rows;
    if (message_need_structure(&r->message, err) &&
        search_message_matches(&run->program, &r->message, &run->scratch, ret_hit, err))
        return true;
    if (err->kind != ERR_CORRUPT)
        return false;
    rows_log_damage(r, imap, err);
    arena_reset(&r->row_arena);
    return search_damaged_matches(&run->program, &r->message, &r->row_arena, &run->scratch, ret_hit,
                                  err);
}

/* A message whose file or row is gone matches nothing. */
static bool search_message(struct imap *imap, struct search_run *run, bool *ret_end,
                           struct err *err)
{
    bool hit = false, ok = rows_load(&run->rows, imap, err);
    *ret_end = !ok && err->kind == ERR_NONE;
    if (*ret_end)
        return true;
    if (ok)
        ok = judge_message(imap, run, &hit, err);
    if (!ok && err->kind != ERR_NOT_FOUND)
        return false;
    if (hit)
        add_hit(run, &run->rows.row);
    rows_next(&run->rows);
    run->read++;
    *ret_end = hit && run->hits >= run->enough;
    return true;
}

enum search_step search_run_step(struct imap *imap, struct search_run *run, struct err *err)
{
    enum search_cost cost = search_cost(&run->program);
    if (!run->reading) {
        if (cost == SEARCH_COST_TEXT && !run->within) /* few are sooner read than asked about */
            search_index_ask(imap, &run->program);
        search_rows(run);
        if (run->hits == 0)
            return finish(run);
        begin_reading(imap, run, cost);
    }
    bool end = false;
    for (unsigned n = 0; n < MESSAGES_PER_TURN && !end; n++)
        if (!search_message(imap, run, &end, err))
            return SEARCH_FAILED;
    if (end)
        return finish(run);
    progress_tell(imap, &run->progress, run->read, run->candidates);
    return SEARCH_MORE;
}
