#include "common/auth/mechanism.h"
#include "common/auth/plain.h"
#include "common/text/cursor.h"

#define FIELD_MAX 2048

static bool is_not_nul(unsigned char c)
{
    return c != '\0';
}

/* RFC 4616 2: message = [authzid] UTF8NUL authcid UTF8NUL passwd */
bool plain_parse(struct str message, struct plain_message *ret, struct err *err)
{
    struct cursor c = cursor_init(message);
    ret->authzid = cursor_take_while0(&c, is_not_nul, FIELD_MAX, "authorization identity");
    if (!cursor_skip(&c, '\0'))
        cursor_fail(&c, "three parts");
    ret->authcid = cursor_take_while0(&c, is_not_nul, FIELD_MAX, "user name");
    if (!cursor_skip(&c, '\0'))
        cursor_fail(&c, "three parts");
    ret->password = cursor_take_while0(&c, is_not_nul, FIELD_MAX, "password");
    return cursor_finish(&c, err);
}

bool sasl_plain_step(const struct sasl_mechanism *mechanism UNUSED, const struct sasl_step *step,
                     struct arena *arena, struct sasl_reply *reply, struct err *err)
{
    if (!step->has_response && step->state.len == 0)
        return sasl_continue(reply, STR(""), STR("P"));
    struct plain_message message;
    TRY(plain_parse(step->response, &message, err));
    if (!sasl_take_login(message.authcid, arena, reply))
        return true;
    if (message.authzid.len > 0 && !str_eq(message.authzid, message.authcid))
        return sasl_fail(reply, SASL_AUTHORIZATION, "cannot act as somebody else");
    return sasl_check_password(step, message.password, reply, err);
}

/* LOGIN was never standardised (draft-murchison-sasl-login): user name and password are asked for
 * one after the other; the first may come as initial response. The state is the user name. */
bool sasl_login_step(const struct sasl_mechanism *mechanism UNUSED, const struct sasl_step *step,
                     struct arena *arena, struct sasl_reply *reply, struct err *err)
{
    if (!step->has_response && step->state.len == 0)
        return sasl_continue(reply, STR("Username:"), STR("U"));
    if (str_starts_with(step->state, STR("N"))) {
        reply->login = str_skip(step->state, 1);
        return sasl_check_password(step, step->response, reply, err);
    }
    if (!sasl_take_login(step->response, arena, reply))
        return true;
    struct str state = arena_printf(arena, "N%.*s", STR_ARG(reply->login));
    if (str_is_null(state))
        return err_set(err, ERR_LIMIT, "LOGIN: out of memory for the exchange");
    return sasl_continue(reply, STR("Password:"), state);
}
