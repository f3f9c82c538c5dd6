#include "common/sys/file.h"
#include "common/sys/tls.h"
#include "common/text/charclass.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#define VALID_S (4L * 365 * 24 * 3600)
#define HOSTNAME_MAX 253

static bool is_hostname(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_domain_text((unsigned char)name.ptr[i]))
            return false;
    return name.len > 0 && name.len <= HOSTNAME_MAX;
}

static bool add_dns_name(GENERAL_NAMES *names, struct str name)
{
    GENERAL_NAME *entry = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    bool ok = entry && text && ASN1_STRING_set(text, name.ptr, (int)name.len) &&
              sk_GENERAL_NAME_push(names, entry) > 0;
    if (!ok) {
        GENERAL_NAME_free(entry);
        ASN1_IA5STRING_free(text);
        return false;
    }
    GENERAL_NAME_set0_value(entry, GEN_DNS, text);
    return true;
}

static bool add_ip(GENERAL_NAMES *names, const char *address)
{
    GENERAL_NAME *entry = GENERAL_NAME_new();
    ASN1_OCTET_STRING *bytes = a2i_IPADDRESS(address);
    bool ok = entry && bytes && sk_GENERAL_NAME_push(names, entry) > 0;
    if (!ok) {
        GENERAL_NAME_free(entry);
        ASN1_OCTET_STRING_free(bytes);
        return false;
    }
    GENERAL_NAME_set0_value(entry, GEN_IPADD, bytes);
    return true;
}

static bool add_names(X509 *certificate, struct str hostname)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    bool ok = names && add_dns_name(names, hostname);
    if (str_eq_nocase(hostname, STR("localhost")))
        ok = ok && add_ip(names, "127.0.0.1") && add_ip(names, "::1");
    ok = ok && X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0) == 1;
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    return ok;
}

static bool set_serial(X509 *certificate)
{
    uint64_t serial;
    return RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1 | 1) == 1;
}

/* The common name is at most 64 bytes (X.520); longer host names stand in the subjectAltName. */
static bool set_subject(X509 *certificate, struct str hostname)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    struct str common = hostname.len <= 64 ? hostname : STR("mailrail");
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common.ptr,
                                      (int)common.len, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1;
}

static bool fill_and_sign(X509 *certificate, struct str hostname, EVP_PKEY *key)
{
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_S) != NULL &&
           set_subject(certificate, hostname) && X509_set_pubkey(certificate, key) == 1 &&
           add_names(certificate, hostname) && X509_sign(certificate, key, EVP_sha256()) > 0;
}

static struct str memory_of(BIO *bio)
{
    char *text;
    long len = BIO_get_mem_data(bio, &text);
    return str_make(text, len > 0 ? (size_t)len : 0);
}

/* The key goes first: a certificate without its key would be in the way of the next attempt. */
static bool write_files(X509 *certificate, EVP_PKEY *key, const char *chain_file,
                        const char *key_file, struct err *err)
{
    BIO *pem_key = BIO_new(BIO_s_secmem());
    BIO *pem_chain = BIO_new(BIO_s_mem());
    bool ok = pem_key && pem_chain &&
              PEM_write_bio_PKCS8PrivateKey(pem_key, key, NULL, NULL, 0, NULL, NULL) == 1 &&
              PEM_write_bio_X509(pem_chain, certificate) == 1;
    if (!ok)
        tls_error(err, "write PEM");
    ok = ok && file_replace(key_file, memory_of(pem_key), 0600, err) &&
         file_replace(chain_file, memory_of(pem_chain), 0644, err);
    BIO_free(pem_key);
    BIO_free(pem_chain);
    return ok;
}

static bool make_and_write(struct str hostname, const char *chain_file, const char *key_file,
                           struct err *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    bool ok = (key && certificate && fill_and_sign(certificate, hostname, key)) ||
              tls_error(err, "make a self-signed certificate");
    ok = ok && write_files(certificate, key, chain_file, key_file, err);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return ok;
}

bool tls_make_self_signed(struct str hostname, struct str chain_file, struct str key_file,
                          struct err *err)
{
    char chain[1024];
    char key[1024];
    if (!str_copy_cstr(chain_file, chain, sizeof(chain)) ||
        !str_copy_cstr(key_file, key, sizeof(key)))
        return err_set(err, ERR_LIMIT, "path of a certificate is too long");
    if (!is_hostname(hostname))
        return err_set(err, ERR_SYNTAX, "\"%.*s\" is not a host name", STR_ARG(hostname));
    if (access(chain, F_OK) == 0 && access(key, F_OK) == 0)
        return true;
    return make_and_write(hostname, chain, key, err);
}
