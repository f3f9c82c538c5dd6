#include "services/store/token.h"

#include "common/auth/hmac.h"
#include "common/base/clock.h"
#include "common/text/wire.h"
#include "services/store/directory_keys.h"

#include <string.h>

#define TOKEN_OF_PASSWORD 1 /* the first byte */
#define TOKEN_OF_TLS_KEY 2
#define TOKEN_SIZE_MAX 512

/* The store's key is used for several things; each has a key of its own made from it. */
void token_open(struct store *store)
{
    struct str key = str_make(store->sealing_key, sizeof(store->sealing_key));
    struct digest token_key = hmac(DIGEST_SHA256, key, STR("session token"));
    store->token_key = hmac_key_new(DIGEST_SHA256, digest_str(&token_key));
    explicit_bzero(&token_key, sizeof(token_key));
}

void token_close(struct store *store)
{
    hmac_key_free(store->token_key);
}

struct str token_seal(const struct store *store, const struct token_session *session,
                      struct arena *arena)
{
    struct buf b;
    buf_init(&b, TOKEN_SIZE_MAX);
    wire_put_u8(&b, session->tls_key_id == 0 ? TOKEN_OF_PASSWORD : TOKEN_OF_TLS_KEY);
    wire_put_u64(&b, session->account_id);
    wire_put_u64(&b, session->credential_version);
    if (session->tls_key_id != 0)
        wire_put_u64(&b, session->tls_key_id);
    wire_put_u32(&b, session->rights);
    wire_put_u64(&b, (uint64_t)session->expires_ms);
    wire_put_str16(&b, str_from_cstr(session->login));
    struct digest mac = hmac_with(store->token_key, buf_str(&b));
    buf_append(&b, digest_str(&mac));
    struct str token = b.overflow ? STR_NULL : arena_copy(arena, buf_str(&b));
    buf_release(&b);
    return token;
}

static bool denied(struct err *err, const char *why)
{
    err_set(err, ERR_DENIED, "session token: %s", why);
    return err_reply(err, "the session has ended, log in again");
}

static bool open_token(const struct store *store, struct str token, struct token_session *ret)
{
    if (token.len < SHA256_SIZE || token.len > TOKEN_SIZE_MAX)
        return false;
    struct str body = str_slice(token, 0, token.len - SHA256_SIZE);
    struct digest mac = hmac_with(store->token_key, body);
    if (!str_eq_secret(str_skip(token, body.len), digest_str(&mac)))
        return false;
    struct wire w = wire_init(body);
    unsigned kind = wire_take_u8(&w, "kind");
    if (kind != TOKEN_OF_PASSWORD && kind != TOKEN_OF_TLS_KEY)
        wire_fail(&w, "kind");
    ret->account_id = wire_take_u64(&w, "account");
    ret->credential_version = wire_take_u64(&w, "credential version");
    ret->tls_key_id = kind == TOKEN_OF_TLS_KEY ? wire_take_u64(&w, "TLS key") : 0;
    ret->rights = wire_take_u32(&w, "rights");
    ret->expires_ms = (int64_t)wire_take_u64(&w, "expiry");
    struct str login = wire_take_str16(&w, "login");
    struct err ignored;
    return wire_finish(&w, &ignored) && str_copy_cstr(login, ret->login, sizeof(ret->login));
}

/* A new password ends all sessions, also those of keys: that is how to throw somebody out. */
static bool check_credential(struct store *store, const struct token_session *session,
                             struct err *err)
{
    uint64_t version;
    bool stands = true;
    if (!directory_credential_version(store, session->account_id, &version, err))
        return err->kind == ERR_NOT_FOUND ? denied(err, "the account is gone") : false;
    if (version != session->credential_version)
        return denied(err, "the password has changed");
    if (session->tls_key_id != 0)
        TRY(directory_has_tls_key(store, session->account_id, session->tls_key_id, &stands, err));
    return stands || denied(err, "its TLS key is gone");
}

bool token_check(struct store *store, struct str token, unsigned rights, struct token_session *ret,
                 struct err *err)
{
    if (!open_token(store, token, ret))
        return denied(err, "not one of ours");
    if (ret->expires_ms <= clock_wall_ms())
        return denied(err, "expired");
    if ((ret->rights & rights) != rights)
        return denied(err, "not for this door");
    return check_credential(store, ret, err);
}
