#include "services/imap/append.h"
#include "services/imap/append_work.h"
#include "services/imap/catenate.h"
#include "services/imap/condstore.h"
#include "services/imap/imap_url.h"
#include "services/imap/names.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/select.h"
#include "services/imap/shared.h"

/* A client that does not wait sends messages up to here without being asked; for larger ones it is
 * worth an RPC to know whether there is room. */
#define CHECK_ABOVE (64 * 1024)
/* What is dropped of a replacement that failed already (spec 2.17). */
#define DROPPED_MAX 1000000

/* ---- The answer */

static void refresh_view(struct imap *imap)
{
    struct err err;
    struct backend_call call = imap_call_on(imap, imap->selected.view);
    if (!view_refresh(imap->selected.view, imap->server->backend, &call, true, &err))
        log_debug(session_log(imap->session), "view not refreshed", LOG_ERR(&err));
}

static enum session_next respond_failure(struct imap *imap, const struct append_work *work)
{
    if (work->wrong)
        return respond_syntax(imap, &work->err);
    if (work->zero)
        return respond_no(imap, "a message of no bytes cannot be stored");
    if (!str_is_null(work->badurl))
        return respond_no(imap, "[BADURL %.*s] nothing was stored", STR_ARG(work->badurl));
    if (work->replace_uid != 0 && work->err.kind == ERR_STATE)
        refresh_view(imap); /* the message was expunged: the client learns it first */
    if (work->err.kind == ERR_NOT_FOUND)
        return respond_no(imap, "[TRYCREATE] no such mailbox");
    return respond_err(imap, &work->err);
}

static enum session_next stored(struct imap *imap, const struct append_result *result,
                                bool replaced)
{
    struct uid_set uids = {0};
    struct buf text;
    buf_init(&text, 4096);
    for (size_t i = 0; i < result->len; i++)
        uid_set_add_range(&uids, result->uids[i], result->uids[i]);
    uid_set_normalise(&uids);
    uid_set_write(&uids, &text);
    enum session_next next;
    if (replaced) {
        /* RFC 8508 3.2: in front of the EXPUNGE of what it replaces. */
        respond_untagged(imap, "OK [APPENDUID %u %.*s] stored", result->uidvalidity,
                         STR_ARG(buf_str(&text)));
        uint64_t modseq = view_modseq(imap->selected.view);
        next = respond_ok(imap, "%sreplaced", condstore_code(imap, modseq));
    } else {
        next = respond_ok(imap, "[APPENDUID %u %.*s] stored", result->uidvalidity,
                          STR_ARG(buf_str(&text)));
    }
    buf_release(&text);
    uid_set_release(&uids);
    return next;
}

/* The selected mailbox, when it is in the account of the target and its changes can come with the
 * answer. */
static struct view *view_beside(const struct imap *imap, const struct backend_call *call)
{
    struct view *view = imap->selected.view;
    bool same = view && view_owner(view) == shared_owner(imap, call);
    return same && !imap->selected.revoked ? view : NULL;
}

/* All messages are here: one call stores them together. */
static enum session_next store_messages(struct imap *imap, struct append_work *work)
{
    struct err err;
    struct append_item items[APPEND_MESSAGES_MAX];
    struct str name;
    struct backend_call call = imap_call(imap);
    if (!shared_find(imap, work->name, &call, &name, &err)) {
        append_fail(work, &err);
        return respond_failure(imap, work);
    }
    struct view *view = view_beside(imap, &call);
    if (!view && work->replace_uid != 0)
        return respond_no(imap, "[CANNOT] a message is replaced in the account that it is in");
    for (size_t i = 0; i < work->len; i++)
        items[i] = work->messages[i]->item;
    struct append append = {
        .name = name,
        .items = items,
        .len = work->len,
        .replace_uid = work->replace_uid,
        .view_mailbox_id = view ? view_info(view).mailbox_id : 0,
        .since_modseq = view ? view_modseq(view) : 0,
    };
    struct append_result result;
    if (!backend_append(imap->server->backend, &call, &append, &result, &err)) {
        append_fail(work, &err);
        return respond_failure(imap, work);
    }
    if (view && result.has_changes)
        view_apply(view, append.since_modseq, &result.changes);
    return stored(imap, &result, work->replace_uid != 0);
}

/* ---- Bytes that the client sends */

static enum session_next line_input(struct imap *imap, struct str unit);

static enum session_next data_input(struct imap *imap, struct str unit)
{
    struct append_work *work = imap->work;
    append_write(work, unit);
    if (imap->frame.mode == FRAME_BYTES)
        return SESSION_READ;
    if (!work->in_parts)
        append_finish_message(work);
    session_set_trace(imap->session, LOG_TRACE_LINE);
    imap->input = line_input;
    return SESSION_READ;
}

/* url-resp-text: what a response code may hold */
static bool is_code_text(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_visible((unsigned char)text.ptr[i]) || text.ptr[i] == ']' || text.ptr[i] == '\\')
            return false;
    return text.len > 0 && text.len <= 500;
}

/* RFC 4469 3: a URL is a piece of the message, already here. */
static void add_url(struct imap *imap, struct append_work *work, struct str url)
{
    struct err err;
    if (work->failed)
        return;
    struct spool_file *spool = &append_last(work)->spool;
    uint64_t room = imap->server->config->append_max - spool->size;
    if (catenate_url(imap, url, room, &work->arena, spool, &err))
        return;
    if (err.kind == ERR_LIMIT) {
        err_set(&err, ERR_STATE, "too large with %.*s", STR_ARG(url));
        err_reply(&err, "[TOOBIG] message too large");
    } else if (!err_is_transient(err.kind)) {
        work->badurl = is_code_text(url) ? arena_copy(&work->arena, url) : STR("/");
    }
    append_fail(work, &err);
}

static enum session_next url_input(struct imap *imap, struct str unit)
{
    struct append_work *work = imap->work;
    buf_append(&work->url, unit); /* is not larger: begin_url */
    if (imap->frame.mode == FRAME_BYTES)
        return SESSION_READ;
    add_url(imap, work, buf_str(&work->url));
    imap->input = line_input;
    return SESSION_READ;
}

/* ---- Before a message */

/* Is there such a mailbox, and room? Of another's only that is told, not how much. */
static void check_mailbox(struct imap *imap, struct append_work *work, uint64_t size)
{
    struct err err;
    struct backend_call call = imap_call_in(imap, &work->arena);
    struct str name;
    work->checked = true;
    if (!shared_find(imap, work->name, &call, &name, &err) ||
        !backend_check_append(imap->server->backend, &call, name, size, &work->room, &err))
        append_fail(work, &err);
}

static void fail_empty(struct append_work *work)
{
    struct err err;
    work->zero = true;
    err_set(&err, ERR_SYNTAX, "message of no bytes");
    append_fail(work, &err);
}

static void check_size(struct imap *imap, struct append_work *work,
                       const struct frame_literal *literal)
{
    struct err err;
    if (work->failed)
        return;
    if (!work->checked && (literal->sync || literal->size > CHECK_ABOVE))
        check_mailbox(imap, work, literal->size);
    if (!work->checked)
        return;
    if (literal->size > work->room) {
        err_set(&err, ERR_LIMIT, "over quota");
        err_reply(&err, "[OVERQUOTA] no room for the message");
        append_fail(work, &err);
    } else {
        work->room -= literal->size;
    }
}

/* Too much to be taken, or even to be dropped. */
static bool is_too_large(const struct imap *imap, const struct append_work *work,
                         const struct frame_literal *literal)
{
    if (literal->sync)
        return literal->size > imap->server->config->append_max;
    if (work->failed && work->replace_uid != 0 && literal->size > DROPPED_MAX)
        return true;
    return literal->size > imap->server->config->append_max ||
           !imap_may_come_unasked(imap, literal);
}

static enum session_next refuse_large(struct imap *imap, const struct append_work *work,
                                      const struct frame_literal *literal)
{
    if (literal->sync)
        return respond_no(imap, "[TOOBIG] message too large");
    respond_untagged(imap, "BYE [ALERT] message too large");
    if (work->replace_uid != 0)
        respond_bad(imap, "[TOOBIG] message too large");
    else
        respond_no(imap, "[TOOBIG] message too large");
    return SESSION_CLOSE;
}

/* The client may send the literal, or is told now why not. What is sent unasked is read anyway. */
static enum session_next begin_bytes(struct imap *imap, struct append_work *work,
                                     const struct frame_literal *literal)
{
    if (is_too_large(imap, work, literal))
        return refuse_large(imap, work, literal);
    if (literal->sync && work->failed)
        return respond_failure(imap, work);
    if (literal->sync)
        respond_continue(imap, STR("Ready"));
    session_set_trace(imap->session, LOG_TRACE_DATA);
    imap_expect_bytes(imap, literal->size);
    imap->input = literal->size > 0 ? data_input : line_input;
    return SESSION_READ;
}

/* `item` is not looked at when the command has failed. */
static enum session_next begin_message(struct imap *imap, struct append_work *work,
                                       const struct append_item *item,
                                       const struct frame_literal *literal)
{
    if (literal->size == 0)
        fail_empty(work);
    check_size(imap, work, literal);
    if (!is_too_large(imap, work, literal))
        append_open_message(imap, work, item, literal->size);
    return begin_bytes(imap, work, literal);
}

/* A part of a message. */
static enum session_next begin_text(struct imap *imap, struct append_work *work,
                                    const struct frame_literal *literal)
{
    struct err err;
    check_size(imap, work, literal);
    if (!work->failed &&
        literal->size > imap->server->config->append_max - append_last(work)->spool.size) {
        err_set(&err, ERR_STATE, "the parts are too large");
        err_reply(&err, "[TOOBIG] message too large");
        append_fail(work, &err);
    }
    return begin_bytes(imap, work, literal);
}

static enum session_next begin_url(struct imap *imap, struct append_work *work,
                                   const struct frame_literal *literal)
{
    struct err err;
    if (literal->size > IMAP_URL_MAX) {
        err_set(&err, ERR_LIMIT, "URL too long");
        append_fail(work, &err);
        work->wrong = true;
    }
    bool is_wanted = !work->failed;
    buf_reset(&work->url);
    enum session_next next = begin_bytes(imap, work, literal);
    if (is_wanted && imap->input == data_input)
        imap->input = url_input;
    return next;
}

/* [SP flag-list] [SP date-time] SP ["UTF8" SP "("], up to the literal */
static void take_item(struct imap *imap, struct cursor *c, struct append_item *item,
                      bool *ret_utf8_form)
{
    struct append_work *work = imap->work;
    struct arena *arena = work ? &work->arena : &imap->arena;
    if (cursor_next_is(c, '(')) {
        struct flag_list flags = parse_flag_list(c, arena);
        item->flags = flags.flags;
        item->keywords = flags.keywords;
        item->keyword_count = flags.keyword_count;
        parse_space(c);
    }
    if (cursor_next_is(c, '"')) {
        item->has_received = true;
        item->received = parse_date_time(c);
        parse_space(c);
    }
    *ret_utf8_form = cursor_skip_nocase(c, STR("UTF8 ("));
}

static void take_error(struct cursor *c, struct err *err)
{
    cursor_fail(c, "message literal");
    if (cursor_check(c, err))
        BUG("no failure");
}

/* A wrong line whose message comes unasked is answered after it. */
static enum session_next wrong(struct imap *imap, struct append_work *work, struct cursor *c,
                               const struct frame_literal *literal)
{
    struct err err;
    take_error(c, &err);
    if (!literal || literal->sync)
        return respond_syntax(imap, &err);
    append_fail(work, &err);
    work->wrong = true;
    return begin_bytes(imap, work, literal);
}

/* ---- The command's text */

/* What a piece of text leads to. */
enum place {
    AT_END,     /* of the command, or of the parts */
    AT_MESSAGE, /* a literal that is a message */
    AT_TEXT,    /* one that is a part of it */
    AT_URL,     /* one that names a part */
    AT_ERROR,
};

static bool is_at(const struct cursor *c, const struct frame_literal *literal)
{
    return literal && !cursor_failed(c) && cursor_offset(c) == literal->offset;
}

static bool is_at_line_end(const struct cursor *c)
{
    return cursor_at_end(c) || cursor_next_is(c, '\r') || cursor_next_is(c, '\n');
}

/* RFC 4469 5: cat-part = "URL" SP astring / "TEXT" SP literal, with SP between, then ")" */
static enum place take_parts(struct imap *imap, struct cursor *c,
                             const struct frame_literal *literal)
{
    struct append_work *work = imap->work;
    for (;;) {
        if (!work->at_first_part && cursor_skip(c, ')'))
            return AT_END;
        if (!work->at_first_part)
            parse_space(c);
        work->at_first_part = false;
        if (cursor_skip_nocase(c, STR("TEXT ")))
            return is_at(c, literal) ? AT_TEXT : AT_ERROR;
        cursor_expect_nocase(c, STR("URL "));
        if (is_at(c, literal))
            return AT_URL;
        struct str url = parse_astring(c, &work->arena);
        if (cursor_failed(c))
            return AT_ERROR;
        add_url(imap, work, url);
    }
}

/* All parts are here. */
static void end_parts(struct append_work *work)
{
    work->in_parts = false;
    if (!work->failed && append_last(work)->spool.size == 0)
        fail_empty(work);
    append_finish_message(work);
}

/* SP append-message, where another one may come; `item` is what is said of it. */
static enum place take_message(struct imap *imap, struct cursor *c,
                               const struct frame_literal *literal, struct append_item *item)
{
    struct append_work *work = imap->work;
    if (work->replace_uid != 0 && work->begun > 0)
        cursor_fail(c, "the end: one message replaces one");
    work->begun++;
    parse_space(c);
    *item = (struct append_item){0};
    take_item(imap, c, item, &work->utf8_form);
    if (!imap_has_capability(imap, STR("CATENATE")) || !cursor_skip_nocase(c, STR("CATENATE (")))
        return is_at(c, literal) ? AT_MESSAGE : AT_ERROR;
    append_open_message(imap, work, item, 0);
    work->in_parts = work->at_first_part = true;
    return AT_END;
}

/* From anywhere between literals to the next one, or to the end of the command. */
static enum place take_text(struct imap *imap, struct cursor *c,
                            const struct frame_literal *literal, struct append_item *item)
{
    struct append_work *work = imap->work;
    for (;;) {
        enum place place = work->in_parts ? take_parts(imap, c, literal) : AT_END;
        if (place != AT_END)
            return place;
        if (work->in_parts)
            end_parts(work);
        if (work->utf8_form)
            cursor_expect(c, ')');
        if (cursor_failed(c))
            return AT_ERROR;
        if (work->begun > 0 && is_at_line_end(c))
            return literal ? AT_ERROR : AT_END;
        place = take_message(imap, c, literal, item);
        if (place != AT_END)
            return place;
    }
}

static enum session_next go_on(struct imap *imap, struct cursor *c,
                               const struct frame_literal *literal)
{
    struct append_work *work = imap->work;
    struct append_item item;
    enum place place = take_text(imap, c, literal, &item);
    if (!literal && place != AT_END)
        return wrong(imap, work, c, NULL);
    switch (place) {
    case AT_END:
        cursor_skip(c, '\r');
        cursor_skip(c, '\n');
        if (!cursor_at_end(c))
            break;
        return work->failed ? respond_failure(imap, work) : store_messages(imap, work);
    case AT_MESSAGE:
        return begin_message(imap, work, &item, literal);
    case AT_TEXT:
        return begin_text(imap, work, literal);
    case AT_URL:
        return begin_url(imap, work, literal);
    case AT_ERROR:
        break;
    }
    return wrong(imap, work, c, literal);
}

/* After a literal: the end, or more. */
static enum session_next line_input(struct imap *imap, struct str unit)
{
    struct append_work *work = imap->work;
    struct cursor c = cursor_init(unit);
    struct frame_literal literal;
    bool more = frame_ends_in_literal(unit, &literal);
    if (work->failed && more && !literal.sync)
        return begin_bytes(imap, work, &literal);
    if (work->failed)
        return respond_failure(imap, work);
    return go_on(imap, &c, more ? &literal : NULL);
}

/* ---- Its start */

/* RFC 8508: the message to replace, by number or UID, as the client knows it now. */
static void take_replaced(struct imap *imap, struct append_work *work, struct cursor *c, bool uid)
{
    struct err err;
    struct view *view = imap->selected.view;
    uint64_t horizon = imap->selected.user.horizon;
    struct backend_call call = imap_call_on(imap, view);
    parse_space(c);
    bool last = cursor_skip(c, '*');
    uint32_t number = last ? 0 : (uint32_t)cursor_take_number(c, UINT32_MAX, "message number");
    if (cursor_failed(c))
        return;
    if (!view_load(view, imap->server->backend, &call, &err)) {
        append_fail(work, &err);
        return;
    }
    if (!last && number == 0)
        cursor_fail(c, "message number above 0");
    else
        work->replace_uid = uid && !last ? number : view_uid_of(view, horizon, number);
    if (work->replace_uid == 0)
        cursor_fail(c, "the number of a message that exists");
    if (!imap->selected.read_only)
        return;
    err_set(&err, ERR_STATE, "read-only");
    err_reply(&err, "the mailbox is read-only");
    append_fail(work, &err);
}

/* Makes the work, and reads up to the mailbox. */
static struct append_work *start_work(struct imap *imap, const struct command_start *start,
                                      struct cursor *c)
{
    struct append_work *work = append_work_new();
    imap->tag = arena_copy(&imap->arena, start->tag);
    imap->row = start->row;
    imap->uid = start->uid;
    imap_set_work(imap, work, append_work_free);
    selected_review(imap);
    if (start->row->flags & COMMAND_REPLACES)
        take_replaced(imap, work, c, start->uid);
    parse_space(c);
    work->name = name_take(imap, c); /* borrows from the command, which stays */
    return work;
}

/* Is the literal the mailbox's name? */
static bool is_name(const struct command_start *start, const struct frame_literal *literal)
{
    struct cursor c = start->args;
    parse_space(&c);
    if (start->row->flags & COMMAND_REPLACES) {
        cursor_take_while0(&c, is_imap_astring, 16, "message number");
        cursor_skip(&c, '*');
        parse_space(&c);
    }
    return !cursor_failed(&c) && cursor_offset(&c) == literal->offset;
}

bool append_takes_literal(struct imap *imap, const struct command_start *start,
                          const struct frame_literal *literal, enum session_next *ret_next)
{
    struct cursor c = start->args;
    if (is_name(start, literal))
        return false;
    start_work(imap, start, &c);
    *ret_next = go_on(imap, &c, literal);
    return true;
}

/* Only a command without any literal for its messages comes here: one whose parts are all URLs, or
 * a wrong one. */
enum session_next cmd_append(struct imap *imap, struct cursor *args)
{
    struct command_start start = {
        .tag = imap->tag, .row = imap->row, .uid = imap->uid, .args = *args};
    start_work(imap, &start, args);
    return go_on(imap, args, NULL);
}
