#ifndef SERVICES_SMTP_IN_DECIDE_H
#define SERVICES_SMTP_IN_DECIDE_H

#include "common/smtp/reply.h"

/*
 * The one place where it is decided what becomes of a message that came whole: accepted, or refused
 * and why. Sender authentication, reputation, junk and rules have their say here and nowhere else.
 *
 * The decision is the same whoever asks: it looks at what it is given and changes nothing.
 */

enum decision {
    DECISION_ACCEPT,
    DECISION_REFUSE,
};

struct verdict {
    enum decision decision;
    const char *reason;      /* for the log: "no-bad-signals", "mail-loop" */
    struct smtp_reply reply; /* of DECISION_REFUSE */
};

struct evidence {
    struct str header; /* the header section of the message */
};

struct verdict decide(const struct evidence *evidence);

#endif
