#include "common/sys/session_internal.h"

#include "common/base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define SLOW_BYTE_MS 1000
#define SLOW_FLUSH_MS 25000 /* 30 s, less the 5 s in which the rest must arrive (spec 10 A3) */
#define RECEIVE_COMPRESSED (16 * 1024)
#define DISCARD_MAX (64 * 1024)

/* ---- The socket. Readiness is edge-triggered: what is known from the last call is not asked
 * again, which saves a third of all system calls. */

static ssize_t receive(struct session *s, void *dst, size_t size)
{
    if (!s->can_receive) {
        errno = EAGAIN;
        return -1;
    }
    ssize_t n = recv(s->fd, dst, size, 0);
    if (n < 0 && errno == EAGAIN)
        s->can_receive = false;
    s->unanswered |= n > 0;
    /* Less than there was room for: the socket is empty, and new bytes make a new edge. An end of
     * stream that was announced already makes none. */
    if (n > 0 && (size_t)n < size && !s->hangup)
        s->can_receive = false;
    return n;
}

static ssize_t transmit(struct session *s, const void *src, size_t size)
{
    if (!s->can_send) {
        errno = EAGAIN;
        return -1;
    }
    ssize_t n = send(s->fd, src, size, MSG_NOSIGNAL);
    if ((n < 0 && errno == EAGAIN) || (n >= 0 && (size_t)n < size))
        s->can_send = false;
    s->unanswered &= n <= 0;
    return n;
}

/* ---- The same as OpenSSL wants it. */

static int bio_read(BIO *bio, char *dst, int size)
{
    ssize_t n = receive(BIO_get_data(bio), dst, (size_t)size);
    BIO_clear_retry_flags(bio);
    if (n < 0 && errno == EAGAIN)
        BIO_set_retry_read(bio);
    return (int)n;
}

static int bio_write(BIO *bio, const char *src, int size)
{
    ssize_t n = transmit(BIO_get_data(bio), src, (size_t)size);
    BIO_clear_retry_flags(bio);
    if (n < 0 && errno == EAGAIN)
        BIO_set_retry_write(bio);
    return (int)n;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD *session_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "session");
    BUG_ON(!method);
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_control);
    return method;
}

/* ---- Output */

/* Sends what can be sent of `bytes`; 0 when the client must read first, -1 when it is gone. */
static ssize_t send_some(struct session *s, struct str bytes)
{
    if (!s->ssl) {
        ssize_t n = transmit(s, bytes.ptr, bytes.len);
        return n < 0 && errno == EAGAIN ? 0 : n;
    }
    int size = bytes.len > INT32_MAX ? INT32_MAX : (int)bytes.len;
    ERR_clear_error();
    int n = SSL_write(s->ssl, bytes.ptr, size);
    if (n > 0)
        return n;
    int reason = SSL_get_error(s->ssl, n);
    return reason == SSL_ERROR_WANT_WRITE || reason == SSL_ERROR_WANT_READ ? 0 : -1;
}

bool session_has_output(const struct session *s)
{
    return session_out_pending(s) > 0 ||
           (s->compression && session_compression_has_output(s->compression));
}

/* What goes to the connection next. */
static struct str next_output(struct session *s)
{
    struct str plain = str_skip(buf_str(&s->out), s->out_at);
    if (!s->compression)
        return plain;
    size_t taken;
    struct str compressed = session_compression_output(s->compression, plain, &taken);
    s->out_at += taken;
    return compressed;
}

static void note_sent(struct session *s, size_t count)
{
    if (s->compression)
        session_compression_sent(s->compression, count);
    else
        s->out_at += count;
    s->sent_ms = s->now_ms;
}

static enum session_flush send_all(struct session *s)
{
    while (session_has_output(s)) {
        struct str bytes = next_output(s);
        ssize_t n = bytes.len > 0 ? send_some(s, bytes) : 0;
        if (n < 0)
            return FLUSH_FAILED;
        if (n == 0 && bytes.len > 0)
            return FLUSH_BLOCKED;
        note_sent(s, (size_t)n);
    }
    return FLUSH_DONE;
}

/* One byte a second, so that a sender of junk has less time for others; all that is left in time
 * before it would give up (spec 10 A3). */
static enum session_flush send_slowly(struct session *s)
{
    if (s->now_ms - s->flush_started_ms >= SLOW_FLUSH_MS)
        return send_all(s);
    if (s->now_ms < s->next_byte_ms)
        return FLUSH_BLOCKED;
    /* A record that OpenSSL has begun must be finished first. */
    struct str bytes = next_output(s);
    size_t len = s->ssl && SSL_want_write(s->ssl) ? bytes.len : 1;
    ssize_t n = bytes.len > 0 ? send_some(s, str_slice(bytes, 0, len)) : 0;
    if (n < 0)
        return FLUSH_FAILED;
    note_sent(s, (size_t)n);
    s->next_byte_ms = s->now_ms + SLOW_BYTE_MS;
    return session_has_output(s) ? FLUSH_BLOCKED : FLUSH_DONE;
}

enum session_flush session_flush(struct session *s)
{
    if (!session_has_output(s))
        return FLUSH_DONE;
    if (!s->flushing) {
        s->flushing = true;
        s->flush_started_ms = s->sent_ms = s->now_ms;
    }
    enum session_flush result = s->slow ? send_slowly(s) : send_all(s);
    if (result == FLUSH_DONE) {
        s->flushing = false;
        s->active_ms = s->now_ms;
        s->out_at = s->out_traced = 0;
        buf_reset(&s->out);
    }
    return result;
}

void session_send_now(struct session *s)
{
    s->now_ms = clock_monotonic_ms();
    if (s->slow || s->hold_until_ms > s->now_ms)
        return;
    session_trace_unit(s);
    session_trace_output(s);
    session_flush(s); /* a failure shows again after the callback */
}

void session_out_compact(struct session *s)
{
    if (s->out_at == 0)
        return;
    buf_consume(&s->out, s->out_at);
    s->out_traced -= s->out_at;
    s->out_at = 0;
}

/* ---- Input */

/* Input may hold passwords: it does not stay in memory longer than it is needed. Message data is
 * no secret of that kind, and long. */
static void forget_handled_input(struct session *s)
{
    if (s->in_at < s->in.len)
        return;
    if (s->trace != LOG_TRACE_DATA && s->in.len > 0)
        explicit_bzero(s->in.ptr, s->in.len);
    s->in_at = 0;
    buf_reset(&s->in);
}

static enum session_fill fill_plain(struct session *s, char *dst, size_t size, size_t *ret_len)
{
    ssize_t n = receive(s, dst, size);
    if (n > 0) {
        *ret_len = (size_t)n;
        return FILL_GOT;
    }
    return n < 0 && errno == EAGAIN ? FILL_NONE : FILL_END;
}

/* As much as there is: OpenSSL gives one record at a time. */
static enum session_fill fill_tls(struct session *s, char *dst, size_t size, size_t *ret_len)
{
    size_t len = 0;
    int n = 1;
    ERR_clear_error();
    while (len < size && (n = SSL_read(s->ssl, dst + len, (int)(size - len))) > 0)
        len += (size_t)n;
    int reason = n > 0 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, n);
    s->tls_drained = n <= 0;
    *ret_len = len;
    if (len > 0) {
        /* A failure after good data is found again by the next read. */
        if (reason != SSL_ERROR_NONE && reason != SSL_ERROR_WANT_READ)
            s->tls_drained = false;
        return FILL_GOT;
    }
    return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? FILL_NONE : FILL_END;
}

static bool may_receive(const struct session *s)
{
    return s->ssl ? !s->tls_drained : s->can_receive;
}

static bool may_have_input(const struct session *s)
{
    return may_receive(s) || (s->compression && session_compression_has_input(s->compression));
}

static enum session_fill fill_from_connection(struct session *s, char *dst, size_t size,
                                              size_t *ret_len)
{
    if (!may_receive(s))
        return FILL_NONE;
    return s->ssl ? fill_tls(s, dst, size, ret_len) : fill_plain(s, dst, size, ret_len);
}

/* Nothing new is received before what came is decompressed: that is what bounds it. */
static enum session_fill fill_decompressed(struct session *s, char *dst, size_t size,
                                           size_t *ret_len)
{
    char received[RECEIVE_COMPRESSED];
    for (;;) {
        size_t len = 0;
        enum session_fill result = FILL_NONE;
        if (session_compression_has_input(s->compression))
            result = session_compression_get(s->compression, dst, size, ret_len);
        if (result == FILL_END)
            log_info(&s->log, "compressed input has ended or is damaged");
        if (result == FILL_NONE)
            result = fill_from_connection(s, received, sizeof(received), &len);
        if (len == 0)
            return result;
        session_compression_put(s->compression, str_make(received, len));
    }
}

enum session_fill session_fill(struct session *s)
{
    forget_handled_input(s);
    if (!may_have_input(s))
        return FILL_NONE;
    if (s->in_at > 0) {
        buf_consume(&s->in, s->in_at);
        s->in_at = 0;
    }
    bool is_half_full = s->in.len > SESSION_READ_SIZE / 2;
    size_t size = is_half_full ? SESSION_READ_SIZE : SESSION_READ_SIZE - s->in.len;
    char *dst = buf_reserve(&s->in, size);
    BUG_ON(!dst); /* units are limited far below the buffer's maximum */
    size_t len = 0;
    enum session_fill result = s->compression ? fill_decompressed(s, dst, size, &len)
                                              : fill_from_connection(s, dst, size, &len);
    buf_commit(&s->in, len);
    if (result == FILL_GOT)
        s->active_ms = s->now_ms;
    return result;
}

enum session_fill session_discard_input(struct session *s)
{
    char scratch[4096];
    for (size_t total = 0; total < DISCARD_MAX;) {
        ssize_t n = receive(s, scratch, sizeof(scratch));
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return FILL_END;
        if (n < 0)
            return total > 0 ? FILL_GOT : FILL_NONE;
        total += (size_t)n;
    }
    return FILL_GOT;
}
