#include "tests/unit/services/imap/fake_session.h"

#include "common/base/bug.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct session {
    const struct session_ops *ops;
    void *user;
    void *state;
    struct buf in, out, sent, taken;
    struct log *log_target;
    struct log_ctx log;
    size_t full_at;
    int64_t delay_ms, unit_timeout_ms, read_deadline_ms;
    unsigned sent_now;
    bool closed, slow, woken, can_tls, tls, compressed;
    enum log_trace_kind trace;
    struct session_peer peer;
    struct str client_key;
};

/* ---- What protocol code calls */

void *session_state(struct session *s)
{
    return s->state;
}
void *session_user(struct session *s)
{
    return s->user;
}
struct buf *session_out(struct session *s)
{
    return &s->out;
}
bool session_out_is_full(const struct session *s)
{
    return s->out.len >= s->full_at;
}
struct log_ctx *session_log(struct session *s)
{
    return &s->log;
}
uint64_t session_cid(const struct session *s)
{
    return s ? 1 : 0;
}
void session_set_read_timeout(struct session *s, int64_t timeout_ms)
{
    BUG_ON(!s || timeout_ms <= 0);
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
    BUG_ON(!s || delay_ms < 0);
    s->delay_ms = delay_ms;
}
void session_set_trace(struct session *s, enum log_trace_kind kind)
{
    s->trace = kind;
}
const struct session_peer *session_peer(const struct session *s)
{
    return &s->peer;
}
bool session_is_tls(const struct session *s)
{
    return s->tls;
}
const char *session_tls_version(const struct session *s)
{
    return s->tls ? "TLSv1.3" : NULL;
}
const char *session_tls_cipher(const struct session *s)
{
    return s->tls ? "TLS_AES_128_GCM_SHA256" : NULL;
}
bool session_can_starttls(const struct session *s)
{
    return s->can_tls && !s->tls;
}
bool session_is_compressed(const struct session *s)
{
    return s->compressed; /* so it is said; the bytes stay as they are */
}
bool session_channel_binding(struct session *s, struct str type, struct buf *out)
{
    return s->tls && str_eq(type, STR("tls-exporter")) && buf_append(out, STR("binding"));
}
bool session_client_key(struct session *s, struct buf *out)
{
    return s->tls && s->client_key.len > 0 && buf_append(out, s->client_key);
}
struct session_handle session_handle(struct session *s)
{
    return (struct session_handle){NULL, (uint64_t)(uintptr_t)s};
}
void session_wake(struct session_handle handle)
{
    ((struct session *)(uintptr_t)handle.id)->woken = true;
}

/* ---- What tests call */

static void flush(struct session *s)
{
    BUG_ON(s->out.overflow);
    buf_append(&s->sent, buf_str(&s->out));
    buf_reset(&s->out);
}

void session_send_now(struct session *s)
{
    flush(s);
    s->sent_now++;
}
unsigned fake_session_sent_now(const struct session *s)
{
    return s->sent_now;
}

static void go_on(struct session *s, enum session_next next)
{
    while (next == SESSION_MORE) {
        flush(s);
        next = s->ops->more(s);
    }
    if (next != SESSION_ABORT)
        flush(s);
    if (next == SESSION_STARTTLS) {
        s->tls = true;
        buf_reset(&s->in);
        go_on(s, s->ops->secured(s));
    }
    s->compressed = s->compressed || next == SESSION_COMPRESS;
    s->closed = s->closed || next == SESSION_CLOSE || next == SESSION_ABORT;
}

static struct session *new_session(const struct session_ops *ops, void *user, size_t full_at)
{
    struct session *s = xcalloc(1, sizeof(*s));
    s->ops = ops;
    s->user = user;
    s->full_at = full_at;
    s->state = xcalloc(1, ops->state_size);
    s->log_target = log_new(STDERR_FILENO, LOG_ERROR);
    s->log = log_root(s->log_target, "imap");
    strcpy(s->peer.remote_ip, "192.0.2.1");
    buf_init(&s->in, 1 << 26);
    buf_init(&s->out, 1 << 26);
    buf_init(&s->sent, 1 << 28);
    buf_init(&s->taken, 1 << 28);
    return s;
}

struct session *fake_session_open(const struct session_ops *ops, void *user, size_t full_at)
{
    struct session *s = new_session(ops, user, full_at);
    go_on(s, ops->open(s));
    return s;
}

struct session *fake_session_open_tls(const struct session_ops *ops, void *user, size_t full_at,
                                      struct str client_key)
{
    struct session *s = new_session(ops, user, full_at);
    s->tls = true;
    s->client_key = client_key;
    go_on(s, ops->open(s));
    return s;
}

void fake_session_set_client_key(struct session *s, struct str client_key)
{
    s->client_key = client_key;
}

static void run_units(struct session *s)
{
    while (!s->closed && s->in.len > 0) {
        size_t len = s->ops->frame(s, buf_str(&s->in));
        if (len == SESSION_FRAME_MORE)
            return;
        if (len == SESSION_FRAME_BAD) {
            go_on(s, s->ops->overlong(s));
            return;
        }
        BUG_ON(len > s->in.len);
        char *unit = xmalloc(len); /* of its own, so that reading past it is noticed */
        memcpy(unit, s->in.ptr, len);
        buf_consume(&s->in, len);
        go_on(s, s->ops->run(s, str_make(unit, len)));
        free(unit);
    }
}

void fake_session_feed(struct session *s, struct str bytes, size_t step)
{
    while (bytes.len > 0 && !s->closed) {
        struct str next = str_slice(bytes, 0, step > 0 ? step : bytes.len);
        bytes = str_skip(bytes, next.len);
        buf_append(&s->in, next);
        run_units(s);
    }
}

void fake_session_wake(struct session *s)
{
    if (!s->woken || s->closed)
        return;
    s->woken = false;
    go_on(s, s->ops->wake(s));
}

struct str fake_session_sent(struct session *s)
{
    buf_reset(&s->taken);
    buf_append(&s->taken, buf_str(&s->sent));
    buf_reset(&s->sent);
    return buf_str(&s->taken);
}

bool fake_session_is_closed(const struct session *s)
{
    return s->closed;
}
int64_t fake_session_delay(const struct session *s)
{
    return s->delay_ms;
}

bool fake_session_is_slow(const struct session *s)
{
    return s->slow;
}
int64_t fake_session_unit_timeout(const struct session *s)
{
    return s->unit_timeout_ms;
}
int64_t fake_session_read_deadline(const struct session *s)
{
    return s->read_deadline_ms;
}
enum log_trace_kind fake_session_trace(const struct session *s)
{
    return s->trace;
}
void fake_session_set_tls(struct session *s, bool can, bool active)
{
    s->can_tls = can;
    s->tls = active;
}

void fake_session_free(struct session *s)
{
    if (!s)
        return;
    s->ops->close(s);
    free(s->state);
    log_free(s->log_target);
    buf_release(&s->in);
    buf_release(&s->out);
    buf_release(&s->sent);
    buf_release(&s->taken);
    free(s);
}
