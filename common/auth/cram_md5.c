/* The states of a hash in progress are not to be had from the EVP interface of libcrypto 3, only
 * from the older one. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "common/auth/cram_md5.h"

#include "common/text/cursor.h"

#include <openssl/md5.h>
#include <string.h>

#define BLOCK_SIZE 64
#define USERNAME_MAX 512

static void put_word(unsigned char *to, MD5_LONG word)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (unsigned char)(word >> (8 * i) & 0xff);
}

static MD5_LONG get_word(const unsigned char *from)
{
    MD5_LONG word = 0;
    for (unsigned i = 0; i < 4; i++)
        word |= (MD5_LONG)from[i] << (8 * i);
    return word;
}

/* RFC 2104 2: the key, padded to a block and mixed with `pad`, hashed. */
static void save_state(const unsigned char key[BLOCK_SIZE], unsigned char pad, unsigned char *to)
{
    unsigned char block[BLOCK_SIZE];
    for (size_t i = 0; i < BLOCK_SIZE; i++)
        block[i] = key[i] ^ pad;
    MD5_CTX md5;
    MD5_Init(&md5);
    MD5_Update(&md5, block, sizeof(block));
    put_word(to, md5.A);
    put_word(to + 4, md5.B);
    put_word(to + 8, md5.C);
    put_word(to + 12, md5.D);
    explicit_bzero(block, sizeof(block));
    explicit_bzero(&md5, sizeof(md5));
}

/* A hash that has already taken one block. */
static MD5_CTX restore_state(const unsigned char *from)
{
    MD5_CTX md5;
    MD5_Init(&md5);
    md5.A = get_word(from);
    md5.B = get_word(from + 4);
    md5.C = get_word(from + 8);
    md5.D = get_word(from + 12);
    md5.Nl = BLOCK_SIZE * 8; /* bits so far */
    return md5;
}

struct cram_md5_secret cram_md5_secret_make(struct str password)
{
    unsigned char key[BLOCK_SIZE] = {0};
    if (password.len > BLOCK_SIZE)
        MD5((const unsigned char *)password.ptr, password.len, key);
    else if (password.len > 0)
        memcpy(key, password.ptr, password.len);
    struct cram_md5_secret secret = {0};
    save_state(key, 0x36, secret.bytes);
    save_state(key, 0x5c, secret.bytes + CRAM_MD5_SECRET_SIZE / 2);
    explicit_bzero(key, sizeof(key));
    return secret;
}

void cram_md5_digest(const struct cram_md5_secret *secret, struct str challenge,
                     char ret_hex[CRAM_MD5_HEX_SIZE + 1])
{
    unsigned char digest[MD5_DIGEST_LENGTH];
    MD5_CTX inner = restore_state(secret->bytes);
    MD5_Update(&inner, challenge.ptr, challenge.len);
    MD5_Final(digest, &inner);
    MD5_CTX outer = restore_state(secret->bytes + CRAM_MD5_SECRET_SIZE / 2);
    MD5_Update(&outer, digest, sizeof(digest));
    MD5_Final(digest, &outer);
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof(digest); i++) {
        ret_hex[2 * i] = digits[digest[i] >> 4];
        ret_hex[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_hex[CRAM_MD5_HEX_SIZE] = '\0';
}

bool cram_md5_parse(struct str response, struct cram_md5_response *ret, struct err *err)
{
    ptrdiff_t space = str_rfind_char(response, ' ');
    if (space <= 0 || space > USERNAME_MAX)
        return err_set(err, ERR_SYNTAX, "expected user name and digest");
    struct cursor c = cursor_init(str_skip(response, (size_t)space + 1));
    struct str digest = cursor_take_while(&c, is_hex_digit, CRAM_MD5_HEX_SIZE, "digest");
    if (!cursor_failed(&c) && digest.len != CRAM_MD5_HEX_SIZE)
        cursor_fail(&c, "32 hex digits");
    TRY(cursor_finish(&c, err));
    *ret = (struct cram_md5_response){str_slice(response, 0, (size_t)space), digest};
    return true;
}
