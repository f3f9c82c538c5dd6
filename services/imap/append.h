#ifndef SERVICES_IMAP_APPEND_H
#define SERVICES_IMAP_APPEND_H

#include "services/imap/command.h"
#include "services/imap/frame.h"

/*
 * APPEND (RFC 9051 6.3.12, RFC 3502): messages go to the spool as they come; only small ones
 * stay in memory.
 *
 *     a APPEND x (\Seen) {310+}       append_takes_literal: this literal is a message
 *     310 bytes                       to the spool, in pieces
 *     ) or SP flags date literal      the next message, or
 *     empty line                      one RPC stores them all
 */

/* `imap->command` ends in `literal`, whose offset counts from its start. True when that is a
 * message, or the command is wrong: then
 * `*ret_next` says what to do. False when it is an ordinary argument, to be collected. */
bool append_takes_literal(struct imap *imap, const struct command_start *start,
                          const struct frame_literal *literal, enum session_next *ret_next);

#endif
