#ifndef SERVICES_IMAP_IDLE_H
#define SERVICES_IMAP_IDLE_H

#include "services/imap/session.h"

/* IDLE (RFC 9051 6.3.13) is a parked session that an event wakes. These are the two ways out. */

/* A line came: DONE, or the end of the connection. */
enum session_next idle_input(struct imap *imap, struct str unit);
/* The view changed. */
enum session_next idle_wake(struct imap *imap);

#endif
