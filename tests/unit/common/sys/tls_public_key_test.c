#include "common/sys/tls_public_key.h"

#include "common/base/buf.h"
#include "tests/unit/support/remove_tree.h"

#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char key_directory[64];
static struct tls_context *server_context;

static void setup(void)
{
    struct err err;
    char chain[128], key[128];
    snprintf(key_directory, sizeof(key_directory), "/tmp/tls-key-test-XXXXXX");
    cr_assert(mkdtemp(key_directory));
    snprintf(chain, sizeof(chain), "%s/chain.pem", key_directory);
    snprintf(key, sizeof(key), "%s/key.pem", key_directory);
    const struct tls_certificate files = {str_from_cstr(chain), str_from_cstr(key)};
    cr_assert(tls_make_self_signed(STR("localhost"), files.chain_file, files.key_file, &err));
    server_context =
        tls_context_new_server(&(struct tls_server_config){.certificates = &files,
                                                           .certificate_count = 1,
                                                           .session_tickets = true,
                                                           .request_client_certificate = true},
                               &err);
    cr_assert(server_context, "%s", err.detail);
}

static void teardown(void)
{
    tls_context_free(server_context);
    remove_tree(key_directory);
}

TestSuite(tls_public_key, .init = setup, .fini = teardown);

/* Self-signed, out of date since 1970, with a name or none. */
static X509 *certificate_for(EVP_PKEY *key, const char *name)
{
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 0xBEEF);
    ASN1_TIME_set(X509_getm_notBefore(certificate), 0);
    ASN1_TIME_set(X509_getm_notAfter(certificate), 60);
    if (name)
        X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                                   (const unsigned char *)name, -1, -1, 0);
    X509_set_pubkey(certificate, key);
    int type = EVP_PKEY_get_base_id(key);
    bool is_edwards = type == EVP_PKEY_ED25519 || type == EVP_PKEY_ED448;
    cr_assert(X509_sign(certificate, key, is_edwards ? NULL : EVP_sha256()) > 0);
    return certificate;
}

static struct str pem_of(X509 *certificate, EVP_PKEY *key, char *dst, size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (certificate)
        PEM_write_bio_X509(bio, certificate);
    if (key)
        PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    int len = BIO_read(bio, dst, (int)size);
    BIO_free(bio);
    return str_make(dst, len > 0 ? (size_t)len : 0);
}

static EVP_PKEY *key_of(const char *type)
{
    if (strncmp(type, "rsa-", 4) == 0)
        return EVP_RSA_gen((unsigned)atoi(type + 4));
    if (strcmp(type, "ed25519") == 0)
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (strcmp(type, "ed448") == 0)
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
    return EVP_EC_gen(strcmp(type, "ecdsa-384") == 0   ? "P-384"
                      : strcmp(type, "ecdsa-192") == 0 ? "P-192"
                                                       : "P-256");
}

Test(tls_public_key, certificates_are_read)
{
    static const struct {
        const char *type;
        const char *name;
        const char *want_name; /* NULL: the key is refused */
    } rows[] = {
        {"rsa-2048", "Ann's laptop", "Ann's laptop"},
        {"rsa-1024", "weak", NULL},
        {"ecdsa-256", "J\u00fcrgen", "J\u00fcrgen"},
        {"ecdsa-384", NULL, "BEEF"},
        {"ecdsa-192", "weak", NULL},
        {"ed25519", "phone", "phone"},
        {"ed448", "not in TLS 1.2 clients", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[8192];
        struct err err = {0};
        struct tls_public_key read;
        EVP_PKEY *key = key_of(rows[i].type);
        X509 *certificate = certificate_for(key, rows[i].name);
        struct str pem = pem_of(certificate, NULL, text, sizeof(text));
        bool ok = tls_public_key_of_pem(pem, &read, &err);
        cr_assert_eq(ok, rows[i].want_name != NULL, "%s: %s", rows[i].type, err.detail);
        if (ok) {
            cr_assert_str_eq(read.algorithm, rows[i].type);
            cr_assert_str_eq(read.certificate, rows[i].want_name);
        }
        X509_free(certificate);
        EVP_PKEY_free(key);
    }
}

Test(tls_public_key, exactly_one_certificate_is_wanted)
{
    char one[8192], two[16384], with_key[8192], only_key[8192];
    struct tls_public_key read;
    struct err err;
    EVP_PKEY *key = key_of("ed25519");
    X509 *certificate = certificate_for(key, "phone");
    struct str pem = pem_of(certificate, NULL, one, sizeof(one));
    snprintf(two, sizeof(two), "%.*s%.*s", STR_ARG(pem), STR_ARG(pem));
    const struct {
        const char *name;
        struct str pem;
        bool want;
    } rows[] = {
        {"one", pem, true},
        {"none", STR("no PEM at all\n"), false},
        {"empty", STR(""), false},
        {"two", str_from_cstr(two), false},
        {"with its key", pem_of(certificate, key, with_key, sizeof(with_key)), false},
        {"the key alone", pem_of(NULL, key, only_key, sizeof(only_key)), false},
        {"cut off", str_slice(pem, 0, pem.len - 40), false},
        {"not a certificate", STR("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
         false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(tls_public_key_of_pem(rows[i].pem, &read, &err), rows[i].want, "%s",
                     rows[i].name);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

/* ---- Connections */

struct client {
    SSL_CTX *ctx;
    SSL_SESSION *session; /* to resume, or that the last handshake gave */
    bool resumed;
};

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct client *client = SSL_get_app_data(ssl);
    SSL_SESSION_free(client->session);
    client->session = session;
    return 1;
}

static struct client client_with(EVP_PKEY *key, X509 *certificate, int version)
{
    struct client client = {.ctx = SSL_CTX_new(TLS_client_method())};
    SSL_CTX_set_max_proto_version(client.ctx, version);
    SSL_CTX_set_session_cache_mode(client.ctx, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(client.ctx, keep_session);
    if (certificate)
        cr_assert(SSL_CTX_use_certificate(client.ctx, certificate) == 1);
    if (key)
        cr_assert(SSL_CTX_use_PrivateKey(client.ctx, key) == 1);
    return client;
}

static void client_release(struct client *client)
{
    SSL_SESSION_free(client->session);
    SSL_CTX_free(client->ctx);
}

/* Shakes hands in memory. False when that fails; else the fingerprint that the server sees, or
 * nothing, is in `seen`. */
static bool connect_as(struct client *client, struct buf *seen)
{
    char byte;
    SSL *server = tls_server_ssl(server_context);
    SSL *ssl = SSL_new(client->ctx);
    BIO *a, *b;
    BIO_new_bio_pair(&a, 65536, &b, 65536);
    SSL_set_bio(server, a, a);
    SSL_set_bio(ssl, b, b);
    SSL_set_connect_state(ssl);
    SSL_set_app_data(ssl, client);
    if (client->session)
        SSL_set_session(ssl, client->session);
    buf_reset(seen);
    for (int i = 0; i < 10; i++) {
        SSL_do_handshake(ssl);
        SSL_do_handshake(server);
    }
    bool ok = SSL_is_init_finished(ssl) && SSL_is_init_finished(server);
    client->resumed = ok && SSL_session_reused(server) == 1;
    if (ok) {
        SSL_read(ssl, &byte, 1); /* tickets of TLS 1.3 come behind the handshake */
        tls_client_key(server, seen);
        SSL_shutdown(ssl); /* else the session may not be resumed */
    }
    SSL_free(ssl);
    SSL_free(server);
    ERR_clear_error();
    return ok;
}

static void check_connections(const char *type, int version)
{
    char text[8192];
    struct tls_public_key registered;
    struct err err;
    struct buf seen;
    buf_init(&seen, 1024);
    EVP_PKEY *key = key_of(type);
    X509 *certificate = certificate_for(key, "old"), *renewed = certificate_for(key, "new");
    cr_assert(tls_public_key_of_pem(pem_of(renewed, NULL, text, sizeof(text)), &registered, &err));
    struct client client = client_with(key, certificate, version);
    for (int i = 0; i < 2; i++) {
        cr_assert(connect_as(&client, &seen), "%s, connection %d", type, i);
        cr_assert_eq(client.resumed, i == 1, "%s, connection %d", type, i);
        cr_assert(str_eq(buf_str(&seen), str_make(registered.fingerprint, TLS_FINGERPRINT_SIZE)),
                  "%s, connection %d", type, i);
    }
    client_release(&client);
    X509_free(certificate);
    X509_free(renewed);
    EVP_PKEY_free(key);
    buf_release(&seen);
}

Test(tls_public_key, the_key_of_a_client_is_seen_also_when_it_resumes)
{
    static const char *const types[] = {"rsa-2048", "ecdsa-256", "ed25519"};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        check_connections(types[i], TLS1_2_VERSION);
        check_connections(types[i], TLS1_3_VERSION);
    }
}

Test(tls_public_key, who_presents_nothing_has_no_key)
{
    struct buf seen;
    buf_init(&seen, 1024);
    struct client client = client_with(NULL, NULL, TLS1_3_VERSION);
    cr_assert(connect_as(&client, &seen));
    cr_assert_eq(seen.len, 0);
    client_release(&client);
    buf_release(&seen);
}
