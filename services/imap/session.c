#include "services/imap/session.h"

#include "common/base/clock.h"
#include "common/mail/imap_capability.h"
#include "services/imap/append.h"
#include "services/imap/auth.h"
#include "services/imap/capability.h"
#include "services/imap/command.h"
#include "services/imap/idle.h"
#include "services/imap/metadata.h"
#include "services/imap/notify.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/select.h"

/* Literals of ordinary commands (spec 2.4); messages are not among them. */
#define LITERALS_MAX 1000
#define LITERAL_BYTES_MAX (1000 * 1024)
#define LITERAL_MINUS_MAX 4096 /* of one that comes unasked (RFC 7888 5) */
#define COMMAND_MAX (LITERAL_BYTES_MAX + 4 * FRAME_LINE_MAX)

/* Of a command with what store answers: changes of all messages of a large mailbox are many. */
#define COMMAND_ARENA_MAX (128u << 20)
#define COMMAND_KEEP_MAX 512     /* of the command buffer, while a session waits */
#define LITERAL_TIMEOUT_MS 30000 /* one of a message: of silence */
#define LINE_TIMEOUT_MS 30000
#define TOKEN_RENEW_MS (3600 * 1000LL) /* before it expires; longer than any IDLE */
#define TOKEN_MAX 4096

/* ---- State */

void imap_enter(struct imap *imap, enum imap_state state)
{
    static const unsigned allowed[] = {
        [STATE_NOT_AUTHENTICATED] = STATE_AUTHENTICATED | STATE_LOGOUT,
        [STATE_AUTHENTICATED] = STATE_SELECTED | STATE_LOGOUT,
        [STATE_SELECTED] = STATE_AUTHENTICATED | STATE_SELECTED | STATE_LOGOUT,
        [STATE_LOGOUT] = STATE_LOGOUT,
    };
    BUG_ON(!(allowed[imap->state] & state));
    imap->state = state;
}

/* For a line, and for each literal in it, to come, however their bytes drip (spec 2.1). */
static int64_t line_timeout_ms(const struct imap *imap)
{
    int64_t before_login_ms = (int64_t)imap->server->config->login_timeout_s * 1000;
    return imap->state == STATE_NOT_AUTHENTICATED ? before_login_ms : LINE_TIMEOUT_MS;
}

static void set_waiting_timeout(struct imap *imap)
{
    const struct imap_config *config = imap->server->config;
    uint64_t seconds =
        imap->state == STATE_NOT_AUTHENTICATED ? config->login_timeout_s : config->idle_timeout_s;
    session_set_read_timeout(imap->session, (int64_t)seconds * 1000);
    session_set_unit_timeout(imap->session, line_timeout_ms(imap));
    session_set_read_deadline(imap->session, 0);
}

bool imap_review(struct imap *imap)
{
    struct err err;
    struct arena arena;
    struct quota quota;
    uint64_t events = account_rights_events(imap->account);
    if (events == imap->reviewed_events)
        return true;
    arena_init(&arena, 64 * 1024);
    struct backend_call call = imap_call_in(imap, &arena);
    bool ok = backend_quota(imap->server->backend, &call, 0, &quota, &err);
    arena_release(&arena);
    if (ok)
        imap->reviewed_events = events;
    return ok || err.kind != ERR_DENIED;
}

void imap_set_work(struct imap *imap, void *work, void (*work_free)(void *work))
{
    BUG_ON(imap->work);
    imap->work = work;
    imap->work_free = work_free;
}

static void drop_work(struct imap *imap)
{
    if (imap->work && imap->work_free)
        imap->work_free(imap->work);
    imap->work = NULL;
    imap->work_free = NULL;
}

void imap_command_reset(struct imap *imap)
{
    drop_work(imap);
    bool secret = !imap->row || (imap->row->flags & COMMAND_SECRET);
    imap->input = NULL;
    imap->more = NULL;
    imap->row = NULL;
    imap->uid = false;
    imap->tag = imap->final = STR_NULL;
    imap->literals = 0;
    imap->literal_bytes = 0;
    imap->frame = (struct frame){.mode = FRAME_LINE};
    if (secret)
        arena_wipe(&imap->arena);
    arena_release(&imap->arena);
    arena_init(&imap->arena, COMMAND_ARENA_MAX);
    if (secret || imap->command.cap > COMMAND_KEEP_MAX)
        buf_release_secret(&imap->command);
    buf_reset(&imap->command);
    session_set_trace(imap->session, LOG_TRACE_LINE);
    set_waiting_timeout(imap);
    if (imap->woken_too_early)
        session_wake(session_handle(imap->session));
    imap->woken_too_early = false;
}

void imap_expect_bytes(struct imap *imap, uint64_t size)
{
    if (size > 0)
        imap->frame = (struct frame){.mode = FRAME_BYTES, .remaining = size};
    session_set_read_timeout(imap->session, LITERAL_TIMEOUT_MS);
}

/* What extends a hidden one is hidden with it: QRESYNC with CONDSTORE. */
bool imap_has_capability(const struct imap *imap, struct str name)
{
    struct str rest = buf_str(&imap->capabilities_disabled), hidden;
    while (rest.len > 0) {
        str_cut(rest, ' ', &hidden, &rest);
        if (str_eq_nocase(hidden, name) || imap_capability_extends(name, hidden))
            return false;
    }
    return true;
}

/* An account from which LITERAL+ is hidden has LITERAL-, which IMAP4rev2 has in any case. */
bool imap_may_come_unasked(const struct imap *imap, const struct frame_literal *literal)
{
    return literal->size <= LITERAL_MINUS_MAX || imap_has_capability(imap, STR("LITERAL+"));
}

/* ---- Calls */

static void renew_token(struct imap *imap)
{
    struct err err;
    struct backend_login login;
    struct backend_call call = {
        .cid = session_cid(imap->session), .token = buf_str(&imap->token), .arena = &imap->arena};
    if (!backend_renew(imap->server->backend, &call, &login, &err)) {
        log_warn(session_log(imap->session), "token not renewed", LOG_ERR(&err));
        return;
    }
    buf_reset(&imap->token);
    buf_append(&imap->token, login.token);
    imap->token_expires_ms = login.expires_ms;
}

struct backend_call imap_call_in(struct imap *imap, struct arena *arena)
{
    if (imap->account && clock_wall_ms() > imap->token_expires_ms - TOKEN_RENEW_MS)
        renew_token(imap);
    return (struct backend_call){
        .cid = session_cid(imap->session), .token = buf_str(&imap->token), .arena = arena};
}

struct backend_call imap_call(struct imap *imap)
{
    return imap_call_in(imap, &imap->arena);
}

struct backend_call imap_call_on(struct imap *imap, const struct view *view)
{
    struct backend_call call = imap_call(imap);
    call.owner = view_owner(view);
    return call;
}

/* ---- Collecting a command */

static enum session_next run_command(struct imap *imap)
{
    imap->started_us = clock_monotonic_us();
    return command_run(imap, frame_line_text(buf_str(&imap->command)));
}

/* A literal that is too large, or belongs to a command that is refused anyway. A client that does
 * not wait sends its bytes regardless: then there is no way back to a command line. */
static enum session_next refuse_literal(struct imap *imap, const struct frame_literal *literal,
                                        const struct command_start *start)
{
    imap->tag = arena_copy(&imap->arena, start->tag);
    if (!literal->sync)
        respond_untagged(imap, "BYE [ALERT] literal too large");
    enum session_next next = respond_bad(imap, "[TOOBIG] literal too large");
    return literal->sync ? next : SESSION_CLOSE;
}

static bool literal_fits(const struct imap *imap, const struct frame_literal *literal)
{
    return literal->size <= PARSE_STRING_MAX && imap->literals < LITERALS_MAX &&
           imap->literal_bytes + literal->size <= LITERAL_BYTES_MAX;
}

/* The line so far ends in a literal: more of the command follows. */
static enum session_next begin_literal(struct imap *imap, const struct frame_literal *literal)
{
    struct command_start start;
    bool known = command_parse_start(buf_str(&imap->command), &start) && start.row &&
                 !command_is_hidden(imap, start.row);
    bool allowed = known && command_is_allowed(imap, &start);
    if (!known && !literal->sync) {
        run_command(imap);
        return SESSION_CLOSE;
    }
    if (!known || (!allowed && literal->sync))
        return run_command(imap);
    if (!imap_may_come_unasked(imap, literal) && !literal->sync)
        return refuse_literal(imap, literal, &start);
    enum session_next next;
    if (allowed && (start.row->flags & COMMAND_APPENDS) &&
        append_takes_literal(imap, &start, literal, &next))
        return next;
    if (!literal_fits(imap, literal))
        return refuse_literal(imap, literal, &start);
    imap->literals++;
    imap->literal_bytes += literal->size;
    if (literal->sync)
        respond_continue(imap, STR("Ready"));
    imap_expect_bytes(imap, literal->size);
    session_set_read_deadline(imap->session, clock_monotonic_ms() + line_timeout_ms(imap));
    return SESSION_READ;
}

/* The first line tells whether this is an IMAP client at all: browsers and worse are sent away. */
static bool is_imap(struct str line)
{
    struct command_start start;
    return command_parse_start(frame_line_text(line), &start) && start.row;
}

/* Credentials are masked before anything is logged; so is what a client that has not logged in
 * sends and we do not know. */
static void set_trace(struct imap *imap, struct str line)
{
    struct command_start start;
    bool known = command_parse_start(frame_line_text(line), &start) && start.row;
    if (known ? (start.row->flags & COMMAND_SECRET) : imap->state == STATE_NOT_AUTHENTICATED)
        session_set_trace(imap->session, LOG_TRACE_AUTH);
}

static enum session_next collect(struct imap *imap, struct str unit, bool is_line)
{
    bool first = imap->command.len == 0;
    if (first) {
        set_trace(imap, unit);
        if (!imap->spoke_imap && !is_imap(unit)) {
            log_info(session_log(imap->session), "not an IMAP client");
            return respond_bye(imap, "this is an IMAP server");
        }
        imap->spoke_imap = true;
    }
    if (!buf_append(&imap->command, unit)) {
        respond_untagged(imap, "BYE [ALERT] command too large");
        return SESSION_CLOSE;
    }
    struct frame_literal literal;
    if (!is_line)
        return SESSION_READ;
    if (!frame_ends_in_literal(unit, &literal))
        return run_command(imap);
    literal.offset += imap->command.len - unit.len;
    return begin_literal(imap, &literal);
}

/* ---- Callbacks of the session server */

static void on_refuse(struct session *s, const char *why)
{
    buf_printf(session_out(s), "* BYE [LIMIT] %s, try again later\r\n", why);
}

static enum session_next on_open(struct session *s)
{
    struct imap *imap = session_state(s);
    imap->session = s;
    imap->server = session_user(s);
    imap->state = STATE_NOT_AUTHENTICATED;
    arena_init(&imap->arena, COMMAND_ARENA_MAX);
    buf_init(&imap->command, COMMAND_MAX);
    buf_init(&imap->token, TOKEN_MAX);
    buf_init(&imap->login, 512);
    buf_init(&imap->capabilities_disabled, 4096);
    auth_find_key(imap);
    bool logged_in = auth_log_in_unasked(imap);
    imap_command_reset(imap);
    buf_append(imap_out(imap), logged_in ? STR("* PREAUTH [") : STR("* OK ["));
    capability_write(imap, imap_out(imap));
    buf_append(imap_out(imap), STR("] Mailrail ready\r\n"));
    return SESSION_READ;
}

static size_t on_frame(struct session *s, struct str input)
{
    const struct imap *imap = session_state(s);
    return frame_next(&imap->frame, input);
}

static enum session_next on_run(struct session *s, struct str unit)
{
    struct imap *imap = session_state(s);
    bool is_line = imap->frame.mode == FRAME_LINE;
    if (!is_line) {
        imap->frame.remaining -= unit.len;
        if (imap->frame.remaining == 0)
            imap->frame.mode = FRAME_LINE;
    }
    return imap->input ? imap->input(imap, unit) : collect(imap, unit, is_line);
}

static enum session_next on_more(struct session *s)
{
    struct imap *imap = session_state(s);
    return imap->more(imap);
}

static enum session_next on_secured(struct session *s)
{
    struct imap *imap = session_state(s);
    auth_find_key(imap);
    imap_command_reset(imap);
    return SESSION_READ;
}

static enum session_next on_wake(struct session *s)
{
    struct imap *imap = session_state(s);
    if (imap->input == idle_input || (!imap->input && imap->command.len == 0))
        return idle_wake(imap);
    imap->woken_too_early = true;
    return SESSION_READ;
}

/* The stream cannot be found back into step: the connection is dropped without a reply. */
static enum session_next on_overlong(struct session *s)
{
    log_info(session_log(s), "line too long");
    return SESSION_ABORT;
}

static enum session_next on_timeout(struct session *s)
{
    struct imap *imap = session_state(s);
    if (imap->input == idle_input)
        return idle_timeout(imap);
    return respond_bye(imap, "no command for too long");
}

static enum session_next on_drain(struct session *s, bool last UNUSED)
{
    return respond_bye(session_state(s), "the server is shutting down");
}

static void on_close(struct session *s)
{
    struct imap *imap = session_state(s);
    if (!imap->server)
        return;
    drop_work(imap);
    notify_free(imap, imap->notify);
    notify_free(imap, imap->unasked);
    metadata_close(imap);
    selected_close(imap);
    registry_leave(imap->server->registry, imap->account);
    arena_release(&imap->arena);
    buf_release_secret(&imap->command);
    buf_release_secret(&imap->token);
    buf_release(&imap->login);
    buf_release(&imap->capabilities_disabled);
}

const struct session_ops imap_ops = {
    .protocol = "imap",
    .state_size = sizeof(struct imap),
    .input_max = FRAME_LINE_MAX,
    .refuse = on_refuse,
    .open = on_open,
    .frame = on_frame,
    .run = on_run,
    .more = on_more,
    .secured = on_secured,
    .wake = on_wake,
    .overlong = on_overlong,
    .timeout = on_timeout,
    .drain = on_drain,
    .close = on_close,
};
