#include "common/sys/tls_certificate.h"

#include <errno.h>
#include <openssl/x509v3.h>
#include <unistd.h>

static bool look_at(const char *path, struct stat *ret_stat, struct err *err)
{
    if (stat(path, ret_stat) < 0)
        return err_set_errno(err, errno, "%s", path);
    if (access(path, R_OK) < 0)
        return err_set_errno(err, errno, "%s", path);
    return true;
}

/* Only names in the subjectAltName count (RFC 6125 6.4.4). */
static void collect_names(struct tls_loaded *loaded)
{
    X509 *leaf = SSL_CTX_get0_certificate(loaded->ctx);
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        void *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        if (type != GEN_DNS)
            continue;
        struct str name = str_make(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
        if (name.len > 0 && str_find_char(name, '\0') < 0)
            array_push(&loaded->names, strndup(name.ptr, name.len));
    }
    GENERAL_NAMES_free(names);
}

/* A key under a passphrase must not make the process ask at a terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *user)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)user;
    return -1;
}

static bool use_files(SSL_CTX *ctx, const char *chain_file, const char *key_file, struct err *err)
{
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, chain_file) != 1)
        return tls_error(err, "no certificate in PEM form") || err_wrap(err, "%s", chain_file);
    if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1)
        return tls_error(err, "no key in PEM form for the certificate") ||
               err_wrap(err, "%s", key_file);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return tls_error(err, "key does not match the certificate") ||
               err_wrap(err, "%s", key_file);
    return true;
}

bool tls_loaded_read(struct tls_loaded *loaded, SSL_CTX *ctx, const char *chain_file,
                     const char *key_file, struct err *err)
{
    *loaded = (struct tls_loaded){.ctx = ctx};
    if (!look_at(chain_file, &loaded->chain_stat, err) ||
        !look_at(key_file, &loaded->key_stat, err) || !use_files(ctx, chain_file, key_file, err)) {
        tls_loaded_release(loaded);
        return false;
    }
    collect_names(loaded);
    return true;
}

void tls_loaded_release(struct tls_loaded *loaded)
{
    SSL_CTX_free(loaded->ctx);
    loaded->ctx = NULL;
    for (size_t i = 0; i < loaded->names.len; i++)
        free(loaded->names.items[i]);
    array_release(&loaded->names);
}

static bool is_other_content(const char *path, const struct stat *then)
{
    struct stat now;
    return stat(path, &now) == 0 && (now.st_ino != then->st_ino || now.st_size != then->st_size ||
                                     now.st_mtim.tv_sec != then->st_mtim.tv_sec ||
                                     now.st_mtim.tv_nsec != then->st_mtim.tv_nsec);
}

bool tls_loaded_is_changed(const struct tls_loaded *loaded, const char *chain_file,
                           const char *key_file)
{
    return is_other_content(chain_file, &loaded->chain_stat) ||
           is_other_content(key_file, &loaded->key_stat);
}

static bool name_matches(struct str pattern, struct str name)
{
    struct str label, parent;
    if (!str_starts_with(pattern, STR("*.")))
        return str_eq_nocase(pattern, name);
    return str_cut(name, '.', &label, &parent) && label.len > 0 &&
           str_eq_nocase(str_skip(pattern, 2), parent);
}

bool tls_loaded_is_for(const struct tls_loaded *loaded, struct str name)
{
    for (size_t i = 0; i < loaded->names.len; i++)
        if (name_matches(str_from_cstr(loaded->names.items[i]), name))
            return true;
    return false;
}
