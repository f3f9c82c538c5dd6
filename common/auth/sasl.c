#include "common/auth/sasl.h"

#include "common/auth/mechanism.h"
#include "common/text/utf8.h"

#define LOGIN_SIZE_MAX 320

static const struct sasl_mechanism mechanisms[] = {
    {"EXTERNAL", sasl_external_step, 0, false},
    {"SCRAM-SHA-256-PLUS", sasl_scram_step, DIGEST_SHA256, true},
    {"SCRAM-SHA-256", sasl_scram_step, DIGEST_SHA256, false},
    {"SCRAM-SHA-1-PLUS", sasl_scram_step, DIGEST_SHA1, true},
    {"SCRAM-SHA-1", sasl_scram_step, DIGEST_SHA1, false},
    {"CRAM-MD5", sasl_cram_md5_step, 0, false},
    {"PLAIN", sasl_plain_step, 0, false},
    {"LOGIN", sasl_login_step, 0, false},
};

const char *sasl_mechanism_name(size_t index)
{
    return index < ARRAY_LEN(mechanisms) ? mechanisms[index].name : NULL;
}

bool sasl_step(const struct sasl_step *step, struct arena *arena, struct sasl_reply *ret,
               struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++) {
        if (!str_eq(step->mechanism, str_from_cstr(mechanisms[i].name)))
            continue;
        *ret = (struct sasl_reply){.outcome = SASL_FAILURE};
        return mechanisms[i].step(&mechanisms[i], step, arena, ret, err);
    }
    return err_set(err, ERR_NOT_FOUND, "unknown SASL mechanism \"%.*s\"",
                   step->mechanism.len > 20 ? 20 : (int)step->mechanism.len,
                   step->mechanism.ptr ? step->mechanism.ptr : "");
}

bool sasl_fail(struct sasl_reply *reply, enum sasl_failure failure, const char *text)
{
    reply->outcome = SASL_FAILURE;
    reply->failure = failure;
    reply->text = text;
    return true;
}

bool sasl_continue(struct sasl_reply *reply, struct str challenge, struct str state)
{
    reply->outcome = SASL_CONTINUE;
    reply->challenge = challenge;
    reply->state = state;
    return true;
}

bool sasl_succeed(struct sasl_reply *reply)
{
    reply->outcome = SASL_SUCCESS;
    return true;
}

bool sasl_take_login(struct str name, struct arena *arena, struct sasl_reply *reply)
{
    if (name.len > 0 && name.len <= LOGIN_SIZE_MAX && utf8_is_valid(name) &&
        str_find_char(name, '\0') < 0) {
        struct str nfc = utf8_nfc(name, arena);
        if (str_eq(nfc, name)) {
            reply->login = arena_copy(arena, name);
            if (!str_is_null(reply->login))
                return true;
        }
    }
    sasl_fail(reply, SASL_ENCODING, "not a possible user name");
    return false;
}

bool sasl_check_password(const struct sasl_step *step, struct str password,
                         struct sasl_reply *reply, struct err *err)
{
    bool right;
    if (!step->users->check_password(step->users->user, reply->login, password, &right, err)) {
        if (err->kind != ERR_SYNTAX)
            return false;
        return sasl_fail(reply, SASL_ENCODING, "not a possible password");
    }
    return right ? sasl_succeed(reply) : sasl_fail(reply, SASL_CREDENTIALS, "bad user or password");
}
