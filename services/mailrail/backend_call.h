#ifndef SERVICES_MAILRAIL_BACKEND_CALL_H
#define SERVICES_MAILRAIL_BACKEND_CALL_H

#include "common/bus/rpc.h"
#include "services/mailrail/backend.h"

/*
 * What the backend_*.c files share: one call on one door.
 */

/* Connects, calls, and closes. For as long as it takes a service to start, a door that is not there
 * is tried again (nothing was done then). */
bool backend_call(struct backend *b, const char *door, const ProtobufCServiceDescriptor *service,
                  const char *method, const ProtobufCMessage *request, ProtobufCMessage **ret_reply,
                  struct err *err) MUST_USE;

/* The name of a method in front of an error says nothing to who typed a command. */
void backend_drop_method(struct err *err, const char *method);

/* For fields of requests: NUL-terminated, in arena; a NUL inside cuts the text. */
char *backend_text(struct backend *b, struct str s);

#endif
