#ifndef COMMON_BUS_RPC_H
#define COMMON_BUS_RPC_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/bus/address.h"

#include <protobuf-c/protobuf-c.h>
#include <sys/types.h>

/*
 * Remote procedure calls: one protobuf service per door, nng request/reply underneath.
 *
 * A call runs at most once: nothing is sent twice behind the caller's back. Failures:
 *   ERR_UNAVAILABLE  nobody serves the door, or the connection broke before the request was taken:
 *                    nothing was done
 *   ERR_TIMEOUT      the deadline passed, or the connection broke later: the outcome is unknown,
 *                    and repeating is safe only for calls that are idempotent or carry a key
 *   others           what the server answered
 *
 * A client connects in the background, again and again: the order in which services start does not
 * matter. It has a connection for each call in progress and keeps it for a later one
 * (docs/decisions/0016), unless no answer came in time (docs/decisions/0019).
 */

/* ---- Client */

struct rpc_client;

/* On whose behalf, and until when. */
struct rpc_context {
    uint64_t cid;
    int64_t deadline_ms; /* absolute, clock_monotonic_ms */
};
struct rpc_context rpc_context_ms(uint64_t cid, int64_t timeout_ms);

/* For one door. `service` is the generated descriptor, for example
 * &mailrail__delivery__descriptor. Thread-safe; any number of calls at a time. */
struct rpc_client *rpc_client_new(struct bus_address at, const ProtobufCServiceDescriptor *service,
                                  struct err *err);
void rpc_client_free(struct rpc_client *client);

/* Calls `method` ("Deliver") and waits. The request's type must be the method's. The reply is in
 * arena: cast it to the method's reply type; it needs no freeing. */
bool rpc_call(struct rpc_client *client, const struct rpc_context *context, const char *method,
              const ProtobufCMessage *request, struct arena *arena, ProtobufCMessage **ret_reply,
              struct err *err) MUST_USE;

/* The same in two halves, for who has something else to do meanwhile. Each call that was begun ends
 * with exactly one of the other two, before the client is freed. */
struct rpc_pending;
/* Sends the request. NULL: nothing was done. `arena` is free again afterwards. */
struct rpc_pending *rpc_begin(struct rpc_client *client, const struct rpc_context *context,
                              const char *method, const ProtobufCMessage *request,
                              struct arena *arena, struct err *err) MUST_USE;
/* Waits for the reply, and frees `pending`. */
bool rpc_end(struct rpc_pending *pending, struct arena *arena, ProtobufCMessage **ret_reply,
             struct err *err) MUST_USE;
/* Nobody wants the reply any more. The call runs to its end all the same. NULL is none. */
void rpc_abandon(struct rpc_pending *pending);

/* True when the door has a connection now: for /readyz. Who asks again and again also has a host
 * that was away found again soon. */
bool rpc_client_is_connected(struct rpc_client *client);

/* ---- Server */

/* A call being served. The generated handler gets it as closure_data. */
struct rpc_call {
    uint64_t cid;
    int64_t deadline_ms;
    const char *method;
    void *user;          /* of the door */
    struct arena *arena; /* for the reply and anything it needs; reset after the call */
    /* Private. */
    struct rpc_reply *reply;
};

struct rpc_server;

struct rpc_door {
    struct bus_address at;
    /* The generated struct with the handlers in it (its `base`), for example
     * &delivery_service.base. A handler ends with exactly one closure(&reply, closure_data), or one
     * rpc_fail(closure_data, &err). */
    ProtobufCService *service;
    unsigned workers; /* calls at a time; each is a thread that may block */
    size_t request_max;
    bool has_secrets; /* overwrites what calls brought, and what was made of it, when they end */
    mode_t ipc_mode;  /* permission of an ipc:// socket, 0600 when 0 */
    void *user;
    /* Called after each call, for logs and metrics; may be NULL. `err` is NULL on success. */
    void (*finished)(void *finished_user, const struct rpc_call *call, const struct err *err,
                     int64_t duration_us);
    void *finished_user;
};

/* Opens the door and serves it until rpc_server_free. */
struct rpc_server *rpc_server_new(const struct rpc_door *door, struct err *err);
/* Takes no new calls any more. Optional, before rpc_server_free: to end several doors together. */
void rpc_server_stop(struct rpc_server *server);
/* Takes no new calls, lets those in progress finish (at most `grace_ms`), closes, frees. False when
 * some have not finished: nothing is freed then, and what handlers use must stay until the process
 * ends, or this is called again. */
bool rpc_server_free(struct rpc_server *server, int64_t grace_ms);

/* Ends the call with a failure. */
void rpc_fail(struct rpc_call *call, const struct err *err);

/* Envelope coding, exposed for fuzzing and tests. Both copy into arena. */
struct rpc_request {
    struct str service, method, payload;
    uint64_t cid;
    uint32_t timeout_ms;
};
bool rpc_request_decode(struct str bytes, struct arena *arena, struct rpc_request *ret,
                        struct err *err) MUST_USE;
bool rpc_reply_decode(struct str bytes, struct arena *arena, struct str *ret_payload,
                      struct err *err) MUST_USE;

#endif
