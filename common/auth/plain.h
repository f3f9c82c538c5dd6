#ifndef COMMON_AUTH_PLAIN_H
#define COMMON_AUTH_PLAIN_H

#include "common/base/err.h"

/* The message of SASL PLAIN (RFC 4616). */

struct plain_message {
    struct str authzid; /* empty: the same as authcid */
    struct str authcid;
    struct str password;
};

/* Exactly three parts, each of at most 2048 bytes; strings borrow from `message`. */
bool plain_parse(struct str message, struct plain_message *ret, struct err *err) MUST_USE;

#endif
