#ifndef SERVICES_IMAP_LIMITS_H
#define SERVICES_IMAP_LIMITS_H

#include "services/imap/session.h"

/*
 * Limits per network address (spec 2.1): new connections, open ones, failed logins. They belong to
 * this process; `limit_connections = false` switches them off.
 */

struct limits *limits_new(void);
void limits_free(struct limits *l);

/* False when the peer has too many connections, or failed to log in too often. */
bool limits_connect(struct imap *imap);
void limits_disconnect(struct imap *imap);
void limits_login_failed(struct imap *imap);
/* Forgives the address its failures. */
void limits_login_worked(struct imap *imap);

#endif
