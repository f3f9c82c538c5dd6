/* Target functions: sasl_step of PLAIN, LOGIN and CRAM-MD5, password_prepare. The first byte
 * chooses the mechanism. Properties: a prepared password prepares to itself; only the one user gets
 * in. */
#include "common/auth/password.h"
#include "common/auth/sasl.h"
#include "common/base/bug.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool check_password(void *user, struct str login, struct str password, bool *ret_right,
                           struct err *err)
{
    struct arena *arena = user;
    struct str prepared, again;
    if (!password_prepare(password, arena, &prepared, err))
        return false;
    BUG_ON(!password_prepare(prepared, arena, &again, err));
    BUG_ON(!str_eq(prepared, again));
    *ret_right = str_eq(login, STR("user")) && str_eq(prepared, STR("pencil"));
    return true;
}

static bool find_cram_md5(void *user, struct str login, struct cram_md5_secret *ret,
                          enum sasl_user *ret_user, struct err *err)
{
    (void)user;
    (void)err;
    *ret_user = str_eq(login, STR("user")) ? SASL_USER_FOUND : SASL_USER_UNKNOWN;
    *ret = cram_md5_secret_make(STR("pencil"));
    return true;
}

static void run(struct sasl_step *step, struct str response, struct arena *arena)
{
    struct sasl_reply reply;
    struct err err;
    step->response = response;
    if (!sasl_step(step, arena, &reply, &err)) {
        BUG_ON(err.kind != ERR_SYNTAX && err.kind != ERR_LIMIT);
        return;
    }
    BUG_ON(reply.outcome == SASL_SUCCESS && !str_eq(reply.login, STR("user")));
    if (reply.outcome != SASL_CONTINUE)
        return;
    step->state = reply.state;
    step->has_response = true;
    if (sasl_step(step, arena, &reply, &err))
        BUG_ON(reply.outcome == SASL_SUCCESS && !str_eq(reply.login, STR("user")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct str mechanisms[] = {STR_INIT("PLAIN"), STR_INIT("LOGIN"),
                                            STR_INIT("CRAM-MD5")};
    if (size == 0)
        return 0;
    struct arena arena;
    arena_init(&arena, 1 << 18);
    struct sasl_users users = {
        .check_password = check_password, .find_cram_md5 = find_cram_md5, .user = &arena};
    struct sasl_step step = {
        .mechanism = mechanisms[data[0] % ARRAY_LEN(mechanisms)],
        .has_response = data[0] % ARRAY_LEN(mechanisms) < 2,
        .nonce = STR("nonce"),
        .hostname = STR("mail.example.org"),
        .users = &users,
    };
    run(&step, str_make(data + 1, size - 1), &arena);
    arena_release(&arena);
    return 0;
}
