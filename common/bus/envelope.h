#ifndef COMMON_BUS_ENVELOPE_H
#define COMMON_BUS_ENVELOPE_H

#include "common/bus/rpc.h"

/* Coding shared by client.c and server.c. All results are in arena; STR_NULL when it is full. */

struct str message_pack(const ProtobufCMessage *message, struct arena *arena);
/* NULL with err set (ERR_SYNTAX, ERR_LIMIT) when the bytes are no message of that type. */
ProtobufCMessage *message_unpack(const ProtobufCMessageDescriptor *type, struct str bytes,
                                 struct arena *arena, struct err *err);

struct str rpc_request_encode(const struct rpc_request *request, struct arena *arena);
struct str rpc_reply_encode(struct str payload, struct arena *arena);
struct str rpc_error_encode(const struct err *err, struct arena *arena);

#endif
