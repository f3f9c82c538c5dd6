#include "services/imap/announce.h"
#include "services/imap/command.h"
#include "services/imap/condstore.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/select.h"

#define ROWS 128

/* STORE (RFC 9051 6.4.6): one call to store, then a FETCH line for each message named. */

struct store_work {
    struct uid_set uids;
    struct uid_set modified; /* of them, those that failed UNCHANGEDSINCE */
    struct uid_set numbers;  /* of `modified`, in a STORE by number */
    bool silent;
    bool expunged; /* some are gone, though the client has not been told */
    uint32_t after_uid;
};

#define MODIFIED_MAX (16u << 20) /* bytes of the set in the answer */

static void work_free(void *pointer)
{
    struct store_work *work = pointer;
    uid_set_release(&work->uids);
    uid_set_release(&work->modified);
    uid_set_release(&work->numbers);
    free(work);
}

struct store_arguments {
    struct sequence_set set;
    bool has_unchanged_since;
    uint64_t unchanged_since;
    enum store_mode mode;
    bool silent;
    struct flag_list flags;
};

/* [SP "(" "UNCHANGEDSINCE" SP mod-sequence-valzer ")"] (RFC 7162 3.1.3) */
static void take_modifier(struct imap *imap, struct cursor *c, struct store_arguments *ret)
{
    if (!imap_has_capability(imap, STR("CONDSTORE")) || !cursor_skip(c, '('))
        return;
    cursor_expect_nocase(c, STR("UNCHANGEDSINCE"));
    parse_space(c);
    ret->has_unchanged_since = true;
    ret->unchanged_since = condstore_take_modseq(c);
    cursor_expect(c, ')');
    parse_space(c);
}

/* SP sequence-set SP [modifier SP] (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP
 * flag))) */
static bool take_arguments(struct imap *imap, struct cursor *c, struct store_arguments *ret,
                           struct err *err)
{
    *ret = (struct store_arguments){.mode = STORE_REPLACE};
    parse_space(c);
    ret->set = parse_sequence_set(c, &imap->arena);
    parse_space(c);
    take_modifier(imap, c, ret);
    if (cursor_skip(c, '+'))
        ret->mode = STORE_ADD;
    else if (cursor_skip(c, '-'))
        ret->mode = STORE_REMOVE;
    cursor_expect_nocase(c, STR("FLAGS"));
    ret->silent = cursor_skip_nocase(c, STR(".SILENT"));
    parse_space(c);
    if (cursor_next_is(c, '(')) {
        ret->flags = parse_flag_list(c, &imap->arena);
    } else {
        do
            parse_flag(c, &imap->arena, &ret->flags);
        while (cursor_skip(c, ' '));
    }
    return cursor_finish(c, err);
}

/* "MODIFIED set", in the numbers that the command has used. */
static enum session_next finish(struct imap *imap, const struct store_work *work)
{
    struct buf set;
    if (uid_set_is_empty(&work->modified))
        return respond_ok(imap, work->expunged ? "[EXPUNGEISSUED] stored" : "stored");
    buf_init(&set, MODIFIED_MAX);
    uid_set_write(imap->uid ? &work->modified : &work->numbers, &set);
    enum session_next next =
        respond_ok(imap, "[MODIFIED %.*s] some had changed", STR_ARG(buf_str(&set)));
    buf_release(&set);
    return next;
}

/* One line of the answer; none for what is gone: nothing was stored there. */
static void answer(struct imap *imap, struct store_work *work, const struct view_row *row)
{
    bool modified = uid_set_has(&work->modified, row->message.uid);
    if (modified)
        uid_set_add(&work->numbers, row->seq);
    if (row->message.expunged == 0)
        announce_fetch(imap, row, modified || !work->silent);
    else
        work->expunged = true;
}

/* Without CONDSTORE, .SILENT leaves nothing to say. With it the client learns the new modseqs, and
 * what the messages that were not changed have. */
static enum session_next store_more(struct imap *imap)
{
    struct store_work *work = imap->work;
    struct view_row rows[ROWS];
    struct selected *selected = &imap->selected;
    size_t count;
    imap->more = store_more;
    do {
        if (session_out_is_full(imap->session))
            return SESSION_MORE;
        count = view_read(selected->view, selected->user.horizon, &work->uids, work->after_uid,
                          rows, ROWS);
        for (size_t i = 0; i < count; i++) {
            answer(imap, work, &rows[i]);
            work->after_uid = rows[i].message.uid;
        }
    } while (count == ROWS);
    return finish(imap, work);
}

/* True when what changed since the client was last told is this command's doing alone: then it
 * needs no other announcement. In doubt it gets one more FETCH line, which is harmless. */
static bool is_all_ours(const struct imap *imap, uint64_t since, const struct uid_set *uids,
                        uint64_t modseq, const struct changes *changes)
{
    const struct selected *selected = &imap->selected;
    bool nothing_before = since == selected->user.horizon || since == selected->own_until;
    if (!nothing_before || changes->vanished_len > 0 || changes->more)
        return false;
    for (size_t i = 0; i < changes->len; i++)
        if (changes->modseq[i] != modseq || !uid_set_has(uids, changes->uid[i]))
            return false;
    return true;
}

static bool store(struct imap *imap, const struct store_arguments *arguments,
                  struct store_work *work, struct err *err)
{
    struct view *view = imap->selected.view;
    struct store_flags store = {.mailbox_id = view_info(view).mailbox_id,
                                .mode = arguments->mode,
                                .flags = arguments->flags.flags,
                                .keywords = arguments->flags.keywords,
                                .keyword_count = arguments->flags.keyword_count,
                                .has_unchanged_since = arguments->has_unchanged_since,
                                .unchanged_since = arguments->unchanged_since,
                                .since_modseq = view_modseq(view)};
    TRY(selected_check(imap, err));
    TRY(selected_list_uids(imap, &work->uids, &store.uids, err));
    if (store.uids.len == 0)
        return true;
    struct store_result result;
    struct backend_call call = imap_call_on(imap, view);
    TRY(backend_store_flags(imap->server->backend, &call, &store, &result, err));
    if (is_all_ours(imap, store.since_modseq, &work->uids, result.modseq, &result.changes))
        announce_skip(imap, result.modseq);
    view_apply(view, store.since_modseq, &result.changes);
    for (size_t i = 0; i < result.modified.len; i++)
        uid_set_add(&work->modified, result.modified.uids[i]);
    return true;
}

enum session_next cmd_store(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct store_arguments arguments;
    struct uid_set uids;
    if (!take_arguments(imap, args, &arguments, &err) ||
        !selected_resolve(imap, &arguments.set, imap->uid, &uids, &err))
        return respond_syntax(imap, &err);
    struct store_work *work = xcalloc(1, sizeof(*work));
    work->uids = uids;
    work->silent = arguments.silent;
    imap_set_work(imap, work, work_free);
    if (arguments.has_unchanged_since)
        condstore_enable(imap);
    if (!store(imap, &arguments, work, &err))
        return respond_err(imap, &err);
    return arguments.silent && !imap->condstore ? respond_ok(imap, "stored") : store_more(imap);
}
