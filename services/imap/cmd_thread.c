#include "common/text/utf8.h"
#include "services/imap/command.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/search_run.h"
#include "services/imap/select.h"
#include "services/imap/sort.h"
#include "services/imap/thread.h"

/*
 * THREAD (RFC 5256): a search, then the sort keys of its hits, then the answer, as SORT.
 */

struct thread_work {
    struct search_run run;
    struct threads threads;
    enum { THREAD_SEARCHES, THREAD_READS, THREAD_WRITES } step;
    struct key_walk walk;
    uint64_t hits;
    struct arena scratch;
};

#define SCRATCH_MAX (64u << 10)

static void work_free(void *pointer)
{
    struct thread_work *work = pointer;
    search_run_release(&work->run);
    threads_release(&work->threads);
    arena_release(&work->scratch);
    if (work->step != THREAD_SEARCHES)
        key_walk_release(&work->walk);
    free(work);
}

static enum session_next write_more(struct imap *imap, struct thread_work *work)
{
    struct buf *out = imap_out(imap);
    do {
        if (session_out_is_full(imap->session))
            return SESSION_MORE;
    } while (threads_write(&work->threads, out));
    buf_append(out, STR("\r\n"));
    return respond_ok(imap, "threaded");
}

static struct thread_message message_of(const struct imap *imap, struct thread_work *work,
                                        size_t at)
{
    const struct view_row *row = &work->walk.rows[at];
    const struct sort_keys *keys = &work->walk.keys;
    arena_reset(&work->scratch);
    struct thread_message m = {
        .number = imap->uid ? row->message.uid : row->seq,
        .date_s = sort_date(&work->walk, at),
        .subject = utf8_casemap(keys->subject[at], &work->scratch),
    };
    if (work->threads.algorithm == THREAD_REFERENCES) {
        size_t begin = at > 0 ? keys->reference_end[at - 1] : 0;
        m.is_reply = keys->is_reply[at];
        m.message_id = keys->message_id[at];
        m.references = keys->references + begin;
        m.reference_count = keys->reference_end[at] - begin;
    }
    return m;
}

static bool add_batch(struct imap *imap, struct thread_work *work, struct err *err)
{
    for (size_t i = 0; i < work->walk.len; i++) {
        struct thread_message message = message_of(imap, work, i);
        TRY(threads_add(&work->threads, &message, err));
    }
    return true;
}

static enum session_next read_more(struct imap *imap, struct thread_work *work)
{
    struct err err;
    while (key_walk_next(&work->walk, imap, &err)) {
        if (!add_batch(imap, work, &err))
            return respond_err(imap, &err);
        if (work->walk.done == work->hits)
            continue;
        progress_tell(imap, &work->run.progress, work->walk.done, work->hits);
        return SESSION_MORE;
    }
    if (err.kind != ERR_NONE)
        return respond_err(imap, &err);
    threads_build(&work->threads);
    buf_append(imap_out(imap), work->hits > 0 ? STR("* THREAD ") : STR("* THREAD"));
    work->step = THREAD_WRITES;
    return write_more(imap, work);
}

static enum session_next search_more(struct imap *imap, struct thread_work *work)
{
    struct err err;
    switch (search_run_step(imap, &work->run, &err)) {
    case SEARCH_MORE:
        return SESSION_MORE;
    case SEARCH_FAILED:
        return respond_err(imap, &err);
    case SEARCH_DONE:
        break;
    }
    bool references = work->threads.algorithm == THREAD_REFERENCES;
    unsigned wanted = SORT_KEY_DATE | SORT_KEY_SUBJECT;
    work->hits = work->run.hits;
    work->run.progress.before = work->run.read;
    work->run.progress.in_parts = work->run.read > 0; /* else this is the only part */
    key_walk_init(&work->walk, &work->run.uids, references ? wanted | SORT_KEY_THREAD : wanted);
    work->step = THREAD_READS;
    return read_more(imap, work);
}

static enum session_next thread_more(struct imap *imap)
{
    struct thread_work *work = imap->work;
    imap->more = thread_more;
    switch (work->step) {
    case THREAD_SEARCHES:
        return search_more(imap, work);
    case THREAD_READS:
        return read_more(imap, work);
    case THREAD_WRITES:
        return write_more(imap, work);
    }
    BUG("step of THREAD");
}

/* thread-alg = "ORDEREDSUBJECT" / "REFERENCES" */
static enum thread_algorithm take_algorithm(const struct imap *imap, struct cursor *c)
{
    struct str word = parse_atom(c, "threading algorithm");
    bool references = str_eq_nocase(word, STR("REFERENCES"));
    bool subject = str_eq_nocase(word, STR("ORDEREDSUBJECT"));
    if ((!references || !imap_has_capability(imap, STR("THREAD=REFERENCES"))) &&
        (!subject || !imap_has_capability(imap, STR("THREAD=ORDEREDSUBJECT"))))
        cursor_fail(c, "a known threading algorithm");
    return references ? THREAD_REFERENCES : THREAD_ORDEREDSUBJECT;
}

/* "THREAD" SP thread-alg SP search-criteria */
enum session_next cmd_thread(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct thread_work *work = xcalloc(1, sizeof(*work));
    search_run_init(&work->run, imap);
    work->run.progress.in_parts = true;
    arena_init(&work->scratch, SCRATCH_MAX);
    imap_set_work(imap, work, work_free);
    parse_space(args);
    threads_init(&work->threads, take_algorithm(imap, args));
    if (!search_take_in_charset(imap, args, &work->run.program, &err))
        return respond_syntax(imap, &err);
    if (search_is_refused(&work->run.program))
        return search_refuse(imap, &work->run.program);
    if (!selected_check(imap, &err))
        return respond_err(imap, &err);
    return thread_more(imap);
}
