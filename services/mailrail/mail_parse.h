#ifndef SERVICES_MAILRAIL_MAIL_PARSE_H
#define SERVICES_MAILRAIL_MAIL_PARSE_H

#include "common/base/arena.h"
#include "common/base/err.h"

/* What store must be told of a message (common/mail/structure.h, whose names are not those of
 * backend.h). */
struct mail_parsed {
    struct str structure;  /* as it is stored */
    struct str message_id; /* canonical; STR_NULL when there is none */
};

#define MAIL_PARSE_ARENA (64u << 20)

/* In arena. */
bool mail_parse(struct str text, struct arena *arena, struct mail_parsed *ret,
                struct err *err) MUST_USE;

#endif
