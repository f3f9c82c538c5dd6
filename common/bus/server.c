#include "common/bus/rpc.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/bus/envelope.h"
#include "common/bus/nng_mend.h"
#include "common/bus/socket.h"
#include "common/bus/workers.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <stdlib.h>

#define REQUEST_MAX_DEFAULT (16UL << 20)
#define CALL_ARENA_MAX (256UL << 20)

struct rpc_reply {
    bool ended;
    struct err err; /* kind NONE on success */
    struct str bytes;
};

struct rpc_server {
    struct rpc_door door;
    nng_socket socket;
    struct workers *workers;
};

void rpc_fail(struct rpc_call *call, const struct err *err)
{
    BUG_ON(call->reply->ended);
    call->reply->ended = true;
    call->reply->err = *err;
    /* What filled the arena is of no use any more. An error without room would be no bytes, which
     * is how success with nothing to say looks. */
    if (call->arena->exhausted)
        arena_reset(call->arena);
    call->reply->bytes = rpc_error_encode(&call->reply->err, call->arena);
    BUG_ON(call->reply->bytes.len == 0);
}

/* The closure that generated handlers call with their reply. */
static void succeed(const ProtobufCMessage *message, void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct err err;
    BUG_ON(call->reply->ended);
    struct str payload = message ? message_pack(message, call->arena) : STR_NULL;
    struct str bytes = rpc_reply_encode(payload, call->arena);
    if (!message || call->arena->exhausted) {
        err_set(&err, ERR_LIMIT, "%s: the reply is too large", call->method);
        rpc_fail(call, &err);
        return;
    }
    call->reply->ended = true;
    call->reply->bytes = bytes;
}

static bool dispatch(struct rpc_server *s, struct rpc_call *call, const struct rpc_request *request,
                     struct err *err)
{
    const ProtobufCServiceDescriptor *service = s->door.service->descriptor;
    if (!str_eq(request->service, str_from_cstr(service->name)))
        return err_set(err, ERR_NOT_FOUND, "this door serves %s, not %.*s", service->name,
                       STR_ARG(request->service));
    const ProtobufCMethodDescriptor *method =
        protobuf_c_service_descriptor_get_method_by_name(service, request->method.ptr);
    if (!method)
        return err_set(err, ERR_NOT_FOUND, "%s has no method %.*s", service->name,
                       STR_ARG(request->method));
    call->method = method->name;
    if (request->timeout_ms == 0)
        return err_set(err, ERR_TIMEOUT, "%s came after its deadline", method->name);
    ProtobufCMessage *input = message_unpack(method->input, request->payload, call->arena, err);
    if (!input)
        return false;
    s->door.service->invoke(s->door.service, (unsigned)(method - service->methods), input, succeed,
                            call);
    BUG_ON(!call->reply->ended);
    return true;
}

static struct str serve_call(void *user, struct arena *arena, struct str bytes)
{
    struct rpc_server *s = user;
    int64_t started_us = clock_monotonic_us();
    struct rpc_reply reply = {.ended = false};
    struct rpc_call call = {.method = "?", .user = s->door.user, .arena = arena, .reply = &reply};
    struct rpc_request request;
    struct err err;
    bool ok = rpc_request_decode(bytes, arena, &request, &err);
    if (ok) {
        call.cid = request.cid;
        call.deadline_ms = started_us / 1000 + request.timeout_ms;
        ok = dispatch(s, &call, &request, &err);
    }
    if (!ok)
        rpc_fail(&call, &err);
    if (s->door.finished)
        s->door.finished(s->door.finished_user, &call,
                         reply.err.kind == ERR_NONE ? NULL : &reply.err,
                         clock_monotonic_us() - started_us);
    return reply.bytes;
}

static bool listen_at(struct rpc_server *s, struct err *err)
{
    nng_mend();
    int rc = nng_rep0_open(&s->socket);
    if (rc == 0)
        rc = nng_socket_set_size(s->socket, NNG_OPT_RECVMAXSZ,
                                 s->door.request_max > 0 ? s->door.request_max
                                                         : REQUEST_MAX_DEFAULT);
    if (rc != 0)
        return err_set(err, ERR_INTERNAL, "%s", nng_strerror(rc));
    return bus_listen(s->socket, s->door.at, s->door.ipc_mode, err);
}

struct rpc_server *rpc_server_new(const struct rpc_door *door, struct err *err)
{
    struct rpc_server *s = xcalloc(1, sizeof(*s));
    s->door = *door;
    if (!listen_at(s, err)) {
        err_wrap(err, "door %s at %s", door->service->descriptor->short_name, door->at.url);
        nng_close(s->socket);
        free(s);
        return NULL;
    }
    s->workers = workers_new(s->socket, &(struct workers_duty){
                                            .serve = serve_call,
                                            .user = s,
                                            .count = door->workers > 0 ? door->workers : 1,
                                            .arena_max = CALL_ARENA_MAX,
                                            .has_secrets = door->has_secrets,
                                        });
    return s;
}

void rpc_server_stop(struct rpc_server *server)
{
    workers_stop(server->workers);
}

bool rpc_server_free(struct rpc_server *server, int64_t grace_ms)
{
    if (!server)
        return true;
    workers_stop(server->workers);
    if (!workers_join(server->workers, clock_monotonic_ms() + grace_ms))
        return false;
    nng_close(server->socket);
    workers_free(server->workers);
    free(server);
    return true;
}
