#include "common/text/base64.h"
#include "services/imap/auth.h"
#include "services/imap/capability.h"
#include "services/imap/command.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"

#include <string.h>

/*
 * Logging in. Exchanges are judged in store; this file carries the steps, and decides only what
 * depends on the connection: TLS, channel binding data, and the slow-down after failures.
 */

#define SLOW_AFTER_FAILURES 3
#define RESPONSE_MAX (16 * 1024)

/* ---- After the exchange */

static void hide_capabilities(struct imap *imap, const struct str *names, size_t count)
{
    buf_reset(&imap->capabilities_disabled);
    for (size_t i = 0; i < count; i++) {
        buf_append(&imap->capabilities_disabled, names[i]);
        buf_append_char(&imap->capabilities_disabled, ' ');
    }
}

static void remember_login(struct imap *imap, const struct backend_login *login)
{
    buf_append(&imap->token, login->token);
    buf_append(&imap->login, login->login);
    imap->token_expires_ms = login->expires_ms;
    hide_capabilities(imap, login->capabilities_disabled, login->capabilities_disabled_count);
    imap->account = registry_enter(imap->server->registry, login->account_id);
    imap->reviewed_events = account_rights_events(imap->account);
}

static void enter_account(struct imap *imap, const struct backend_login *login)
{
    remember_login(imap, login);
    imap_enter(imap, STATE_AUTHENTICATED);
    imap->failures = 0;
    session_set_slow(imap->session, false);
    struct log_ctx *log = session_log(imap->session);
    if (!str_copy_cstr(login->login, log->user, sizeof(log->user)))
        log->user[0] = '\0';
    log_info(log, "login", LOG_CSTR("ip", session_peer(imap->session)->remote_ip),
             LOG_BOOL("tls", session_is_tls(imap->session)));
}

static enum session_next logged_in(struct imap *imap, const struct backend_login *login)
{
    enter_account(imap, login);
    struct buf text;
    buf_init(&text, 2048);
    capability_write(imap, &text);
    enum session_next next = respond_ok(imap, "[%.*s] logged in", STR_ARG(buf_str(&text)));
    buf_release(&text);
    return next;
}

/* RFC 9051 7.1 response codes. Barred logins get none: clients would ask for the password. */
static const struct {
    enum auth_outcome outcome;
    const char *answer;
} refusals[] = {
    {AUTH_WRONG, "[AUTHENTICATIONFAILED] wrong user, password or key"},
    {AUTH_AUTHORIZATION, "[AUTHORIZATIONFAILED] may not act for that user"},
    {AUTH_BINDING, "[AUTHENTICATIONFAILED] channel binding failed"},
    {AUTH_PROTOCOL, "[AUTHENTICATIONFAILED] the exchange breaks the mechanism's rules"},
    {AUTH_NO_SECRET, "[AUTHENTICATIONFAILED] use another mechanism, or set the password again"},
    {AUTH_DISABLED, "login is not allowed"},
    {AUTH_ENCODING, "[AUTHENTICATIONFAILED] user or password has invalid characters"},
};

static enum session_next refused(struct imap *imap, enum auth_outcome outcome, bool counts,
                                 struct str text)
{
    if (outcome == AUTH_BINDING)
        log_warn(session_log(imap->session),
                 "channel binding failed: somebody may be in the middle");
    if (counts)
        imap->failures++;
    if (imap->failures >= SLOW_AFTER_FAILURES)
        session_set_slow(imap->session, true);
    size_t row = 0;
    while (row + 1 < ARRAY_LEN(refusals) && refusals[row].outcome != outcome)
        row++;
    if (outcome == AUTH_DISABLED && text.len > 0)
        return respond_no(imap, "%.*s", STR_ARG(text));
    return respond_no(imap, "%s", refusals[row].answer);
}

static enum session_next finish(struct imap *imap, const struct backend_auth_result *result)
{
    if (result->outcome == AUTH_SUCCESS)
        return logged_in(imap, &result->login);
    log_info(session_log(imap->session), "failed login", LOG_STR("username", result->login_tried),
             LOG_CSTR("ip", session_peer(imap->session)->remote_ip));
    return refused(imap, result->outcome, result->counts, result->text);
}

/* ---- One step */

/* Of AUTHENTICATE, while the client is asked for its next response; in the command's arena. */
struct exchange {
    struct str mechanism;
    struct str state;
    /* All is decided, only the client's answer to the last challenge is awaited: RFC 5802 puts the
     * server's proof, or its refusal, into a challenge. */
    struct backend_auth_result *decided;
};

/* In the command's arena; empty when there is none. */
static struct str client_key(struct imap *imap)
{
    struct buf key;
    buf_init(&key, 256);
    struct str copy = STR("");
    if (session_client_key(imap->session, &key))
        copy = arena_copy(&imap->arena, buf_str(&key));
    buf_release(&key);
    return copy;
}

static void describe_connection(struct imap *imap, struct backend_auth *auth)
{
    static const struct str types[] = {STR_INIT("tls-exporter"), STR_INIT("tls-unique"),
                                       STR_INIT("tls-server-end-point")};
    const struct session_peer *peer = session_peer(imap->session);
    auth->peer = (struct backend_peer){.remote_ip = str_from_cstr(peer->remote_ip),
                                       .local_ip = str_from_cstr(peer->local_ip),
                                       .tls = session_is_tls(imap->session)};
    if (!auth->peer.tls)
        return;
    auth->peer.tls_version = str_from_cstr(session_tls_version(imap->session));
    auth->client_key = client_key(imap);
    auth->peer.tls_cipher = str_from_cstr(session_tls_cipher(imap->session));
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct buf data;
        buf_init(&data, 1024);
        if (session_channel_binding(imap->session, types[i], &data))
            auth->bindings[auth->binding_count++] =
                (struct backend_binding){types[i], arena_copy(&imap->arena, buf_str(&data))};
        buf_release(&data);
    }
}

static bool call_store(struct imap *imap, struct backend_auth *auth,
                       struct backend_auth_result *ret, struct err *err)
{
    describe_connection(imap, auth);
    struct backend_call call = imap_call(imap);
    return backend_auth(imap->server->backend, &call, auth, ret, err);
}

static enum session_next store_failed(struct imap *imap, const struct err *err)
{
    if (err->kind == ERR_SYNTAX)
        return respond_bad(imap, "%s", err->reply[0] ? err->reply : "bad authentication data");
    if (err->kind == ERR_NOT_FOUND)
        return respond_no(imap, "[CANNOT] unknown mechanism");
    return respond_err(imap, err);
}

static enum session_next challenge_input(struct imap *imap, struct str unit);

static enum session_next ask(struct imap *imap, struct exchange *x, struct str challenge)
{
    struct buf encoded;
    buf_init(&encoded, RESPONSE_MAX);
    if (!base64_encode(&encoded, challenge))
        BUG("challenge of %zu bytes", challenge.len);
    respond_continue(imap, buf_str(&encoded));
    buf_release(&encoded);
    if (!imap->work)
        imap_set_work(imap, x, NULL);
    imap->input = challenge_input;
    return SESSION_READ;
}

static enum session_next step(struct imap *imap, struct exchange *x, bool has_response,
                              struct str response)
{
    struct err err;
    struct backend_auth auth = {.mechanism = x->mechanism,
                                .state = x->state,
                                .has_response = has_response,
                                .response = response};
    struct backend_auth_result *result = arena_new(&imap->arena, struct backend_auth_result);
    if (!call_store(imap, &auth, result, &err))
        return store_failed(imap, &err);
    x->state = result->state;
    if (result->outcome == AUTH_CONTINUE)
        return ask(imap, x, result->challenge);
    if (result->challenge.len == 0)
        return finish(imap, result);
    x->decided = result;
    return ask(imap, x, result->challenge);
}

static bool decode(struct imap *imap, struct str text, struct str *ret)
{
    struct err err;
    struct buf decoded;
    buf_init(&decoded, RESPONSE_MAX);
    bool ok = base64_decode(&decoded, text, &err);
    if (ok)
        *ret = arena_copy(&imap->arena, buf_str(&decoded));
    buf_release_secret(&decoded);
    return ok;
}

/* The client's answer to a challenge: base64, or "*" to give up. */
static enum session_next challenge_input(struct imap *imap, struct str unit)
{
    struct exchange *x = imap->work;
    struct str text = frame_line_text(unit), response;
    if (str_eq(text, STR("*")))
        return respond_bad(imap, "authentication given up");
    if (!decode(imap, text, &response))
        return respond_bad(imap, "expected base64");
    if (x->decided)
        return finish(imap, x->decided);
    return step(imap, x, true, response);
}

/* ---- By key, unasked (auth.h) */

void auth_find_key(struct imap *imap)
{
    struct backend_key key;
    struct err err;
    struct str fingerprint = client_key(imap);
    if (fingerprint.len == 0)
        return;
    struct backend_call call = imap_call(imap);
    if (!backend_find_key(imap->server->backend, &call, fingerprint, &key, &err)) {
        log_warn(session_log(imap->session), "cannot look up the key of a client", LOG_ERR(&err));
        return;
    }
    hide_capabilities(imap, key.capabilities_disabled, key.capabilities_disabled_count);
    imap->has_key = key.is_known && imap_has_capability(imap, STR("AUTH=EXTERNAL"));
    imap->key_preauths = imap->has_key && key.preauths;
}

bool auth_log_in_unasked(struct imap *imap)
{
    struct err err;
    struct backend_auth auth = {
        .mechanism = STR("EXTERNAL"), .has_response = true, .response = STR("")};
    struct backend_auth_result result;
    if (!imap->key_preauths)
        return false;
    if (!call_store(imap, &auth, &result, &err)) {
        log_warn(session_log(imap->session), "cannot log in by key", LOG_ERR(&err));
        return false;
    }
    if (result.outcome != AUTH_SUCCESS)
        return false;
    enter_account(imap, &result.login);
    return true;
}

/* ---- Commands */

static bool passwords_allowed(struct imap *imap)
{
    return session_is_tls(imap->session) || imap->server->config->cleartext_auth;
}

/* More than 3 failures: further attempts wait before they are answered. */
static void slow_down(struct imap *imap)
{
    if (imap->failures > SLOW_AFTER_FAILURES)
        session_delay(imap->session, (int64_t)(imap->failures - SLOW_AFTER_FAILURES) * 1000);
}

/* RFC 9051 6.2.2: "AUTHENTICATE" SP auth-type [SP initial-resp] */
static enum session_next authenticate(struct imap *imap, struct str mechanism, bool has_initial,
                                      struct str initial)
{
    bool plus = str_ends_with(mechanism, STR("-PLUS"));
    bool is_cram = str_eq(mechanism, STR("CRAM-MD5")), is_login = str_eq(mechanism, STR("LOGIN"));
    struct exchange *x = arena_new(&imap->arena, struct exchange);
    x->mechanism = mechanism;
    if (!capability_has_mechanism(imap, mechanism))
        return respond_no(imap, "[CANNOT] unknown mechanism");
    if ((is_login || str_eq(mechanism, STR("PLAIN"))) && !passwords_allowed(imap))
        return respond_no(imap, "[PRIVACYREQUIRED] TLS is required for this mechanism");
    if ((plus || str_eq(mechanism, STR("EXTERNAL"))) && !session_is_tls(imap->session))
        return respond_no(imap, "[PRIVACYREQUIRED] TLS is required for this mechanism");
    if (has_initial && is_cram)
        return respond_bad(imap, "this mechanism has no initial response");
    slow_down(imap);
    if (!has_initial && (is_cram || is_login)) /* the server begins */
        return step(imap, x, false, STR_NULL);
    if (!has_initial)
        return ask(imap, x, STR(""));
    struct str response = STR("");
    if (!str_eq(initial, STR("=")) && !decode(imap, initial, &response))
        return respond_bad(imap, "expected base64");
    return step(imap, x, true, response);
}

enum session_next cmd_authenticate(struct imap *imap, struct cursor *args)
{
    struct err err;
    parse_space(args);
    struct str mechanism = parse_atom(args, "mechanism");
    bool has_initial = cursor_skip(args, ' ');
    struct str initial =
        has_initial ? cursor_take_while(args, is_visible, RESPONSE_MAX, "base64") : STR_NULL;
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    char *upper = arena_alloc(&imap->arena, mechanism.len);
    for (size_t i = 0; i < mechanism.len; i++)
        upper[i] = ascii_upper(mechanism.ptr[i]);
    return authenticate(imap, str_make(upper, mechanism.len), has_initial, initial);
}

/* RFC 4616: the message of PLAIN that says the same as LOGIN. */
static struct str plain_message(struct arena *arena, struct str user, struct str password)
{
    char *message = arena_alloc(arena, user.len + password.len + 2);
    if (!message)
        return STR_NULL;
    if (user.len > 0)
        memcpy(message + 1, user.ptr, user.len);
    if (password.len > 0)
        memcpy(message + user.len + 2, password.ptr, password.len);
    return str_make(message, user.len + password.len + 2);
}

/* RFC 9051 6.2.3: "LOGIN" SP userid SP password */
enum session_next cmd_login(struct imap *imap, struct cursor *args)
{
    struct err err;
    parse_space(args);
    struct str user = parse_astring(args, &imap->arena);
    parse_space(args);
    struct str password = parse_astring(args, &imap->arena);
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    if (!passwords_allowed(imap))
        return respond_no(imap, "[PRIVACYREQUIRED] TLS is required for passwords");
    slow_down(imap);
    struct backend_auth auth = {.mechanism = STR("PLAIN"),
                                .has_response = true,
                                .response = plain_message(&imap->arena, user, password)};
    struct backend_auth_result result;
    if (!call_store(imap, &auth, &result, &err))
        return store_failed(imap, &err);
    return finish(imap, &result);
}

/* RFC 9051 6.2.1 */
enum session_next cmd_starttls(struct imap *imap, struct cursor *args)
{
    struct err err;
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    if (!session_can_starttls(imap->session))
        return respond_bad(imap, "TLS is active or not available");
    return respond_ok_then(imap, SESSION_STARTTLS, "begin TLS");
}
