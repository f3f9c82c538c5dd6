#ifndef SERVICES_IMAP_CAPABILITY_H
#define SERVICES_IMAP_CAPABILITY_H

#include "services/imap/session.h"

/* Appends "CAPABILITY IMAP4rev2 ..." as it is for this connection now. */
void capability_write(struct imap *imap, struct buf *out);

/* True for mechanisms that AUTHENTICATE takes; upper case. */
bool capability_has_mechanism(const struct imap *imap, struct str mechanism);

#endif
