#include "common/sys/tls.h"

#include "common/sys/file.h"
#include "common/sys/tls_certificate.h"
#include "tests/unit/support/remove_tree.h"

#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char tls_directory[64];

static void enter(void)
{
    snprintf(tls_directory, sizeof(tls_directory), "/tmp/tls-test-XXXXXX");
    cr_assert(mkdtemp(tls_directory));
}

static void leave(void)
{
    remove_tree(tls_directory);
}

struct files {
    char chain[128];
    char key[128];
};

static struct files files_named(const char *name)
{
    struct files f;
    snprintf(f.chain, sizeof(f.chain), "%s/%s-chain.pem", tls_directory, name);
    snprintf(f.key, sizeof(f.key), "%s/%s-key.pem", tls_directory, name);
    return f;
}

static struct files make(const char *name, const char *hostname)
{
    struct err err;
    struct files f = files_named(name);
    cr_assert(tls_make_self_signed(str_from_cstr(hostname), str_from_cstr(f.chain),
                                   str_from_cstr(f.key), &err),
              "%s", err.detail);
    return f;
}

static struct tls_certificate certificate_of(const struct files *f)
{
    return (struct tls_certificate){str_from_cstr(f->chain), str_from_cstr(f->key)};
}

/* Shakes hands in memory. Both ends are the caller's. */
static void shake_hands(SSL *server, SSL *client)
{
    BIO *a, *b;
    BIO_new_bio_pair(&a, 0, &b, 0);
    SSL_set_bio(server, a, a);
    SSL_set_bio(client, b, b);
    SSL_set_connect_state(client);
    for (int i = 0; i < 10; i++) {
        SSL_do_handshake(client);
        SSL_do_handshake(server);
    }
}

/* The server certificate's common name; "-" on failure. */
static const char *name_served(struct tls_context *context, const char *sni, int max_version)
{
    static char name[128];
    SSL *server = tls_server_ssl(context);
    SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(client_ctx, max_version);
    SSL *client = SSL_new(client_ctx);
    if (sni)
        SSL_set_tlsext_host_name(client, sni);
    shake_hands(server, client);
    snprintf(name, sizeof(name), "-");
    X509 *certificate = SSL_get0_peer_certificate(client);
    if (SSL_is_init_finished(client) && SSL_is_init_finished(server) && certificate)
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                  sizeof(name));
    SSL_free(client);
    SSL_free(server);
    SSL_CTX_free(client_ctx);
    ERR_clear_error();
    return name;
}

static void check_served(struct tls_context *context, const char *sni, const char *want)
{
    const char *got = name_served(context, sni, 0);
    cr_assert_str_eq(got, want, "%s: got %s, want %s", sni ? sni : "no SNI", got, want);
}

Test(tls, the_certificate_is_chosen_by_name)
{
    struct err err;
    enter();
    struct files one = make("one", "mail.example.org");
    struct files two = make("two", "MX.example.net");
    struct tls_certificate certificates[] = {certificate_of(&one), certificate_of(&two)};
    struct tls_server_config config = {.certificates = certificates, .certificate_count = 2};
    struct tls_context *context = tls_context_new_server(&config, &err);
    cr_assert(context, "%s", err.detail);
    check_served(context, "mail.example.org", "mail.example.org");
    check_served(context, "mx.example.NET", "MX.example.net");
    check_served(context, "unknown.example", "mail.example.org");
    check_served(context, NULL, "mail.example.org");
    tls_context_free(context);

    config.refuse_unknown_sni = true;
    context = tls_context_new_server(&config, &err);
    check_served(context, "mx.example.net", "MX.example.net");
    check_served(context, "unknown.example", "-");
    check_served(context, NULL, "mail.example.org");
    tls_context_free(context);
    leave();
}

Test(tls, old_versions_are_refused)
{
    struct err err;
    enter();
    struct files one = make("one", "mail.example.org");
    struct tls_certificate certificate = certificate_of(&one);
    struct tls_server_config config = {.certificates = &certificate, .certificate_count = 1};
    struct tls_context *context = tls_context_new_server(&config, &err);
    cr_assert_str_eq(name_served(context, NULL, TLS1_2_VERSION), "mail.example.org");
    cr_assert_str_eq(name_served(context, NULL, TLS1_1_VERSION), "-");
    tls_context_free(context);
    config.min_version = TLS1_3_VERSION;
    context = tls_context_new_server(&config, &err);
    cr_assert_str_eq(name_served(context, NULL, TLS1_2_VERSION), "-");
    tls_context_free(context);
    leave();
}

/* What a client that offers `suites` gets. */
static void check_cipher(struct tls_context *context, const char *suites, const char *want)
{
    SSL *server = tls_server_ssl(context);
    SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());
    cr_assert_eq(SSL_CTX_set_ciphersuites(client_ctx, suites), 1);
    SSL *client = SSL_new(client_ctx);
    shake_hands(server, client);
    cr_assert(SSL_is_init_finished(client) && SSL_is_init_finished(server));
    cr_assert_str_eq(SSL_get_cipher_name(client), want, "of %s", suites);
    SSL_free(client);
    SSL_free(server);
    SSL_CTX_free(client_ctx);
}

Test(tls, the_cheapest_cipher_for_both_ends_is_chosen)
{
    struct err err;
    enter();
    struct files one = make("one", "mail.example.org");
    struct tls_certificate certificate = certificate_of(&one);
    struct tls_server_config config = {.certificates = &certificate, .certificate_count = 1};
    struct tls_context *context = tls_context_new_server(&config, &err);
    check_cipher(context,
                 "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
                 "TLS_AES_128_GCM_SHA256");
    check_cipher(context, "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
                 "TLS_CHACHA20_POLY1305_SHA256"); /* a client without AES instructions */
    check_cipher(context, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384");
    tls_context_free(context);
    leave();
}

Test(tls, changed_files_are_read_again_and_broken_ones_are_not)
{
    struct err err;
    bool changed = true;
    enter();
    struct files served = make("served", "old.example");
    struct tls_certificate certificate = certificate_of(&served);
    struct tls_context *context = tls_context_new_server(
        &(struct tls_server_config){.certificates = &certificate, .certificate_count = 1}, &err);
    cr_assert(tls_context_reload(context, &changed, &err), "%s", err.detail);
    cr_assert_not(changed);

    struct files fresh = make("fresh", "new.example");
    cr_assert_eq(rename(fresh.chain, served.chain), 0); /* without its key */
    cr_assert_not(tls_context_reload(context, &changed, &err));
    cr_assert(strstr(err.detail, "served-key.pem"), "%s", err.detail);
    check_served(context, NULL, "old.example");

    cr_assert_eq(rename(fresh.key, served.key), 0);
    cr_assert(tls_context_reload(context, &changed, &err), "%s", err.detail);
    cr_assert(changed);
    check_served(context, NULL, "new.example");
    tls_context_free(context);
    leave();
}

Test(tls, wrong_files_are_named)
{
    struct err err;
    enter();
    struct files one = make("one", "one.example");
    struct files two = make("two", "two.example");
    struct files none = files_named("none");
    struct files text = files_named("text");
    cr_assert(file_replace(text.chain, STR("not PEM\n"), 0644, &err));
    const struct {
        struct tls_certificate certificate;
        const char *want_file;
        const char *want_reason;
    } rows[] = {
        {{str_from_cstr(none.chain), str_from_cstr(one.key)}, none.chain, "No such file"},
        {{str_from_cstr(one.chain), str_from_cstr(none.key)}, none.key, "No such file"},
        {{str_from_cstr(text.chain), str_from_cstr(one.key)}, text.chain, "no certificate in PEM"},
        {{str_from_cstr(one.chain), str_from_cstr(text.chain)}, text.chain, "no key in PEM"},
        {{str_from_cstr(one.chain), str_from_cstr(two.key)}, two.key, "key values mismatch"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_server_config config = {.certificates = &rows[i].certificate,
                                           .certificate_count = 1};
        cr_assert_null(tls_context_new_server(&config, &err), "row %zu", i);
        cr_assert(strstr(err.detail, rows[i].want_file), "row %zu: %s", i, err.detail);
        cr_assert(strstr(err.detail, rows[i].want_reason), "row %zu: %s", i, err.detail);
    }
    leave();
}

Test(tls, self_signed_certificates_name_their_host_and_are_made_once)
{
    struct stat st, again;
    struct err err;
    enter();
    struct files f = make("local", "localhost");
    cr_assert_eq(stat(f.key, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600);
    make("local", "localhost");
    cr_assert_eq(stat(f.key, &again), 0);
    cr_assert_eq(st.st_ino, again.st_ino, "made again");

    FILE *in = fopen(f.chain, "r");
    BIO *bio = BIO_new_fp(in, BIO_CLOSE);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    cr_assert_eq(X509_check_host(certificate, "localhost", 0, 0, NULL), 1);
    cr_assert_eq(X509_check_ip_asc(certificate, "127.0.0.1", 0), 1);
    cr_assert_eq(X509_check_ip_asc(certificate, "::1", 0), 1);
    cr_assert_neq(X509_check_host(certificate, "other", 0, 0, NULL), 1);
    X509_free(certificate);
    BIO_free(bio);

    struct files bad = files_named("bad");
    cr_assert_not(
        tls_make_self_signed(STR("a b"), str_from_cstr(bad.chain), str_from_cstr(bad.key), &err));
    cr_assert_eq(err.kind, ERR_SYNTAX);
    leave();
}

static bool is_for(const struct files *f, const char *hostname)
{
    struct err err;
    bool result;
    cr_assert(tls_file_is_for(str_from_cstr(f->chain), str_from_cstr(hostname), &result, &err),
              "%s", err.detail);
    return result;
}

Test(tls, only_a_certificate_of_ours_is_made_again_for_another_host)
{
    struct err err;
    bool ignored;
    enter();
    struct files f = make("renamed", "localhost");
    cr_assert(is_for(&f, "localhost"));
    make("renamed", "mail.example.org");
    cr_assert(is_for(&f, "mail.example.org"));
    cr_assert_not(is_for(&f, "localhost"));

    struct files other = files_named("foreign");
    char command[1024];
    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout %s -out %s "
             "-addext subjectAltName=DNS:localhost 2>/dev/null",
             other.key, other.chain);
    cr_assert_eq(system(command), 0); /* NOLINT(cert-env33-c): of this test alone */
    make("foreign", "mail.example.org");
    cr_assert(is_for(&other, "localhost"), "a certificate of somebody else was replaced");
    cr_assert_not(tls_file_is_for(STR("/nonexistent"), STR("x"), &ignored, &err));
    cr_assert(strstr(err.detail, "/nonexistent"), "%s", err.detail);
    leave();
}

/* RFC 6125 6.4.3 */
Test(tls, a_wildcard_stands_for_one_label)
{
    struct tls_loaded loaded = {0};
    char *names[] = {"*.example.org", "mail.example.net"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        array_push(&loaded.names, strdup(names[i]));
    static const struct {
        const char *name;
        bool want;
    } rows[] = {
        {"mx.example.org", true},  {"MX.EXAMPLE.ORG", true},   {"example.org", false},
        {".example.org", false},   {"a.b.example.org", false}, {"mail.example.net", true},
        {"mx.example.net", false}, {"*.example.org", true},    {"xexample.org", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(tls_loaded_is_for(&loaded, str_from_cstr(rows[i].name)), rows[i].want, "%s",
                     rows[i].name);
    tls_loaded_release(&loaded);
}
