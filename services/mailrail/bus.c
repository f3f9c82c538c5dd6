/* Certificates for a bus over tls+tcp://, for tests and for whoever has no certificate authority of
 * their own: one authority, and a certificate for each service. */
#include "services/mailrail/commands.h"

#include "common/service/door.h"
#include "common/service/layout.h"
#include "common/sys/file.h"
#include "common/sys/tls.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <unistd.h>

#define DAY_S (24L * 3600)
#define AUTHORITY_DAYS 3650
#define SERVICE_DAYS 400

/* A certificate with its key. */
struct identity {
    X509 *certificate;
    EVP_PKEY *key;
};

static void identity_release(struct identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
}

/* ---- Files */

static bool path_in(const char *directory, const char *name, const char *suffix,
                    struct layout_path *ret, struct err *err)
{
    int len = snprintf(ret->text, sizeof(ret->text), "%s/%s%s", directory, name, suffix);
    return (len > 0 && (size_t)len < sizeof(ret->text)) ||
           err_set(err, ERR_LIMIT, "%s: path too long", directory);
}

static bool write_pem(BIO *pem, const char *path, unsigned mode, struct err *err)
{
    char *text;
    long len = BIO_get_mem_data(pem, &text);
    return file_replace(path, str_make(text, len > 0 ? (size_t)len : 0), mode, err);
}

static bool write_key(EVP_PKEY *key, const char *path, struct err *err)
{
    BIO *pem = BIO_new(BIO_s_secmem());
    bool ok = (pem && PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) == 1) ||
              tls_error(err, "write a key");
    ok = ok && write_pem(pem, path, 0600, err);
    BIO_free(pem);
    return ok;
}

static bool write_certificate(X509 *certificate, const char *path, struct err *err)
{
    BIO *pem = BIO_new(BIO_s_mem());
    bool ok =
        (pem && PEM_write_bio_X509(pem, certificate) == 1) || tls_error(err, "write a certificate");
    ok = ok && write_pem(pem, path, 0644, err);
    BIO_free(pem);
    return ok;
}

/* The key goes first: a certificate without its key is of no use. */
static bool write_identity(const struct identity *identity, const char *directory, const char *name,
                           struct err *err)
{
    struct layout_path certificate, key;
    return path_in(directory, name, ".pem", &certificate, err) &&
           path_in(directory, name, ".key", &key, err) && write_key(identity->key, key.text, err) &&
           write_certificate(identity->certificate, certificate.text, err);
}

static bool read_identity(struct identity *ret, const char *certificate, const char *key,
                          struct err *err)
{
    BIO *pem = BIO_new_file(certificate, "r");
    ret->certificate = pem ? PEM_read_bio_X509(pem, NULL, NULL, NULL) : NULL;
    BIO_free(pem);
    if (!ret->certificate)
        return tls_error(err, "no certificate in PEM form") || err_wrap(err, "%s", certificate);
    pem = BIO_new_file(key, "r");
    ret->key = pem ? PEM_read_bio_PrivateKey(pem, NULL, NULL, NULL) : NULL;
    BIO_free(pem);
    if (!ret->key)
        return tls_error(err, "no key in PEM form") || err_wrap(err, "%s", key);
    return X509_check_private_key(ret->certificate, ret->key) == 1 ||
           err_set(err, ERR_SYNTAX, "%s: is not the key of %s", key, certificate);
}

/* ---- Making */

static bool set_serial(X509 *certificate)
{
    uint64_t serial;
    return RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1 | 1) == 1;
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool ok = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool fill(X509 *certificate, EVP_PKEY *key, const char *name, long days)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), days * DAY_S) != NULL &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                                      -1, 0) == 1 &&
           X509_set_pubkey(certificate, key) == 1;
}

static bool sign(X509 *certificate, const struct identity *issuer)
{
    return X509_set_issuer_name(certificate, X509_get_subject_name(issuer->certificate)) == 1 &&
           X509_sign(certificate, issuer->key, EVP_sha256()) > 0;
}

static bool make_authority(struct identity *ret, struct err *err)
{
    *ret = (struct identity){X509_new(), EVP_EC_gen("P-256")};
    X509 *c = ret->certificate;
    return (c && ret->key && fill(c, ret->key, "Mailrail bus", AUTHORITY_DAYS) &&
            add_extension(c, c, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
            add_extension(c, c, NID_key_usage, "critical,keyCertSign,cRLSign") &&
            add_extension(c, c, NID_subject_key_identifier, "hash") && sign(c, ret)) ||
           tls_error(err, "make a certificate authority");
}

static bool make_service(const struct identity *authority, const char *name, struct identity *ret,
                         struct err *err)
{
    char alternative[80];
    *ret = (struct identity){X509_new(), EVP_EC_gen("P-256")};
    X509 *c = ret->certificate, *issuer = authority->certificate;
    snprintf(alternative, sizeof(alternative), "DNS:%s", name);
    return (c && ret->key && fill(c, ret->key, name, SERVICE_DAYS) &&
            add_extension(c, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
            add_extension(c, issuer, NID_key_usage, "critical,digitalSignature") &&
            add_extension(c, issuer, NID_ext_key_usage, "serverAuth,clientAuth") &&
            add_extension(c, issuer, NID_authority_key_identifier, "keyid") &&
            add_extension(c, issuer, NID_subject_alt_name, alternative) && sign(c, authority)) ||
           tls_error(err, "make a certificate");
}

/* ---- The command */

static const struct command_option certificates_options[] = {
    {"--directory", "DIRECTORY", "where to write them"},
    {NULL, NULL, NULL},
};

/* The authority of the directory; a new one when there is none. */
static bool open_authority(const char *directory, struct identity *ret, struct err *err)
{
    struct layout_path certificate, key;
    if (!path_in(directory, "ca", ".pem", &certificate, err) ||
        !path_in(directory, "ca", ".key", &key, err))
        return false;
    if (access(certificate.text, F_OK) == 0)
        return read_identity(ret, certificate.text, key.text, err);
    return make_authority(ret, err) && write_identity(ret, directory, "ca", err);
}

static bool write_service(const struct identity *authority, const char *directory, const char *name,
                          struct err *err)
{
    struct identity made;
    bool ok =
        make_service(authority, name, &made, err) && write_identity(&made, directory, name, err);
    identity_release(&made);
    return ok;
}

static bool certificates(struct invocation *inv, struct err *err)
{
    struct identity authority = {NULL, NULL};
    const char *directory = invocation_option(inv, "--directory");
    if (!directory)
        return usage_error(inv, err, "--directory is missing");
    bool ok = directory_make(directory, 0700, err) && open_authority(directory, &authority, err);
    for (const char *const *name = door_services; ok && *name; name++)
        ok = write_service(&authority, directory, *name, err);
    identity_release(&authority);
    if (ok)
        printf("Certificates of the bus are in %s. Keep ca.key apart from the services.\n",
               directory);
    return ok;
}

const struct command bus_commands[] = {
    {
        .name = "bus certificates",
        .arguments = "",
        .summary = "make certificates for a bus over TLS",
        .manual =
            "Writes SERVICE.pem and SERVICE.key for each service, valid for 400 days, signed\n"
            "by the authority in ca.pem and ca.key, which is made when it is not there. They\n"
            "say which service may open or knock at which door of a bus at tls+tcp:// (see\n"
            "docs/kubernetes.md. Run it again to renew them; services read them at start.",
        .examples = "mailrail bus certificates --directory bus\n",
        .options = certificates_options,
        .run = certificates,
    },
    {.name = NULL},
};
