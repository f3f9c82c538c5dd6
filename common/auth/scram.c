#include "common/auth/scram.h"

#include "common/base/bug.h"
#include "common/text/base64.h"
#include "common/text/cursor.h"

#include <string.h>

static const struct {
    const char *name; /* RFC 5803 2 scheme */
    unsigned iterations;
} digests[] = {
    [DIGEST_SHA1] = {"SCRAM-SHA-1", 8192},
    [DIGEST_SHA256] = {"SCRAM-SHA-256", 4096},
};

/* ---- Secrets */

unsigned scram_iterations(enum digest_type type)
{
    return digests[type].iterations;
}

static void set_salt(struct scram_secret *secret, struct str salt)
{
    BUG_ON(salt.len > sizeof(secret->salt));
    if (salt.len > 0)
        memcpy(secret->salt, salt.ptr, salt.len);
    secret->salt_len = salt.len;
}

static struct str salt_of(const struct scram_secret *secret)
{
    return str_make(secret->salt, secret->salt_len);
}

/* RFC 5802 3: StoredKey := H(HMAC(SaltedPassword, "Client Key")), ServerKey := HMAC(SaltedPassword,
 * "Server Key"). */
struct scram_secret scram_secret_make(enum digest_type type, struct str password, struct str salt,
                                      unsigned iterations)
{
    struct scram_secret secret = {.type = type, .iterations = iterations};
    set_salt(&secret, salt);
    struct digest salted = pbkdf2(type, password, salt, iterations);
    struct digest client_key = hmac(type, digest_str(&salted), STR("Client Key"));
    secret.stored_key = digest_of(type, digest_str(&client_key));
    secret.server_key = hmac(type, digest_str(&salted), STR("Server Key"));
    explicit_bzero(&salted, sizeof(salted));
    explicit_bzero(&client_key, sizeof(client_key));
    return secret;
}

struct scram_secret scram_secret_fake(enum digest_type type, struct str key, struct str username)
{
    struct digest subkey = hmac(DIGEST_SHA256, key, str_from_cstr(digests[type].name));
    struct digest salt = hmac(DIGEST_SHA256, digest_str(&subkey), username);
    struct digest keys = hmac(DIGEST_SHA256, digest_str(&subkey), digest_str(&salt));
    struct scram_secret secret = {.type = type, .iterations = scram_iterations(type)};
    set_salt(&secret, str_slice(digest_str(&salt), 0, SCRAM_SALT_SIZE));
    secret.stored_key = digest_of(type, digest_str(&keys));
    secret.server_key = secret.stored_key;
    return secret;
}

bool scram_secret_write(const struct scram_secret *secret, struct buf *out)
{
    buf_printf(out, "%s$%u:", digests[secret->type].name, secret->iterations);
    base64_encode(out, salt_of(secret));
    buf_append_char(out, '$');
    base64_encode(out, digest_str(&secret->stored_key));
    buf_append_char(out, ':');
    base64_encode(out, digest_str(&secret->server_key));
    return !out->overflow;
}

static bool is_base64(unsigned char c)
{
    return is_alnum(c) || c == '+' || c == '/' || c == '=';
}

/* Takes base64 of at most `max` bytes into `to`; a wrong value fails the cursor. */
static size_t take_base64(struct cursor *c, void *to, size_t max, const char *what)
{
    struct str text = cursor_take_while(c, is_base64, (max + 2) / 3 * 4, what);
    struct buf bytes;
    buf_init(&bytes, max);
    struct err err;
    size_t len = 0;
    if (!cursor_failed(c) && base64_decode(&bytes, text, &err)) {
        len = bytes.len;
        memcpy(to, bytes.ptr, len);
    } else {
        cursor_fail(c, what);
    }
    buf_release_secret(&bytes);
    return len;
}

static void take_key(struct cursor *c, enum digest_type type, struct digest *key)
{
    key->len = take_base64(c, key->bytes, sizeof(key->bytes), "key");
    if (!cursor_failed(c) && key->len != digest_size(type))
        cursor_fail(c, "key of the right size");
}

bool scram_secret_parse(struct str text, struct scram_secret *ret, struct err *err)
{
    *ret = (struct scram_secret){.type = DIGEST_SHA1};
    struct cursor c = cursor_init(text);
    if (cursor_skip_str(&c, STR("SCRAM-SHA-256$")))
        ret->type = DIGEST_SHA256;
    else if (!cursor_skip_str(&c, STR("SCRAM-SHA-1$")))
        cursor_fail(&c, "scheme");
    ret->iterations = (unsigned)cursor_take_number(&c, SCRAM_ITERATIONS_MAX, "iterations");
    cursor_expect(&c, ':');
    ret->salt_len = take_base64(&c, ret->salt, sizeof(ret->salt), "salt");
    cursor_expect(&c, '$');
    take_key(&c, ret->type, &ret->stored_key);
    cursor_expect(&c, ':');
    take_key(&c, ret->type, &ret->server_key);
    if (!cursor_failed(&c) && ret->iterations == 0)
        cursor_fail(&c, "iterations");
    if (!cursor_finish(&c, err))
        return err_wrap(err, "stored SCRAM secret");
    return true;
}

/* ---- Messages: the rules of RFC 5802 7 */

/* printable = %x21-2B / %x2D-7E */
static bool is_nonce(unsigned char c)
{
    return is_visible(c) && c != ',';
}

/* cb-name = 1*(ALPHA / DIGIT / "." / "-") */
static bool is_binding_type(unsigned char c)
{
    return is_alnum(c) || c == '.' || c == '-';
}

/* value-char, whose UTF-8 is judged later. */
static bool is_value(unsigned char c)
{
    return c != '\0' && c != ',';
}

/* saslname = 1*(value-safe-char / "=2C" / "=3D"), decoded in arena. */
static struct str take_saslname(struct cursor *c, struct arena *arena, const char *what)
{
    struct str raw = cursor_take_while(c, is_value, 1024, what);
    char *name = arena_alloc(arena, raw.len);
    if (!name) {
        cursor_fail_too_long(c, what);
        return STR_NULL;
    }
    size_t len = 0;
    struct cursor in = cursor_init(raw);
    while (!cursor_at_end(&in)) {
        if (cursor_skip_nocase(&in, STR("=2C")))
            name[len++] = ',';
        else if (cursor_skip_nocase(&in, STR("=3D")))
            name[len++] = '=';
        else if (cursor_next_is(&in, '='))
            cursor_fail(&in, what);
        else
            name[len++] = cursor_take(&in, 1, what).ptr[0];
    }
    if (cursor_failed(&in))
        cursor_fail(c, what);
    return str_make(name, len);
}

/* gs2-header = gs2-cbind-flag "," [ authzid ] "," */
static void take_gs2_header(struct cursor *c, struct arena *arena, struct scram_client_first *ret)
{
    const char *from = c->at;
    if (cursor_skip_str(c, STR("p="))) {
        ret->flag = SCRAM_BINDING_USED;
        ret->binding_type = cursor_take_while(c, is_binding_type, 64, "channel binding name");
    } else if (cursor_skip(c, 'y')) {
        ret->flag = SCRAM_BINDING_UNKNOWN;
    } else if (cursor_skip(c, 'n')) {
        ret->flag = SCRAM_BINDING_NONE;
    } else {
        cursor_fail(c, "channel binding flag");
    }
    cursor_expect(c, ',');
    if (cursor_skip_str(c, STR("a=")))
        ret->authzid = take_saslname(c, arena, "authorization identity");
    cursor_expect(c, ',');
    ret->gs2_header = str_make(from, (size_t)(c->at - from));
}

/* attr-val = ALPHA "=" value, of an extension that we do not know. */
static void skip_extension(struct cursor *c)
{
    if (!cursor_next_is_class(c, is_alpha))
        cursor_fail(c, "extension");
    cursor_take(c, 1, "extension");
    cursor_expect(c, '=');
    cursor_take_while(c, is_value, SCRAM_MESSAGE_MAX, "value of extension");
}

/* reserved-mext = "m=" 1*(value-char): whoever does not know it must refuse (RFC 5802 5.1). */
static void skip_mandatory(struct cursor *c, struct scram_client_first *ret)
{
    ret->refusal = "a mandatory extension is not known here";
    skip_extension(c);
}

static bool fits(struct str message, struct err *err)
{
    if (message.len <= SCRAM_MESSAGE_MAX)
        return true;
    return err_set(err, ERR_LIMIT, "SCRAM message of %zu bytes", message.len);
}

bool scram_parse_client_first(struct str message, struct arena *arena,
                              struct scram_client_first *ret, struct err *err)
{
    TRY(fits(message, err));
    *ret = (struct scram_client_first){.authzid = STR_NULL};
    struct cursor c = cursor_init(message);
    take_gs2_header(&c, arena, ret);
    ret->bare = cursor_rest(&c);
    if (cursor_next_is(&c, 'm')) {
        skip_mandatory(&c, ret);
        cursor_expect(&c, ',');
    }
    cursor_expect(&c, 'n');
    cursor_expect(&c, '=');
    ret->username = take_saslname(&c, arena, "user name");
    cursor_expect(&c, ',');
    cursor_expect(&c, 'r');
    cursor_expect(&c, '=');
    ret->nonce = cursor_take_while(&c, is_nonce, SCRAM_NONCE_MAX, "nonce");
    if (ret->nonce.len < SCRAM_CLIENT_NONCE_MIN)
        ret->refusal = "the nonce is too short";
    while (cursor_skip(&c, ',')) {
        if (cursor_next_is(&c, 'm'))
            skip_mandatory(&c, ret);
        else
            skip_extension(&c);
    }
    return cursor_finish(&c, err);
}

/* Decoded, in arena. */
static struct str take_decoded(struct cursor *c, struct arena *arena, const char *what)
{
    char bytes[SCRAM_MESSAGE_MAX];
    size_t len = take_base64(c, bytes, sizeof(bytes), what);
    struct str copy = arena_copy(arena, str_make(bytes, len));
    if (str_is_null(copy))
        cursor_fail_too_long(c, what);
    return copy;
}

bool scram_parse_client_final(struct str message, struct arena *arena,
                              struct scram_client_final *ret, struct err *err)
{
    TRY(fits(message, err));
    struct cursor c = cursor_init(message);
    cursor_expect(&c, 'c');
    cursor_expect(&c, '=');
    ret->binding = take_decoded(&c, arena, "channel binding");
    cursor_expect(&c, ',');
    cursor_expect(&c, 'r');
    cursor_expect(&c, '=');
    ret->nonce = cursor_take_while(&c, is_nonce, 2 * SCRAM_NONCE_MAX, "nonce");
    size_t end = cursor_offset(&c);
    cursor_expect(&c, ',');
    while (!cursor_at_end(&c) && !cursor_next_is(&c, 'p')) {
        if (cursor_next_is(&c, 'm'))
            cursor_fail(&c, "no mandatory extension");
        skip_extension(&c);
        end = cursor_offset(&c);
        cursor_expect(&c, ',');
    }
    ret->without_proof = str_slice(message, 0, end);
    cursor_expect(&c, 'p');
    cursor_expect(&c, '=');
    ret->proof = take_decoded(&c, arena, "proof");
    return cursor_finish(&c, err);
}

bool scram_write_server_first(struct buf *out, struct str client_nonce, struct str server_nonce,
                              const struct scram_secret *secret)
{
    buf_printf(out, "r=%.*s%.*s,s=", STR_ARG(client_nonce), STR_ARG(server_nonce));
    base64_encode(out, salt_of(secret));
    return buf_printf(out, ",i=%u", secret->iterations) && !out->overflow;
}

bool scram_write_server_final(struct buf *out, const struct scram_secret *secret,
                              struct str auth_message)
{
    struct digest signature = hmac(secret->type, digest_str(&secret->server_key), auth_message);
    buf_append_cstr(out, "v=");
    return base64_encode(out, digest_str(&signature));
}

/* ---- Arithmetic */

bool scram_write_auth_message(struct buf *out, struct str client_first_bare,
                              struct str server_first, struct str client_final_without_proof)
{
    buf_append(out, client_first_bare);
    buf_append_char(out, ',');
    buf_append(out, server_first);
    buf_append_char(out, ',');
    buf_append(out, client_final_without_proof);
    return !out->overflow;
}

/* RFC 5802 3: ClientProof is ClientKey XOR HMAC(StoredKey, AuthMessage), and StoredKey is
 * H(ClientKey): so the key is taken out of the proof and hashed again. */
bool scram_proof_is_right(const struct scram_secret *secret, struct str auth_message,
                          struct str proof)
{
    struct digest signature = hmac(secret->type, digest_str(&secret->stored_key), auth_message);
    if (proof.len != signature.len)
        return false;
    struct digest client_key = {.len = proof.len};
    for (size_t i = 0; i < proof.len; i++)
        client_key.bytes[i] = signature.bytes[i] ^ (unsigned char)proof.ptr[i];
    struct digest stored_key = digest_of(secret->type, digest_str(&client_key));
    bool right = str_eq_secret(digest_str(&stored_key), digest_str(&secret->stored_key));
    explicit_bzero(&client_key, sizeof(client_key));
    return right;
}
