#include "common/auth/hmac.h"

#include "common/base/bug.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

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
