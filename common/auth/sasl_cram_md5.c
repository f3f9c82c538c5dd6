#include "common/auth/mechanism.h"

/* The state is the challenge. */

static bool ask(const struct sasl_step *step, struct arena *arena, struct sasl_reply *reply,
                struct err *err)
{
    /* RFC 2195 2: the server speaks first. */
    if (step->has_response)
        return err_set(err, ERR_SYNTAX, "CRAM-MD5 has no initial response");
    struct str challenge = arena_printf(arena, "<%.*s.%lld@%.*s>", STR_ARG(step->nonce),
                                        (long long)step->now_ms, STR_ARG(step->hostname));
    if (str_is_null(challenge))
        return err_set(err, ERR_LIMIT, "CRAM-MD5: out of memory for the exchange");
    return sasl_continue(reply, challenge, challenge);
}

bool sasl_cram_md5_step(const struct sasl_mechanism *mechanism UNUSED, const struct sasl_step *step,
                        struct arena *arena, struct sasl_reply *reply, struct err *err)
{
    if (step->state.len == 0)
        return ask(step, arena, reply, err);
    struct cram_md5_response response;
    TRY(cram_md5_parse(step->response, &response, err));
    if (!sasl_take_login(response.username, arena, reply))
        return true;
    struct cram_md5_secret secret = {0};
    enum sasl_user found;
    TRY(step->users->find_cram_md5(step->users->user, reply->login, &secret, &found, err));
    char want[CRAM_MD5_HEX_SIZE + 1];
    cram_md5_digest(&secret, step->state, want);
    struct str got = arena_lower(arena, response.digest);
    bool right = str_eq_secret(got, str_make(want, CRAM_MD5_HEX_SIZE));
    if (found == SASL_USER_NO_SECRET)
        return sasl_fail(reply, SASL_NO_SECRET, "no secret is stored for CRAM-MD5");
    if (found == SASL_USER_UNKNOWN || !right)
        return sasl_fail(reply, SASL_CREDENTIALS, "bad user or password");
    return sasl_succeed(reply);
}
