#include "common/base/clock.h"
#include "services/imap/announce.h"
#include "services/imap/command.h"
#include "services/imap/idle.h"
#include "services/imap/metadata.h"
#include "services/imap/notify.h"
#include "services/imap/respond.h"
#include "services/imap/select.h"

static void wait_for_news(struct imap *imap)
{
    struct selected *selected = &imap->selected;
    if (selected->view && view_set_waiting(selected->view, &selected->user, true))
        session_wake(selected->user.handle);
    notify_wake_for_names(imap, true);
}

/* Of the selected mailbox: always in IDLE. */
static bool wants_now(const struct imap *imap)
{
    return imap->input == idle_input || notify_is_immediate(imap);
}

/* Of the other mailboxes: at any time for who uses NOTIFY. */
static bool tell_mailboxes(struct imap *imap)
{
    return (imap->input != idle_input && !imap->notify) || notify_report(imap);
}

/* Everything that is new and that the client wants now; again after the output has drained. */
static enum session_next tell(struct imap *imap)
{
    if ((!wants_now(imap) || announce(imap)) && tell_mailboxes(imap))
        return imap->denied ? respond_session_ended(imap) : SESSION_READ;
    imap->more = tell;
    return imap->announcement.broken ? SESSION_ABORT : SESSION_MORE;
}

enum session_next idle_wake(struct imap *imap)
{
    struct err err;
    struct arena arena;
    if (!imap_review(imap))
        return respond_session_ended(imap);
    if (imap->input == idle_input || imap->notify)
        metadata_tell(imap);
    if (!imap->selected.view || !wants_now(imap))
        return tell(imap);
    arena_init(&arena, 64 * 1024);
    selected_review(imap);
    struct selected *selected = &imap->selected;
    struct backend_call call = imap_call_on(imap, selected->view);
    call.arena = &arena;
    bool ok = selected->revoked || view_refresh_waiting(selected->view, &selected->user,
                                                        imap->server->backend, &call, &err);
    arena_release(&arena);
    if (!ok && err.kind == ERR_DENIED)
        return respond_session_ended(imap);
    if (!ok)
        log_debug(session_log(imap->session), "view not refreshed", LOG_ERR(&err));
    return tell(imap);
}

enum session_next idle_input(struct imap *imap, struct str unit)
{
    if (!str_eq_nocase(frame_line_text(unit), STR("DONE")))
        return respond_bye(imap, "expected DONE");
    notify_wake_for_names(imap, false);
    notify_listen(imap);
    return respond_ok(imap, "idled");
}

enum session_next idle_timeout(struct imap *imap)
{
    if (imap->server->config->idle_notice_s == 0 || clock_monotonic_ms() >= imap->idle_until_ms)
        return respond_bye(imap, "no command for too long");
    respond_untagged(imap, "OK still here");
    return SESSION_READ;
}

/* What a proxy on the way takes for silence, and closes, need not be as long as what we do. */
static void expect_silence(struct imap *imap)
{
    const struct imap_config *config = imap->server->config;
    if (config->idle_notice_s == 0 || config->idle_notice_s >= config->idle_timeout_s)
        return;
    imap->idle_until_ms = clock_monotonic_ms() + (int64_t)config->idle_timeout_s * 1000;
    session_set_read_timeout(imap->session, (int64_t)config->idle_notice_s * 1000);
}

enum session_next cmd_idle(struct imap *imap, struct cursor *args)
{
    struct err err;
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    respond_continue(imap, STR("idling"));
    imap->input = idle_input;
    expect_silence(imap);
    wait_for_news(imap);
    metadata_tell(imap);
    return tell(imap);
}
