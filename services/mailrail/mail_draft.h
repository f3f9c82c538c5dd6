#ifndef SERVICES_MAILRAIL_MAIL_DRAFT_H
#define SERVICES_MAILRAIL_MAIL_DRAFT_H

#include "common/base/arena.h"
#include "common/base/err.h"

/*
 * What a delivery is told of a message beside its text, made with common/mail, whose names are not
 * those of backend.h.
 */

/* Of an envelope, decoded. Both parts empty: the null reverse path; empty domain: postmaster. */
struct mail_address {
    struct str localpart;
    struct str domain; /* A-label form */
};

/* As in RCPT TO and MAIL FROM, without the brackets. In arena. */
bool mail_draft_recipient(struct str text, struct arena *arena, struct mail_address *ret,
                          struct err *err) MUST_USE;
bool mail_draft_sender(struct str text, struct arena *arena, struct mail_address *ret,
                       struct err *err) MUST_USE;

struct mail_draft {
    struct str structure;     /* as it is stored */
    struct str prefix;        /* trace headers (RFC 5321 4.4) */
    struct mail_address from; /* of the From field; empty when there is none or several */
    bool smtputf8;
};

/* In arena, which needs room for any structure (common/mail/structure.h). */
bool mail_draft_make(struct str text, struct mail_address sender, struct mail_address recipient,
                     struct str hostname, struct arena *arena, struct mail_draft *ret,
                     struct err *err) MUST_USE;

#endif
