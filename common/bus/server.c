#include "common/bus/rpc.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/bus/envelope.h"
#include "common/bus/nng_mend.h"
#include "common/bus/socket.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_MAX_DEFAULT (16UL << 20)
#define CALL_ARENA_MAX (256UL << 20)
#define STACK_SIZE (512UL << 10)
#define LOOK_AGAIN_MS 2 /* whether a worker has ended */

/* A thread with its nng context: receives, runs the handler, replies. */
struct worker {
    struct rpc_server *server;
    pthread_t thread;
    nng_ctx ctx;
    nng_aio *aio;
    struct arena arena;
    bool has_ended;
};

struct rpc_reply {
    bool ended;
    struct err err; /* kind NONE on success */
    struct str bytes;
};

struct rpc_server {
    struct rpc_door door;
    nng_socket socket;
    struct worker *workers;
    unsigned worker_count;
    atomic_bool is_stopping;
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

static struct str serve_call(struct rpc_server *s, struct arena *arena, struct str bytes)
{
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

static void send_reply(struct worker *w, nng_msg *message, struct str bytes)
{
    /* The request's message carries the way back, and is used again for the reply. */
    nng_msg_clear(message);
    if (nng_msg_append(message, bytes.ptr, bytes.len) != 0)
        BUG("out of memory: %zu bytes", bytes.len);
    nng_aio_set_msg(w->aio, message);
    nng_ctx_send(w->ctx, w->aio);
    nng_aio_wait(w->aio);
    if (nng_aio_result(w->aio) != 0) /* the caller is gone */
        nng_msg_free(message);
}

static void serve_message(struct worker *w, nng_msg *message)
{
    bool has_secrets = w->server->door.has_secrets;
    struct str request = str_make(nng_msg_body(message), nng_msg_len(message));
    struct str reply = serve_call(w->server, &w->arena, request);
    if (has_secrets)
        explicit_bzero(nng_msg_body(message), nng_msg_len(message));
    send_reply(w, message, reply);
    if (has_secrets)
        arena_wipe(&w->arena);
    else
        arena_reset(&w->arena);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    arena_init(&w->arena, CALL_ARENA_MAX);
    while (!w->server->is_stopping) {
        nng_ctx_recv(w->ctx, w->aio);
        nng_aio_wait(w->aio);
        if (nng_aio_result(w->aio) != 0)
            continue; /* cancelled, to look at is_stopping */
        serve_message(w, nng_aio_get_msg(w->aio));
    }
    arena_release(&w->arena);
    return NULL;
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

static void start_worker(struct rpc_server *s, struct worker *w)
{
    pthread_attr_t attributes;
    w->server = s;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    if (nng_ctx_open(&w->ctx, s->socket) != 0 || nng_aio_alloc(&w->aio, NULL, NULL) != 0 ||
        pthread_create(&w->thread, &attributes, work, w) != 0)
        BUG("cannot start a worker");
    pthread_attr_destroy(&attributes);
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
    s->worker_count = door->workers > 0 ? door->workers : 1;
    s->workers = xcalloc(s->worker_count, sizeof(*s->workers));
    for (unsigned i = 0; i < s->worker_count; i++)
        start_worker(s, &s->workers[i]);
    return s;
}

/* Wakes a worker that waits for a request, until it has seen is_stopping. One that is busy finishes
 * its call first. */
static bool join_worker(struct worker *w, int64_t deadline_ms)
{
    while (!w->has_ended) {
        struct timespec soon = clock_timespec(clock_wall_ms() + LOOK_AGAIN_MS);
        nng_aio_cancel(w->aio);
        w->has_ended = pthread_timedjoin_np(w->thread, NULL, &soon) == 0;
        if (clock_monotonic_ms() >= deadline_ms)
            break;
    }
    return w->has_ended;
}

void rpc_server_stop(struct rpc_server *server)
{
    server->is_stopping = true;
    for (unsigned i = 0; i < server->worker_count; i++)
        nng_aio_cancel(server->workers[i].aio);
}

bool rpc_server_free(struct rpc_server *server, int64_t grace_ms)
{
    if (!server)
        return true;
    int64_t deadline_ms = clock_monotonic_ms() + grace_ms;
    rpc_server_stop(server);
    bool all_ended = true;
    for (unsigned i = 0; i < server->worker_count; i++)
        all_ended = join_worker(&server->workers[i], deadline_ms) && all_ended;
    if (!all_ended)
        return false;
    nng_close(server->socket);
    for (unsigned i = 0; i < server->worker_count; i++)
        nng_aio_free(server->workers[i].aio);
    free(server->workers);
    free(server);
    return true;
}
