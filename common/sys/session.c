#include "common/sys/session_internal.h"

#include "common/base/clock.h"

/* What protocol code calls about its session. */

void *session_state(struct session *s)
{
    return s->state;
}

void *session_user(struct session *s)
{
    return s->listening->config.user;
}

struct buf *session_out(struct session *s)
{
    return &s->out;
}

bool session_out_is_full(const struct session *s)
{
    return session_out_pending(s) >= SESSION_OUT_HIGH;
}

struct log_ctx *session_log(struct session *s)
{
    return &s->log;
}

uint64_t session_cid(const struct session *s)
{
    return s->log.cid;
}

bool session_has_input(const struct session *s)
{
    return s->in.len > s->in_at;
}

void session_set_read_timeout(struct session *s, int64_t timeout_ms)
{
    s->read_timeout_ms = timeout_ms;
}

void session_set_unit_timeout(struct session *s, int64_t timeout_ms)
{
    s->unit_timeout_ms = timeout_ms;
}

void session_set_read_deadline(struct session *s, int64_t deadline_ms)
{
    s->read_deadline_ms = deadline_ms;
}

void session_set_slow(struct session *s, bool slow)
{
    s->slow = slow;
}

void session_delay(struct session *s, int64_t delay_ms)
{
    s->hold_until_ms = clock_monotonic_ms() + delay_ms;
}

const struct session_peer *session_peer(const struct session *s)
{
    return &s->peer;
}

bool session_is_compressed(const struct session *s)
{
    return s->compression != NULL;
}

/* ---- Tracing */

/* A line each, so that they can be read; other kinds as they are. */
static void trace_bytes(struct session *s, char direction, enum log_trace_kind kind,
                        struct str bytes)
{
    struct str line;
    while (kind == LOG_TRACE_LINE && str_cut(bytes, '\n', &line, &bytes))
        log_trace(&s->log, direction, kind, str_trim(line));
    if (bytes.len > 0)
        log_trace(&s->log, direction, kind, bytes);
}

void session_trace_unit(struct session *s)
{
    if (!s->unit_untraced)
        return;
    s->unit_untraced = false;
    if (log_is_on(&s->log, LOG_TRACE))
        trace_bytes(s, '<', s->trace, s->unit);
}

void session_trace_output(struct session *s)
{
    if (s->out_traced < s->out.len && log_is_on(&s->log, LOG_TRACE))
        trace_bytes(s, '>', s->trace, str_skip(buf_str(&s->out), s->out_traced));
    s->out_traced = s->out.len;
}

void session_set_trace(struct session *s, enum log_trace_kind kind)
{
    /* A command that carries credentials is known for one only while it runs. */
    if (s->trace == LOG_TRACE_LINE && kind == LOG_TRACE_AUTH && s->out_traced == s->out.len)
        s->trace = kind;
    session_trace_unit(s);
    session_trace_output(s);
    s->trace = kind;
}

/* ---- Waking */

struct session_handle session_handle(struct session *s)
{
    return (struct session_handle){.server = s->server, .id = s->id};
}

void session_wake(struct session_handle handle)
{
    struct session *s = session_table_post(&handle.server->table, handle.id, SIGNAL_WAKE);
    if (s)
        session_make_ready(s);
}
