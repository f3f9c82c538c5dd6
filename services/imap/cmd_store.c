#include "services/imap/announce.h"
#include "services/imap/command.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/select.h"

#define ROWS 128

/* STORE (RFC 9051 6.4.6): one call to store, then a FETCH line for each message named. */

struct store_work {
    struct uid_set uids;
    uint32_t after_uid;
};

static void work_free(void *pointer)
{
    struct store_work *work = pointer;
    uid_set_release(&work->uids);
    free(work);
}

struct store_arguments {
    struct sequence_set set;
    enum store_mode mode;
    bool silent;
    struct flag_list flags;
};

/* SP sequence-set SP (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag))) */
static bool take_arguments(struct imap *imap, struct cursor *c, struct store_arguments *ret,
                           struct err *err)
{
    *ret = (struct store_arguments){.mode = STORE_REPLACE};
    parse_space(c);
    ret->set = parse_sequence_set(c, &imap->arena);
    parse_space(c);
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
            announce_fetch_start(imap_out(imap), &rows[i], true);
            buf_append(imap_out(imap), STR(")\r\n"));
            work->after_uid = rows[i].message.uid;
        }
    } while (count == ROWS);
    return respond_ok(imap, "stored");
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
                  const struct uid_set *uids, struct err *err)
{
    struct view *view = imap->selected.view;
    struct store_flags store = {.mailbox_id = view_info(view).mailbox_id,
                                .mode = arguments->mode,
                                .flags = arguments->flags.flags,
                                .keywords = arguments->flags.keywords,
                                .keyword_count = arguments->flags.keyword_count,
                                .since_modseq = view_modseq(view)};
    TRY(selected_check(imap, err));
    TRY(selected_list_uids(imap, uids, &store.uids, err));
    if (store.uids.len == 0)
        return true;
    uint64_t modseq;
    struct changes changes;
    struct backend_call call = imap_call(imap);
    TRY(backend_store_flags(imap->server->backend, &call, &store, &modseq, &changes, err));
    if (is_all_ours(imap, store.since_modseq, uids, modseq, &changes))
        announce_skip(imap, modseq);
    view_apply(view, store.since_modseq, &changes);
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
    imap_set_work(imap, work, work_free);
    if (!store(imap, &arguments, &work->uids, &err))
        return respond_err(imap, &err);
    return arguments.silent ? respond_ok(imap, "stored") : store_more(imap);
}
