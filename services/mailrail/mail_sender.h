#ifndef SERVICES_MAILRAIL_MAIL_SENDER_H
#define SERVICES_MAILRAIL_MAIL_SENDER_H

#include "services/mailrail/backend_transfer.h"

/*
 * Messages on their way into the staging of an import (backend_transfer.h): collected, so that one
 * call, and what store does to make it durable, serves many.
 */
struct mail_sender {
    struct transfer *to; /* both borrowed */
    struct str key;
    uint64_t sent;     /* messages that store has */
    uint64_t position; /* of the last one in what is read, for store to keep */
    struct import_item items[TRANSFER_ITEMS_MAX];
    size_t count; /* collected */
    struct arena batch;
};

void mail_sender_init(struct mail_sender *s, struct transfer *to, struct str key);
void mail_sender_release(struct mail_sender *s);

/* `message`: content is the whole text, whatever its size. Everything but the name of the mailbox
 * is copied. ERR_TEMPORARY after an interrupt. */
bool mail_sender_add(struct mail_sender *s, const struct import_item *message, uint64_t position,
                     struct err *err) MUST_USE;
/* Sends what was collected. */
bool mail_sender_flush(struct mail_sender *s, struct err *err) MUST_USE;

#endif
