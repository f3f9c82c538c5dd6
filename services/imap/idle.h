#ifndef SERVICES_IMAP_IDLE_H
#define SERVICES_IMAP_IDLE_H

#include "services/imap/session.h"

/* IDLE (RFC 9051 6.3.13) is a parked session that an event wakes. */

/* A line came: DONE, or the end of the connection. */
enum session_next idle_input(struct imap *imap, struct str unit);
/* Nothing happened for the time between notices, or for too long. */
enum session_next idle_timeout(struct imap *imap);
/* Something changed: for a session in IDLE, or one between commands that uses NOTIFY. */
enum session_next idle_wake(struct imap *imap);

#endif
