#include "services/imap/announce.h"
#include "services/imap/command.h"
#include "services/imap/idle.h"
#include "services/imap/respond.h"

static void set_waiting(struct imap *imap, bool waiting)
{
    struct selected *selected = &imap->selected;
    if (!selected->view)
        return;
    if (view_set_waiting(selected->view, &selected->user, waiting))
        session_wake(selected->user.handle);
}

/* Everything that is new; again after the output has drained. */
static enum session_next tell(struct imap *imap)
{
    if (announce(imap))
        return SESSION_READ;
    imap->more = tell;
    return SESSION_MORE;
}

enum session_next idle_wake(struct imap *imap)
{
    struct err err;
    if (!imap->selected.view)
        return SESSION_READ;
    struct arena arena;
    arena_init(&arena, 64 * 1024);
    struct backend_call call = imap_call_in(imap, &arena);
    bool ok = view_refresh(imap->selected.view, imap->server->backend, &call, false, &err);
    arena_release(&arena);
    if (!ok && err.kind == ERR_DENIED)
        return respond_session_ended(imap);
    if (!ok)
        log_debug(session_log(imap->session), "view not refreshed", LOG_ERR(&err));
    return tell(imap);
}

enum session_next idle_input(struct imap *imap, struct str unit)
{
    set_waiting(imap, false);
    if (!str_eq_nocase(frame_line_text(unit), STR("DONE")))
        return respond_bye(imap, "expected DONE");
    return respond_ok(imap, "idled");
}

enum session_next cmd_idle(struct imap *imap, struct cursor *args)
{
    struct err err;
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    respond_continue(imap, STR("idling"));
    imap->input = idle_input;
    set_waiting(imap, true);
    return tell(imap);
}
