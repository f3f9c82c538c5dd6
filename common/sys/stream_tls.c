#include "common/sys/net.h"
#include "common/sys/stream_internal.h"
#include "common/sys/tls.h"

#include <errno.h>
#include <openssl/x509v3.h>
#include <poll.h>

#define HOST_MAX 253

bool stream_tls_wait(struct stream *s, int n, const char *what, int64_t deadline_ms,
                     struct err *err)
{
    switch (SSL_get_error(s->ssl, n)) {
    case SSL_ERROR_WANT_READ:
        return net_wait(s->fd, POLLIN, deadline_ms, err);
    case SSL_ERROR_WANT_WRITE:
        return net_wait(s->fd, POLLOUT, deadline_ms, err);
    case SSL_ERROR_ZERO_RETURN:
        return err_set(err, ERR_UNAVAILABLE, "%s: connection closed by peer", what);
    default:
        tls_error(err, what);
        err->kind = ERR_UNAVAILABLE;
        return false;
    }
}

bool stream_tls_read(struct stream *s, char *dst, size_t size, int64_t deadline_ms, size_t *ret_len,
                     struct err *err)
{
    int n;
    ERR_clear_error();
    while (errno = 0, (n = SSL_read(s->ssl, dst, (int)size)) <= 0)
        TRY(stream_tls_wait(s, n, "TLS read", deadline_ms, err));
    *ret_len = (size_t)n;
    return true;
}

bool stream_tls_write_all(struct stream *s, struct str bytes, int64_t deadline_ms, struct err *err)
{
    ERR_clear_error();
    while (bytes.len > 0) {
        int size = bytes.len > INT32_MAX ? INT32_MAX : (int)bytes.len;
        errno = 0;
        int n = SSL_write(s->ssl, bytes.ptr, size);
        if (n > 0)
            bytes = str_skip(bytes, (size_t)n);
        else
            TRY(stream_tls_wait(s, n, "TLS write", deadline_ms, err));
    }
    return true;
}

void stream_tls_end(struct stream *s)
{
    if (s->ssl && SSL_is_init_finished(s->ssl)) {
        ERR_clear_error();
        SSL_shutdown(s->ssl);
    }
    SSL_free(s->ssl);
    SSL_CTX_free(s->ctx);
    ERR_clear_error();
}

/* ---- The handshake */

static bool set_up_context(struct stream *s, const struct stream_tls *tls, struct err *err)
{
    s->ctx = SSL_CTX_new(TLS_client_method());
    if (!s->ctx)
        return tls_error(err, "set up TLS");
    SSL_CTX_set_min_proto_version(s->ctx, tls->min_version ? tls->min_version : TLS1_2_VERSION);
    SSL_CTX_set_mode(s->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(s->ctx, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_verify(s->ctx, tls->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    int ok = tls->ca_file ? SSL_CTX_load_verify_file(s->ctx, tls->ca_file)
                          : SSL_CTX_set_default_verify_paths(s->ctx);
    return ok == 1 || tls_error(err, tls->ca_file ? tls->ca_file : "trusted certificates");
}

static bool set_up_connection(struct stream *s, const char *host, struct err *err)
{
    struct ip ip;
    s->ssl = SSL_new(s->ctx);
    if (!s->ssl || SSL_set_fd(s->ssl, s->fd) != 1)
        return tls_error(err, "set up TLS");
    X509_VERIFY_PARAM *param = SSL_get0_param(s->ssl);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    /* RFC 6066 3: literal addresses are not permitted as server names. */
    bool ok = ip_parse(str_from_cstr(host), &ip)
                  ? X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1
                  : SSL_set_tlsext_host_name(s->ssl, host) == 1 &&
                        X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
    return ok || tls_error(err, "server name");
}

static bool shake_hands(struct stream *s, int64_t deadline_ms, struct err *err)
{
    int n;
    ERR_clear_error();
    while (errno = 0, (n = SSL_connect(s->ssl)) != 1)
        if (!stream_tls_wait(s, n, "handshake", deadline_ms, err))
            return err_wrap(err, "TLS");
    return true;
}

bool stream_starttls(struct stream *s, const struct stream_tls *tls, int64_t deadline_ms,
                     struct err *err)
{
    char host[HOST_MAX + 1];
    if (!str_copy_cstr(tls->host, host, sizeof(host)) || tls->host.len == 0)
        return err_set(err, ERR_SYNTAX, "\"%.*s\" is no server name", STR_ARG(tls->host));
    if (s->ssl)
        return err_set(err, ERR_STATE, "TLS is active already");
    if (stream_has_input(s))
        return err_set(err, ERR_STATE, "plain text was received before the TLS handshake");
    return stream_flush(s, deadline_ms, err) && set_up_context(s, tls, err) &&
           set_up_connection(s, host, err) && shake_hands(s, deadline_ms, err);
}

bool stream_is_tls(const struct stream *s)
{
    return s->ssl && SSL_is_init_finished(s->ssl);
}

bool stream_is_verified(const struct stream *s)
{
    return stream_is_tls(s) && SSL_get_verify_result(s->ssl) == X509_V_OK;
}

const char *stream_verify_error(const struct stream *s)
{
    if (!stream_is_tls(s) || stream_is_verified(s))
        return "";
    return X509_verify_cert_error_string(SSL_get_verify_result(s->ssl));
}

const char *stream_tls_version(const struct stream *s)
{
    return s->ssl ? SSL_get_version(s->ssl) : "";
}

const char *stream_tls_cipher(const struct stream *s)
{
    return s->ssl ? SSL_get_cipher_name(s->ssl) : "";
}
