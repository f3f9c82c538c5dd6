#include "services/imap/command.h"
#include "services/imap/context.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/search_return.h"
#include "services/imap/search_run.h"
#include "services/imap/select.h"
#include "services/imap/sort.h"

/*
 * SORT (RFC 5256), with SORT=DISPLAY (RFC 5957) and ESORT (RFC 5267): a search, then the sort keys
 * of its hits, then the answer. Each part stops and goes on in turns.
 */

struct sort_work {
    struct search_run run;
    struct search_returns returns;
    struct context *context; /* with UPDATE */
    struct sort sort;
    enum { SORT_SEARCHES, SORT_READS, SORT_WRITES } step;
    struct key_walk walk;
    uint64_t hits;
    uint64_t modseq;           /* for a search by MODSEQ */
    struct partial_range page; /* of the records: what is left to be written */
    struct number_list list;   /* of ESEARCH */
};

static void work_free(void *pointer)
{
    struct sort_work *work = pointer;
    search_run_release(&work->run);
    sort_release(&work->sort);
    context_free(work->context);
    if (work->step != SORT_SEARCHES)
        key_walk_release(&work->walk);
    free(work);
}

/* ---- Answers */

static uint32_t number_at(const struct imap *imap, const struct sort_work *work, size_t at)
{
    const struct sort_record *record = &work->sort.records.items[at];
    return imap->uid ? record->uid : record->seq;
}

/* The UIDs that the answer names. */
static void find_named(const struct sort_work *work, struct uid_set *ret)
{
    const struct sort_record *records = work->sort.records.items;
    size_t len = work->sort.records.len;
    unsigned options = work->returns.options;
    bool all = search_returns_name_all(&work->returns);
    struct partial_range page = {0, all ? len : 0};
    if (!all && (options & RETURN_PARTIAL))
        page = partial_of(&work->returns.partial, len);
    for (size_t i = page.from; i < page.to; i++)
        uid_set_add_range(ret, records[i].uid, records[i].uid);
    if ((options & RETURN_MIN) && len > 0)
        uid_set_add_range(ret, records[0].uid, records[0].uid);
    if ((options & RETURN_MAX) && len > 0)
        uid_set_add_range(ret, records[len - 1].uid, records[len - 1].uid);
    uid_set_normalise(ret);
}

static void begin_esearch(struct imap *imap, struct sort_work *work)
{
    size_t len = work->sort.records.len;
    struct search_ends ends = {.count = len};
    struct buf *out = imap_out(imap);
    if (!search_returns_begin(imap, &work->returns))
        return;
    if (len > 0) {
        ends.first = number_at(imap, work, 0);
        ends.last = number_at(imap, work, len - 1);
    }
    search_returns_write_ends(imap, &work->returns, &ends);
    if (work->returns.options & RETURN_PARTIAL) {
        work->page = partial_of(&work->returns.partial, len);
        buf_printf(out, " PARTIAL (%.*s ", STR_ARG(work->returns.partial.text));
        if (work->page.from == work->page.to)
            buf_append(out, STR("NIL"));
    } else if ((work->returns.options & RETURN_ALL) && len > 0) {
        work->page = (struct partial_range){0, len};
        buf_append(out, STR(" ALL "));
    }
}

static void begin_answer(struct imap *imap, struct sort_work *work)
{
    struct uid_set named = {0};
    if (work->run.program.modseq || (work->returns.options & RETURN_SAVE))
        find_named(work, &named);
    if (work->run.program.modseq)
        work->modseq = search_returns_modseq(&work->run.program.place, &named);
    search_returns_save(imap, &work->returns, &named);
    uid_set_release(&named);
    if (work->returns.extended) {
        begin_esearch(imap, work);
        return;
    }
    work->page = (struct partial_range){0, work->sort.records.len};
    buf_append(imap_out(imap), STR("* SORT"));
}

static void end_answer(struct imap *imap, struct sort_work *work)
{
    struct buf *out = imap_out(imap);
    if (!work->returns.extended) {
        if (work->modseq > 0)
            buf_printf(out, " (MODSEQ %llu)", (unsigned long long)work->modseq);
        buf_append(out, STR("\r\n"));
    } else if (work->returns.options != RETURN_SAVE) {
        number_list_end(&work->list, out);
        if (work->returns.options & RETURN_PARTIAL)
            buf_append_char(out, ')');
        search_returns_end(imap, work->modseq);
    }
}

/* The walk over the keys has taken the UIDs. */
static void keep_context(struct imap *imap, struct sort_work *work)
{
    work->run.uids = work->walk.uids;
    work->walk.uids = (struct uid_set){0};
    context_install(imap, work->context, &work->run, &work->sort);
    work->context = NULL;
}

static enum session_next write_more(struct imap *imap, struct sort_work *work)
{
    while (work->page.from < work->page.to) {
        if (session_out_is_full(imap->session))
            return SESSION_MORE;
        uint32_t number = number_at(imap, work, work->page.from++);
        if (work->returns.extended) {
            number_list_add(&work->list, number, imap_out(imap));
            continue;
        }
        buf_append_char(imap_out(imap), ' ');
        buf_append_u64(imap_out(imap), number);
    }
    end_answer(imap, work);
    keep_context(imap, work);
    return respond_ok(imap, "sorted");
}

/* ---- Steps */

static enum session_next fail(struct imap *imap, struct sort_work *work, const struct err *err)
{
    search_returns_fail(imap, &work->returns);
    return respond_err(imap, err);
}

static enum session_next read_more(struct imap *imap, struct sort_work *work)
{
    struct err err;
    while (key_walk_next(&work->walk, imap, &err)) {
        if (!sort_add(&work->sort, &work->walk, &err))
            return fail(imap, work, &err);
        if (work->walk.done == work->hits)
            continue;
        progress_tell(imap, &work->run.progress, work->walk.done, work->hits);
        return SESSION_MORE;
    }
    if (err.kind != ERR_NONE)
        return fail(imap, work, &err);
    sort_run(&work->sort, 0);
    begin_answer(imap, work);
    work->step = SORT_WRITES;
    return write_more(imap, work);
}

static enum session_next search_more(struct imap *imap, struct sort_work *work)
{
    struct err err;
    switch (search_run_step(imap, &work->run, &err)) {
    case SEARCH_MORE:
        return SESSION_MORE;
    case SEARCH_FAILED:
        return fail(imap, work, &err);
    case SEARCH_DONE:
        break;
    }
    work->hits = work->run.hits;
    work->run.progress.before = work->run.read;
    work->run.progress.in_parts = work->run.read > 0; /* else this is the only part */
    key_walk_init(&work->walk, &work->run.uids, sort_wanted(&work->sort));
    work->step = SORT_READS;
    return read_more(imap, work);
}

static enum session_next sort_more(struct imap *imap)
{
    struct sort_work *work = imap->work;
    imap->more = sort_more;
    switch (work->step) {
    case SORT_SEARCHES:
        return search_more(imap, work);
    case SORT_READS:
        return read_more(imap, work);
    case SORT_WRITES:
        return write_more(imap, work);
    }
    BUG("step of SORT");
}

/* "SORT" [search-return-opts] SP sort-criteria SP search-criteria */
enum session_next cmd_sort(struct imap *imap, struct cursor *args)
{
    struct err err;
    if (!imap_has_capability(imap, STR("SORT")))
        return respond_bad(imap, "unknown command");
    struct sort_work *work = xcalloc(1, sizeof(*work));
    search_run_init(&work->run, imap);
    work->run.progress.in_parts = true;
    sort_init(&work->sort);
    imap_set_work(imap, work, work_free);
    work->returns = search_returns_take(imap, args, STR("CONTEXT=SORT"));
    work->context = context_new(imap, &work->returns, args);
    /* IMAP4rev2 changes the answer of SEARCH, not that of SORT. */
    work->returns.extended = work->returns.asked;
    if (work->returns.asked && !imap_has_capability(imap, STR("ESORT")))
        cursor_fail(args, "sort criteria");
    parse_space(args);
    sort_take_criteria(imap, args, &work->sort);
    if (!search_take_in_charset(imap, args, &work->run.program, &err))
        return respond_syntax(imap, &err);
    if (search_is_refused(&work->run.program)) {
        search_returns_fail(imap, &work->returns);
        return search_refuse(imap, &work->run.program);
    }
    if (work->context && !context_tag_is_free(imap))
        return respond_bad(imap, "the tag is in use, for updates");
    if (!selected_check(imap, &err))
        return fail(imap, work, &err);
    return sort_more(imap);
}
