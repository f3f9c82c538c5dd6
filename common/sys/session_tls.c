#include "common/sys/session_internal.h"

#include "common/base/clock.h"
#include "common/sys/tls_public_key.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

static bool start_tls(struct session *s)
{
    SSL *ssl = tls_server_ssl(s->listening->config.tls);
    BIO *bio = BIO_new(s->server->bio_method);
    if (!ssl || !bio) {
        SSL_free(ssl);
        BIO_free(bio);
        return false;
    }
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio); /* takes */
    s->ssl = ssl;
    s->tls_drained = false;
    return true;
}

/* Why a handshake failed, as one of few words: who counts them wants to tell a port scan from
 * clients that are too old (spec 10 A6). */
static void failure_reason(const struct session *s, unsigned long code, char *dst, size_t size)
{
    int reason = ERR_GET_REASON(code);
    if (code == 0 || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        snprintf(dst, size, s->ended || code == 0 ? "eof" : "other");
        return;
    }
    if (reason > SSL_AD_REASON_OFFSET) {
        int alert = reason - SSL_AD_REASON_OFFSET;
        snprintf(dst, size, "alert-%d-%s", alert, SSL_alert_desc_string_long(alert));
        return;
    }
    switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
        snprintf(dst, size, "unsupportedversions");
        break;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
        snprintf(dst, size, "nottls");
        break;
    default:
        snprintf(dst, size, "other");
    }
}

void session_tls_count_failure(struct session *s, const char *reason)
{
    if (s->listening->handshake_failures)
        metric_add(metric_with(s->listening->handshake_failures, s->ops->protocol, reason, NULL),
                   1);
    log_info(&s->log, "tls handshake failed", LOG_CSTR("reason", reason),
             LOG_CSTR("remote", s->peer.remote_ip));
}

static enum session_handshake fail(struct session *s, const char *reason)
{
    session_tls_count_failure(s, reason);
    return HANDSHAKE_FAILED;
}

static enum session_handshake wait_for_client(struct session *s)
{
    return s->now_ms < s->handshake_until_ms ? HANDSHAKE_WAITS : fail(s, "timeout");
}

/* TLS state is large, and many who connect never say a word: it is made for the first byte. */
static enum session_handshake begin(struct session *s)
{
    char byte;
    if (!s->can_receive)
        return wait_for_client(s);
    ssize_t n = recv(s->fd, &byte, 1, MSG_PEEK);
    if (n < 0 && errno == EAGAIN) {
        s->can_receive = false;
        return wait_for_client(s);
    }
    if (n <= 0)
        return fail(s, "eof");
    return start_tls(s) ? HANDSHAKE_DONE : HANDSHAKE_FAILED;
}

enum session_handshake session_tls_handshake(struct session *s)
{
    if (s->ousted)
        return fail(s, "ousted");
    if (!s->ssl) {
        enum session_handshake begun = begin(s);
        if (begun != HANDSHAKE_DONE)
            return begun;
    }
    ERR_clear_error();
    int n = SSL_do_handshake(s->ssl);
    if (n == 1) {
        if (s->listening->handshakes)
            metric_add(s->listening->handshakes, 1);
        s->active_ms = s->now_ms;
        return HANDSHAKE_DONE;
    }
    int what = SSL_get_error(s->ssl, n);
    if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE)
        return wait_for_client(s);
    char reason[64];
    failure_reason(s, ERR_peek_error(), reason, sizeof(reason));
    ERR_clear_error();
    return fail(s, reason);
}

/* RFC 8446 6.1: tells the client that nothing was cut off. Not waited for. */
void session_tls_end(struct session *s)
{
    if (s->ssl && SSL_is_init_finished(s->ssl) && !s->ended) {
        ERR_clear_error();
        SSL_shutdown(s->ssl);
    }
}

/* ---- For protocol code */

bool session_is_tls(const struct session *s)
{
    return s->ssl != NULL;
}

const char *session_tls_version(const struct session *s)
{
    return s->ssl ? SSL_get_version(s->ssl) : "";
}

const char *session_tls_cipher(const struct session *s)
{
    return s->ssl ? SSL_get_cipher_name(s->ssl) : "";
}

bool session_can_starttls(const struct session *s)
{
    return s->listening->config.tls && !s->ssl;
}

bool session_channel_binding(struct session *s, struct str type, struct buf *out)
{
    return s->ssl && tls_channel_binding(s->ssl, type, out);
}

bool session_client_key(struct session *s, struct buf *out)
{
    return s->ssl && tls_client_key(s->ssl, out);
}
