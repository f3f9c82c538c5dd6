#ifndef SERVICES_SMTP_IN_PARTIAL_H
#define SERVICES_SMTP_IN_PARTIAL_H

#include "common/mail/address.h"
#include "services/smtp-in/backend.h"

/*
 * The memory of messages that some of their recipients have and others do not (docs/decisions/
 * says why): SMTP has one answer for all of them. The answer is a temporary failure; the sender
 * comes again with the same message, which then
 *
 *   - goes under the same key, so that store doubles nothing for those who have it, and
 *   - is refused at RCPT, once, for those who could not take it, so that the rest can be answered
 *     with 250 and only they are left in the sender's queue.
 *
 * The same memory serves calls whose outcome is unknown. It lasts a day, has a fixed size, and dies
 * with the process: what is lost then is only that somebody gets a message twice.
 *
 * Thread-safe.
 */

struct partial;

struct partial *partial_new(void);
void partial_free(struct partial *p);

/* False at once, without looking at `message`, while nothing is remembered. Otherwise: the key
 * under which this very message from this sender was tried before. */
bool partial_is_empty(struct partial *p);
bool partial_find_key(struct partial *p, struct address mail_from, struct str message,
                      unsigned char ret_key[CALL_KEY_SIZE]) MUST_USE;
void partial_remember_key(struct partial *p, struct address mail_from, struct str message,
                          const unsigned char key[CALL_KEY_SIZE]);
void partial_forget_key(struct partial *p, const unsigned char key[CALL_KEY_SIZE]);

/* The next message of this sender for this recipient is to be put off. Taking it ends it. */
void partial_defer(struct partial *p, struct address mail_from, struct address recipient);
bool partial_take_deferral(struct partial *p, struct address mail_from, struct address recipient);

#endif
