#include "common/sys/session_internal.h"

#include "common/sys/admission.h"

#include <sys/socket.h>

/*
 * The door: who is let in, and how many may be on the way in. Everything here is done for
 * strangers, so it must cost next to nothing.
 */

/* ---- Admission */

/* The socket is new, its buffer empty: a few words are taken at once or never. */
static void say_now(struct session *s)
{
    struct str words = str_skip(buf_str(&s->out), s->out_at);
    session_trace_output(s);
    if (words.len > 0)
        (void)!send(s->fd, words.ptr, words.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    buf_reset(&s->out);
    s->out_at = s->out_traced = 0;
}

void session_turn_away(struct session *s, const char *why)
{
    if (s->listening->refused)
        metric_add(s->listening->refused, 1);
    /* Under TLS nothing can be said before a handshake, which is what it must not get. */
    if (s->listening->config.tls_implicit || !s->ops->refuse)
        return;
    s->ops->refuse(s, why);
    say_now(s);
}

bool session_admit(struct session *s)
{
    const struct session_listener *listener = &s->listening->config;
    const char *why =
        admission_enter(listener->admission, s->peer.remote_ip, listener->admission_logins);
    s->is_admitted = !why;
    if (!why)
        return true;
    log_info(&s->log, "connection refused", LOG_CSTR("ip", s->peer.remote_ip),
             LOG_CSTR("why", why));
    session_turn_away(s, why);
    return false;
}

void session_leave(struct session *s)
{
    if (s->is_admitted)
        admission_leave(s->listening->config.admission, s->peer.remote_ip);
    s->is_admitted = false;
}

/* ---- Handshakes */

/* Who waits longest goes: an honest client is through in less than a second, so with many
 * strangers who never end theirs it is one of them. To refuse the newest instead would let them
 * keep everybody out. */
static uint64_t take_place(struct session_server *server, struct session *s)
{
    struct list_link *oldest = NULL;
    uint64_t id = 0;
    pthread_mutex_lock(&server->handshakes_lock);
    if (server->handshakes_count == server->handshakes_max)
        oldest = list_take_first(&server->handshakes);
    else
        server->handshakes_count++;
    if (oldest)
        id = CONTAINER_OF(oldest, struct session, handshake_link)->id;
    list_append(&server->handshakes, &s->handshake_link);
    pthread_mutex_unlock(&server->handshakes_lock);
    return id;
}

void session_handshake_begin(struct session *s)
{
    if (s->in_handshake)
        return;
    s->in_handshake = true;
    s->handshake_until_ms = s->now_ms + s->server->config.handshake_timeout_ms;
    uint64_t ousted = take_place(s->server, s);
    if (ousted != 0)
        session_signal(s->server, ousted, SIGNAL_OUSTED);
}

void session_handshake_end(struct session *s)
{
    struct session_server *server = s->server;
    if (!s->in_handshake)
        return;
    s->in_handshake = false;
    pthread_mutex_lock(&server->handshakes_lock);
    if (!list_is_empty(&s->handshake_link)) { /* not ousted */
        list_remove(&s->handshake_link);
        server->handshakes_count--;
    }
    pthread_mutex_unlock(&server->handshakes_lock);
}
