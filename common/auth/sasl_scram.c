#include "common/auth/mechanism.h"
#include "common/base/bug.h"

#define AUTH_MESSAGE_MAX (4 * SCRAM_MESSAGE_MAX)

/*
 * The server's side of SCRAM (RFC 5802 5):
 *
 *   client-first  --start-->  server-first  --judge-->  server-final or error  --end-->  outcome
 *
 * The end is a step of its own because neither SMTP nor IMAP can send data together with the
 * outcome: server-final goes out as a challenge, which the client answers with an empty line.
 */
enum { STATE_STARTED = 1, STATE_JUDGED };

static bool seal(struct buf *b, struct arena *arena, struct str *ret, struct err *err)
{
    *ret = b->overflow ? STR_NULL : arena_copy(arena, buf_str(b));
    buf_release(b);
    if (str_is_null(*ret))
        return err_set(err, ERR_LIMIT, "SCRAM: out of memory for the exchange");
    return true;
}

static bool write_started(struct str client_first, struct str server_first, struct arena *arena,
                          struct str *ret, struct err *err)
{
    struct buf b;
    buf_init(&b, 4 * SCRAM_MESSAGE_MAX);
    wire_put_u8(&b, STATE_STARTED);
    wire_put_str16(&b, client_first);
    wire_put_str16(&b, server_first);
    return seal(&b, arena, ret, err);
}

static bool write_judged(bool right, enum sasl_failure failure, struct str login,
                         struct arena *arena, struct str *ret, struct err *err)
{
    struct buf b;
    buf_init(&b, SCRAM_MESSAGE_MAX);
    wire_put_u8(&b, STATE_JUDGED);
    wire_put_u8(&b, right);
    wire_put_u8(&b, (uint8_t)failure);
    wire_put_str16(&b, login);
    return seal(&b, arena, ret, err);
}

static const struct sasl_binding *find_binding(const struct sasl_step *step, struct str type)
{
    for (size_t i = 0; i < step->binding_count; i++)
        if (str_eq(step->bindings[i].type, type))
            return &step->bindings[i];
    return NULL;
}

/* What the client says about channel binding must fit mechanism and connection. NULL when it does.
 */
static const char *binding_mistake(const struct sasl_mechanism *mechanism,
                                   const struct sasl_step *step,
                                   const struct scram_client_first *first)
{
    /* We always offer the PLUS forms, so somebody took them out of the list on the way
     * (RFC 5802 6). */
    if (first->flag == SCRAM_BINDING_UNKNOWN)
        return "channel binding was offered: somebody may be tampering with the connection";
    if (mechanism->plus && first->flag != SCRAM_BINDING_USED)
        return "this mechanism needs channel binding";
    if (first->flag == SCRAM_BINDING_USED && !find_binding(step, first->binding_type))
        return "this connection has no channel binding of that type";
    return NULL;
}

static bool check_identity(const struct scram_client_first *first, struct arena *arena,
                           struct sasl_reply *reply)
{
    if (!sasl_take_login(first->username, arena, reply))
        return false;
    if (str_is_null(first->authzid) || str_eq(first->authzid, first->username))
        return true;
    sasl_fail(reply, SASL_AUTHORIZATION, "cannot act as somebody else");
    return false;
}

static bool start(const struct sasl_mechanism *mechanism, const struct sasl_step *step,
                  struct arena *arena, struct sasl_reply *reply, struct err *err)
{
    struct scram_client_first first;
    TRY(scram_parse_client_first(step->response, arena, &first, err));
    const char *mistake = first.refusal ? first.refusal : binding_mistake(mechanism, step, &first);
    if (mistake)
        return sasl_fail(reply, SASL_PROTOCOL, mistake);
    if (!check_identity(&first, arena, reply))
        return true;
    struct scram_secret secret;
    enum sasl_user found;
    TRY(step->users->find_scram(step->users->user, reply->login, mechanism->digest, &secret, &found,
                                err));
    struct buf b;
    buf_init(&b, SCRAM_MESSAGE_MAX);
    scram_write_server_first(&b, first.nonce, step->nonce, &secret);
    struct str server_first, state;
    TRY(seal(&b, arena, &server_first, err));
    TRY(write_started(step->response, server_first, arena, &state, err));
    return sasl_continue(reply, server_first, state);
}

/* RFC 5802 7: server-error. */
static const char *error_name(enum sasl_failure failure)
{
    if (failure == SASL_CHANNEL_BINDING)
        return "e=channel-bindings-dont-match";
    return failure == SASL_PROTOCOL ? "e=other-error" : "e=invalid-proof";
}

static bool refuse(struct sasl_reply *reply, enum sasl_failure failure, struct arena *arena,
                   struct err *err)
{
    struct str state;
    TRY(write_judged(false, failure, reply->login, arena, &state, err));
    return sasl_continue(reply, str_from_cstr(error_name(failure)), state);
}

/* RFC 5802 7: cbind-input = gs2-header [ cbind-data ], as this side of the connection sees them. */
static bool binding_is_right(const struct sasl_step *step, const struct scram_client_first *first,
                             struct str input)
{
    struct str data = STR("");
    if (first->flag == SCRAM_BINDING_USED) {
        const struct sasl_binding *binding = find_binding(step, first->binding_type);
        if (!binding)
            return false;
        data = binding->data;
    }
    return str_starts_with(input, first->gs2_header) &&
           str_eq_secret(str_skip(input, first->gs2_header.len), data);
}

/* server-first-message begins with "r=" nonce ",". */
static struct str nonce_of(struct str server_first)
{
    struct str field;
    str_cut(server_first, ',', &field, NULL);
    return str_skip(field, 2);
}

/* All that is known when the client has sent its proof. */
struct proof {
    struct str server_first;
    struct scram_client_first first;
    struct scram_client_final final;
    struct scram_secret secret;
    enum sasl_user found;
};

static bool accept_proof(const struct proof *p, struct str auth_message, struct arena *arena,
                         struct sasl_reply *reply, struct err *err)
{
    struct str challenge, state;
    struct buf b;
    buf_init(&b, SCRAM_MESSAGE_MAX);
    scram_write_server_final(&b, &p->secret, auth_message);
    TRY(seal(&b, arena, &challenge, err));
    TRY(write_judged(true, SASL_CREDENTIALS, reply->login, arena, &state, err));
    return sasl_continue(reply, challenge, state);
}

static bool judge_proof(const struct proof *p, const struct sasl_step *step, struct arena *arena,
                        struct sasl_reply *reply, struct err *err)
{
    if (!str_eq(p->final.nonce, nonce_of(p->server_first)))
        return refuse(reply, SASL_PROTOCOL, arena, err);
    if (!binding_is_right(step, &p->first, p->final.binding))
        return refuse(reply, SASL_CHANNEL_BINDING, arena, err);
    struct str auth_message;
    struct buf b;
    buf_init(&b, AUTH_MESSAGE_MAX);
    scram_write_auth_message(&b, p->first.bare, p->server_first, p->final.without_proof);
    TRY(seal(&b, arena, &auth_message, err));
    bool right = scram_proof_is_right(&p->secret, auth_message, p->final.proof);
    if (p->found == SASL_USER_NO_SECRET)
        return refuse(reply, SASL_NO_SECRET, arena, err);
    if (!right || p->found != SASL_USER_FOUND)
        return refuse(reply, SASL_CREDENTIALS, arena, err);
    return accept_proof(p, auth_message, arena, reply, err);
}

static bool judge(const struct sasl_mechanism *mechanism, const struct sasl_step *step,
                  struct wire *state, struct arena *arena, struct sasl_reply *reply,
                  struct err *err)
{
    struct str client_first = wire_take_str16(state, "client-first");
    struct proof p = {.server_first = wire_take_str16(state, "server-first")};
    TRY(wire_finish(state, err));
    TRY(scram_parse_client_first(client_first, arena, &p.first, err));
    reply->login = p.first.username;
    TRY(scram_parse_client_final(step->response, arena, &p.final, err));
    /* Asked for again rather than carried along: secrets do not leave their owner. */
    TRY(step->users->find_scram(step->users->user, reply->login, mechanism->digest, &p.secret,
                                &p.found, err));
    return judge_proof(&p, step, arena, reply, err);
}

static bool end(struct wire *state, struct sasl_reply *reply, struct err *err)
{
    bool right = wire_take_u8(state, "judgement") == 1;
    enum sasl_failure failure = wire_take_u8(state, "failure");
    reply->login = wire_take_str16(state, "login");
    TRY(wire_finish(state, err));
    if (right)
        return sasl_succeed(reply);
    static const char *const texts[] = {
        [SASL_CREDENTIALS] = "bad user or password",
        [SASL_CHANNEL_BINDING] = "channel bindings do not match: somebody may be in the middle",
        [SASL_PROTOCOL] = "the nonce is not the one of this exchange",
        [SASL_NO_SECRET] = "no secret is stored for this mechanism",
        [SASL_ENCODING] = "",
    };
    return sasl_fail(reply, failure, failure < ARRAY_LEN(texts) ? texts[failure] : "");
}

bool sasl_scram_step(const struct sasl_mechanism *mechanism, const struct sasl_step *step,
                     struct arena *arena, struct sasl_reply *reply, struct err *err)
{
    if (step->state.len == 0 && !step->has_response)
        return sasl_continue(reply, STR(""), STR("S"));
    if (step->state.len == 0 || str_eq(step->state, STR("S")))
        return start(mechanism, step, arena, reply, err);
    struct wire state = wire_init(step->state);
    if (wire_take_u8(&state, "kind of state") == STATE_JUDGED)
        return end(&state, reply, err);
    return judge(mechanism, step, &state, arena, reply, err);
}
