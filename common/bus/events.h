#ifndef COMMON_BUS_EVENTS_H
#define COMMON_BUS_EVENTS_H

#include "common/base/err.h"
#include "common/bus/address.h"

#include <protobuf-c/protobuf-c.h>
#include <sys/types.h>

/*
 * Events only nudge (proto/events.proto): they may be lost, and the receiver pulls what is true.
 * So a subscriber is also told when it may have missed some: it must then pull everything.
 */

struct event_publisher;
struct event_subscriber;

/* One per process that publishes. `mode` is the permission of an ipc:// socket. Thread-safe. */
struct event_publisher *event_publisher_new(struct bus_address at, mode_t mode, struct err *err);
void event_publisher_free(struct event_publisher *p);
/* Never blocks and never fails; without subscribers it does nothing. The first event after a quiet
 * moment leaves at once; those of the next few milliseconds leave together. */
void event_publish(struct event_publisher *p, const char *topic, const ProtobufCMessage *event);

/* Callbacks run on the subscriber's one thread, in order. `payload` is the protobuf of the topic's
 * message. */
struct event_handler {
    void (*event)(void *user, struct str topic, struct str payload);
    /* Events may have been missed: after the first connection, after a later one (when any were),
     * and when there were too many. */
    void (*reconnected)(void *user);
    void *user;
};

struct event_subscriber *event_subscriber_new(struct bus_address at,
                                              const struct event_handler *handler, struct err *err);
void event_subscriber_free(struct event_subscriber *s);
/* Topics are prefixes: "account/17" also matches "account/170"; end with "/" where that matters.
 * Thread-safe. Counted: as many removals as additions end it. */
void event_subscribe(struct event_subscriber *s, const char *topic);
void event_unsubscribe(struct event_subscriber *s, const char *topic);

#endif
