#include "services/imap/command.h"
#include "services/imap/condstore.h"
#include "services/imap/names.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/select.h"
#include "services/imap/shared.h"

/* COPY, MOVE, EXPUNGE (RFC 9051 6.4.3, 6.4.7 to 6.4.9). */

#define CODE_MAX (1 << 20)

static void write_set(struct buf *out, const struct uid_list *list)
{
    struct uid_set set = {0};
    for (size_t i = 0; i < list->len; i++)
        uid_set_add_range(&set, list->uids[i], list->uids[i]);
    uid_set_normalise(&set);
    uid_set_write(&set, out);
    uid_set_release(&set);
}

/* "COPYUID validity source-set target-set"; both ascending and compact (spec 2.25). */
static void write_copyuid(struct buf *out, const struct copy_result *result)
{
    buf_printf(out, "COPYUID %u ", result->uidvalidity);
    write_set(out, &result->source);
    buf_append_char(out, ' ');
    write_set(out, &result->target);
}

static enum session_next copied(struct imap *imap, bool move, const struct copy_result *result)
{
    struct buf code;
    enum session_next next;
    buf_init(&code, CODE_MAX);
    write_copyuid(&code, result);
    if (move) { /* before the EXPUNGE lines, which come with the tagged answer (RFC 6851 4.3) */
        buf_append(imap_out(imap), STR("* OK ["));
        buf_append(imap_out(imap), buf_str(&code));
        buf_append(imap_out(imap), STR("] moved\r\n"));
        uint64_t modseq = view_modseq(imap->selected.view);
        next = respond_ok(imap, "%smoved", condstore_code(imap, modseq));
    } else {
        next = respond_ok(imap, "[%.*s] copied", STR_ARG(buf_str(&code)));
    }
    buf_release(&code);
    return next;
}

static enum session_next copy_failed(struct imap *imap, const struct err *err)
{
    if (err->kind == ERR_NOT_FOUND)
        return respond_no(imap, "[TRYCREATE] no such mailbox");
    if (err->kind == ERR_CONFLICT)
        return respond_no(imap, "[CANNOT] source and destination are the same mailbox");
    return respond_err(imap, err);
}

static enum session_next copy_or_move(struct imap *imap, struct uid_set *set, struct str to,
                                      bool move)
{
    struct err err;
    struct view *view = imap->selected.view;
    struct copy copy = {
        .move = move, .mailbox_id = view_info(view).mailbox_id, .since_modseq = view_modseq(view)};
    bool listed = selected_list_uids(imap, set, &copy.uids, &err);
    uid_set_release(set);
    if (!listed || !selected_check(imap, &err))
        return respond_err(imap, &err);
    if (copy.uids.len == 0)
        return respond_no(imap, "no such message");
    struct copy_result result;
    struct backend_call call = imap_call_on(imap, view), target = imap_call(imap);
    if (!shared_find(imap, to, &target, &copy.to, &err))
        return copy_failed(imap, &err);
    copy.to_owner = target.owner;
    if (!backend_copy(imap->server->backend, &call, &copy, &result, &err))
        return copy_failed(imap, &err);
    view_apply(view, copy.since_modseq, &result.changes);
    if (result.source.len == 0)
        return respond_no(imap, "[EXPUNGEISSUED] the messages are gone");
    return copied(imap, move, &result);
}

/* SP sequence-set SP mailbox */
static enum session_next take_copy(struct imap *imap, struct cursor *args, bool move)
{
    struct err err;
    struct uid_set uids;
    parse_space(args);
    struct sequence_set set = parse_sequence_set(args, &imap->arena);
    parse_space(args);
    struct str to = name_take(imap, args);
    if (!cursor_finish(args, &err) || !selected_resolve(imap, &set, imap->uid, &uids, &err))
        return respond_syntax(imap, &err);
    return copy_or_move(imap, &uids, to, move);
}

enum session_next cmd_copy(struct imap *imap, struct cursor *args)
{
    return take_copy(imap, args, false);
}

enum session_next cmd_move(struct imap *imap, struct cursor *args)
{
    return take_copy(imap, args, true);
}

/* ---- EXPUNGE */

/* UID EXPUNGE names messages; both only take what the client knows of and is \Deleted. */
static enum session_next expunge(struct imap *imap, const struct uid_list *only)
{
    struct err err;
    struct selected *selected = &imap->selected;
    struct expunge expunge = {
        .mailbox_id = view_info(selected->view).mailbox_id,
        .only = only,
        .below_uid = view_uid_of(selected->view, selected->user.horizon, 0) + 1,
        .since_modseq = view_modseq(selected->view),
    };
    struct expunge_result result;
    struct backend_call call = imap_call_on(imap, selected->view);
    if (!selected_check(imap, &err) ||
        !backend_expunge(imap->server->backend, &call, &expunge, &result, &err))
        return respond_err(imap, &err);
    view_apply(selected->view, expunge.since_modseq, &result.changes);
    uint64_t modseq = view_modseq(selected->view);
    return respond_ok(imap, "%sexpunged", condstore_code(imap, modseq));
}

enum session_next cmd_expunge(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct uid_set uids = {0};
    struct sequence_set set = {0};
    if (imap->uid) {
        parse_space(args);
        set = parse_sequence_set(args, &imap->arena);
    }
    if (!cursor_finish(args, &err) || !selected_resolve(imap, &set, true, &uids, &err))
        return respond_syntax(imap, &err);
    if (!imap->uid)
        return expunge(imap, NULL);
    struct uid_list only;
    bool listed = selected_list_uids(imap, &uids, &only, &err);
    uid_set_release(&uids);
    return listed ? expunge(imap, &only) : respond_err(imap, &err);
}
