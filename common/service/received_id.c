#include "common/service/received_id.h"

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/bug.h"
#include "common/service/layout.h"
#include "common/sys/file.h"
#include "common/text/base64.h"

#include <errno.h>
#include <fcntl.h>
#include "common/base/openssl.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Static_assert(sizeof(struct received_id_key) == 24, "the key is the file");

struct key_path {
    char text[LAYOUT_PATH_MAX];
};

static struct key_path key_path(struct str data)
{
    struct key_path path;
    snprintf(path.text, sizeof(path.text), "%s/received-id.key", layout_keys_directory(data).text);
    return path;
}

/* Where it was before there was a directory of keys. */
static struct key_path former_path(struct str data)
{
    struct key_path path;
    snprintf(path.text, sizeof(path.text), "%.*s/received-id.key", STR_ARG(data));
    return path;
}

static bool read_key(const char *path, struct received_id_key *ret, struct err *err)
{
    struct arena arena;
    struct str bytes;
    arena_init(&arena, 4096);
    bool ok = file_read(path, 64, &arena, &bytes, err);
    if (ok && bytes.len != sizeof(*ret))
        ok = err_set(err, ERR_CORRUPT, "%s: not %zu bytes", path, sizeof(*ret));
    if (ok)
        memcpy(ret, bytes.ptr, sizeof(*ret));
    arena_wipe(&arena);
    arena_release(&arena);
    return ok;
}

bool received_id_key_read(struct str data, struct received_id_key *ret, struct err *err)
{
    return read_key(key_path(data).text, ret, err);
}

/* The one of the former place, so that ids which were made with it can still be read; or a new one.
 */
static bool choose_key(struct str data, struct received_id_key *ret, struct err *err)
{
    if (read_key(former_path(data).text, ret, err))
        return true;
    if (err->kind != ERR_NOT_FOUND)
        return false;
    if (RAND_bytes((unsigned char *)ret, sizeof(*ret)) != 1)
        return err_set(err, ERR_INTERNAL, "no random bytes for a key");
    return true;
}

/* A whole file under a name of its own, linked to its place: who comes second finds the first's. */
static bool key_make(const char *path, struct str data, struct err *err)
{
    struct received_id_key key;
    TRY(choose_key(data, &key, err));
    char temporary[LAYOUT_PATH_MAX];
    struct layout_path keys = layout_keys_directory(data);
    snprintf(temporary, sizeof(temporary), "%s/.received-id.%ld", keys.text, (long)getpid());
    TRY(directory_make(keys.text, 0750, err));
    TRY(file_replace(temporary, str_make(&key, sizeof(key)), 0640, err));
    bool ok = file_link_or_copy(temporary, path, err) || err->kind == ERR_CONFLICT;
    unlink(temporary);
    return ok && directory_sync(keys.text, err);
}

static bool read_or_make(struct str data, struct received_id_key *ret, struct err *err)
{
    if (received_id_key_read(data, ret, err))
        return true;
    if (err->kind != ERR_NOT_FOUND)
        return false;
    return key_make(key_path(data).text, data, err) && received_id_key_read(data, ret, err);
}

/* Removes what was taken over. Another key stays: only the operator knows whether old ids matter.
 */
static void drop_former(struct str data, const struct received_id_key *key)
{
    struct received_id_key former;
    struct err err;
    struct key_path path = former_path(data);
    if (read_key(path.text, &former, &err) && memcmp(&former, key, sizeof(former)) == 0)
        unlink(path.text);
}

bool received_id_key_open(struct str data, struct received_id_key *ret, struct err *err)
{
    TRY(read_or_make(data, ret, err));
    drop_former(data, ret);
    return true;
}

static void crypt_block(const struct received_id_key *key, int encrypt, const unsigned char in[16],
                        unsigned char out[16])
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int len = 0;
    if (!context ||
        !EVP_CipherInit_ex(context, EVP_aes_128_ecb(), NULL, key->cipher, NULL, encrypt) ||
        !EVP_CIPHER_CTX_set_padding(context, 0) || !EVP_CipherUpdate(context, out, &len, in, 16) ||
        len != 16)
        BUG("AES-128 of one block failed");
    EVP_CIPHER_CTX_free(context);
}

/* 1 in 64 blocks would begin with "-", which the `mailrail trace cid` that it is pasted into takes
 * for an option: such a one is made again with another first byte. */
#define FIRST_BYTES 8

static void encode_block(const struct received_id_key *key, unsigned first_byte, uint64_t cid,
                         char ret_text[RECEIVED_ID_LEN + 1])
{
    unsigned char plain[16], block[16];
    memcpy(plain, key->prefix, 8);
    plain[0] = (unsigned char)(plain[0] ^ first_byte);
    for (int i = 0; i < 8; i++)
        plain[8 + i] = (unsigned char)(cid >> (8 * (7 - i)));
    crypt_block(key, 1, plain, block);
    struct buf text;
    buf_init(&text, RECEIVED_ID_LEN);
    base64_url_encode(&text, str_make(block, sizeof(block)));
    memcpy(ret_text, text.ptr, RECEIVED_ID_LEN);
    ret_text[RECEIVED_ID_LEN] = '\0';
    buf_release(&text);
}

void received_id_encode(const struct received_id_key *key, uint64_t cid,
                        char ret_text[RECEIVED_ID_LEN + 1])
{
    unsigned first_byte = 0;
    do
        encode_block(key, first_byte++, cid, ret_text);
    while (ret_text[0] == '-' && first_byte < FIRST_BYTES);
}

static bool has_prefix(const struct received_id_key *key, const unsigned char plain[16])
{
    return (plain[0] ^ key->prefix[0]) < FIRST_BYTES &&
           memcmp(plain + 1, key->prefix + 1, sizeof(key->prefix) - 1) == 0;
}

bool received_id_decode(const struct received_id_key *key, struct str text, uint64_t *ret_cid,
                        struct err *err)
{
    unsigned char plain[16];
    struct buf block;
    buf_init(&block, sizeof(plain));
    bool ok = text.len == RECEIVED_ID_LEN && base64_url_decode(&block, text, err) &&
              block.len == sizeof(plain);
    if (ok) {
        crypt_block(key, 0, (const unsigned char *)block.ptr, plain);
        ok = has_prefix(key, plain);
    }
    buf_release(&block);
    if (!ok)
        return err_set(err, ERR_SYNTAX, "not an id of this system");
    *ret_cid = 0;
    for (int i = 0; i < 8; i++)
        *ret_cid = *ret_cid << 8 | plain[8 + i];
    return true;
}
