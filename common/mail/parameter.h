#ifndef COMMON_MAIL_PARAMETER_H
#define COMMON_MAIL_PARAMETER_H

#include "common/base/arena.h"
#include "common/text/cursor.h"

/*
 * Parameters of Content-Type and Content-Disposition (RFC 2045 5.1), with the continuations and
 * charsets of RFC 2231.
 *
 *     // "; filename*0*=utf-8''a%20; filename*1*=b"
 *     struct parameter *params = parameters_take(&c, &arena, &damaged);
 *     parameter_find(params, STR("filename"))                     // "a b"
 */

#define PARAMETERS_MAX 100 /* in one field; further ones are left out */
#define PARAMETER_NAME_LEN_MAX 256
#define PARAMETER_VALUE_LEN_MAX (64u << 10) /* longer ones are cut */

struct parameter {
    struct str name;  /* lower case; in arena */
    struct str value; /* decoded, valid UTF-8; in arena */
    struct parameter *next;
};

/* Takes all that is left of a field as parameters, in arena. What cannot be understood is skipped
 * up to the next semicolon and noted in `*damaged` (which is never cleared). */
struct parameter *parameters_take(struct cursor *c, struct arena *arena, bool *damaged);

/* The value of a parameter, STR_NULL when absent. `name` in lower case. */
struct str parameter_find(const struct parameter *first, struct str name);

#endif
