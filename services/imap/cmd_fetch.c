#include "services/imap/command.h"
#include "services/imap/condstore.h"
#include "services/imap/fetch_run.h"
#include "services/imap/parse.h"
#include "services/imap/qresync.h"
#include "services/imap/respond.h"
#include "services/imap/select.h"

/* FETCH (RFC 9051 6.4.5): its arguments, and what comes after the messages. */

#define ROWS 256

struct fetch_work {
    struct uid_set vanished; /* told first (RFC 7162 3.2.6) */
    size_t vanished_at;
    struct fetch_run *run;
};

static void work_free(void *pointer)
{
    struct fetch_work *work = pointer;
    fetch_run_free(work->run);
    uid_set_release(&work->vanished);
    free(work);
}

/* The flags that reading sets, all in one transaction, when everything is sent. The client learns
 * of them as of any other change. */
static void mark_seen(struct imap *imap, const struct uid_set *seen)
{
    struct err err;
    struct view *view = imap->selected.view;
    if (uid_set_is_empty(seen))
        return;
    struct store_flags store = {.mailbox_id = view_info(view).mailbox_id,
                                .mode = STORE_ADD,
                                .flags = FLAG_SEEN,
                                .since_modseq = view_modseq(view)};
    struct store_result result;
    struct backend_call call = imap_call_on(imap, view);
    if (selected_list_uids(imap, seen, &store.uids, &err) &&
        backend_store_flags(imap->server->backend, &call, &store, &result, &err))
        view_apply(view, store.since_modseq, &result.changes);
    else
        log_warn(session_log(imap->session), "messages not marked as seen", LOG_ERR(&err));
}

static enum session_next finish(struct imap *imap, const struct fetch_run *run)
{
    struct err err = run->err;
    bool expunged = run->expunge_issued;
    mark_seen(imap, &run->seen);
    if (!run->failed && run->damaged > 0)
        return respond_no(imap, "[CORRUPTION] %llu damaged, UID %u first; all else is fetched",
                          (unsigned long long)run->damaged, run->damaged_uid);
    if (!run->failed)
        return respond_ok(imap, expunged ? "[EXPUNGEISSUED] fetched" : "fetched");
    if (err.kind == ERR_STATE)
        return respond_no(imap, "[UNKNOWN-CTE] unknown transfer encoding");
    if (err.kind == ERR_NOT_FOUND)
        return respond_no(imap, "%s", err.reply);
    return respond_err(imap, &err);
}

static enum session_next fetch_more(struct imap *imap)
{
    struct fetch_work *work = imap->work;
    imap->more = fetch_more;
    if (!qresync_write_vanished(imap, &work->vanished, &work->vanished_at, true))
        return SESSION_MORE;
    switch (fetch_run_go(imap, work->run)) {
    case FETCH_FULL:
        return SESSION_MORE;
    case FETCH_BROKEN:
        return SESSION_ABORT;
    case FETCH_DONE:
        break;
    }
    return finish(imap, work->run);
}

/* Of the messages that would be answered, only those on the page. */
static void keep_page(struct imap *imap, struct uid_set *uids,
                      const struct fetch_modifiers *modifiers)
{
    struct uid_set found = {0};
    struct view_row rows[ROWS];
    const struct selected *selected = &imap->selected;
    uint32_t after = 0;
    size_t count;
    do {
        count = view_read_since(selected->view, selected->user.horizon, uids,
                                modifiers->changed_since, after, rows, ROWS);
        for (size_t i = 0; i < count; i++)
            uid_set_add(&found, after = rows[i].message.uid);
    } while (count == ROWS);
    uid_set_release(uids);
    partial_of_set(&modifiers->partial, &found, uids);
    uid_set_release(&found);
}

/* Items of extensions, which can be hidden from an account. */
static const struct {
    enum fetch_kind kind;
    struct str capability;
} extensions[] = {
    {FETCH_SAVEDATE, STR_INIT("SAVEDATE")}, {FETCH_MODSEQ, STR_INIT("CONDSTORE")},
    {FETCH_PREVIEW, STR_INIT("PREVIEW")},   {FETCH_EMAILID, STR_INIT("OBJECTID")},
    {FETCH_THREADID, STR_INIT("OBJECTID")},
};

static bool is_known(const struct imap *imap, enum fetch_kind kind)
{
    for (size_t i = 0; i < ARRAY_LEN(extensions); i++)
        if (extensions[i].kind == kind)
            return imap_has_capability(imap, extensions[i].capability);
    return true;
}

static bool are_known(const struct imap *imap, const struct fetch_items *items)
{
    for (size_t i = 0; i < items->len; i++)
        if (!is_known(imap, items->items[i].kind))
            return false;
    return true;
}

/* Takes `uids`. */
static enum session_next fetch(struct imap *imap, const struct sequence_set *set,
                               struct uid_set *uids, struct fetch_items *items,
                               const struct fetch_modifiers *modifiers)
{
    struct err err;
    struct fetch_work *work = xcalloc(1, sizeof(*work));
    if (modifiers->has_partial)
        keep_page(imap, uids, modifiers);
    if (modifiers->has_changed_since || (imap->qresync && imap->uid))
        fetch_add_modseq(items);
    if (items->modseq)
        condstore_enable(imap);
    work->run = fetch_run_new(imap, items, uids);
    work->run->rows.changed_since = modifiers->changed_since;
    imap_set_work(imap, work, work_free);
    if (items->prefix)
        session_set_trace(imap->session, LOG_TRACE_DATA);
    if (modifiers->vanished &&
        !qresync_find_vanished(imap, set, modifiers->changed_since, &work->vanished, &err))
        return respond_err(imap, &err);
    return fetch_more(imap);
}

/* "FETCH" SP sequence-set SP items [SP modifiers] */
enum session_next cmd_fetch(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct uid_set uids;
    parse_space(args);
    struct sequence_set set = parse_sequence_set(args, &imap->arena);
    parse_space(args);
    struct fetch_items items = fetch_take_items(args, &imap->arena);
    if (!are_known(imap, &items))
        cursor_fail(args, "a known fetch item");
    struct fetch_modifiers modifiers = fetch_take_modifiers(imap, args);
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    if (modifiers.vanished && (!imap->qresync || !imap->uid || !modifiers.has_changed_since))
        return respond_bad(imap, "VANISHED needs UID FETCH, CHANGEDSINCE and QRESYNC enabled");
    if (!selected_resolve(imap, &set, imap->uid, &uids, &err))
        return respond_syntax(imap, &err);
    if (!selected_check(imap, &err)) {
        uid_set_release(&uids);
        return respond_err(imap, &err);
    }
    return fetch(imap, &set, &uids, &items, &modifiers);
}
