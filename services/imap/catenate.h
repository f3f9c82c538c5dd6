#ifndef SERVICES_IMAP_CATENATE_H
#define SERVICES_IMAP_CATENATE_H

#include "common/service/spool.h"
#include "services/imap/session.h"

/*
 * CATENATE (RFC 4469): pieces of messages that are on this server already become part of a new one,
 * without passing through the client.
 */

/* Appends what the URL names to the message in `spool`, at most `size_max` bytes (else ERR_LIMIT).
 * ERR_NOT_FOUND or ERR_SYNTAX: it names nothing that this account can read here. */
bool catenate_url(struct imap *imap, struct str url, uint64_t size_max, struct arena *arena,
                  struct spool_file *spool, struct err *err) MUST_USE;

#endif
