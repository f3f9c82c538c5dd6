#ifndef SERVICES_IMAP_STATUS_H
#define SERVICES_IMAP_STATUS_H

#include "services/imap/session.h"
#include "common/text/cursor.h"

/* STATUS data (RFC 9051 7.3.4), for STATUS and for LIST ... RETURN (STATUS (...)). */

/* Items asked for, in the client's order, each once. */
#define STATUS_ITEMS_MAX 16
struct status_items {
    unsigned char items[STATUS_ITEMS_MAX]; /* rows of the table in status.c */
    size_t len;
};

/* "(" status-att *(SP status-att) ")" */
struct status_items status_take_items(const struct imap *imap, struct cursor *c);

/* Asks for what the counts of a mailbox do not say. */
bool status_complete(struct imap *imap, const struct status_items *items,
                     struct mailbox_info *mailbox, struct err *err) MUST_USE;
/* Appends "* STATUS name (...)" and a line end. */
void status_write(struct imap *imap, const struct status_items *items,
                  const struct mailbox_info *mailbox);

#endif
