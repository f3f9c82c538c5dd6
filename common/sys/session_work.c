#include "common/sys/session_internal.h"

#include "common/base/clock.h"
#include "common/sys/net.h"

#include <sys/socket.h>

/* After so many steps (a unit takes one or two), or so long, others get their turn. */
#define TURN_STEPS 128
#define TURN_MS 20
#define LINGER_MS 2000

enum step {
    STEP_AGAIN, /* there may be more to do at once */
    STEP_WAIT,  /* until a signal, or s->deadline_ms */
    STEP_GONE,  /* to be destroyed */
};

static enum step wait_until(struct session *s, int64_t deadline_ms)
{
    s->deadline_ms = deadline_ms;
    return STEP_WAIT;
}

/* ---- Callbacks */

static const enum session_phase phase_after[] = {
    [SESSION_READ] = PHASE_READ,         [SESSION_MORE] = PHASE_MORE,
    [SESSION_STARTTLS] = PHASE_STARTTLS, [SESSION_COMPRESS] = PHASE_COMPRESS,
    [SESSION_CLOSE] = PHASE_CLOSE,
};

/* What a callback decided. */
static enum step go_on(struct session *s, enum session_next next)
{
    session_trace_unit(s);
    session_trace_output(s);
    s->unit = STR_NULL;
    if (next == SESSION_ABORT)
        return STEP_GONE;
    if (s->out.overflow) {
        log_error(&s->log, "answer too large, connection closed",
                  LOG_U64("size", session_out_pending(s)));
        return STEP_GONE;
    }
    BUG_ON(next == SESSION_STARTTLS && !session_can_starttls(s));
    BUG_ON(next == SESSION_COMPRESS && session_is_compressed(s));
    s->phase = phase_after[next];
    if (atomic_load_explicit(&s->server->draining, memory_order_relaxed))
        s->drain_due = true;
    return STEP_AGAIN;
}

static enum step run_callback(struct session *s, enum session_next (*callback)(struct session *s))
{
    session_out_compact(s);
    return callback ? go_on(s, callback(s)) : STEP_AGAIN;
}

/* Callbacks that end a session unless they say otherwise. */
static enum step run_last_word(struct session *s, enum session_next (*callback)(struct session *s))
{
    return callback ? run_callback(s, callback) : STEP_GONE;
}

static enum step run_unit(struct session *s, size_t len)
{
    session_out_compact(s);
    s->unit = str_slice(buf_str(&s->in), s->in_at, len);
    s->unit_untraced = true;
    s->in_at += len;
    s->unit_since_ms = 0;
    s->slow_pausing = false;
    return go_on(s, s->ops->run(s, s->unit));
}

/* ---- Phases */

static enum step wait_for_client_to_take(struct session *s)
{
    if (s->now_ms - s->sent_ms >= s->server->config.write_timeout_ms) {
        log_info(&s->log, "client takes no output, connection closed",
                 LOG_U64("pending", session_out_pending(s)));
        return STEP_GONE;
    }
    int64_t deadline_ms = s->sent_ms + s->server->config.write_timeout_ms;
    if (s->slow && s->can_send)
        deadline_ms = s->next_byte_ms;
    return wait_until(s, deadline_ms);
}

static enum step proxy_step(struct session *s)
{
    struct err err;
    bool complete;
    if (!session_read_proxy_header(s, &complete, &err)) {
        log_warn(&s->log, "bad PROXY header", LOG_ERR(&err), LOG_CSTR("remote", s->peer.remote_ip));
        return STEP_GONE;
    }
    if (!complete) {
        if (s->now_ms >= s->handshake_until_ms)
            return STEP_GONE;
        return wait_until(s, s->handshake_until_ms);
    }
    if (!session_admit(s))
        return STEP_GONE;
    s->phase = s->listening->config.tls_implicit ? PHASE_HANDSHAKE : PHASE_OPEN;
    return STEP_AGAIN;
}

static void note_peer(struct session *s)
{
    const char *class;
    if (peers_seen_note(&s->server->peers_seen, s->peer.remote_ip, &class))
        log_info(&s->log, "first client with such an address", LOG_CSTR("class", class),
                 LOG_CSTR("ip", s->peer.remote_ip));
}

static enum step open_step(struct session *s)
{
    s->is_open = true;
    note_peer(s);
    return run_callback(s, s->ops->open);
}

static enum step handshake_step(struct session *s)
{
    session_handshake_begin(s);
    switch (session_tls_handshake(s)) {
    case HANDSHAKE_WAITS:
        return wait_until(s, s->handshake_until_ms);
    case HANDSHAKE_FAILED:
        return STEP_GONE;
    case HANDSHAKE_DONE:
        break;
    }
    session_handshake_end(s);
    return s->is_starttls ? run_callback(s, s->ops->secured) : open_step(s);
}

/* The first whole unit in the input, SESSION_FRAME_MORE or SESSION_FRAME_BAD. */
static size_t find_unit(struct session *s)
{
    struct str input = session_in_pending(s);
    if (input.len == 0)
        return SESSION_FRAME_MORE;
    size_t len = s->ops->frame(s, input);
    if (len == SESSION_FRAME_MORE && input.len >= s->ops->input_max)
        return SESSION_FRAME_BAD;
    BUG_ON(len != SESSION_FRAME_BAD && len > input.len);
    return len;
}

/* Until when the client may take. */
static int64_t input_deadline(const struct session *s)
{
    int64_t until_ms = s->active_ms + s->read_timeout_ms;
    if (s->unit_timeout_ms > 0 && s->unit_since_ms > 0 &&
        s->unit_since_ms + s->unit_timeout_ms < until_ms)
        until_ms = s->unit_since_ms + s->unit_timeout_ms;
    if (s->read_deadline_ms > 0 && s->read_deadline_ms < until_ms)
        until_ms = s->read_deadline_ms;
    return until_ms;
}

static enum step wait_for_input(struct session *s)
{
    if (session_has_output(s))
        return wait_for_client_to_take(s);
    if (session_has_input(s) && s->unit_since_ms == 0)
        s->unit_since_ms = s->now_ms;
    if (s->now_ms >= input_deadline(s)) {
        s->active_ms = s->now_ms;
        s->unit_since_ms = s->read_deadline_ms = 0;
        return run_last_word(s, s->ops->timeout);
    }
    if (s->unanswered) {
        s->unanswered = false;
        net_acknowledge(s->fd);
    }
    return wait_until(s, input_deadline(s));
}

/* A pause before a slow session's input is read. */
static bool is_pausing(struct session *s)
{
    if (s->slow && !s->slow_pausing) {
        s->slow_pausing = true;
        s->read_after_ms = s->now_ms + 1000;
    }
    return s->slow && s->now_ms < s->read_after_ms;
}

static enum step fill_step(struct session *s)
{
    if (is_pausing(s))
        return wait_until(s, s->read_after_ms);
    switch (session_fill(s)) {
    case FILL_GOT:
        return STEP_AGAIN;
    case FILL_END:
        s->ended = true;
        s->phase = PHASE_CLOSE;
        return STEP_AGAIN;
    case FILL_NONE:
        break;
    }
    return wait_for_input(s);
}

static enum session_next say_goodbye(struct session *s, bool last)
{
    session_out_compact(s);
    return s->ops->drain(s, last);
}

/* Asked again only after it has done something. */
static enum step drain_step(struct session *s)
{
    enum step result = s->ops->drain ? go_on(s, say_goodbye(s, false)) : STEP_GONE;
    s->drain_due = false;
    return result;
}

static enum step read_step(struct session *s)
{
    bool was_full = session_out_is_full(s);
    /* Answers to commands that came together leave together (RFC 2920 3.2). */
    if (!was_full) {
        size_t len = find_unit(s);
        if (len == SESSION_FRAME_BAD)
            return run_last_word(s, s->ops->overlong);
        if (len != SESSION_FRAME_MORE)
            return run_unit(s, len);
    }
    enum session_flush flushed = session_flush(s);
    if (flushed == FLUSH_FAILED)
        return STEP_GONE;
    if (flushed == FLUSH_BLOCKED && (s->slow || session_out_is_full(s)))
        return wait_for_client_to_take(s);
    if (was_full) /* there is room again, and a whole command may be waiting for it */
        return STEP_AGAIN;
    if (s->wake_due) {
        s->wake_due = false;
        return run_callback(s, s->ops->wake);
    }
    if (s->drain_due)
        return drain_step(s);
    return fill_step(s);
}

static enum step more_step(struct session *s)
{
    if (session_out_pending(s) > SESSION_OUT_LOW) {
        if (session_flush(s) == FLUSH_FAILED)
            return STEP_GONE;
        if (session_out_pending(s) > SESSION_OUT_LOW)
            return wait_for_client_to_take(s);
    }
    return run_callback(s, s->ops->more);
}

static enum step starttls_step(struct session *s)
{
    enum session_flush flushed = session_flush(s);
    if (flushed == FLUSH_BLOCKED)
        return wait_for_client_to_take(s);
    if (flushed == FLUSH_FAILED)
        return STEP_GONE;
    /* RFC 3207 6: what came in the clear behind the command may be somebody else's. */
    if (session_has_input(s)) {
        session_tls_count_failure(s, "plaintext");
        return STEP_GONE;
    }
    s->is_starttls = true;
    s->phase = PHASE_HANDSHAKE;
    return STEP_AGAIN;
}

/* RFC 4978 3: what the client sent behind the command is compressed already. */
static enum step compress_step(struct session *s)
{
    enum session_flush flushed = session_flush(s);
    if (flushed == FLUSH_BLOCKED)
        return wait_for_client_to_take(s);
    if (flushed == FLUSH_FAILED)
        return STEP_GONE;
    s->compression = session_compression_new();
    if (!s->compression) {
        log_error(&s->log, "no memory for compression, connection closed");
        return STEP_GONE;
    }
    session_compression_put(s->compression, session_in_pending(s));
    s->in_at = s->in.len;
    s->phase = PHASE_READ;
    return STEP_AGAIN;
}

static enum step close_step(struct session *s)
{
    if (s->compression)
        session_compression_finish(s->compression);
    enum session_flush flushed = session_flush(s);
    if (flushed == FLUSH_BLOCKED)
        return wait_for_client_to_take(s);
    if (flushed == FLUSH_FAILED || s->ended)
        return STEP_GONE;
    session_tls_end(s);
    /* Closing a socket with unread input resets the connection, and the client may lose our last
     * words: then it gets some time to finish. */
    if (session_discard_input(s) != FILL_GOT)
        return STEP_GONE;
    shutdown(s->fd, SHUT_WR);
    s->handshake_until_ms = s->now_ms + LINGER_MS;
    s->phase = PHASE_LINGER;
    return STEP_AGAIN;
}

static enum step linger_step(struct session *s)
{
    if (s->now_ms >= s->handshake_until_ms || session_discard_input(s) == FILL_END)
        return STEP_GONE;
    return wait_until(s, s->handshake_until_ms);
}

/* The time for draining is up. Whose answers are complete is told so, in the middle of message data
 * too (RFC 5321 3.8), and has as long to read it as anybody who is closed; nobody is waited for. */
static enum step killed_step(struct session *s)
{
    s->killed = false;
    s->hold_until_ms = 0;
    if (s->phase != PHASE_READ || !s->ops->drain || go_on(s, say_goodbye(s, true)) == STEP_GONE ||
        session_flush(s) != FLUSH_DONE)
        return STEP_GONE;
    s->drain_due = false;
    s->phase = PHASE_CLOSE;
    return STEP_AGAIN;
}

static enum step step(struct session *s)
{
    s->now_ms = clock_monotonic_ms();
    if (s->killed)
        return killed_step(s);
    if (s->hold_until_ms > s->now_ms)
        return wait_until(s, s->hold_until_ms);
    switch (s->phase) {
    case PHASE_PROXY:
        return proxy_step(s);
    case PHASE_HANDSHAKE:
        return handshake_step(s);
    case PHASE_OPEN:
        return open_step(s);
    case PHASE_READ:
        return read_step(s);
    case PHASE_MORE:
        return more_step(s);
    case PHASE_STARTTLS:
        return starttls_step(s);
    case PHASE_COMPRESS:
        return compress_step(s);
    case PHASE_CLOSE:
        return close_step(s);
    case PHASE_LINGER:
        return linger_step(s);
    }
    BUG("session in phase %d", (int)s->phase);
}

/* ---- Turns */

static void take_signals(struct session *s, unsigned signals)
{
    if (signals & (SIGNAL_READABLE | SIGNAL_HANGUP))
        s->can_receive = true;
    if (signals & (SIGNAL_WRITABLE | SIGNAL_HANGUP))
        s->can_send = true;
    /* TLS may have to write before it can read on. */
    if (signals & (SIGNAL_READABLE | SIGNAL_WRITABLE | SIGNAL_HANGUP))
        s->tls_drained = false;
    if (signals & SIGNAL_HANGUP)
        s->hangup = true;
    if (signals & SIGNAL_WAKE)
        s->wake_due = true;
    if (signals & SIGNAL_DRAIN)
        s->drain_due = true;
    if (signals & SIGNAL_KILL)
        s->killed = true;
    if (signals & SIGNAL_OUSTED)
        s->ousted = true;
}

/* Connections that have not said anything are not worth a grace period. */
static bool is_useless_while_draining(const struct session *s)
{
    return s->drain_due && (s->phase == PHASE_PROXY || s->phase == PHASE_LINGER ||
                            (s->phase == PHASE_HANDSHAKE && !s->is_starttls));
}

static enum step take_turn(struct session *s)
{
    enum step result = STEP_AGAIN;
    int64_t until_ms = clock_monotonic_ms() + TURN_MS;
    for (unsigned steps = 0; result == STEP_AGAIN && steps < TURN_STEPS; steps++) {
        result = is_useless_while_draining(s) ? STEP_GONE : step(s);
        if (s->now_ms >= until_ms)
            break;
    }
    return result;
}

void session_work(struct session *s, struct session_worker *worker, unsigned signals)
{
    struct session_server *server = s->server;
    for (;;) {
        take_signals(s, signals);
        session_borrow_buffers(s, worker);
        enum step result = take_turn(s);
        session_return_buffers(s, worker);
        if (result == STEP_GONE) {
            session_destroy(s);
            return;
        }
        if (result == STEP_AGAIN) {
            session_make_ready(s);
            return;
        }
        int64_t deadline_ms = s->deadline_ms;
        /* Once parked it may be another thread's. */
        if (session_table_park(&server->table, s->id, deadline_ms, &signals)) {
            session_note_deadline(server, deadline_ms);
            return;
        }
    }
}
