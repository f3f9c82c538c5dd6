#include "common/mail/structure.h"
#include "common/service/spool.h"
#include "common/sys/file.h"
#include "services/imap/append.h"
#include "services/imap/names.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/select.h"

#define MESSAGES_MAX 100
#define STRUCTURES_MAX (64u << 20) /* bytes of all structures of a command */
#define STRUCTURE_MAX (16u << 20)
/* A client that does not wait sends messages up to here without being asked; for larger ones it is
 * worth an RPC to know whether there is room. */
#define CHECK_ABOVE (64 * 1024)

struct message {
    struct spool_file spool;
    struct append_item item;
};

/* One APPEND on its way. */
struct append_work {
    struct str name;
    struct arena arena;
    struct message *messages[MESSAGES_MAX];
    size_t len;
    bool checked;   /* the mailbox, and `room` */
    uint64_t room;  /* bytes that fit into the quota */
    bool utf8_form; /* "UTF8 (" literal ")": the parenthesis is still to come */
    bool after_cr;  /* the last byte written was CR */
    bool failed;    /* read on, drop everything, then answer `err` */
    bool wrong;     /* `err` is about the command's syntax */
    bool zero;      /* a message of no bytes: RFC 3502 cancels the command */
    struct err err;
};

static void work_free(void *pointer)
{
    struct append_work *work = pointer;
    for (size_t i = 0; i < work->len; i++) {
        spool_discard(&work->messages[i]->spool);
        free(work->messages[i]);
    }
    arena_release(&work->arena);
    free(work);
}

static void fail(struct append_work *work, const struct err *err)
{
    if (work->failed)
        return;
    work->failed = true;
    work->err = *err;
}

/* ---- The answer */

static enum session_next respond_failure(struct imap *imap, const struct append_work *work)
{
    if (work->wrong)
        return respond_syntax(imap, &work->err);
    if (work->zero)
        return respond_no(imap, "a message of no bytes cannot be stored");
    if (work->err.kind == ERR_NOT_FOUND)
        return respond_no(imap, "[TRYCREATE] no such mailbox");
    if (work->err.kind == ERR_LIMIT)
        return respond_no(imap, "[OVERQUOTA] no room for the message");
    return respond_err(imap, &work->err);
}

static enum session_next stored(struct imap *imap, const struct append_result *result)
{
    struct uid_set uids = {0};
    struct buf text;
    buf_init(&text, 4096);
    for (size_t i = 0; i < result->len; i++)
        uid_set_add_range(&uids, result->uids[i], result->uids[i]);
    uid_set_normalise(&uids);
    uid_set_write(&uids, &text);
    enum session_next next = respond_ok(imap, "[APPENDUID %u %.*s] stored", result->uidvalidity,
                                        STR_ARG(buf_str(&text)));
    buf_release(&text);
    uid_set_release(&uids);
    return next;
}

/* All messages are in the spool: one call stores them together. */
static enum session_next store_messages(struct imap *imap, struct append_work *work)
{
    struct err err;
    struct append_item items[MESSAGES_MAX];
    struct view *view = imap->selected.view;
    for (size_t i = 0; i < work->len; i++)
        items[i] = work->messages[i]->item;
    struct append append = {
        .name = work->name,
        .items = items,
        .len = work->len,
        .view_mailbox_id = view ? view_info(view).mailbox_id : 0,
        .since_modseq = view ? view_modseq(view) : 0,
    };
    struct append_result result;
    struct backend_call call = imap_call(imap);
    if (!backend_append(imap->server->backend, &call, &append, &result, &err)) {
        fail(work, &err);
        return respond_failure(imap, work);
    }
    if (view && result.has_changes)
        view_apply(view, append.since_modseq, &result.changes);
    return stored(imap, &result);
}

/* ---- One message */

/* Bare LF becomes CRLF (spec 1.7), also where a chunk ends between the two. */
static bool write_lines(struct append_work *work, struct spool_file *spool, struct str bytes,
                        struct err *err)
{
    while (bytes.len > 0) {
        ptrdiff_t lf = str_find_char(bytes, '\n');
        size_t len = lf < 0 ? bytes.len : (size_t)lf;
        TRY(spool_write(spool, str_slice(bytes, 0, len), err));
        bool has_cr = len > 0 ? bytes.ptr[len - 1] == '\r' : work->after_cr;
        if (lf >= 0)
            TRY(spool_write(spool, has_cr ? STR("\n") : STR("\r\n"), err));
        work->after_cr = lf < 0 && has_cr;
        bytes = str_skip(bytes, lf < 0 ? len : len + 1);
    }
    return true;
}

static bool parse_message(struct append_work *work, struct message *message, struct err *err)
{
    struct file_map map;
    struct arena scratch;
    struct buf encoded;
    TRY(file_map_open(message->spool.fd, &map, err));
    arena_init(&scratch, STRUCTURE_ARENA_SIZE);
    buf_init(&encoded, STRUCTURE_MAX);
    const struct structure *structure = structure_parse(map.bytes, &scratch);
    bool ok = structure_encode(structure, &scratch, &encoded, err);
    message->item.structure = ok ? arena_copy(&work->arena, buf_str(&encoded)) : STR_NULL;
    if (ok && str_is_null(message->item.structure))
        ok = err_set(err, ERR_LIMIT, "too many messages at once");
    buf_release(&encoded);
    arena_release(&scratch);
    file_map_close(&map);
    return ok;
}

static void finish_message(struct append_work *work)
{
    struct err err;
    if (work->failed)
        return;
    struct message *message = work->messages[work->len - 1];
    if (!spool_finish(&message->spool, &err) || !parse_message(work, message, &err)) {
        fail(work, &err);
        return;
    }
    message->item.spool_name = str_from_cstr(message->spool.name);
    message->item.file_size = message->spool.size;
}

static enum session_next line_input(struct imap *imap, struct str unit);

static enum session_next data_input(struct imap *imap, struct str unit)
{
    struct err err;
    struct append_work *work = imap->work;
    if (!work->failed && !write_lines(work, &work->messages[work->len - 1]->spool, unit, &err))
        fail(work, &err);
    if (imap->frame.mode == FRAME_BYTES)
        return SESSION_READ;
    finish_message(work);
    session_set_trace(imap->session, LOG_TRACE_LINE);
    imap->input = line_input;
    return SESSION_READ;
}

/* ---- Before a message */

/* Is there such a mailbox, and room? */
static void check_mailbox(struct imap *imap, struct append_work *work)
{
    struct err err;
    struct backend_call call = imap_call_in(imap, &work->arena);
    work->checked = true;
    if (!backend_check_append(imap->server->backend, &call, work->name, &work->room, &err))
        fail(work, &err);
}

static void check_size(struct imap *imap, struct append_work *work,
                       const struct frame_literal *literal)
{
    struct err err;
    if (work->failed)
        return;
    if (literal->size == 0) {
        work->zero = true;
        err_set(&err, ERR_SYNTAX, "message of no bytes");
        fail(work, &err);
    }
    if (!work->checked && (literal->sync || literal->size > CHECK_ABOVE))
        check_mailbox(imap, work);
    if (!work->checked)
        return;
    if (literal->size > work->room) {
        err_set(&err, ERR_LIMIT, "over quota");
        fail(work, &err);
    } else {
        work->room -= literal->size;
    }
}

static void open_message(struct imap *imap, struct append_work *work,
                         const struct append_item *item)
{
    struct err err;
    if (work->failed)
        return;
    if (work->len == MESSAGES_MAX) {
        err_set(&err, ERR_STATE, "more than %d messages", MESSAGES_MAX);
        err_reply(&err, "[LIMIT] more than %d messages in one command", MESSAGES_MAX);
        fail(work, &err);
        return;
    }
    struct message *message = xcalloc(1, sizeof(*message));
    message->item = *item;
    if (!spool_open(&message->spool, imap->server->settings->data, "imap", &err)) {
        fail(work, &err);
        free(message);
        return;
    }
    work->messages[work->len++] = message;
    work->after_cr = false;
}

/* The client may send the message, or is told now why not. What is sent unasked is read anyway;
 * `item` is not looked at when the command has failed. */
static enum session_next begin_message(struct imap *imap, struct append_work *work,
                                       const struct append_item *item,
                                       const struct frame_literal *literal)
{
    if (literal->size > imap->server->config->append_max) {
        if (!literal->sync)
            respond_untagged(imap, "BYE [ALERT] message too large");
        enum session_next next = respond_no(imap, "[TOOBIG] message too large");
        return literal->sync ? next : SESSION_CLOSE;
    }
    check_size(imap, work, literal);
    open_message(imap, work, item);
    if (literal->sync && work->failed)
        return respond_failure(imap, work);
    if (literal->sync)
        respond_continue(imap, STR("Ready"));
    session_set_trace(imap->session, LOG_TRACE_DATA);
    imap_expect_bytes(imap, literal->size);
    imap->input = literal->size > 0 ? data_input : line_input;
    return SESSION_READ;
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

static enum session_next end_wrong(struct imap *imap, struct cursor *c)
{
    struct err err;
    take_error(c, &err);
    return respond_syntax(imap, &err);
}

/* A wrong line whose message comes unasked is answered after it. */
static enum session_next wrong(struct imap *imap, struct append_work *work, struct cursor *c,
                               const struct frame_literal *literal)
{
    struct err err;
    take_error(c, &err);
    if (literal->sync)
        return respond_syntax(imap, &err);
    fail(work, &err);
    work->wrong = true;
    return begin_message(imap, work, NULL, literal);
}

/* After a message: the end, or the next one. */
static enum session_next line_input(struct imap *imap, struct str unit)
{
    struct append_work *work = imap->work;
    struct cursor c = cursor_init(unit);
    struct frame_literal literal;
    bool more = frame_ends_in_literal(unit, &literal);
    if (work->failed && more && !literal.sync)
        return begin_message(imap, work, NULL, &literal);
    if (work->failed)
        return respond_failure(imap, work);
    if (work->utf8_form)
        cursor_expect(&c, ')');
    if (!more) {
        cursor_skip(&c, '\r');
        cursor_expect(&c, '\n');
        return cursor_failed(&c) ? end_wrong(imap, &c) : store_messages(imap, work);
    }
    struct append_item item = {0};
    parse_space(&c);
    take_item(imap, &c, &item, &work->utf8_form);
    if (cursor_failed(&c) || cursor_offset(&c) != literal.offset)
        return wrong(imap, work, &c, &literal);
    return begin_message(imap, work, &item, &literal);
}

bool append_takes_literal(struct imap *imap, const struct command_start *start,
                          const struct frame_literal *literal, enum session_next *ret_next)
{
    struct cursor c = start->args;
    parse_space(&c);
    if (cursor_offset(&c) == literal->offset)
        return false; /* the mailbox name */
    imap->tag = arena_copy(&imap->arena, start->tag);
    imap->row = start->row;
    struct append_work *work = xcalloc(1, sizeof(*work));
    arena_init(&work->arena, STRUCTURES_MAX);
    imap_set_work(imap, work, work_free);
    work->name = name_take(imap, &c); /* borrows from the command, which stays */
    parse_space(&c);
    struct append_item item = {0};
    take_item(imap, &c, &item, &work->utf8_form);
    if (cursor_failed(&c) || cursor_offset(&c) != literal->offset)
        *ret_next = wrong(imap, work, &c, literal);
    else
        *ret_next = begin_message(imap, work, &item, literal);
    return true;
}

/* Only a command that has no message comes here. */
enum session_next cmd_append(struct imap *imap, struct cursor *args)
{
    parse_space(args);
    name_take(imap, args);
    return end_wrong(imap, args);
}
