#ifndef SERVICES_IMAP_CONDSTORE_H
#define SERVICES_IMAP_CONDSTORE_H

#include "common/text/cursor.h"
#include "services/imap/session.h"

/*
 * CONDSTORE (RFC 7162 3.1): what its commands share. A client that uses any part of it is told the
 * modseq of each message from then on.
 *
 * The modseq that a client is told for the mailbox is never above its horizon, that is: it has been
 * told of everything up to it.
 */

/* mod-sequence-valzer: a number of 63 bits. */
uint64_t condstore_take_modseq(struct cursor *c);

/* A command needs CONDSTORE (RFC 7162 3.1). The first time, the client of a selected mailbox learns
 * where it stands. */
void condstore_enable(struct imap *imap);

/* "* OK [HIGHESTMODSEQ n]" for the horizon; nothing when no mailbox is selected. */
void condstore_tell_highest(struct imap *imap);

/* Before the tagged answer of a command by message number, which keeps back what others did: a
 * client that goes by the modseqs it has seen would never hear of it again (RFC 7162 3.2). */
void condstore_tell_delayed(struct imap *imap);

/* The start of a tagged answer that brings the client up to date with `modseq`:
 * "[HIGHESTMODSEQ n] ", or "" without CONDSTORE. In the command's arena. */
const char *condstore_code(struct imap *imap, uint64_t modseq);

/* Appends "MODSEQ (n)". */
void condstore_write(struct buf *out, uint64_t modseq);

#endif
