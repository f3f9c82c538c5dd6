#include "services/imap/command.h"
#include "services/imap/context.h"
#include "services/imap/respond.h"
#include "services/imap/search_return.h"
#include "services/imap/search_run.h"
#include "services/imap/select.h"

/*
 * SEARCH (RFC 9051 6.4.4).
 */

#define NUMBERS_PER_LINE 100 /* of the old answer */

struct search_work {
    struct search_run run;
    struct search_returns returns;
    struct context *context; /* with UPDATE */
};

static void work_free(void *pointer)
{
    struct search_work *work = pointer;
    search_run_release(&work->run);
    context_free(work->context);
    free(work);
}

/* The modseq is for a search by MODSEQ (RFC 7162 3.1.5). */
static void end_numbers(struct buf *out, uint64_t modseq)
{
    if (modseq > 0)
        buf_printf(out, " (MODSEQ %llu)", (unsigned long long)modseq);
    buf_append(out, STR("\r\n"));
}

/* Every line of a long answer has the modseq: a client may read it as an answer of its own. */
static void write_numbers(struct imap *imap, const struct uid_set *hits, uint64_t modseq)
{
    struct buf *out = imap_out(imap);
    size_t on_line = 0;
    buf_append(out, STR("* SEARCH"));
    for (size_t i = 0; i < hits->len; i++) {
        for (uint64_t n = hits->items[i].first; n <= hits->items[i].last; n++) {
            if (on_line++ == NUMBERS_PER_LINE) {
                end_numbers(out, modseq);
                buf_append(out, STR("* SEARCH"));
                on_line = 1;
            }
            buf_append_char(out, ' ');
            buf_append_u64(out, n);
        }
    }
    end_numbers(out, modseq);
}

static enum session_next finish(struct imap *imap, struct search_work *work)
{
    const struct uid_set *hits = imap->uid ? &work->run.uids : &work->run.numbers;
    struct uid_set named = {0};
    search_returns_named(&work->returns, &work->run.uids, &named);
    uint64_t modseq =
        work->run.program.modseq ? search_returns_modseq(&work->run.program.place, &named) : 0;
    if (work->returns.extended)
        search_returns_write(imap, &work->returns, hits, modseq);
    else
        write_numbers(imap, hits, modseq);
    search_returns_save(imap, &work->returns, &named);
    uid_set_release(&named);
    context_install(imap, work->context, &work->run, NULL);
    work->context = NULL;
    return respond_ok(imap, "searched");
}

static enum session_next fail(struct imap *imap, struct search_work *work, const struct err *err)
{
    search_returns_fail(imap, &work->returns);
    return respond_err(imap, err);
}

static enum session_next search_more(struct imap *imap)
{
    struct err err;
    struct search_work *work = imap->work;
    imap->more = search_more;
    switch (search_run_step(imap, &work->run, &err)) {
    case SEARCH_MORE:
        return SESSION_MORE;
    case SEARCH_FAILED:
        return fail(imap, work, &err);
    case SEARCH_DONE:
        break;
    }
    return finish(imap, work);
}

enum session_next cmd_search(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct search_work *work = xcalloc(1, sizeof(*work));
    search_run_init(&work->run, imap);
    imap_set_work(imap, work, work_free);
    work->returns = search_returns_take(imap, args, STR("CONTEXT=SEARCH"));
    work->context = context_new(imap, &work->returns, args);
    work->run.enough = search_returns_enough(&work->returns);
    if (!search_take(imap, args, &work->run.program, &err))
        return respond_syntax(imap, &err);
    if (search_is_refused(&work->run.program)) {
        search_returns_fail(imap, &work->returns);
        return search_refuse(imap, &work->run.program);
    }
    if (work->context && !context_tag_is_free(imap))
        return respond_bad(imap, "the tag is in use, for updates");
    if (!selected_check(imap, &err))
        return fail(imap, work, &err);
    return search_more(imap);
}
