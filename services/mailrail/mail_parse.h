#ifndef SERVICES_MAILRAIL_MAIL_PARSE_H
#define SERVICES_MAILRAIL_MAIL_PARSE_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/mail/address.h"

/* What store must be told of a message. */
struct mail_parsed {
    struct str structure;  /* as it is stored */
    struct str message_id; /* canonical; STR_NULL when there is none */
};

#define MAIL_PARSE_ARENA (64u << 20)

/* In arena. */
bool mail_parse(struct str text, struct arena *arena, struct mail_parsed *ret,
                struct err *err) MUST_USE;

/* The sender of an envelope as a file says it, in arena. Both parts are empty when that is no
 * address, as "MAILER-DAEMON" in mbox files. */
struct address mail_parse_sender(struct str text, struct arena *arena);
/* The same of Return-Path in a message's header (RFC 5321 4.4). */
struct address mail_parse_return_path(struct str text, struct arena *arena);

#endif
