#ifndef SERVICES_IMAP_RESPOND_H
#define SERVICES_IMAP_RESPOND_H

#include "services/imap/session.h"

/*
 * Answers. Untagged data is written to imap_out as it comes; the tagged line ends the command, and
 * before it goes out the client is told what else has changed, where RFC 9051 7.5.1 allows it.
 *
 *     return respond_ok(imap, "[READ-WRITE] %s done", verb);
 */

/* Ends the command. The text begins with its response code, if any. The results are what the
 * handler returns. */
enum session_next respond_ok(struct imap *imap, const char *format, ...) PRINTF_LIKE(2, 3);
enum session_next respond_no(struct imap *imap, const char *format, ...) PRINTF_LIKE(2, 3);
enum session_next respond_bad(struct imap *imap, const char *format, ...) PRINTF_LIKE(2, 3);
/* NO with the response code for this kind of failure, BYE when store denies the session; logs what
 * is ours to fix. */
enum session_next respond_err(struct imap *imap, const struct err *err);
/* BYE: store takes this session's token no more. */
enum session_next respond_session_ended(struct imap *imap);
/* BAD for what a cursor, or a parser with it, did not accept. */
enum session_next respond_syntax(struct imap *imap, const struct err *err);
/* NO for a search in a charset that we do not know (RFC 9051 6.4.4). */
enum session_next respond_bad_charset(struct imap *imap);
/* As respond_ok, and what comes after the answer: SESSION_CLOSE, SESSION_STARTTLS. */
enum session_next respond_ok_then(struct imap *imap, enum session_next next, const char *format,
                                  ...) PRINTF_LIKE(3, 4);

/* Not the end of a command. */
void respond_untagged(struct imap *imap, const char *format, ...) PRINTF_LIKE(2, 3);
/* "+ text": the client may go on. */
void respond_continue(struct imap *imap, struct str text);
/* "* BYE text"; the caller returns SESSION_CLOSE. */
enum session_next respond_bye(struct imap *imap, const char *format, ...) PRINTF_LIKE(2, 3);

/* string: quoted when it can be, else a literal. Without `utf8`, bytes outside ASCII need one. */
void respond_string(struct buf *out, struct str text, bool utf8);
/* nstring: NIL for STR_NULL. */
void respond_nstring(struct buf *out, struct str text, bool utf8);
/* A mailbox name, in UTF-8 or modified UTF-7 as the client has enabled. */
void respond_mailbox(struct imap *imap, struct buf *out, struct str name);

#endif
