#ifndef SERVICES_IMAP_AUTH_H
#define SERVICES_IMAP_AUTH_H

#include "services/imap/session.h"

/*
 * Logging in by the key of a TLS client certificate, before the client asks
 * (docs/decisions/0030-client-certificates.md).
 */

/* After a handshake: does the client hold a registered key? Sets `has_key`, and hides what is
 * hidden from the key's account. */
void auth_find_key(struct imap *imap);
/* At the start of a connection: logs in by a key for which that is wished. False: nobody is. */
bool auth_log_in_unasked(struct imap *imap);

#endif
