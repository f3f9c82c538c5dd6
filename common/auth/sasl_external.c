#include "common/auth/mechanism.h"

/* RFC 4422 A: TLS says who the client is; its response is the identity that it wants to act as,
 * empty for its own. Whose key does not lead there learns no more than that. */
bool sasl_external_step(const struct sasl_mechanism *mechanism UNUSED, const struct sasl_step *step,
                        struct arena *arena, struct sasl_reply *reply, struct err *err)
{
    if (!step->has_response && step->state.len == 0)
        return sasl_continue(reply, STR(""), STR("E"));
    if (step->response.len > 0 && !sasl_take_login(step->response, arena, reply))
        return true;
    bool right;
    TRY(step->users->check_key(step->users->user, step->response, &reply->login, &right, err));
    return right ? sasl_succeed(reply)
                 : sasl_fail(reply, SASL_CREDENTIALS, "no registered TLS key of that user");
}
