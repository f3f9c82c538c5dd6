#ifndef COMMON_AUTH_MECHANISM_H
#define COMMON_AUTH_MECHANISM_H

#include "common/auth/sasl.h"
#include "common/text/wire.h"

/*
 * Between sasl.c and the mechanisms: a mechanism is a row of the table in sasl.c with one function
 * that takes any step of its exchange. For no other use.
 */

struct sasl_mechanism {
    const char *name;
    bool (*step)(const struct sasl_mechanism *mechanism, const struct sasl_step *step,
                 struct arena *arena, struct sasl_reply *reply, struct err *err);
    enum digest_type digest; /* of SCRAM */
    bool plus;               /* the client must bind to the channel */
};

/* EXTERNAL (sasl_external.c), SCRAM-* (sasl_scram.c), CRAM-MD5 (sasl_cram_md5.c), PLAIN and LOGIN
 * (sasl_plain.c). */
bool sasl_external_step(const struct sasl_mechanism *mechanism, const struct sasl_step *step,
                        struct arena *arena, struct sasl_reply *reply, struct err *err);
bool sasl_scram_step(const struct sasl_mechanism *mechanism, const struct sasl_step *step,
                     struct arena *arena, struct sasl_reply *reply, struct err *err);
bool sasl_cram_md5_step(const struct sasl_mechanism *mechanism, const struct sasl_step *step,
                        struct arena *arena, struct sasl_reply *reply, struct err *err);
bool sasl_plain_step(const struct sasl_mechanism *mechanism, const struct sasl_step *step,
                     struct arena *arena, struct sasl_reply *reply, struct err *err);
bool sasl_login_step(const struct sasl_mechanism *mechanism, const struct sasl_step *step,
                     struct arena *arena, struct sasl_reply *reply, struct err *err);

/* The three ways a step ends; all return true. */
bool sasl_fail(struct sasl_reply *reply, enum sasl_failure failure, const char *text);
bool sasl_continue(struct sasl_reply *reply, struct str challenge, struct str state);
bool sasl_succeed(struct sasl_reply *reply);

/* A user name is UTF-8 in NFC without NUL, neither empty nor longer than any address. Sets
 * reply->login when it is; else ends the step with SASL_ENCODING and returns false. */
bool sasl_take_login(struct str name, struct arena *arena, struct sasl_reply *reply);

/* Checks a password for reply->login and ends the step. */
bool sasl_check_password(const struct sasl_step *step, struct str password,
                         struct sasl_reply *reply, struct err *err);

#endif
