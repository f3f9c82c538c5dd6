#ifndef SERVICES_QUEUE_DELIVERER_NOTIFY_H
#define SERVICES_QUEUE_DELIVERER_NOTIFY_H

#include "services/queue-deliverer/delivery.h"

/*
 * Telling senders (spec 10 C20): a DSN for each recipient that failed for good, and one when the
 * message is late, into the Inbox of the account that submitted it; into the postmaster's when that
 * account is gone or full. Never for a DSN.
 *
 * A DSN is delivered before its result is recorded, under a key made of queue id and attempt: a
 * crash between the two repeats the delivery, which store recognises, and loses nothing. See
 * docs/decisions.
 */

/* A recipient whose sender could not be told for now becomes `unreported`: another attempt will
 * find the same, and tell it. `file` is the message text, empty when it could not be read. */
void notify_senders(struct delivery *d, struct job *job, struct str file);

/* True when this verdict ends the matter, and with a failure. */
bool recipient_has_failed(const struct job *job, const struct recipient *recipient);

#endif
