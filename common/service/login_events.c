#include "common/service/login_events.h"

#include "proto/events.pb-c.h"

void login_events_tell(struct str payload,
                       void (*ended)(void *user, const char *ip, bool succeeded), void *user)
{
    Mailrail__LoginEnded *event = mailrail__login_ended__unpack(
        NULL, payload.len, (const uint8_t *)(const void *)payload.ptr);
    if (!event)
        return;
    ended(user, event->remote_ip, event->succeeded);
    mailrail__login_ended__free_unpacked(event, NULL);
}
