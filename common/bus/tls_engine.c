#include "common/bus/tls_engine.h"

#include "common/base/bug.h"
#include "common/bus/nng_mend.h"
#include "common/sys/tls.h"

#include <nng/nng.h>
#include <nng/supplemental/tls/engine.h>
#include <errno.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* ---- Bytes between OpenSSL and nng */

static int read_bytes(BIO *bio, char *data, size_t size, size_t *ret_len)
{
    *ret_len = size;
    int rc = nng_tls_engine_recv(BIO_get_data(bio), (uint8_t *)data, ret_len);
    BIO_clear_retry_flags(bio);
    if (rc == NNG_EAGAIN)
        BIO_set_retry_read(bio);
    return rc == 0;
}

static int write_bytes(BIO *bio, const char *data, size_t size, size_t *ret_len)
{
    *ret_len = size;
    int rc = nng_tls_engine_send(BIO_get_data(bio), (const uint8_t *)data, ret_len);
    BIO_clear_retry_flags(bio);
    if (rc == NNG_EAGAIN)
        BIO_set_retry_write(bio);
    return rc == 0;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *through_nng;

/* ---- A connection */

struct nng_tls_engine_config {
    SSL_CTX *context;
    nng_tls_mode mode;
};

#define GREETING_LEN 8 /* with it either side's nng begins */

struct greeting {
    uint8_t bytes[GREETING_LEN];
    size_t len;
};

struct nng_tls_engine_conn {
    SSL *ssl;
    struct greeting ours, theirs;
    bool has_greeted; /* ours is on its way */
    bool is_greeted;  /* theirs has come, and nng has it */
};

static int connection_init(nng_tls_engine_conn *c, void *stream, nng_tls_engine_config *config)
{
    BIO *bio = BIO_new(through_nng);
    c->ssl = config->context ? SSL_new(config->context) : NULL;
    if (!c->ssl || !bio) {
        BIO_free(bio);
        return NNG_ENOMEM;
    }
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    SSL_set_bio(c->ssl, bio, bio);
    if (config->mode == NNG_TLS_MODE_SERVER)
        SSL_set_accept_state(c->ssl);
    else
        SSL_set_connect_state(c->ssl);
    return 0;
}

static void connection_fini(nng_tls_engine_conn *c)
{
    SSL_free(c->ssl);
}

/* nng's messages say how long they are: who cuts one off cannot make another of it, and no
 * close_notify is needed. */
static void connection_close(nng_tls_engine_conn *c)
{
    (void)c;
}

/* A result of OpenSSL as one of nng. NNG_ECONNRESET is the error after which nng goes on to listen
 * at once. */
static int result_of(nng_tls_engine_conn *c, int result)
{
    if (result > 0)
        return 0;
    int why = SSL_get_error(c->ssl, result);
    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? NNG_EAGAIN : NNG_ECONNRESET;
}

static int connection_handshake(nng_tls_engine_conn *c)
{
    return result_of(c, SSL_do_handshake(c->ssl));
}

/* nng sends its greeting, then waits for the other side's. It does the second by time: who does not
 * greet within ten seconds is sent away. But what waits to be sent it cannot take back, and if a
 * connection breaks between the two, it takes that for the closing of its own listener or dialer
 * (decision 0016). So our greeting counts as sent at once, before anything is done with the
 * connection. TLS begins when nng waits for theirs, which it gets in one piece. */
static int keep_greeting(nng_tls_engine_conn *c, const uint8_t *data, size_t *len)
{
    if (*len > GREETING_LEN - c->ours.len)
        *len = GREETING_LEN - c->ours.len;
    memcpy(c->ours.bytes + c->ours.len, data, *len);
    c->ours.len += *len;
    return 0;
}

static int connection_send(nng_tls_engine_conn *c, const uint8_t *data, size_t *len)
{
    if (c->ours.len < GREETING_LEN)
        return keep_greeting(c, data, len);
    return result_of(c, SSL_write_ex(c->ssl, data, *len, len));
}

static int send_greeting(nng_tls_engine_conn *c)
{
    size_t sent;
    int rc = result_of(c, SSL_write_ex(c->ssl, c->ours.bytes, GREETING_LEN, &sent));
    c->has_greeted = rc == 0;
    return rc;
}

static int await_greeting(nng_tls_engine_conn *c)
{
    int rc = c->has_greeted ? 0 : send_greeting(c);
    while (rc == 0 && c->theirs.len < GREETING_LEN) {
        size_t len = GREETING_LEN - c->theirs.len;
        rc = result_of(c, SSL_read_ex(c->ssl, c->theirs.bytes + c->theirs.len, len, &len));
        if (rc == 0)
            c->theirs.len += len;
    }
    return rc;
}

static int connection_receive(nng_tls_engine_conn *c, uint8_t *data, size_t *len)
{
    if (c->is_greeted)
        return result_of(c, SSL_read_ex(c->ssl, data, *len, len));
    BUG_ON(*len < GREETING_LEN);
    int rc = await_greeting(c);
    if (rc == 0) {
        memcpy(data, c->theirs.bytes, GREETING_LEN);
        *len = GREETING_LEN;
        c->is_greeted = true;
    }
    return rc;
}

static bool connection_is_verified(nng_tls_engine_conn *c)
{
    return SSL_get_verify_result(c->ssl) == X509_V_OK;
}

/* ---- A configuration: an SSL_CTX that was made below, and what nng asks for besides */

static int config_init(nng_tls_engine_config *config, nng_tls_mode mode)
{
    config->mode = mode;
    return 0;
}

static void config_fini(nng_tls_engine_config *config)
{
    SSL_CTX_free(config->context);
}

/* The certificate is our SSL_CTX: nng hands it on as it is. */
static int config_take_context(nng_tls_engine_config *config, const char *context, const char *key,
                               const char *password)
{
    (void)key;
    (void)password;
    config->context = (SSL_CTX *)(void *)context;
    return SSL_CTX_up_ref(config->context) == 1 ? 0 : NNG_EINTERNAL;
}

/* Everything else is in the SSL_CTX already. */
static int ignore_name(nng_tls_engine_config *config, const char *name)
{
    (void)config;
    (void)name;
    return 0;
}

static int ignore_mode(nng_tls_engine_config *config, nng_tls_auth_mode mode)
{
    (void)config;
    (void)mode;
    return 0;
}

static int ignore_chain(nng_tls_engine_config *config, const char *chain, const char *revoked)
{
    (void)config;
    (void)chain;
    (void)revoked;
    return 0;
}

static int ignore_versions(nng_tls_engine_config *config, nng_tls_version min, nng_tls_version max)
{
    (void)config;
    (void)min;
    (void)max;
    return 0;
}

/* ---- The engine */

static nng_tls_engine_config_ops config_ops = {
    .size = sizeof(struct nng_tls_engine_config),
    .init = config_init,
    .fini = config_fini,
    .server = ignore_name,
    .auth = ignore_mode,
    .ca_chain = ignore_chain,
    .own_cert = config_take_context,
    .version = ignore_versions,
};

static nng_tls_engine_conn_ops connection_ops = {
    .size = sizeof(struct nng_tls_engine_conn),
    .init = connection_init,
    .fini = connection_fini,
    .close = connection_close,
    .handshake = connection_handshake,
    .recv = connection_receive,
    .send = connection_send,
    .verified = connection_is_verified,
};

static const nng_tls_engine engine = {
    .version = NNG_TLS_ENGINE_VERSION,
    .config_ops = &config_ops,
    .conn_ops = &connection_ops,
    .name = "openssl",
    .description = "OpenSSL, with the names of services",
};

static void register_engine(void)
{
    through_nng = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "nng");
    if (!through_nng || BIO_meth_set_read_ex(through_nng, read_bytes) != 1 ||
        BIO_meth_set_write_ex(through_nng, write_bytes) != 1 ||
        BIO_meth_set_ctrl(through_nng, control) != 1)
        BUG("cannot make a BIO_METHOD");
    nng_tls_engine_name(); /* starts nng, which then registers its own */
    if (nng_tls_engine_register(&engine) != 0)
        BUG("nng refuses the TLS engine");
}

/* ---- Certificates */

static bool use_files(SSL_CTX *context, const struct bus_tls *tls, struct err *err)
{
    const char *const files[] = {tls->ca, tls->certificate, tls->key};
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (access(files[i], R_OK) != 0)
            return err_set_errno(err, errno, "%s", files[i]);
    if (SSL_CTX_load_verify_file(context, tls->ca) != 1)
        return tls_error(err, "no certificate in PEM form") || err_wrap(err, "%s", tls->ca);
    if (SSL_CTX_use_certificate_chain_file(context, tls->certificate) != 1)
        return tls_error(err, "no certificate in PEM form") ||
               err_wrap(err, "%s", tls->certificate);
    if (SSL_CTX_use_PrivateKey_file(context, tls->key, SSL_FILETYPE_PEM) != 1)
        return tls_error(err, "no key in PEM form for the certificate") ||
               err_wrap(err, "%s", tls->key);
    return true;
}

/* The other side would only say no, and not why. */
static bool check_own(SSL_CTX *context, const struct bus_tls *tls, struct err *err)
{
    X509 *own = SSL_CTX_get0_certificate(context);
    if (X509_check_host(own, tls->name, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) != 1)
        return err_set(err, ERR_SYNTAX, "%s: is not for the service %s", tls->certificate,
                       tls->name);
    if (X509_cmp_current_time(X509_get0_notAfter(own)) < 0)
        return err_set(err, ERR_SYNTAX, "%s: has expired", tls->certificate);
    return true;
}

static bool expect(SSL_CTX *context, const char *const *peers)
{
    X509_VERIFY_PARAM *check = SSL_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_hostflags(check, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                               X509_CHECK_FLAG_NO_WILDCARDS);
    for (; *peers; peers++)
        if (X509_VERIFY_PARAM_add1_host(check, *peers, 0) != 1)
            return false;
    return true;
}

static void set_up(SSL_CTX *context)
{
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
}

static bool wrap_context(SSL_CTX *context, nng_tls_mode mode, nng_tls_config **ret, struct err *err)
{
    nng_mend();
    int rc = nng_tls_config_alloc(ret, mode);
    if (rc == 0)
        rc = nng_tls_config_own_cert(*ret, (const char *)context, NULL, NULL);
    return rc == 0 || err_set(err, ERR_INTERNAL, "TLS: %s", nng_strerror(rc));
}

bool tls_engine_config(const struct bus_tls *tls, nng_tls_mode mode, nng_tls_config **ret,
                       struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_engine);
    BUG_ON(!tls->peers || !*tls->peers);
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    if (!context || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        !expect(context, tls->peers)) {
        SSL_CTX_free(context);
        return tls_error(err, "set up TLS");
    }
    set_up(context);
    bool ok = use_files(context, tls, err) && check_own(context, tls, err) &&
              wrap_context(context, mode, ret, err);
    SSL_CTX_free(context);
    return ok;
}
