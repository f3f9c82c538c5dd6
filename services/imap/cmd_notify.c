#include "services/imap/announce.h"
#include "services/imap/command.h"
#include "services/imap/condstore.h"
#include "services/imap/metadata.h"
#include "services/imap/notify.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"

/* NOTIFY (RFC 5465). */

struct notify_work {
    struct imap *imap;
    struct notify *next; /* takes the place of the present state */
    bool modseq;         /* it asks for MODSEQ */
};

static void work_free(void *pointer)
{
    struct notify_work *work = pointer;
    notify_free(work->imap, work->next);
    free(work);
}

/* When store is away, what is not known here yet waits. */
static void refresh(struct imap *imap)
{
    struct err err;
    struct backend_call call = imap_call(imap);
    if (imap->selected.view &&
        !view_refresh(imap->selected.view, imap->server->backend, &call, false, &err))
        log_debug(session_log(imap->session), "view not refreshed", LOG_ERR(&err));
}

/* What was held back goes out as it was asked for before; then the new rules begin. */
static enum session_next notify_more(struct imap *imap)
{
    struct notify_work *work = imap->work;
    imap->more = notify_more;
    if (work->next) {
        if (!announce(imap))
            return imap->announcement.broken ? SESSION_ABORT : SESSION_MORE;
        notify_install(imap, work->next);
        work->next = NULL;
        if (work->modseq)
            condstore_enable(imap);
    }
    if (!notify_report(imap))
        return SESSION_MORE;
    notify_listen(imap);
    return respond_ok(imap, "noted");
}

static enum session_next refuse(struct imap *imap, const struct notify_request *request,
                                const struct err *err)
{
    struct buf known;
    if (!request->bad_event)
        return respond_syntax(imap, err);
    buf_init(&known, 1024);
    notify_write_events(imap, &known);
    enum session_next next =
        respond_no(imap, "[BADEVENT (%.*s)] unknown event", STR_ARG(buf_str(&known)));
    buf_release(&known);
    return next;
}

/* "NOTIFY" SP ("SET" ... / "NONE"). The request outlives the command, and so does its text. */
enum session_next cmd_notify(struct imap *imap, struct cursor *args)
{
    struct err err;
    if (!imap_has_capability(imap, STR("NOTIFY")))
        return respond_bad(imap, "unknown command");
    parse_space(args);
    struct notify_work *work = xcalloc(1, sizeof(*work));
    work->imap = imap;
    work->next = notify_new(imap);
    imap_set_work(imap, work, work_free);
    struct arena *arena = notify_arena(work->next);
    struct cursor c = cursor_init(arena_copy(arena, cursor_rest(args)));
    struct notify_request request = notify_take(imap, &c, arena);
    if (!cursor_finish(&c, &err))
        return refuse(imap, &request, &err);
    work->modseq = request.selected && request.selected->items.modseq;
    if (!notify_start(imap, work->next, &request, &err))
        return respond_err(imap, &err);
    metadata_tell(imap);
    if (notify_has_metadata(&request))
        metadata_follow(imap);
    refresh(imap);
    return notify_more(imap);
}
