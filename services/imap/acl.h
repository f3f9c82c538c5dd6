#ifndef SERVICES_IMAP_ACL_H
#define SERVICES_IMAP_ACL_H

#include "services/imap/session.h"

/* Appends "* MYRIGHTS mailbox rights" and a line end, for MYRIGHTS and for LIST ... RETURN
 * (MYRIGHTS) (RFC 8440). */
void acl_write_mine(struct imap *imap, struct str mailbox, unsigned rights);

#endif
