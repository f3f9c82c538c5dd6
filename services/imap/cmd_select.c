#include "services/imap/command.h"
#include "services/imap/names.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/select.h"

/* ---- SELECT and EXAMINE (RFC 9051 6.3.2, 6.3.3) */

static void write_flags(struct imap *imap)
{
    struct buf *out = imap_out(imap);
    struct selected *selected = &imap->selected;
    buf_append(out, STR("* FLAGS ("));
    flags_write(FLAG_ALL, out);
    view_write_keywords(selected->view, out);
    buf_append(out, STR(")\r\n* OK [PERMANENTFLAGS ("));
    if (!selected->read_only) {
        flags_write(FLAG_ALL, out);
        view_write_keywords(selected->view, out);
        buf_append(out, STR(" \\*"));
    }
    buf_append(out, STR(")] flags that stay\r\n"));
}

static void write_mailbox(struct imap *imap)
{
    struct buf *out = imap_out(imap);
    struct selected *selected = &imap->selected;
    struct view_info info = view_info(selected->view);
    write_flags(imap);
    if (!imap->rev2)
        respond_untagged(imap, "0 RECENT");
    respond_untagged(imap, "%u EXISTS", selected_exists(imap));
    uint32_t unseen = imap->rev2 ? 0 : view_first_unseen(selected->view, selected->user.horizon);
    if (unseen > 0)
        respond_untagged(imap, "OK [UNSEEN %u] first unseen", unseen);
    respond_untagged(imap, "OK [UIDVALIDITY %u] UIDs are valid", info.uidvalidity);
    respond_untagged(imap, "OK [UIDNEXT %u] next UID", info.uidnext);
    buf_append(out, STR("* LIST () \"/\" "));
    respond_mailbox(imap, out, view_name(selected->view, &imap->arena));
    buf_append(out, STR("\r\n"));
}

static void unselect(struct imap *imap)
{
    selected_close(imap);
    imap_enter(imap, STATE_AUTHENTICATED);
}

static enum session_next open_mailbox(struct imap *imap, struct str name, bool read_only)
{
    struct err err;
    struct view *view;
    struct backend_call call = imap_call(imap);
    if (imap->state == STATE_SELECTED) {
        respond_untagged(imap, "OK [CLOSED] previous mailbox closed");
        unselect(imap);
    }
    if (!account_open_view(imap->account, &call, name, &view, &err))
        return respond_err(imap, &err);
    imap->selected.view = view;
    imap->selected.read_only = read_only;
    imap->selected.user.handle = session_handle(imap->session);
    view_join(view, &imap->selected.user);
    imap_enter(imap, STATE_SELECTED);
    write_mailbox(imap);
    return respond_ok(imap, read_only ? "[READ-ONLY] examined" : "[READ-WRITE] selected");
}

/* "SELECT" SP mailbox; parameters come with CONDSTORE and QRESYNC, which are not announced. */
static enum session_next select_or_examine(struct imap *imap, struct cursor *args, bool read_only)
{
    struct err err;
    parse_space(args);
    struct str name = name_take(imap, args);
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    return open_mailbox(imap, name, read_only);
}

enum session_next cmd_select(struct imap *imap, struct cursor *args)
{
    return select_or_examine(imap, args, false);
}

enum session_next cmd_examine(struct imap *imap, struct cursor *args)
{
    return select_or_examine(imap, args, true);
}

/* ---- CHECK, CLOSE, UNSELECT (RFC 9051 6.4.1, 6.4.2; RFC 3501 6.4.1) */

enum session_next cmd_check(struct imap *imap, struct cursor *args)
{
    struct err err;
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    struct backend_call call = imap_call(imap);
    if (!view_refresh(imap->selected.view, imap->server->backend, &call, true, &err) ||
        !selected_check(imap, &err))
        return respond_err(imap, &err);
    return respond_ok(imap, "checked");
}

/* What the client knows of and marked \Deleted goes, without EXPUNGE lines. */
static bool expunge_known(struct imap *imap, struct err *err)
{
    struct selected *selected = &imap->selected;
    uint64_t modseq = view_modseq(selected->view);
    struct backend_call call = imap_call(imap);
    struct expunge expunge = {
        .mailbox_id = view_info(selected->view).mailbox_id,
        .below_uid = view_uid_of(selected->view, selected->user.horizon, 0) + 1,
        .since_modseq = modseq,
    };
    struct changes changes;
    if (!backend_expunge(imap->server->backend, &call, &expunge, &changes, err))
        return err->kind == ERR_NOT_FOUND;
    view_apply(selected->view, modseq, &changes);
    return true;
}

enum session_next cmd_close(struct imap *imap, struct cursor *args)
{
    struct err err;
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    bool gone = view_info(imap->selected.view).gone;
    if (!gone && !imap->selected.read_only && !expunge_known(imap, &err))
        return respond_err(imap, &err);
    unselect(imap);
    return respond_ok(imap, "closed");
}

enum session_next cmd_unselect(struct imap *imap, struct cursor *args)
{
    struct err err;
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    unselect(imap);
    return respond_ok(imap, "unselected");
}
