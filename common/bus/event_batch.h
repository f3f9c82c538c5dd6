#ifndef COMMON_BUS_EVENT_BATCH_H
#define COMMON_BUS_EVENT_BATCH_H

#include "common/text/wire.h"

#include <protobuf-c/protobuf-c.h>

/*
 * How events lie in a message of the bus: a sequence number (8 bytes) by which a subscriber notices
 * that messages were lost, then one event or more, each its topic (length in 2 bytes in front) and
 * its protobuf (length in 4 bytes in front). Numbers are in network byte order.
 */

/* Adds an event to what follows the sequence number. False, with `batch` as it was, when its
 * maximum is passed. */
bool event_batch_add(struct buf *batch, const char *topic, const ProtobufCMessage *event) MUST_USE;

/* Takes the next event; false at the end, and at one that is cut off (see wire_failed). Both
 * borrow. */
bool event_batch_next(struct wire *w, struct str *ret_topic, struct str *ret_payload) MUST_USE;

#endif
