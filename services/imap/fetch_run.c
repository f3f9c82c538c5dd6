#include "services/imap/fetch_run.h"

#include "common/text/utf8.h"
#include "services/imap/announce.h"
#include "services/imap/flags.h"
#include "services/imap/objectid.h"
#include "services/imap/respond.h"
#include "services/imap/select.h"

#include <string.h>

#define PREVIEW_MAX 200 /* characters (RFC 8970 4.1) */
#define CHUNK (64 * 1024)
#define SCRATCH_SLACK (64 * 1024)
#define NUL_SHOWN_AS '\x80' /* as other servers do; outside ASCII, so that it is seen to be odd */

/* ---- Values */

static void write_savedate(struct buf *out, const struct view_message *m)
{
    if (m->saved_s == 0)
        buf_append(out, STR("NIL"));
    else
        date_write_imap(out, (struct date){.time_s = m->saved_s});
}

static void write_flags(struct buf *out, const struct view_message *m)
{
    buf_append_char(out, '(');
    flags_write(m->flags, out);
    if (m->keywords && m->flags)
        buf_append_char(out, ' ');
    if (m->keywords)
        buf_append(out, m->keywords->text);
    buf_append_char(out, ')');
}

/* RFC 8970 4.1: at most 200 characters, without space around them. */
static void write_preview(struct imap *imap, struct buf *out, const struct structure *structure)
{
    struct str text = str_trim(structure->preview);
    respond_string(out, str_trim(utf8_truncate(text, PREVIEW_MAX)), imap->utf8);
}

/* Starts a literal (literal8 for what has NUL); its bytes follow through write_content. */
static void begin_content(struct buf *out, struct fetch_run *run, const struct fetch_item *item)
{
    if (item->partial)
        content_slice(&run->content, item->offset, item->count);
    if (run->content.has_nul)
        buf_append_char(out, '~');
    buf_append_char(out, '{');
    buf_append_u64(out, content_size(&run->content));
    buf_append(out, STR("}\r\n"));
    run->in_content = true;
}

static bool find_content(struct fetch_run *run, const struct fetch_item *item, struct err *err)
{
    struct message *m = &run->rows.message;
    buf_release(&run->scratch);
    buf_init(&run->scratch, (size_t)m->row->size * 2 + SCRATCH_SLACK);
    if (item->kind == FETCH_BINARY)
        return section_find_decoded(&item->section, m, &run->scratch, &run->content, err);
    /* The file must be there before its size is promised. */
    return section_find(&item->section, m, &run->scratch, &run->content, err) &&
           ((run->content.len == 0 && !m->prefix_damaged) || message_open(m, err));
}

/* Appends one item, or its beginning. */
static bool write_item(struct imap *imap, struct fetch_run *run, const struct fetch_item *item,
                       struct err *err)
{
    struct buf *out = imap_out(imap);
    struct message *m = &run->rows.message;
    uint64_t size = 0;
    bool needs_structure = item->kind == FETCH_ENVELOPE || item->kind == FETCH_BODY ||
                           item->kind == FETCH_BODYSTRUCTURE || item->kind == FETCH_BINARY ||
                           item->kind == FETCH_BINARY_SIZE || item->kind == FETCH_PREVIEW ||
                           section_needs_structure(&item->section);
    if (needs_structure)
        TRY(message_need_structure(m, err));
    if ((item->kind == FETCH_EMAILID || item->kind == FETCH_THREADID) && m->email_id == 0)
        return err_set(err, ERR_NOT_FOUND, "message %u is gone", m->row->uid);
    if (item->kind == FETCH_SECTION || item->kind == FETCH_BINARY)
        TRY(find_content(run, item, err));
    if (item->kind == FETCH_BINARY_SIZE)
        TRY(section_decoded_size(&item->section, m, &size, err));
    buf_append(out, run->has_item ? item->label : str_skip(item->label, 1));
    run->has_item = true;
    switch (item->kind) {
    case FETCH_FLAGS:
        write_flags(out, m->row);
        break;
    case FETCH_INTERNALDATE:
        date_write_imap(out, (struct date){m->row->received_s, m->row->zone_minutes});
        break;
    case FETCH_SAVEDATE:
        write_savedate(out, m->row);
        break;
    case FETCH_SIZE:
        buf_append_u64(out, m->row->size);
        break;
    case FETCH_ENVELOPE:
        fetch_write_envelope(out, m->structure->envelope, imap->utf8);
        break;
    case FETCH_BODY:
    case FETCH_BODYSTRUCTURE:
        fetch_write_body(out, m->structure->root, item->kind == FETCH_BODYSTRUCTURE, imap->utf8);
        break;
    case FETCH_BINARY_SIZE:
        buf_append_u64(out, size);
        break;
    case FETCH_MODSEQ:
        buf_append_char(out, '(');
        buf_append_u64(out, m->row->modseq);
        buf_append_char(out, ')');
        break;
    case FETCH_SECTION:
    case FETCH_BINARY:
        begin_content(out, run, item);
        break;
    case FETCH_PREVIEW:
        write_preview(imap, out, m->structure);
        break;
    case FETCH_EMAILID:
        objectid_write(out, OBJECTID_MESSAGE, m->account_id, m->email_id);
        break;
    case FETCH_THREADID:
        if (m->thread_id == 0)
            buf_append(out, STR("NIL"));
        else
            objectid_write(out, OBJECTID_THREAD, m->account_id, m->thread_id);
        break;
    case FETCH_UID: /* is given with every message */
        break;
    }
    return true;
}

/* ---- Steps */

/* A message whose file or row is gone was expunged by another session long ago: the command goes on
 * with the rest (RFC 9051 7.1, EXPUNGEISSUED). Or, where the view knows of no expunge, the whole
 * account is gone, or the right to see a mailbox of another, which store says. Anything else ends
 * it. */
static void note_failure(struct imap *imap, struct fetch_run *run)
{
    struct err err;
    struct backend_call call = imap_call_on(imap, imap->selected.view);
    run->failed = run->err.kind != ERR_NOT_FOUND || run->err.reply[0] != '\0';
    if (run->failed)
        return;
    run->expunge_issued = true;
    if (run->refreshed || rows_is_known_expunged(&run->rows))
        return;
    run->refreshed = true;
    if (view_refresh(imap->selected.view, imap->server->backend, &call, true, &err))
        return;
    bool is_hidden = run->rows.is_others && err.kind == ERR_NOT_FOUND;
    if (is_hidden)
        selected_fail_revoked(&err);
    run->failed = is_hidden || err.kind == ERR_DENIED;
    if (run->failed)
        run->err = err;
}

/* What is damaged of a message is left out, and the command goes on (decision 0004). */
static void note_damage(struct imap *imap, struct fetch_run *run)
{
    if (run->row_damaged)
        return;
    run->row_damaged = true;
    if (run->damaged++ == 0)
        run->damaged_uid = run->rows.message.row->uid;
    rows_log_damage(&run->rows, imap, &run->err);
}

/* A plain literal has no NUL (RFC 9051 4.3: CHAR8). Mail may, although RFC 5322 4 forbids it. */
static void replace_nul(char *bytes, size_t len)
{
    char *end = bytes + len;
    for (char *nul = memchr(bytes, '\0', len); nul; nul = memchr(nul, '\0', (size_t)(end - nul)))
        *nul = NUL_SHOWN_AS;
}

static enum fetch_step write_content(struct imap *imap, struct fetch_run *run)
{
    struct err err;
    struct content *content = &run->content;
    struct buf *out = imap_out(imap);
    while (content_size(content) > 0) {
        if (session_out_is_full(imap->session))
            return FETCH_FULL;
        size_t before = out->len;
        uint64_t len = content->len < CHUNK ? content->len : CHUNK;
        if (content->head.len > 0) {
            len = content->head.len < CHUNK ? content->head.len : CHUNK;
            buf_append(out, str_slice(content->head, 0, (size_t)len));
        } else if (!message_read(&run->rows.message, content->offset, (size_t)len, out, &err)) {
            log_error(session_log(imap->session), "message not readable", LOG_ERR(&err));
            return FETCH_BROKEN;
        }
        if (!content->has_nul)
            replace_nul(out->ptr + before, out->len - before);
        content_slice(content, len, UINT64_MAX);
    }
    run->in_content = false;
    return FETCH_DONE;
}

static void end_row(struct imap *imap, struct fetch_run *run)
{
    const struct view_message *m = run->rows.message.row;
    struct buf *out = imap_out(imap);
    if (!run->has_item) { /* none could be made, and a list is never empty */
        buf_append(out, STR("UID "));
        buf_append_u64(out, m->uid);
    }
    buf_append(out, STR(")\r\n"));
    if (run->items.sets_seen && selected_marks_seen(imap) && !(m->flags & FLAG_SEEN) &&
        !run->failed && !run->row_damaged)
        uid_set_add(&run->seen, m->uid);
    if (m->expunged != 0)
        run->expunge_issued = true;
    run->in_row = false;
    rows_next(&run->rows);
}

/* One message, from where it was left. */
static enum fetch_step write_row(struct imap *imap, struct fetch_run *run)
{
    if (!run->in_row) {
        run->has_item = announce_fetch_start(imap, &run->rows.row, run->items.uid);
        run->in_row = true;
        run->row_damaged = false;
        run->item = 0;
    }
    for (;;) {
        if (run->in_content) {
            enum fetch_step step = write_content(imap, run);
            if (step != FETCH_DONE)
                return step;
        }
        if (run->item == run->items.len)
            break;
        if (write_item(imap, run, &run->items.items[run->item++], &run->err))
            continue;
        if (run->err.kind != ERR_CORRUPT) {
            note_failure(imap, run);
            break;
        }
        note_damage(imap, run);
    }
    end_row(imap, run);
    return FETCH_DONE;
}

enum fetch_step fetch_run_go(struct imap *imap, struct fetch_run *run)
{
    while (!run->failed) {
        if (session_out_is_full(imap->session))
            return FETCH_FULL;
        if (!run->in_row && !rows_load(&run->rows, imap, &run->err)) {
            if (run->err.kind == ERR_NONE)
                break;
            note_failure(imap, run);
            rows_next(&run->rows);
            continue;
        }
        enum fetch_step step = write_row(imap, run);
        if (step != FETCH_DONE)
            return step;
    }
    return FETCH_DONE;
}

enum fetch_step fetch_run_tell(struct imap *imap, struct fetch_run *run)
{
    enum fetch_step step = fetch_run_go(imap, run);
    while (step == FETCH_DONE && run->failed) {
        respond_untagged(imap, "NO a new message has not what is asked for");
        if (run->err.kind != ERR_STATE && run->err.kind != ERR_NOT_FOUND)
            break;
        run->failed = false;
        step = fetch_run_go(imap, run);
    }
    if (step == FETCH_DONE && run->damaged > 0)
        respond_untagged(imap, "NO [CORRUPTION] a new message is damaged");
    return step;
}

struct fetch_run *fetch_run_new(struct imap *imap, const struct fetch_items *items,
                                struct uid_set *uids)
{
    struct fetch_run *run = xcalloc(1, sizeof(*run));
    run->items = *items;
    rows_init(&run->rows, imap, uids, items->structure, items->prefix);
    run->rows.ids = items->ids;
    return run;
}

void fetch_run_free(struct fetch_run *run)
{
    if (!run)
        return;
    rows_release(&run->rows);
    uid_set_release(&run->seen);
    buf_release(&run->scratch);
    free(run);
}
