#include "services/store/publish.h"

#include "proto/events.pb-c.h"

#include <inttypes.h>
#include <stdio.h>

void publish_change(const struct change *c)
{
    struct event_publisher *events = c->account->store->events;
    if (!events || (c->mailbox_ids.len == 0 && !c->mailboxes_changed))
        return;
    char topic[64];
    snprintf(topic, sizeof(topic), "account/%" PRIu64 "/", c->account->id);
    Mailrail__AccountChanged event = MAILRAIL__ACCOUNT_CHANGED__INIT;
    event.account_id = c->account->id;
    event.modseq = c->modseq;
    event.mailbox_ids = c->mailbox_ids.items;
    event.n_mailbox_ids = c->mailbox_ids.len;
    event.mailboxes_changed = c->mailboxes_changed;
    event_publish(events, topic, &event.base);
}
