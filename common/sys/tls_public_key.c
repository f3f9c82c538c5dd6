#include "common/sys/tls_public_key.h"

#include "common/base/buf.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#define RSA_BITS_MIN 2048
#define ECDSA_BITS_MIN 256

static bool take_fingerprint(const X509 *certificate, char ret[TLS_FINGERPRINT_SIZE])
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    if (len <= 0)
        return false;
    unsigned char digest[TLS_FINGERPRINT_SIZE];
    bool ok = EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(der);
    if (ok)
        memcpy(ret, digest, sizeof(digest));
    return ok;
}

bool tls_client_key(SSL *ssl, struct buf *out)
{
    char fingerprint[TLS_FINGERPRINT_SIZE];
    const X509 *certificate =
        SSL_is_init_finished(ssl) && SSL_is_server(ssl) ? SSL_get0_peer_certificate(ssl) : NULL;
    return certificate && take_fingerprint(certificate, fingerprint) &&
           buf_append(out, str_make(fingerprint, sizeof(fingerprint)));
}

/* ---- Keys to register */

/* The content of the only block; to be freed with OPENSSL_free. */
static bool read_block(BIO *bio, unsigned char **ret_der, long *ret_len, struct err *err)
{
    unsigned blocks = 0, certificates = 0;
    char *name, *header;
    unsigned char *der;
    long len;
    *ret_der = NULL;
    while (PEM_read_bio(bio, &name, &header, &der, &len) == 1) {
        bool is_certificate = strcmp(name, PEM_STRING_X509) == 0;
        blocks++;
        if (is_certificate && certificates++ == 0) {
            *ret_der = der;
            *ret_len = len;
        } else {
            OPENSSL_clear_free(der, (size_t)len);
        }
        OPENSSL_free(name);
        OPENSSL_free(header);
    }
    bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (ended && blocks == 1 && certificates == 1)
        return true;
    OPENSSL_free(*ret_der);
    return err_set(err, ERR_SYNTAX, "expected PEM with one CERTIFICATE block and no other");
}

static bool describe_algorithm(const X509 *certificate, struct tls_public_key *ret, struct err *err)
{
    const EVP_PKEY *key = X509_get0_pubkey(certificate);
    int type = key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;
    int bits = key ? EVP_PKEY_get_bits(key) : 0;
    if (type == EVP_PKEY_RSA && bits < RSA_BITS_MIN)
        return err_set(err, ERR_SYNTAX, "an RSA key of %d bits: at least %d are needed", bits,
                       RSA_BITS_MIN);
    if (type == EVP_PKEY_RSA)
        snprintf(ret->algorithm, sizeof(ret->algorithm), "rsa-%d", bits);
    else if (type == EVP_PKEY_EC && bits >= ECDSA_BITS_MIN)
        snprintf(ret->algorithm, sizeof(ret->algorithm), "ecdsa-%d", bits);
    else if (type == EVP_PKEY_ED25519)
        snprintf(ret->algorithm, sizeof(ret->algorithm), "ed25519");
    else
        return err_set(err, ERR_SYNTAX, "the key is neither RSA, ECDSA of %d bits, nor Ed25519",
                       ECDSA_BITS_MIN);
    return true;
}

static void describe_certificate(const X509 *certificate, struct tls_public_key *ret)
{
    char *text = ret->certificate;
    size_t size = sizeof(ret->certificate);
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    unsigned char *name = NULL;
    int len = at < 0 ? 0
                     : ASN1_STRING_to_UTF8(
                           &name, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (len <= 0 || !str_copy_cstr(str_make(name, (size_t)len), text, size)) {
        BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
        char *hex = number ? BN_bn2hex(number) : NULL;
        snprintf(text, size, "%s", hex ? hex : "");
        OPENSSL_free(hex);
        BN_free(number);
    }
    OPENSSL_free(name);
}

static bool describe(const X509 *certificate, struct tls_public_key *ret, struct err *err)
{
    *ret = (struct tls_public_key){0};
    TRY(describe_algorithm(certificate, ret, err));
    if (!take_fingerprint(certificate, ret->fingerprint))
        return tls_error(err, "fingerprint of a public key");
    describe_certificate(certificate, ret);
    return true;
}

bool tls_public_key_of_pem(struct str pem, struct tls_public_key *ret, struct err *err)
{
    unsigned char *der = NULL;
    long len = 0;
    BIO *bio = pem.len <= INT_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
    if (!bio)
        return err_set(err, ERR_LIMIT, "no room for a certificate of %zu bytes", pem.len);
    bool ok = read_block(bio, &der, &len, err);
    BIO_free(bio);
    if (!ok)
        return false;
    const unsigned char *at = der;
    X509 *certificate = d2i_X509(NULL, &at, len);
    OPENSSL_free(der);
    if (certificate)
        ok = describe(certificate, ret, err);
    else
        ok = err_set(err, ERR_SYNTAX, "the block CERTIFICATE holds no certificate");
    X509_free(certificate);
    ERR_clear_error();
    return ok;
}
