#include "services/imap/announce.h"
#include "services/imap/command.h"
#include "services/imap/fetch.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/rows.h"
#include "services/imap/select.h"

#include <string.h>

/*
 * FETCH (RFC 9051 6.4.5). Rows come from the view in batches, prefixes and structures of a batch
 * with one RPC, text straight from the message's file into the output. Whenever the output is full
 * the command returns SESSION_MORE, wherever it is, and goes on there.
 */

#define CHUNK (64 * 1024)
#define SCRATCH_SLACK (64 * 1024)
#define NUL_SHOWN_AS '\x80' /* as other servers do; outside ASCII, so that it is seen to be odd */

struct fetch_work {
    struct fetch_items items;
    struct rows rows;
    size_t item;            /* of the row; 0 also before its line began */
    bool in_row;            /* its line has begun */
    struct content content; /* of the item that is being written */
    bool in_content;
    struct buf scratch;  /* bytes that `content` borrows */
    struct uid_set seen; /* messages that this command has read */
    bool expunge_issued; /* some were expunged by others meanwhile */
    bool failed;         /* an item could not be made: the command ends with NO */
    struct err err;
};

static void work_free(void *pointer)
{
    struct fetch_work *work = pointer;
    rows_release(&work->rows);
    uid_set_release(&work->seen);
    buf_release(&work->scratch);
    free(work);
}

/* ---- Values */

static char *two_digits(char *at, int value)
{
    at[0] = (char)('0' + value / 10);
    at[1] = (char)('0' + value % 10);
    return at + 2;
}

/* date-time = DQUOTE dd-Mon-yyyy SP hh:mm:ss SP zone DQUOTE. By hand: clients ask for it for all
 * messages of a mailbox. */
static void write_internaldate(struct buf *out, const struct view_message *m)
{
    struct date_fields f = date_to_fields((struct date){m->received_s, m->zone_minutes});
    int zone = m->zone_minutes < 0 ? -m->zone_minutes : m->zone_minutes;
    char text[] = "\"dd-Mon-yyyy hh:mm:ss +zzzz\"";
    two_digits(text + 1, f.day);
    if (text[1] == '0')
        text[1] = ' ';
    memcpy(text + 4, date_month_name(f.month), 3);
    two_digits(two_digits(text + 8, f.year / 100), f.year % 100);
    two_digits(text + 13, f.hour);
    two_digits(text + 16, f.minute);
    two_digits(text + 19, f.second);
    text[22] = m->zone_minutes < 0 ? '-' : '+';
    two_digits(two_digits(text + 23, zone / 60), zone % 60);
    buf_append(out, str_make(text, sizeof(text) - 1));
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

/* Starts a literal (literal8 for what has NUL); its bytes follow through write_content. */
static void begin_content(struct buf *out, struct fetch_work *work, const struct fetch_item *item)
{
    if (item->partial)
        content_slice(&work->content, item->offset, item->count);
    if (work->content.has_nul)
        buf_append_char(out, '~');
    buf_append_char(out, '{');
    buf_append_u64(out, content_size(&work->content));
    buf_append(out, STR("}\r\n"));
    work->in_content = true;
}

static bool find_content(struct fetch_work *work, const struct fetch_item *item, struct err *err)
{
    struct message *m = &work->rows.message;
    buf_release(&work->scratch);
    buf_init(&work->scratch, (size_t)m->row->size * 2 + SCRATCH_SLACK);
    if (item->kind == FETCH_BINARY)
        return section_find_decoded(&item->section, m, &work->scratch, &work->content, err);
    /* The file must be there before its size is promised. */
    return section_find(&item->section, m, &work->scratch, &work->content, err) &&
           (work->content.len == 0 || message_open(m, err));
}

/* Appends one item, or its beginning. */
static bool write_item(struct imap *imap, struct fetch_work *work, const struct fetch_item *item,
                       struct err *err)
{
    struct buf *out = imap_out(imap);
    struct message *m = &work->rows.message;
    uint64_t size = 0;
    bool needs_structure = item->kind == FETCH_ENVELOPE || item->kind == FETCH_BODY ||
                           item->kind == FETCH_BODYSTRUCTURE || item->kind == FETCH_BINARY ||
                           item->kind == FETCH_BINARY_SIZE ||
                           section_needs_structure(&item->section);
    if (needs_structure && !m->structure)
        return err_set(err, ERR_NOT_FOUND, "message %u is gone", m->row->uid);
    if (item->kind == FETCH_SECTION || item->kind == FETCH_BINARY)
        TRY(find_content(work, item, err));
    if (item->kind == FETCH_BINARY_SIZE)
        TRY(section_decoded_size(&item->section, m, &size, err));
    buf_append(out, item->label);
    switch (item->kind) {
    case FETCH_FLAGS:
        write_flags(out, m->row);
        break;
    case FETCH_INTERNALDATE:
        write_internaldate(out, m->row);
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
    case FETCH_SECTION:
    case FETCH_BINARY:
        begin_content(out, work, item);
        break;
    case FETCH_UID: /* is given with every message */
        break;
    }
    return true;
}

/* ---- Steps */

/* A message whose file or row is gone was expunged by another session long ago: the command goes on
 * with the rest (RFC 9051 7.1, EXPUNGEISSUED). Anything else ends it. */
static void note_failure(struct fetch_work *work)
{
    if (work->err.kind == ERR_NOT_FOUND && work->err.reply[0] == '\0')
        work->expunge_issued = true;
    else
        work->failed = true;
}

enum step {
    STEP_DONE,
    STEP_FULL,   /* of output: go on when it has drained */
    STEP_BROKEN, /* a promised literal cannot be completed: the connection must end */
};

/* A plain literal has no NUL (RFC 9051 4.3: CHAR8). Mail may, although RFC 5322 4 forbids it. */
static void replace_nul(char *bytes, size_t len)
{
    char *end = bytes + len;
    for (char *nul = memchr(bytes, '\0', len); nul; nul = memchr(nul, '\0', (size_t)(end - nul)))
        *nul = NUL_SHOWN_AS;
}

static enum step write_content(struct imap *imap, struct fetch_work *work)
{
    struct err err;
    struct content *content = &work->content;
    struct buf *out = imap_out(imap);
    while (content_size(content) > 0) {
        if (session_out_is_full(imap->session))
            return STEP_FULL;
        size_t before = out->len;
        uint64_t len = content->len < CHUNK ? content->len : CHUNK;
        if (content->head.len > 0) {
            len = content->head.len < CHUNK ? content->head.len : CHUNK;
            buf_append(out, str_slice(content->head, 0, (size_t)len));
        } else if (!message_read(&work->rows.message, content->offset, (size_t)len, out, &err)) {
            log_error(session_log(imap->session), "message not readable", LOG_ERR(&err));
            return STEP_BROKEN;
        }
        if (!content->has_nul)
            replace_nul(out->ptr + before, out->len - before);
        content_slice(content, len, UINT64_MAX);
    }
    work->in_content = false;
    return STEP_DONE;
}

static void end_row(struct imap *imap, struct fetch_work *work)
{
    const struct view_message *m = work->rows.message.row;
    buf_append(imap_out(imap), STR(")\r\n"));
    if (work->items.sets_seen && !imap->selected.read_only && !(m->flags & FLAG_SEEN) &&
        !work->failed)
        uid_set_add(&work->seen, m->uid);
    if (m->expunged != 0)
        work->expunge_issued = true;
    work->in_row = false;
    rows_next(&work->rows);
}

/* One message, from where it was left. */
static enum step write_row(struct imap *imap, struct fetch_work *work)
{
    if (!work->in_row) {
        announce_fetch_start(imap_out(imap), &work->rows.row, false);
        work->in_row = true;
        work->item = 0;
    }
    for (;;) {
        if (work->in_content) {
            enum step step = write_content(imap, work);
            if (step != STEP_DONE)
                return step;
        }
        if (work->item == work->items.len)
            break;
        if (!write_item(imap, work, &work->items.items[work->item++], &work->err)) {
            note_failure(work);
            break;
        }
    }
    end_row(imap, work);
    return STEP_DONE;
}

/* The flags that reading sets, all in one transaction, when everything is sent. The client learns
 * of them as of any other change. */
static void mark_seen(struct imap *imap, struct fetch_work *work)
{
    struct err err;
    struct view *view = imap->selected.view;
    if (uid_set_is_empty(&work->seen))
        return;
    struct store_flags store = {.mailbox_id = view_info(view).mailbox_id,
                                .mode = STORE_ADD,
                                .flags = FLAG_SEEN,
                                .since_modseq = view_modseq(view)};
    uint64_t modseq;
    struct changes changes;
    struct backend_call call = imap_call(imap);
    if (selected_list_uids(imap, &work->seen, &store.uids, &err) &&
        backend_store_flags(imap->server->backend, &call, &store, &modseq, &changes, &err))
        view_apply(view, store.since_modseq, &changes);
    else
        log_warn(session_log(imap->session), "messages not marked as seen", LOG_ERR(&err));
}

static enum session_next finish(struct imap *imap, struct fetch_work *work)
{
    struct err err = work->err;
    bool expunged = work->expunge_issued;
    mark_seen(imap, work);
    if (!work->failed)
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
    while (!work->failed) {
        if (session_out_is_full(imap->session))
            return SESSION_MORE;
        if (!work->in_row && !rows_load(&work->rows, imap, &work->err)) {
            if (work->err.kind == ERR_NONE)
                break;
            note_failure(work);
            rows_next(&work->rows);
            continue;
        }
        enum step step = write_row(imap, work);
        if (step == STEP_BROKEN)
            return SESSION_ABORT;
        if (step == STEP_FULL)
            return SESSION_MORE;
    }
    return finish(imap, work);
}

/* "FETCH" SP sequence-set SP items */
enum session_next cmd_fetch(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct uid_set uids;
    parse_space(args);
    struct sequence_set set = parse_sequence_set(args, &imap->arena);
    parse_space(args);
    struct fetch_items items = fetch_take_items(args, &imap->arena);
    if (!cursor_finish(args, &err) || !selected_resolve(imap, &set, imap->uid, &uids, &err))
        return respond_syntax(imap, &err);
    if (!selected_check(imap, &err)) {
        uid_set_release(&uids);
        return respond_err(imap, &err);
    }
    struct fetch_work *work = xcalloc(1, sizeof(*work));
    work->items = items;
    rows_init(&work->rows, imap, &uids, items.structure, items.prefix);
    imap_set_work(imap, work, work_free);
    if (items.prefix)
        session_set_trace(imap->session, LOG_TRACE_DATA);
    return fetch_more(imap);
}
