#include "services/store/auth.h"

#include "common/auth/password.h"
#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/base/recent.h"
#include "common/text/base64.h"
#include "common/text/wire.h"
#include "proto/events.pb-c.h"
#include "services/store/directory_core.h"
#include "services/store/directory_keys.h"
#include "services/store/password_cache.h"
#include "services/store/token.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define STATE_FORMAT 1
#define STATE_LIFETIME_MS (10 * 60 * 1000)
#define STATE_SIZE_MAX 16384
#define PASSWORD_ARENA_MAX 16384
#define FAILED_MAX 8192
#define FAILED_LIFETIME_MS (24 * 60 * 60 * 1000) /* the doors count for a day */

struct auth {
    struct password_cache *passwords;
    struct recent *failed; /* addresses with a failed login */
};

bool auth_open(struct store *store, struct err *err UNUSED)
{
    store->auth = xcalloc(1, sizeof(*store->auth));
    store->auth->passwords = password_cache_new((unsigned)store->config->password_checks);
    store->auth->failed = recent_new(FAILED_MAX, FAILED_LIFETIME_MS);
    return true;
}

void auth_close(struct auth *auth)
{
    if (!auth)
        return;
    password_cache_free(auth->passwords);
    recent_free(auth->failed);
    free(auth);
}

uint64_t auth_hash_count(struct auth *auth)
{
    return password_cache_hash_count(auth->passwords);
}

static bool has_failed(struct auth *auth, struct str remote_ip)
{
    struct str yes;
    struct arena arena;
    arena_init(&arena, 256);
    bool found = recent_find(auth->failed, remote_ip, clock_monotonic_ms(), &arena, &yes);
    arena_release(&arena);
    return found;
}

void auth_publish_end(struct store *store, struct str remote_ip, bool succeeded)
{
    if (!store->events.notices || remote_ip.len == 0 ||
        (succeeded && !has_failed(store->auth, remote_ip)))
        return;
    if (!succeeded)
        recent_add(store->auth->failed, remote_ip, STR("yes"), clock_monotonic_ms());
    char ip[64];
    if (!str_copy_cstr(remote_ip, ip, sizeof(ip)))
        return;
    Mailrail__LoginEnded event = MAILRAIL__LOGIN_ENDED__INIT;
    event.remote_ip = ip;
    event.succeeded = succeeded;
    event_publish(store->events.notices, "login", &event.base);
}

static struct digest subkey(const struct store *store, const char *purpose)
{
    struct str key = str_make(store->sealing_key, sizeof(store->sealing_key));
    return hmac(DIGEST_SHA256, key, str_from_cstr(purpose));
}

/* An exchange during one step: whose credential was asked for, so that a success can be tied to
 * that very credential. */
struct exchange {
    struct store *store;
    struct arena *arena;
    int64_t deadline_ms;
    uint64_t account_id;
    uint64_t credential_version;
    uint64_t tls_key_id; /* instead of a password */
    struct str client_key;
};

/* ---- What the mechanisms ask (sasl.h) */

static bool find_user(struct exchange *x, struct str login, struct directory_login *ret,
                      struct err *err)
{
    TRY(directory_find_login(x->store, login, x->arena, ret, err));
    /* Who has no password cannot be told from who does not exist. */
    ret->is_found = ret->is_found && ret->account.credential_version != 0;
    x->account_id = ret->is_found ? ret->account.id : 0;
    x->credential_version = ret->is_found ? ret->account.credential_version : 0;
    return true;
}

/* `*ret_found` false: nobody, or nobody any more. */
static bool find_credential(struct exchange *x, struct str login, struct directory_login *ret_login,
                            struct credential_row *ret, bool *ret_found, struct err *err)
{
    TRY(find_user(x, login, ret_login, err));
    *ret_found = ret_login->is_found;
    if (!*ret_found || directory_credential(x->store, x->account_id, x->arena, ret, err))
        return true;
    *ret_found = false;
    return err->kind == ERR_NOT_FOUND;
}

static bool find_hash(void *user, const char **ret_hash, struct err *err)
{
    struct exchange *x = user;
    *ret_hash = password_hash_of_nobody();
    if (x->account_id == 0)
        return true;
    struct credential_row row;
    TRY(directory_credential(x->store, x->account_id, x->arena, &row, err));
    *ret_hash = arena_cstr(x->arena, row.hash);
    return *ret_hash ? true : err_set(err, ERR_LIMIT, "no room for a password hash");
}

static bool check_prepared(struct exchange *x, struct str prepared, bool *ret_right,
                           struct err *err)
{
    struct password_question question = {
        .account_id = x->account_id,
        .version = x->credential_version,
        .password = prepared,
        .find_hash = find_hash,
        .user = x,
        .deadline_ms = x->deadline_ms,
    };
    TRY(password_cache_check(x->store->auth->passwords, &question, ret_right, err));
    *ret_right = *ret_right && x->account_id != 0;
    return true;
}

static bool check_password(void *user, struct str login, struct str password, bool *ret_right,
                           struct err *err)
{
    struct exchange *x = user;
    struct directory_login who;
    TRY(find_user(x, login, &who, err));
    struct arena arena;
    arena_init(&arena, PASSWORD_ARENA_MAX);
    struct str prepared;
    bool ok = password_prepare(password, &arena, &prepared, err);
    if (ok)
        ok = check_prepared(x, prepared, ret_right, err);
    else if (err->kind == ERR_LIMIT) { /* too long to be anybody's */
        *ret_right = false;
        ok = true;
    }
    arena_wipe(&arena);
    arena_release(&arena);
    return ok;
}

static bool find_scram(void *user, struct str login, enum digest_type type,
                       struct scram_secret *ret, enum sasl_user *ret_user, struct err *err)
{
    struct exchange *x = user;
    struct directory_login who;
    struct credential_row row = {0};
    bool found;
    TRY(find_credential(x, login, &who, &row, &found, err));
    struct str text = type == DIGEST_SHA1 ? row.scram_sha1 : row.scram_sha256;
    *ret_user = SASL_USER_FOUND;
    if (found && !str_is_null(text))
        return scram_secret_parse(text, ret, err);
    struct digest key = subkey(x->store, "secrets of nobody");
    *ret = scram_secret_fake(type, digest_str(&key), who.address);
    *ret_user = found ? SASL_USER_NO_SECRET : SASL_USER_UNKNOWN;
    return true;
}

static bool find_cram_md5(void *user, struct str login, struct cram_md5_secret *ret,
                          enum sasl_user *ret_user, struct err *err)
{
    struct exchange *x = user;
    struct directory_login who;
    struct credential_row row = {0};
    bool found;
    TRY(find_credential(x, login, &who, &row, &found, err));
    *ret_user = found ? SASL_USER_NO_SECRET : SASL_USER_UNKNOWN;
    if (!found || row.cram_md5.len != sizeof(ret->bytes))
        return true;
    memcpy(ret->bytes, row.cram_md5.ptr, sizeof(ret->bytes));
    *ret_user = SASL_USER_FOUND;
    return true;
}

static bool check_key(void *user, struct str identity, struct str *ret_login, bool *ret_right,
                      struct err *err)
{
    struct exchange *x = user;
    struct directory_tls_key key;
    struct directory_login who;
    *ret_right = false;
    TRY(directory_find_tls_key(x->store, x->client_key, x->arena, &key, err));
    if (!key.is_found)
        return true;
    TRY(directory_find_login(x->store, identity.len > 0 ? identity : key.login, x->arena, &who,
                             err));
    if (!who.is_found || who.account.id != key.account.id)
        return true;
    x->account_id = key.account.id;
    x->tls_key_id = key.id;
    *ret_login = who.address;
    *ret_right = true;
    return true;
}

/* ---- The state between steps: sealed, with its end and whose credential it is about */

static bool seal_state(const struct exchange *x, struct str mechanism, struct str state,
                       struct str *ret, struct err *err)
{
    struct buf b;
    buf_init(&b, STATE_SIZE_MAX);
    wire_put_u8(&b, STATE_FORMAT);
    wire_put_u64(&b, (uint64_t)(clock_wall_ms() + STATE_LIFETIME_MS));
    wire_put_u64(&b, x->account_id);
    wire_put_u64(&b, x->credential_version);
    wire_put_str8(&b, mechanism);
    wire_put_str16(&b, state);
    struct digest key = subkey(x->store, "login state");
    struct digest mac = hmac(DIGEST_SHA256, digest_str(&key), buf_str(&b));
    buf_append(&b, digest_str(&mac));
    *ret = b.overflow ? STR_NULL : arena_copy(x->arena, buf_str(&b));
    buf_release(&b);
    return str_is_null(*ret) ? err_set(err, ERR_LIMIT, "no room for the state of a login") : true;
}

static bool open_state(struct exchange *x, struct str mechanism, struct str sealed,
                       struct str *ret_state, struct err *err)
{
    if (sealed.len < SHA256_SIZE || sealed.len > STATE_SIZE_MAX)
        return err_set(err, ERR_STATE, "state of a login: %zu bytes", sealed.len);
    struct str body = str_slice(sealed, 0, sealed.len - SHA256_SIZE);
    struct digest key = subkey(x->store, "login state");
    struct digest mac = hmac(DIGEST_SHA256, digest_str(&key), body);
    if (!str_eq_secret(str_skip(sealed, body.len), digest_str(&mac)))
        return err_set(err, ERR_STATE, "state of a login: not one of ours");
    struct wire w = wire_init(body);
    if (wire_take_u8(&w, "format") != STATE_FORMAT)
        wire_fail(&w, "format");
    int64_t expires_ms = (int64_t)wire_take_u64(&w, "expiry");
    x->account_id = wire_take_u64(&w, "account");
    x->credential_version = wire_take_u64(&w, "credential version");
    struct str sealed_for = wire_take_str8(&w, "mechanism");
    *ret_state = wire_take_str16(&w, "state");
    if (!wire_finish(&w, err))
        return err_wrap(err, "state of a login");
    if (!str_eq(sealed_for, mechanism))
        return err_set(err, ERR_STATE, "state of a login: of another mechanism");
    if (expires_ms <= clock_wall_ms())
        return err_set(err, ERR_STATE, "state of a login: too old");
    return true;
}

/* ---- Steps */

static unsigned rights_of(struct str protocol)
{
    if (str_eq(protocol, STR("imap")))
        return TOKEN_MAILBOXES;
    if (str_eq(protocol, STR("submission")))
        return TOKEN_SUBMIT;
    return TOKEN_MAILBOXES | TOKEN_SUBMIT;
}

static bool give_token(struct store *store, unsigned rights, uint64_t tls_key_id,
                       struct arena *arena, struct auth_reply *reply, struct err *err)
{
    struct token_session session = {
        .account_id = reply->account.id,
        .credential_version = reply->account.credential_version,
        .tls_key_id = tls_key_id,
        .rights = rights,
        .expires_ms = clock_wall_ms() + TOKEN_LIFETIME_MS,
    };
    if (!str_copy_cstr(reply->login, session.login, sizeof(session.login)))
        return err_set(err, ERR_LIMIT, "the login is too long");
    reply->token = token_seal(store, &session, arena);
    reply->expires_ms = session.expires_ms;
    return str_is_null(reply->token) ? err_set(err, ERR_LIMIT, "no room for a token") : true;
}

static void fail(struct auth_reply *reply, enum sasl_failure failure, struct str text)
{
    reply->outcome = SASL_FAILURE;
    reply->failure = failure;
    reply->text = text;
    /* Not held against the client: that we keep no secret, and a right password. */
    reply->counts = failure != SASL_NO_SECRET && failure != SASL_DISABLED;
}

/* Spec 20 2.5: beside a registered key, no password of another account counts. */
static bool fits_key(struct exchange *x, uint64_t account_id, bool *ret, struct err *err)
{
    struct directory_tls_key key;
    TRY(directory_find_tls_key(x->store, x->client_key, x->arena, &key, err));
    *ret = !key.is_found || key.account.id == account_id;
    return true;
}

/* Is what satisfied the mechanism still the account's? */
static bool has_credential(const struct exchange *x, const struct directory_login *who)
{
    if (!who->is_found || x->account_id == 0 || who->account.id != x->account_id)
        return false;
    return x->tls_key_id != 0 || who->account.credential_version == x->credential_version;
}

/* The mechanism is satisfied; now the account must be, still and for this credential. */
static bool succeed(struct exchange *x, struct str protocol, struct auth_reply *reply,
                    struct err *err)
{
    struct directory_login who;
    bool fits;
    TRY(directory_find_login(x->store, reply->login, x->arena, &who, err));
    if (!has_credential(x, &who)) {
        fail(reply, SASL_CREDENTIALS, STR("bad user or password"));
        return true;
    }
    TRY(fits_key(x, x->account_id, &fits, err));
    if (!fits) {
        fail(reply, SASL_AUTHORIZATION, STR("the TLS client certificate is of another account"));
        return true;
    }
    if (who.account.login_disabled.len > 0) {
        fail(reply, SASL_DISABLED, who.account.login_disabled);
        return true;
    }
    reply->account = who.account;
    reply->login = who.address;
    return give_token(x->store, rights_of(protocol), x->tls_key_id, x->arena, reply, err);
}

static bool make_nonce(struct arena *arena, struct str *ret, struct err *err)
{
    unsigned char random[SASL_NONCE_SIZE / 4 * 3];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return err_set(err, ERR_INTERNAL, "no random numbers");
    struct buf b;
    buf_init(&b, SASL_NONCE_SIZE);
    base64_url_encode(&b, str_make(random, sizeof(random)));
    *ret = arena_copy(arena, buf_str(&b));
    buf_release(&b);
    return str_is_null(*ret) ? err_set(err, ERR_LIMIT, "no room for a nonce") : true;
}

static bool finish_step(struct exchange *x, const struct auth_step *step,
                        const struct sasl_reply *sasl, struct auth_reply *reply, struct err *err)
{
    *reply = (struct auth_reply){
        .outcome = sasl->outcome, .challenge = sasl->challenge, .login = sasl->login};
    if (sasl->outcome == SASL_CONTINUE)
        return seal_state(x, step->sasl.mechanism, sasl->state, &reply->state, err);
    if (sasl->outcome == SASL_SUCCESS)
        return succeed(x, step->protocol, reply, err);
    fail(reply, sasl->failure, str_from_cstr(sasl->text));
    return true;
}

bool auth_take_step(struct store *store, const struct auth_step *step, struct arena *arena,
                    struct auth_reply *ret, struct err *err)
{
    struct exchange x = {.store = store,
                         .arena = arena,
                         .deadline_ms = step->deadline_ms,
                         .client_key = step->client_key};
    struct sasl_users users = {check_password, find_scram, find_cram_md5, check_key, &x};
    struct sasl_step sasl = step->sasl;
    sasl.users = &users;
    sasl.hostname = store->settings->hostname;
    sasl.now_ms = clock_wall_ms();
    TRY(make_nonce(arena, &sasl.nonce, err));
    if (sasl.state.len > 0)
        TRY(open_state(&x, sasl.mechanism, step->sasl.state, &sasl.state, err));
    struct sasl_reply reply;
    TRY(sasl_step(&sasl, arena, &reply, err));
    return finish_step(&x, step, &reply, ret, err);
}

bool auth_renew(struct store *store, struct str token, struct arena *arena, struct auth_reply *ret,
                struct err *err)
{
    struct token_session session;
    TRY(token_check(store, token, 0, &session, err));
    *ret = (struct auth_reply){.outcome = SASL_SUCCESS};
    TRY(directory_account(store, session.account_id, arena, &ret->account, err));
    if (ret->account.login_disabled.len > 0) {
        err_set(err, ERR_DENIED, "login is barred");
        return err_reply(err, "%.*s", STR_ARG(ret->account.login_disabled));
    }
    ret->login = arena_copy(arena, str_from_cstr(session.login));
    return give_token(store, session.rights, session.tls_key_id, arena, ret, err);
}
