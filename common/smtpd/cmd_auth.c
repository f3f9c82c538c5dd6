#include "common/smtpd/command.h"

#include "common/smtpd/server.h"
#include "common/text/base64.h"

#include <stdio.h>

#define FAILURES_UNTIL_SLOW 3

enum mechanism_flags {
    SENDS_PASSWORD = 1, /* needs TLS */
    BINDS_CHANNEL = 2,  /* needs TLS too */
    SERVER_FIRST = 4,   /* no initial response */
    PROVES_KEY = 8,     /* needs TLS, and a registered key to be announced */
};

/* In the order in which they are announced: the best first. */
static const struct mechanism {
    struct str name;
    unsigned flags;
} mechanisms[] = {
    {STR_INIT("EXTERNAL"), PROVES_KEY},  {STR_INIT("SCRAM-SHA-256-PLUS"), BINDS_CHANNEL},
    {STR_INIT("SCRAM-SHA-256"), 0},      {STR_INIT("SCRAM-SHA-1-PLUS"), BINDS_CHANNEL},
    {STR_INIT("SCRAM-SHA-1"), 0},        {STR_INIT("CRAM-MD5"), SERVER_FIRST},
    {STR_INIT("PLAIN"), SENDS_PASSWORD}, {STR_INIT("LOGIN"), SENDS_PASSWORD},
};

static bool has_known_key(struct smtpd_session *s)
{
    const struct smtpd_policy *policy = s->server->policy;
    struct buf key;
    buf_init(&key, 256);
    bool known = policy->knows_key && session_client_key(s->conn, &key) &&
                 policy->knows_key(s, buf_str(&key));
    buf_release(&key);
    return known;
}

struct str smtpd_auth_mechanisms(struct smtpd_session *s)
{
    if (!session_is_tls(s->conn) && !s->server->config->cleartext_auth)
        return STR("");
    struct str all = STR("");
    bool known_key = has_known_key(s);
    for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++)
        if (known_key || !(mechanisms[i].flags & PROVES_KEY))
            all = arena_printf(&s->arena, "%.*s%s%.*s", STR_ARG(all), all.len > 0 ? " " : "",
                               STR_ARG(mechanisms[i].name));
    return all;
}

static const struct mechanism *find_mechanism(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++)
        if (str_eq(mechanisms[i].name, name))
            return &mechanisms[i];
    return NULL;
}

/* In auth_arena; STR_NULL when it is not base64. */
static struct str decode(struct smtpd_session *s, struct str text)
{
    struct buf out;
    struct err err;
    buf_init(&out, text.len);
    struct str decoded = STR_NULL;
    if (base64_decode(&out, text, &err))
        decoded = arena_copy(&s->auth_arena, buf_str(&out));
    buf_release_secret(&out);
    return decoded;
}

/* 334, in s->arena. */
static struct smtp_reply challenge(struct smtpd_session *s, struct str data)
{
    struct buf out;
    buf_init(&out, data.len * 2 + 4);
    base64_encode(&out, data);
    struct smtp_reply reply = {.code = 334, .text = arena_copy(&s->arena, buf_str(&out))};
    buf_release(&out);
    return reply;
}

static struct smtp_reply count_failure(struct smtpd_session *s, bool counts, struct str login,
                                       struct smtp_reply reply)
{
    const char *ip = session_peer(s->conn)->remote_ip;
    log_info(smtpd_log(s), "failed login", LOG_STR("username", login), LOG_CSTR("ip", ip),
             LOG_STR("mechanism", s->auth.mechanism), LOG_U64("code", reply.code),
             LOG_STR("reply", reply.text));
    metric_add(metric_with(s->server->logins, s->server->config->name, "failed", NULL), 1);
    if (counts) {
        if (s->login_failures++ > FAILURES_UNTIL_SLOW)
            session_delay(s->conn, (s->login_failures - 1 - FAILURES_UNTIL_SLOW) * 1000);
        if (s->login_failures >= FAILURES_UNTIL_SLOW)
            smtpd_slow_down(s);
    }
    return reply;
}

static struct smtp_reply count_success(struct smtpd_session *s,
                                       const struct smtpd_auth_result *result)
{
    const char *ip = session_peer(s->conn)->remote_ip;
    s->identity = result->identity;
    snprintf(s->login, sizeof(s->login), "%.*s", STR_ARG(result->login));
    snprintf(smtpd_log(s)->user, sizeof(smtpd_log(s)->user), "%s", s->login);
    session_set_slow(s->conn, false);
    log_info(smtpd_log(s), "login", LOG_CSTR("ip", ip), LOG_STR("mechanism", s->auth.mechanism),
             LOG_BOOL("tls", session_is_tls(s->conn)));
    metric_add(metric_with(s->server->logins, s->server->config->name, "ok", NULL), 1);
    return SMTP_REPLY(235, 2, 7, 0, "welcome");
}

/* Ends the exchange. The reply's text may lie in auth_arena, which is wiped: it moves. */
static struct smtp_reply end_exchange(struct smtpd_session *s, struct smtp_reply reply)
{
    reply.text = arena_copy(&s->arena, reply.text);
    smtpd_exchange_end(s);
    smtpd_session_enter(s, SMTPD_READY);
    return reply;
}

static struct smtp_reply conclude(struct smtpd_session *s)
{
    const struct smtpd_auth_result *result = &s->auth.result;
    if (result->outcome == SMTPD_AUTH_SUCCESS)
        return end_exchange(s, count_success(s, result));
    return end_exchange(s, count_failure(s, result->counts, result->login, result->refusal));
}

bool smtpd_log_in_by_key(struct smtpd_session *s)
{
    if (!has_known_key(s))
        return false;
    s->auth.mechanism = STR("EXTERNAL");
    const struct smtpd_auth_step request = {s->auth.mechanism, STR_NULL, STR("")};
    struct smtpd_auth_result result = {0};
    s->server->policy->auth(s, &request, &result);
    bool ok = result.outcome == SMTPD_AUTH_SUCCESS;
    if (ok)
        count_success(s, &result);
    else
        count_failure(s, result.counts, result.login, result.refusal);
    smtpd_exchange_end(s);
    return ok;
}

/* One step: asks the policy. What ends with data for the client takes one more line from it. */
static struct smtp_reply step(struct smtpd_session *s, struct str response)
{
    struct smtpd_auth_step request = {s->auth.mechanism, s->auth.state, response};
    s->auth.result = (struct smtpd_auth_result){0};
    s->server->policy->auth(s, &request, &s->auth.result);
    s->auth.state = s->auth.result.state;
    s->auth.concluding = s->auth.result.outcome != SMTPD_AUTH_CHALLENGE;
    if (s->auth.concluding && str_is_null(s->auth.result.challenge))
        return conclude(s);
    smtpd_session_enter(s, SMTPD_AUTH);
    return challenge(s, s->auth.result.challenge);
}

struct smtp_reply smtpd_auth_line(struct smtpd_session *s, struct str line)
{
    if (str_eq(line, STR("*"))) {
        /* Nobody judged this exchange, so nobody else counts it. */
        admission_login_ended(s->server->admission, session_peer(s->conn)->remote_ip, false);
        return end_exchange(s, count_failure(s, true, s->auth.result.login,
                                             SMTP_REPLY(501, 5, 5, 0, "authentication aborted")));
    }
    if (s->auth.concluding)
        return conclude(s);
    struct str response = decode(s, line);
    if (str_is_null(response))
        return end_exchange(s, SMTP_REPLY(501, 5, 5, 2, "not base64"));
    return step(s, response);
}

static struct smtp_reply begin_exchange(struct smtpd_session *s, struct str argument)
{
    const struct smtpd_config *config = s->server->config;
    struct str name, initial;
    struct smtp_reply reply;
    if (!s->server->policy->auth)
        return SMTP_REPLY(503, 5, 5, 1, "nobody logs in here");
    if (s->identity)
        return SMTP_REPLY(503, 5, 5, 1, "logged in already");
    if (!smtp_auth_parse(argument, !config->pedantic, &name, &initial, &reply))
        return reply;
    const struct mechanism *mechanism = find_mechanism(name);
    if (!mechanism)
        return SMTP_REPLY(504, 5, 5, 4, "unknown mechanism");
    unsigned needs_tls = BINDS_CHANNEL | PROVES_KEY;
    if (!config->cleartext_auth)
        needs_tls |= SENDS_PASSWORD;
    if ((mechanism->flags & needs_tls) && !session_is_tls(s->conn))
        return SMTP_REPLY(538, 5, 7, 11, "start TLS first");
    if (!str_is_null(initial)) {
        if (mechanism->flags & SERVER_FIRST)
            return SMTP_REPLY(501, 5, 5, 2, "no initial response with this mechanism");
        initial = str_eq(initial, STR("=")) ? STR("") : decode(s, initial);
        if (str_is_null(initial))
            return SMTP_REPLY(501, 5, 5, 2, "not base64");
    }
    s->auth.mechanism = mechanism->name;
    return step(s, initial);
}

/* RFC 4954 4. The line may hold a password: it is traced as such. */
struct smtp_reply smtpd_cmd_auth(struct smtpd_session *s, struct str argument)
{
    session_set_trace(s->conn, LOG_TRACE_AUTH);
    struct smtp_reply reply = begin_exchange(s, argument);
    if (s->state != SMTPD_AUTH) {
        session_set_trace(s->conn, LOG_TRACE_LINE);
        smtpd_exchange_end(s);
    }
    return reply;
}
