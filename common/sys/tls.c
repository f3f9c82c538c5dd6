#include "common/sys/tls.h"

#include "common/sys/tls_certificate.h"

#include <errno.h>
#include <pthread.h>

/* A client's certificate stays in memory as long as its connection. */
#define CLIENT_CHAIN_MAX (16 * 1024)

struct certificate_paths {
    char *chain_file;
    char *key_file;
};

struct tls_context {
    struct tls_server_config config; /* `certificates` is not kept */
    struct certificate_paths *paths;
    size_t count;
    pthread_mutex_t lock; /* guards `loaded`: the pointer and what it points to */
    struct tls_loaded *loaded;
};

bool tls_error(struct err *err, const char *what)
{
    int errnum = errno;
    unsigned long code = ERR_get_error();
    const char *reason = ERR_reason_error_string(code);
    ERR_clear_error();
    if (reason)
        return err_set(err, ERR_INTERNAL, "%s: %s", what, reason);
    if (ERR_SYSTEM_ERROR(code))
        return err_set_errno(err, ERR_GET_REASON(code), "%s", what);
    if (errnum != 0)
        return err_set_errno(err, errnum, "%s", what);
    return err_set(err, ERR_INTERNAL, "%s", what);
}

/* In the place of OpenSSL's own check: no chain is built and no issuer, date or name looked at.
 * What counts is the key (tls_public_key.h), and that the client holds it is proven by its
 * signature of the handshake. */
static int accept_any_certificate(X509_STORE_CTX *store, void *user)
{
    (void)user;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

static void ask_for_certificate(SSL_CTX *ctx)
{
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, accept_any_certificate, NULL);
    SSL_CTX_set_max_cert_list(ctx, CLIENT_CHAIN_MAX);
}

/* RFC 6066 3. The arguments are OpenSSL's. */
static int choose_certificate(SSL *ssl, int *alert, void *user)
{
    struct tls_context *context = user;
    struct str name = str_from_cstr(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    if (str_is_empty(name))
        return SSL_TLSEXT_ERR_NOACK;
    int result = SSL_TLSEXT_ERR_NOACK;
    pthread_mutex_lock(&context->lock);
    for (size_t i = 0; i < context->count && result == SSL_TLSEXT_ERR_NOACK; i++) {
        if (tls_loaded_is_for(&context->loaded[i], name)) {
            SSL_set_SSL_CTX(ssl, context->loaded[i].ctx);
            result = SSL_TLSEXT_ERR_OK;
        }
    }
    pthread_mutex_unlock(&context->lock);
    if (result == SSL_TLSEXT_ERR_OK || !context->config.refuse_unknown_sni)
        return result;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void set_tickets(SSL_CTX *ctx, bool tickets)
{
    /* Sessions are never kept in memory here: thousands of them cost more than a handshake. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (!tickets)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    /* One: each new connection gets its own. OpenSSL's two cost a seventh of a handshake more. */
    SSL_CTX_set_num_tickets(ctx, tickets ? 1 : 0);
}

/* AES-128 first, where OpenSSL has AES-256: it is no weaker against what is known, and SHA-256,
 * which comes with it and which processors have instructions for, makes the handshake a tenth
 * shorter at both ends. Clients without AES instructions, who name ChaCha20 first, get that. */
static bool order_ciphers(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    return SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                         "TLS_CHACHA20_POLY1305_SHA256") == 1;
}

static SSL_CTX *new_ssl_ctx(struct tls_context *context)
{
    static const unsigned char id[] = "mailrail";
    const struct tls_server_config *config = &context->config;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx || !order_ciphers(ctx)) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_min_proto_version(ctx, config->min_version ? config->min_version : TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1); /* a record in one read instead of two */
    SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1);
    set_tickets(ctx, config->session_tickets);
    if (config->request_client_certificate)
        ask_for_certificate(ctx);
    SSL_CTX_set_tlsext_servername_callback(ctx, choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(ctx, context);
    return ctx;
}

static void free_loaded(struct tls_loaded *loaded, size_t count)
{
    for (size_t i = 0; loaded && i < count; i++)
        tls_loaded_release(&loaded[i]);
    free(loaded);
}

/* All certificates, freshly read, or NULL. */
static struct tls_loaded *load_all(struct tls_context *context, struct err *err)
{
    struct tls_loaded *loaded = xcalloc(context->count, sizeof(*loaded));
    for (size_t i = 0; i < context->count; i++) {
        SSL_CTX *ctx = new_ssl_ctx(context);
        bool ok = ctx ? tls_loaded_read(&loaded[i], ctx, context->paths[i].chain_file,
                                        context->paths[i].key_file, err)
                      : tls_error(err, "set up TLS");
        if (!ok) {
            free_loaded(loaded, i);
            return NULL;
        }
    }
    return loaded;
}

static void keep_paths(struct tls_context *context, const struct tls_server_config *config)
{
    context->count = config->certificate_count;
    context->paths = xcalloc(context->count, sizeof(*context->paths));
    for (size_t i = 0; i < context->count; i++) {
        const struct tls_certificate *certificate = &config->certificates[i];
        context->paths[i] = (struct certificate_paths){
            .chain_file = strndup(certificate->chain_file.ptr, certificate->chain_file.len),
            .key_file = strndup(certificate->key_file.ptr, certificate->key_file.len),
        };
    }
    context->config.certificates = NULL;
}

struct tls_context *tls_context_new_server(const struct tls_server_config *config, struct err *err)
{
    if (config->certificate_count == 0) {
        err_set(err, ERR_STATE, "TLS needs at least one certificate");
        return NULL;
    }
    struct tls_context *context = xcalloc(1, sizeof(*context));
    context->config = *config;
    pthread_mutex_init(&context->lock, NULL);
    keep_paths(context, config);
    context->loaded = load_all(context, err);
    if (!context->loaded) {
        tls_context_free(context);
        return NULL;
    }
    return context;
}

void tls_context_free(struct tls_context *context)
{
    if (!context)
        return;
    free_loaded(context->loaded, context->count);
    for (size_t i = 0; i < context->count; i++) {
        free(context->paths[i].chain_file);
        free(context->paths[i].key_file);
    }
    free(context->paths);
    pthread_mutex_destroy(&context->lock);
    free(context);
}

/* Only reloads write `loaded`, so that a reload may look at it without the lock; it is the
 * caller's duty not to run two at a time, which signals and timers give for free. */
static bool is_changed(const struct tls_context *context)
{
    for (size_t i = 0; i < context->count; i++)
        if (tls_loaded_is_changed(&context->loaded[i], context->paths[i].chain_file,
                                  context->paths[i].key_file))
            return true;
    return false;
}

bool tls_context_reload(struct tls_context *context, bool *ret_changed, struct err *err)
{
    bool changed = is_changed(context);
    if (changed) {
        struct tls_loaded *fresh = load_all(context, err);
        if (!fresh)
            return false;
        pthread_mutex_lock(&context->lock);
        struct tls_loaded *old = context->loaded;
        context->loaded = fresh;
        pthread_mutex_unlock(&context->lock);
        free_loaded(old, context->count); /* connections that stand hold references */
    }
    if (ret_changed)
        *ret_changed = changed;
    return true;
}

SSL *tls_server_ssl(struct tls_context *context)
{
    pthread_mutex_lock(&context->lock);
    SSL *ssl = SSL_new(context->loaded[0].ctx);
    pthread_mutex_unlock(&context->lock);
    if (ssl)
        SSL_set_accept_state(ssl);
    return ssl;
}
