#include "services/imap/command.h"
#include "services/imap/condstore.h"
#include "services/imap/names.h"
#include "services/imap/parse.h"
#include "services/imap/qresync.h"
#include "services/imap/respond.h"
#include "services/imap/objectid.h"
#include "services/imap/rights.h"
#include "services/imap/select.h"
#include "services/imap/shared.h"

#define PREFIX_MAX 2048

#define ROWS 128

/* ---- SELECT and EXAMINE (RFC 9051 6.3.2, 6.3.3) */

static void write_flags(struct imap *imap)
{
    struct buf *out = imap_out(imap);
    struct selected *selected = &imap->selected;
    buf_append(out, STR("* FLAGS ("));
    flags_write(FLAG_ALL, out);
    size_t begin = out->len;
    view_write_keywords(selected->view, out);
    selected->keywords_len = out->len - begin;
    buf_append(out, STR(")\r\n* OK [PERMANENTFLAGS ("));
    if (!selected->read_only)
        flags_write(rights_flags(selected->rights), out);
    if (!selected->read_only && (selected->rights & RIGHT_WRITE)) {
        view_write_keywords(selected->view, out);
        buf_append(out, STR(" \\*"));
    }
    buf_append(out, STR(")] flags that stay\r\n"));
}

static struct str selected_name(const struct selected *selected, struct arena *arena)
{
    struct str prefix = buf_str(&selected->prefix), name = view_name(selected->view, arena);
    return prefix.len > 0 ? arena_printf(arena, "%.*s%.*s", STR_ARG(prefix), STR_ARG(name)) : name;
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
    uint32_t unseen = imap->rev2 || imap->uid_only
                          ? 0
                          : view_first_unseen(selected->view, selected->user.horizon);
    if (unseen > 0)
        respond_untagged(imap, "OK [UNSEEN %u] first unseen", unseen);
    respond_untagged(imap, "OK [UIDVALIDITY %u] UIDs are valid", info.uidvalidity);
    respond_untagged(imap, "OK [UIDNEXT %u] next UID", info.uidnext);
    if (imap_has_capability(imap, STR("OBJECTID"))) {
        buf_append(out, STR("* OK [MAILBOXID "));
        objectid_write(out, OBJECTID_MAILBOX, view_owner(selected->view), info.mailbox_id);
        buf_append(out, STR("] stays when it is renamed\r\n"));
    }
    buf_append(out, STR("* LIST () \"/\" "));
    respond_mailbox(imap, out, selected_name(selected, &imap->arena));
    buf_append(out, STR("\r\n"));
    if (imap_has_capability(imap, STR("CONDSTORE"))) /* RFC 7162 3.1.2.1: with every SELECT */
        condstore_tell_highest(imap);
}

static void unselect(struct imap *imap)
{
    selected_close(imap);
    imap_enter(imap, STATE_AUTHENTICATED);
}

struct select_parameters {
    bool condstore; /* RFC 7162 3.1.8 */
    bool qresync;   /* RFC 7162 3.2.5 */
    struct qresync_parameters resync;
};

static bool may_read(unsigned rights, struct err *err)
{
    if (rights & RIGHT_READ)
        return true;
    return rights & RIGHT_LOOKUP ? err_set(err, ERR_FORBIDDEN, "no right to read")
                                 : err_set(err, ERR_NOT_FOUND, "no such mailbox");
}

/* A mailbox of another: what may be done with it is asked before it is opened, and again when the
 * owner's account says that it changed since. */
static bool open_shared(struct imap *imap, struct str name, const struct backend_call *call,
                        struct selected *selected, struct err *err)
{
    struct rights_list list;
    struct rights_query query = {.name = name};
    selected->account = registry_enter(imap->server->registry, call->owner);
    selected->rights_events = account_rights_events(selected->account);
    if (backend_rights(imap->server->backend, call, &query, &list, err) &&
        may_read(list.rights, err) &&
        account_open_view(selected->account, call, name, &selected->view, err)) {
        selected->rights = list.rights;
        selected->read_only = selected->read_only || !(list.rights & RIGHTS_TO_CHANGE);
        return true;
    }
    registry_leave(imap->server->registry, selected->account);
    return false;
}

/* What open_view opened and nobody selected. */
static void close_view(struct imap *imap, struct selected *selected)
{
    account_close_view(selected->account, selected->view);
    if (selected->account != imap->account)
        registry_leave(imap->server->registry, selected->account);
}

/* `load`: with its rows, for who is told of them at once. */
static bool open_view(struct imap *imap, struct str shown, bool read_only, bool load,
                      struct err *err)
{
    struct str name;
    struct backend_call call = imap_call(imap);
    struct selected selected = {
        .read_only = read_only, .account = imap->account, .rights = RIGHTS_ALL};
    TRY(shared_find(imap, shown, &call, &name, err));
    if (call.owner == 0)
        TRY(account_open_view(imap->account, &call, name, &selected.view, err));
    else
        TRY(open_shared(imap, name, &call, &selected, err));
    if (load && !view_load(selected.view, imap->server->backend, &call, err)) {
        close_view(imap, &selected);
        return false;
    }
    buf_init(&selected.prefix, PREFIX_MAX);
    if (call.owner != 0)
        buf_append(&selected.prefix, str_slice(shown, 0, shown.len - name.len));
    selected.user.handle = session_handle(imap->session);
    imap->selected = selected;
    view_join(selected.view, &imap->selected.user);
    return true;
}

static enum session_next open_mailbox(struct imap *imap, struct str name, bool read_only,
                                      const struct select_parameters *parameters)
{
    struct err err;
    if (imap->state == STATE_SELECTED) {
        respond_untagged(imap, "OK [CLOSED] previous mailbox closed");
        unselect(imap);
    }
    if (!open_view(imap, name, read_only, parameters->qresync, &err))
        return respond_err(imap, &err);
    imap_enter(imap, STATE_SELECTED);
    write_mailbox(imap);
    if (parameters->qresync &&
        parameters->resync.uidvalidity == view_info(imap->selected.view).uidvalidity)
        return qresync_select(imap, &parameters->resync);
    return selected_opened(imap);
}

/* [SP "(" select-param *(SP select-param) ")"] (RFC 4466 2.3), each once */
static struct select_parameters take_parameters(struct imap *imap, struct cursor *c)
{
    struct select_parameters ret = {0};
    if (cursor_at_end(c))
        return ret;
    parse_space(c);
    cursor_expect(c, '(');
    do {
        struct str word = parse_atom(c, "parameter");
        if (str_eq_nocase(word, STR("CONDSTORE")) && !ret.condstore &&
            imap_has_capability(imap, STR("CONDSTORE"))) {
            ret.condstore = true;
        } else if (str_eq_nocase(word, STR("QRESYNC")) && !ret.qresync) {
            ret.qresync = true;
            if (!imap->qresync)
                cursor_fail(c, "QRESYNC after it was enabled");
            parse_space(c);
            ret.resync = qresync_take(c, &imap->arena);
        } else {
            cursor_fail(c, "each known parameter once");
        }
    } while (cursor_skip(c, ' '));
    cursor_expect(c, ')');
    return ret;
}

/* "SELECT" SP mailbox [SP parameters] */
static enum session_next select_or_examine(struct imap *imap, struct cursor *args, bool read_only)
{
    struct err err;
    parse_space(args);
    struct str name = name_take(imap, args);
    struct select_parameters parameters = take_parameters(imap, args);
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    if (imap->uid_only && parameters.resync.numbers.len > 0) /* RFC 9586 3.4 */
        return respond_bad(imap, "[UIDREQUIRED] no message numbers, as was enabled");
    if (!qresync_ascends(&parameters.resync))
        return respond_no(imap, "message numbers and their UIDs must ascend");
    imap->condstore = imap->condstore || parameters.condstore;
    return open_mailbox(imap, name, read_only, &parameters);
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
    struct backend_call call = imap_call_on(imap, imap->selected.view);
    if (!selected_check(imap, &err) ||
        !view_refresh(imap->selected.view, imap->server->backend, &call, true, &err) ||
        !selected_check(imap, &err))
        return respond_err(imap, &err);
    return respond_ok(imap, "checked");
}

/* All that vanished was there and marked \Deleted when the client was last told, up to `since`: it
 * knows what its CLOSE removes. Another session may have heard of it before this one goes on, so
 * that the view has it as expunged already. */
static bool were_marked(const struct selected *selected, uint64_t since,
                        const struct changes *changes)
{
    struct uid_set uids = {0};
    struct view_row rows[ROWS];
    size_t marked = 0, count = 0;
    for (size_t i = 0; i < changes->vanished_len; i++)
        uid_set_add(&uids, changes->vanished_uid[i]);
    uid_set_normalise(&uids);
    do {
        uint32_t after = count > 0 ? rows[count - 1].message.uid : 0;
        count = view_read(selected->view, selected->user.horizon, &uids, after, rows, ROWS);
        for (size_t i = 0; i < count; i++) {
            const struct view_message *m = &rows[i].message;
            bool was_there = m->expunged == 0 || m->expunged > since;
            marked += was_there && (m->flags & FLAG_DELETED) && m->modseq <= since;
        }
    } while (count == ROWS);
    uid_set_release(&uids);
    return marked == changes->vanished_len;
}

/* The modseq that a client may keep which is told nothing more: that of its own expunge when
 * nothing else has happened since it was last told. */
static uint64_t modseq_after(const struct selected *selected, uint64_t since,
                             const struct expunge_result *result)
{
    const struct changes *changes = &result->changes;
    bool nothing_before = since == selected->user.horizon || since == selected->own_until;
    bool all_ours = changes->len == 0 && !changes->more &&
                    result->removed == changes->vanished_len &&
                    were_marked(selected, since, changes);
    return nothing_before && all_ours ? changes->modseq_seen : selected->user.horizon;
}

/* What the client knows of and marked \Deleted goes, without EXPUNGE lines. */
static bool expunge_known(struct imap *imap, uint64_t *ret_modseq, struct err *err)
{
    struct selected *selected = &imap->selected;
    struct backend_call call = imap_call_on(imap, selected->view);
    if (!view_load(selected->view, imap->server->backend, &call, err))
        return err->kind == ERR_NOT_FOUND;
    uint64_t modseq = view_modseq(selected->view);
    struct expunge expunge = {
        .mailbox_id = view_info(selected->view).mailbox_id,
        .below_uid = view_uid_of(selected->view, selected->user.horizon, 0) + 1,
        .since_modseq = modseq,
    };
    struct expunge_result result;
    if (!backend_expunge(imap->server->backend, &call, &expunge, &result, err))
        return err->kind == ERR_NOT_FOUND;
    *ret_modseq = modseq_after(selected, modseq, &result);
    view_apply(selected->view, modseq, &result.changes);
    return true;
}

enum session_next cmd_close(struct imap *imap, struct cursor *args)
{
    struct err err;
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    bool gone = view_info(imap->selected.view).gone;
    bool may = !imap->selected.read_only && !imap->selected.revoked &&
               (imap->selected.rights & RIGHT_EXPUNGE);
    uint64_t modseq = imap->selected.user.horizon;
    /* RFC 4314 4: without the right, it closes all the same. */
    if (!gone && may && !expunge_known(imap, &modseq, &err) && err.kind != ERR_FORBIDDEN)
        return respond_err(imap, &err);
    unselect(imap);
    return respond_ok(imap, "%sclosed", condstore_code(imap, modseq));
}

enum session_next cmd_unselect(struct imap *imap, struct cursor *args)
{
    struct err err;
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    unselect(imap);
    return respond_ok(imap, "unselected");
}
