#ifndef SERVICES_IMAP_BACKEND_INTERNAL_H
#define SERVICES_IMAP_BACKEND_INTERNAL_H

#include "common/base/bug.h"
#include "common/bus/call_key.h"
#include "common/bus/data.h"
#include "common/bus/events.h"
#include "common/bus/rpc.h"
#include "proto/auth.pb-c.h"
#include "proto/events.pb-c.h"
#include "proto/mailboxes.pb-c.h"
#include "services/imap/backend.h"

/*
 * What the files of the backend share: calls, and the types of the bus. Everything that is made is
 * in an arena.
 */

struct backend {
    struct rpc_client *auth;
    struct rpc_client *mailboxes;
    struct event_subscriber *events;
    struct event_subscriber *notices; /* NULL: logins are not counted */
    struct backend_events handler;
};

bool backend_ask(struct backend *b, const struct backend_call *call, const char *method,
                 const ProtobufCMessage *request, ProtobufCMessage **ret_reply,
                 struct err *err) MUST_USE;
/* The first half of it. */
struct rpc_pending *backend_begin(struct backend *b, const struct backend_call *call,
                                  const char *method, const ProtobufCMessage *request,
                                  struct err *err) MUST_USE;
/* For calls that change something: when the answer was lost, asking again with the same key gives
 * it, and does nothing twice. */
bool backend_change(struct backend *b, const struct backend_call *call, const char *method,
                    const ProtobufCMessage *request, ProtobufCMessage **ret_reply,
                    struct err *err) MUST_USE;

struct wire_key {
    uint8_t bytes[CALL_KEY_SIZE];
};
/* A new key, kept in `key`. */
ProtobufCBinaryData wire_key(struct wire_key *key);

/* protobuf wants NUL-terminated text: a NUL in it is refused as no text that store could know. */
bool wire_text(struct arena *arena, struct str s, char **ret, struct err *err) MUST_USE;
bool wire_texts(struct arena *arena, const struct str *list, size_t count, char ***ret,
                struct err *err) MUST_USE;
/* NULL: no room. */
const struct str *wire_strs(struct arena *arena, char *const *list, size_t count);

/* `keywords` is NULL when there was no room for them. */
struct mailbox_info wire_mailbox(const Mailrail__MailboxInfo *m, struct arena *arena);
/* ERR_CORRUPT when the columns do not fit together; NULL is no changes. */
bool wire_changes(const Mailrail__Changes *c, struct arena *arena, struct changes *ret,
                  struct err *err) MUST_USE;

#endif
