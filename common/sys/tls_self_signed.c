#include "common/sys/file.h"
#include "common/sys/tls.h"
#include "common/text/charclass.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#define VALID_S (4L * 365 * 24 * 3600)
#define HOSTNAME_MAX 253
/* Stands in a comment of the certificate, by which it is known again. */
#define MARK "made by Mailrail, signed by itself"

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

static bool add_mark(X509 *certificate)
{
    X509_EXTENSION *comment = X509V3_EXT_conf_nid(NULL, NULL, NID_netscape_comment, MARK);
    bool ok = comment && X509_add_ext(certificate, comment, -1) == 1;
    X509_EXTENSION_free(comment);
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
           add_names(certificate, hostname) && add_mark(certificate) &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
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

/* ---- What is there already */

static X509 *read_first(const char *chain_file, struct err *err)
{
    BIO *bio = BIO_new_file(chain_file, "r");
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    if (!certificate)
        tls_error(err, chain_file);
    BIO_free(bio);
    return certificate;
}

static bool is_for(X509 *certificate, struct str hostname)
{
    return X509_check_host(certificate, hostname.ptr, hostname.len, 0, NULL) == 1;
}

static bool has_mark(const X509 *certificate)
{
    ASN1_IA5STRING *comment = X509_get_ext_d2i(certificate, NID_netscape_comment, NULL, NULL);
    bool is_same = comment && str_eq(str_make(ASN1_STRING_get0_data(comment),
                                              (size_t)ASN1_STRING_length(comment)),
                                     STR(MARK));
    ASN1_IA5STRING_free(comment);
    return is_same;
}

/* What cannot be read is not ours. */
static bool is_ours_for_another(const char *chain_file, struct str hostname)
{
    struct err ignored;
    X509 *certificate = read_first(chain_file, &ignored);
    bool result = certificate && has_mark(certificate) && !is_for(certificate, hostname);
    X509_free(certificate);
    return result;
}

bool tls_file_is_for(struct str chain_file, struct str hostname, bool *ret_is_for, struct err *err)
{
    char chain[1024];
    if (!str_copy_cstr(chain_file, chain, sizeof(chain)))
        return err_set(err, ERR_LIMIT, "path of a certificate is too long");
    X509 *certificate = read_first(chain, err);
    if (!certificate)
        return false;
    *ret_is_for = is_for(certificate, hostname);
    X509_free(certificate);
    return true;
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
    if (access(chain, F_OK) == 0 && access(key, F_OK) == 0 && !is_ours_for_another(chain, hostname))
        return true;
    return make_and_write(hostname, chain, key, err);
}
