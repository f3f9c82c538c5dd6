#include "services/store/publish.h"

#include "proto/events.pb-c.h"

#include <inttypes.h>
#include <stdio.h>

static void publish_training(const struct change *c, struct event_publisher *events)
{
    char topic[64];
    snprintf(topic, sizeof(topic), "training/%" PRIu64 "/", c->account->id);
    Mailrail__TrainingChanged event = MAILRAIL__TRAINING_CHANGED__INIT;
    event.account_id = c->account->id;
    event_publish(events, topic, &event.base);
}

static bool is_seen_by_sessions(const struct change *c)
{
    return c->mailbox_ids.len > 0 || c->thread_ids.len > 0 || c->mailboxes_changed ||
           c->annotations_changed || c->rights_changed;
}

static void publish_account(struct event_publisher *events, Mailrail__AccountChanged *event)
{
    char topic[64];
    snprintf(topic, sizeof(topic), "account/%" PRIu64 "/", event->account_id);
    event_publish(events, topic, &event->base);
}

void publish_change(const struct change *c)
{
    struct event_publisher *events = c->account->store->events.accounts;
    if (events && c->training_changed)
        publish_training(c, events);
    if (!events || !is_seen_by_sessions(c))
        return;
    Mailrail__AccountChanged event = MAILRAIL__ACCOUNT_CHANGED__INIT;
    event.account_id = c->account->id;
    event.modseq = c->modseq;
    event.mailbox_ids = c->mailbox_ids.items;
    event.n_mailbox_ids = c->mailbox_ids.len;
    event.thread_ids = c->thread_ids.items;
    event.n_thread_ids = c->thread_ids.len;
    event.mailboxes_changed = c->mailboxes_changed;
    event.annotations_changed = c->annotations_changed;
    event.rights_changed = c->rights_changed;
    publish_account(events, &event);
}

void publish_share(struct store *store, uint64_t reader)
{
    Mailrail__AccountChanged event = MAILRAIL__ACCOUNT_CHANGED__INIT;
    event.account_id = reader;
    event.mailboxes_changed = true;
    if (store->events.accounts)
        publish_account(store->events.accounts, &event);
}

void publish_sessions_ended(struct store *store, uint64_t account_id)
{
    Mailrail__AccountChanged event = MAILRAIL__ACCOUNT_CHANGED__INIT;
    event.account_id = account_id;
    event.mailboxes_changed = true;
    event.rights_changed = true;
    if (store->events.accounts)
        publish_account(store->events.accounts, &event);
}
