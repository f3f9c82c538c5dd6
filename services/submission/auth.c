#include "services/submission/policy.h"

#include <string.h>

/* What a client hears of each failure (spec 10 B2 to B5). */
static const struct smtp_reply refusals[] = {
    [BACKEND_AUTH_CREDENTIALS] = {535, {5, 7, 8}, STR_INIT("wrong user name, password or key")},
    [BACKEND_AUTH_AUTHORIZATION] = {535, {5, 7, 8}, STR_INIT("you cannot act for somebody else")},
    [BACKEND_AUTH_CHANNEL_BINDING] = {535, {5, 7, 7}, STR_INIT("channel binding does not match")},
    [BACKEND_AUTH_PROTOCOL] = {455, {4, 7, 0}, STR_INIT("this breaks the mechanism's rules")},
    [BACKEND_AUTH_NO_SECRET] = {535, {5, 7, 8}, STR_INIT("use another mechanism")},
    [BACKEND_AUTH_DISABLED] = {525, {5, 7, 13}, STR_INIT("this account is switched off")},
    [BACKEND_AUTH_ENCODING] = {535, {5, 7, 0}, STR_INIT("these bytes cannot be a login")},
};

/* RFC 5056: all that the connection has; which one counts is said in the exchange. They cost too
 * much to be made for mechanisms that do not look at them. */
static size_t channel_bindings(struct smtpd_session *s, struct str mechanism,
                               struct backend_channel_binding *ret)
{
    static const struct str types[] = {STR_INIT("tls-exporter"), STR_INIT("tls-unique"),
                                       STR_INIT("tls-server-end-point")};
    size_t count = 0;
    if (!session_is_tls(s->conn) || !str_starts_with(mechanism, STR("SCRAM-")))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct buf data;
        buf_init(&data, 256);
        if (session_channel_binding(s->conn, types[i], &data))
            ret[count++] = (struct backend_channel_binding){
                types[i], arena_copy(&s->auth_arena, buf_str(&data))};
        buf_release(&data);
    }
    return count;
}

/* Empty when there is none. */
static struct str client_key(struct smtpd_session *s)
{
    struct buf key;
    buf_init(&key, 256);
    struct str copy = STR("");
    if (session_client_key(s->conn, &key))
        copy = arena_copy(&s->auth_arena, buf_str(&key));
    buf_release(&key);
    return copy;
}

static bool ask_store(struct smtpd_session *s, const struct smtpd_auth_step *step,
                      struct backend_auth_result *ret, struct err *err)
{
    struct submission *submission = smtpd_user(s);
    struct backend_channel_binding bindings[3];
    bool tls = session_is_tls(s->conn);
    struct backend_auth_step request = {
        .mechanism = step->mechanism,
        .state = step->state,
        .response = step->response,
        .peer = session_peer(s->conn),
        .tls_version = tls ? str_from_cstr(session_tls_version(s->conn)) : STR(""),
        .tls_cipher = tls ? str_from_cstr(session_tls_cipher(s->conn)) : STR(""),
        .bindings = bindings,
        .binding_count = channel_bindings(s, step->mechanism, bindings),
        .client_key = client_key(s),
    };
    return backend_auth(submission->backend, session_cid(s->conn), &request, &s->auth_arena, ret,
                        err);
}

static struct backend_login *keep_login(struct smtpd_session *s, const struct backend_login *login)
{
    struct backend_login *kept = arena_new(&s->session_arena, struct backend_login);
    if (!kept)
        return NULL;
    kept->account_id = login->account_id;
    kept->token = arena_copy(&s->session_arena, login->token);
    return str_is_null(kept->token) ? NULL : kept;
}

/* What breaks the mechanism's grammar is the client's failure (spec 10 B3, B4); all else is ours.
 */
static void ask_failed(struct smtpd_session *s, const struct err *err,
                       struct smtpd_auth_result *ret)
{
    if (err->kind == ERR_SYNTAX) {
        ret->refusal = SMTP_REPLY(501, 5, 5, 4, "this is no answer of the mechanism");
        ret->counts = true;
        return;
    }
    ret->refusal = SMTP_REPLY(454, 4, 7, 0, "cannot check logins now, try again later");
    smtpd_failed(s, "cannot check a login", err);
}

void submission_auth(struct smtpd_session *s, const struct smtpd_auth_step *step,
                     struct smtpd_auth_result *ret)
{
    struct backend_auth_result result;
    struct err err;
    *ret = (struct smtpd_auth_result){.outcome = SMTPD_AUTH_FAILURE};
    ret->refusal = SMTP_REPLY(454, 4, 7, 0, "cannot check logins now, try again later");
    if (!ask_store(s, step, &result, &err)) {
        ask_failed(s, &err, ret);
        return;
    }
    ret->challenge = result.challenge;
    ret->state = result.state;
    ret->counts = result.counts;
    ret->login = result.login;
    if (result.outcome == BACKEND_AUTH_CONTINUE) {
        ret->outcome = SMTPD_AUTH_CHALLENGE;
    } else if (result.outcome == BACKEND_AUTH_SUCCESS) {
        ret->identity = keep_login(s, &result.session);
        if (ret->identity)
            ret->outcome = SMTPD_AUTH_SUCCESS;
    } else {
        size_t failure = (size_t)result.failure;
        ret->refusal = refusals[failure < ARRAY_LEN(refusals) ? failure : 0];
        if (result.text.len > 0)
            ret->refusal.text = result.text;
    }
}

bool submission_knows_key(struct smtpd_session *s, struct str key)
{
    struct submission *submission = smtpd_user(s);
    bool known;
    struct err err;
    if (backend_find_key(submission->backend, session_cid(s->conn), key, &s->arena, &known, &err))
        return known;
    log_warn(smtpd_log(s), "cannot look up the key of a client", LOG_ERR(&err));
    return false;
}
