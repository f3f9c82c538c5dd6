#include "common/auth/hmac.h"

#include "common/base/bug.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <stdlib.h>

static const EVP_MD *algorithm(enum digest_type type)
{
    return type == DIGEST_SHA1 ? EVP_sha1() : EVP_sha256();
}

/* libcrypto wants a pointer even for nothing. */
static const char *pointer(struct str s)
{
    return s.ptr ? s.ptr : "";
}

size_t digest_size(enum digest_type type)
{
    return type == DIGEST_SHA1 ? SHA1_SIZE : SHA256_SIZE;
}

struct digest digest_of(enum digest_type type, struct str data)
{
    struct digest digest = {.len = digest_size(type)};
    if (!EVP_Digest(pointer(data), data.len, digest.bytes, NULL, algorithm(type), NULL))
        BUG("libcrypto has no digest %d", (int)type);
    return digest;
}

struct digest hmac(enum digest_type type, struct str key, struct str data)
{
    struct digest digest = {.len = digest_size(type)};
    BUG_ON(key.len > INT_MAX);
    if (!HMAC(algorithm(type), pointer(key), (int)key.len, (const unsigned char *)pointer(data),
              data.len, digest.bytes, NULL))
        BUG("libcrypto has no HMAC with digest %d", (int)type);
    return digest;
}

/* libcrypto's state after the key; each digest goes on from a copy. */
struct hmac_key {
    EVP_MAC_CTX *keyed;
    size_t size;
};

struct hmac_key *hmac_key_new(enum digest_type type, struct str key)
{
    struct hmac_key *k = xcalloc(1, sizeof(*k));
    char *name = type == DIGEST_SHA1 ? "SHA1" : "SHA256"; /* not changed */
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    k->size = digest_size(type);
    k->keyed = EVP_MAC_CTX_new(algorithm);
    if (!k->keyed ||
        !EVP_MAC_init(k->keyed, (const unsigned char *)pointer(key), key.len, parameters))
        BUG("libcrypto has no HMAC with digest %s", name);
    EVP_MAC_free(algorithm); /* the context holds it */
    return k;
}

void hmac_key_free(struct hmac_key *key)
{
    if (!key)
        return;
    EVP_MAC_CTX_free(key->keyed);
    free(key);
}

struct digest hmac_with(const struct hmac_key *key, struct str data)
{
    struct digest digest;
    EVP_MAC_CTX *c = EVP_MAC_CTX_dup(key->keyed);
    if (!c || !EVP_MAC_update(c, (const unsigned char *)pointer(data), data.len) ||
        !EVP_MAC_final(c, digest.bytes, &digest.len, sizeof(digest.bytes)) ||
        digest.len != key->size)
        BUG("libcrypto cannot go on with an HMAC");
    EVP_MAC_CTX_free(c);
    return digest;
}

struct digest pbkdf2(enum digest_type type, struct str password, struct str salt,
                     unsigned iterations)
{
    struct digest digest = {.len = digest_size(type)};
    BUG_ON(password.len > INT_MAX || salt.len > INT_MAX || iterations == 0 || iterations > INT_MAX);
    if (!PKCS5_PBKDF2_HMAC(pointer(password), (int)password.len,
                           (const unsigned char *)pointer(salt), (int)salt.len, (int)iterations,
                           algorithm(type), (int)digest.len, digest.bytes))
        BUG("libcrypto has no PBKDF2 with digest %d", (int)type);
    return digest;
}
