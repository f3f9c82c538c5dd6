#include "services/imap/backend_bus.h"

#include "common/service/login_events.h"
#include "services/imap/backend_internal.h"

#include <stdio.h>
#include <stdlib.h>

static void on_login_ended(void *user, struct str topic, struct str payload)
{
    struct backend *b = user;
    (void)topic;
    login_events_tell(payload, b->handler.login_ended, b->handler.login_user);
}

static void on_account_changed(void *user, struct str topic, struct str payload)
{
    struct backend *b = user;
    (void)topic;
    Mailrail__AccountChanged *event = mailrail__account_changed__unpack(
        NULL, payload.len, (const uint8_t *)(const void *)payload.ptr);
    if (!event)
        return;
    struct backend_event changed = {.account_id = event->account_id,
                                    .modseq = event->modseq,
                                    .mailbox_ids = event->mailbox_ids,
                                    .mailbox_count = event->n_mailbox_ids,
                                    .annotations_changed = event->annotations_changed,
                                    .rights_changed = event->rights_changed,
                                    .mailboxes_changed = event->mailboxes_changed};
    b->handler.changed(b->handler.user, &changed);
    mailrail__account_changed__free_unpacked(event, NULL);
}

static void on_reconnected(void *user)
{
    struct backend *b = user;
    b->handler.reconnected(b->handler.user);
}

struct backend *backend_open(struct service *service, struct err *err)
{
    struct backend *b = xcalloc(1, sizeof(*b));
    b->auth = service_connect(service, "auth", &mailrail__auth__descriptor, err);
    if (b->auth)
        b->mailboxes = service_connect(service, "mailboxes", &mailrail__mailboxes__descriptor, err);
    if (b->mailboxes)
        return b;
    backend_free(b);
    return NULL;
}

static void on_logins_missed(void *user)
{
    (void)user; /* whoever guesses has as many tries more */
}

static bool hear_logins(struct backend *b, struct service *service, struct err *err)
{
    const struct event_handler logins = {
        .event = on_login_ended, .reconnected = on_logins_missed, .user = b};
    b->notices = service_subscribe(service, "notices", &logins, err);
    if (b->notices)
        event_subscribe(b->notices, "login");
    return b->notices != NULL;
}

bool backend_listen(struct backend *b, struct service *service, const struct backend_events *events,
                    struct err *err)
{
    b->handler = *events;
    const struct event_handler accounts = {
        .event = on_account_changed, .reconnected = on_reconnected, .user = b};
    b->events = service_subscribe(service, "events", &accounts, err);
    return b->events && (!events->login_ended || hear_logins(b, service, err));
}

void backend_free(struct backend *b)
{
    if (!b)
        return;
    event_subscriber_free(b->events);
    event_subscriber_free(b->notices);
    rpc_client_free(b->auth);
    rpc_client_free(b->mailboxes);
    free(b);
}

bool backend_is_connected(const struct backend *b)
{
    return rpc_client_is_connected(b->auth) && rpc_client_is_connected(b->mailboxes);
}

static void topic_of(uint64_t account_id, char *topic, size_t size)
{
    snprintf(topic, size, "account/%llu/", (unsigned long long)account_id);
}

void backend_subscribe(struct backend *b, uint64_t account_id)
{
    char topic[64];
    topic_of(account_id, topic, sizeof(topic));
    event_subscribe(b->events, topic);
}

void backend_unsubscribe(struct backend *b, uint64_t account_id)
{
    char topic[64];
    topic_of(account_id, topic, sizeof(topic));
    event_unsubscribe(b->events, topic);
}
