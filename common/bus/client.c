#include "common/bus/rpc.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/bus/envelope.h"
#include "common/bus/nng_mend.h"
#include "common/bus/nng_wake.h"
#include "common/bus/socket.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_MAX (64UL << 20)
#define RECONNECT_MIN_MS 10
#define RECONNECT_MAX_MS 250
/* A door that has been shut for so long is taken for away: whoever waits would only hold a worker.
 * A restart of the service is shorter, and nobody notices it. */
#define CONNECT_WAIT_MS 5000
#define IDLE_MAX 128 /* connections that are kept; more, when so many calls are in progress */

/* A connection of its own, for one call at a time; kept for the next call. Calls do not share a
 * connection, because nng 1.5 cannot bear it: when sending a request fails just while the reply of
 * another is half read, that connection is never closed, and the process's thread that closes all
 * others waits for it for ever, so that nothing connects again. */
struct channel {
    struct channel *next;
    nng_socket socket;
    nng_aio *sending;
    nng_aio *receiving;
    struct rpc_pending *call; /* in progress */
    struct bus_link link;
    int64_t heard_ms; /* when its last answer came */
};

/* A call whose request was sent. The connection is free for others when the reply is here, though
 * nobody may come for it for a long time. */
struct rpc_pending {
    struct rpc_client *client;
    const ProtobufCMethodDescriptor *method;
    int64_t began_ms;
    struct channel *channel; /* NULL when the reply is here */
    nng_msg *reply;
    sem_t is_over; /* who waits for it wants no lock that nng holds */
};

struct rpc_client {
    const ProtobufCServiceDescriptor *service;
    atomic_int connections;
    pthread_mutex_t lock; /* of the next two, and of calls' `channel` */
    struct channel *idle; /* the one used last comes first */
    size_t idle_count;
    nng_tls_config *tls; /* NULL without */
    char url[256];
};

struct rpc_context rpc_context_ms(uint64_t cid, int64_t timeout_ms)
{
    return (struct rpc_context){.cid = cid, .deadline_ms = clock_monotonic_ms() + timeout_ms};
}

static int open_socket(struct rpc_client *c, struct channel *channel)
{
    nng_dialer dialer;
    int rc = nng_req0_open(&channel->socket);
    if (rc != 0)
        return rc;
    /* Without a resend time a call whose connection breaks fails, instead of running twice. */
    nng_socket_set_ms(channel->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    nng_socket_set_ms(channel->socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS);
    nng_socket_set_ms(channel->socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
    nng_socket_set_size(channel->socket, NNG_OPT_RECVMAXSZ, REPLY_MAX);
    channel->link.all_connections = &c->connections;
    rc = bus_link_watch(&channel->link, channel->socket);
    return rc != 0 ? rc : bus_dial(channel->socket, c->url, c->tls, &dialer);
}

static void free_channel(struct channel *channel)
{
    nng_close(channel->socket);
    nng_aio_free(channel->sending);
    nng_aio_free(channel->receiving);
    free(channel);
}

/* Both with the lock. */
static void push_idle(struct rpc_client *c, struct channel *channel)
{
    channel->next = c->idle;
    c->idle = channel;
    c->idle_count++;
}

static struct channel *pop_idle(struct rpc_client *c)
{
    struct channel *channel = c->idle;
    if (channel) {
        c->idle = channel->next;
        c->idle_count--;
    }
    return channel;
}

/* In a thread of nng. */
static void end_receiving(void *arg)
{
    struct channel *channel = arg;
    struct rpc_pending *call = channel->call;
    struct rpc_client *c = call->client;
    if (nng_aio_result(channel->receiving) == 0) {
        call->reply = nng_aio_get_msg(channel->receiving);
        channel->heard_ms = clock_monotonic_ms();
        pthread_mutex_lock(&c->lock);
        call->channel = NULL;
        push_idle(c, channel);
        pthread_mutex_unlock(&c->lock);
    }
    sem_post(&call->is_over);
}

static int open_channel(struct rpc_client *c, struct channel **ret)
{
    struct channel *channel = xcalloc(1, sizeof(*channel));
    nng_mend();
    int rc = nng_aio_alloc(&channel->sending, NULL, NULL);
    if (rc == 0)
        rc = nng_aio_alloc(&channel->receiving, end_receiving, channel);
    if (rc == 0)
        rc = open_socket(c, channel);
    if (rc == 0)
        *ret = channel;
    else
        free_channel(channel);
    return rc;
}

static bool open_client(struct rpc_client *c, struct bus_address at, struct err *err)
{
    int rc = NNG_EADDRINVAL;
    struct channel *first; /* at once: rpc_client_is_connected */
    TRY(bus_tls_config(at, NNG_TLS_MODE_CLIENT, &c->tls, err));
    if (str_copy_cstr(str_from_cstr(at.url), c->url, sizeof(c->url)))
        rc = open_channel(c, &first);
    if (rc == 0)
        push_idle(c, first);
    return rc == 0 || err_set(err, ERR_SYNTAX, "%s", nng_strerror(rc));
}

struct rpc_client *rpc_client_new(struct bus_address at, const ProtobufCServiceDescriptor *service,
                                  struct err *err)
{
    struct rpc_client *c = xcalloc(1, sizeof(*c));
    c->service = service;
    pthread_mutex_init(&c->lock, NULL);
    if (open_client(c, at, err))
        return c;
    err_wrap(err, "door %s at %s", service->short_name, at.url);
    rpc_client_free(c);
    return NULL;
}

static void free_channels(struct channel *channels)
{
    while (channels) {
        struct channel *channel = channels;
        channels = channel->next;
        free_channel(channel);
    }
}

void rpc_client_free(struct rpc_client *client)
{
    if (!client)
        return;
    free_channels(client->idle);
    if (client->tls)
        nng_tls_config_free(client->tls);
    pthread_mutex_destroy(&client->lock);
    free(client);
}

/* Frees what is too many. */
static bool take_channel(struct rpc_client *c, struct channel **ret, struct err *err)
{
    pthread_mutex_lock(&c->lock);
    struct channel *channel = pop_idle(c);
    struct channel *surplus = c->idle_count > IDLE_MAX ? pop_idle(c) : NULL;
    pthread_mutex_unlock(&c->lock);
    if (surplus)
        free_channel(surplus);
    if (channel && bus_link_is_stuck(&channel->link)) {
        free_channel(channel);
        channel = NULL;
    }
    *ret = channel;
    int rc = channel ? 0 : open_channel(c, ret);
    return rc == 0 || err_set(err, ERR_UNAVAILABLE, "%s at %s: %s", c->service->short_name, c->url,
                              nng_strerror(rc));
}

static void give_channel(struct rpc_client *c, struct channel *channel)
{
    pthread_mutex_lock(&c->lock);
    push_idle(c, channel);
    pthread_mutex_unlock(&c->lock);
}

/* Takes those out that have heard nothing since. */
static struct channel *take_unheard(struct rpc_client *c, int64_t since_ms)
{
    struct channel *unheard = NULL;
    pthread_mutex_lock(&c->lock);
    for (struct channel **at = &c->idle; *at;) {
        struct channel *channel = *at;
        if (channel->heard_ms > since_ms) {
            at = &channel->next;
            continue;
        }
        *at = channel->next;
        c->idle_count--;
        channel->next = unheard;
        unheard = channel;
    }
    pthread_mutex_unlock(&c->lock);
    return unheard;
}

/* Closes it, and begins a new one in its place. */
static void replace(struct rpc_client *c, struct channel *channel)
{
    struct channel *fresh;
    free_channel(channel);
    if (open_channel(c, &fresh) == 0)
        give_channel(c, fresh);
}

/* After a call that got no answer: the service may be slow, or its host has died without a word, in
 * which case its other connections are dead as well. None is used again but those that have heard
 * something since the call began. A new one is begun in place of this one; others, when calls need
 * them. */
static void renew(struct rpc_client *c, struct channel *silent, int64_t began_ms)
{
    free_channels(take_unheard(c, began_ms));
    replace(c, silent);
}

bool rpc_client_is_connected(struct rpc_client *client)
{
    struct channel *channel;
    struct err err;
    if (client->connections > 0)
        return true;
    if (take_channel(client, &channel, &err)) /* dials anew when it is stuck */
        give_channel(client, channel);
    return false;
}

static nng_duration wait_for(int64_t deadline_ms)
{
    int left = clock_poll_timeout(deadline_ms);
    return left < 0 ? NNG_DURATION_INFINITE : left;
}

static bool send_request(struct rpc_client *c, struct channel *channel, int64_t deadline_ms,
                         struct str bytes, struct err *err)
{
    nng_msg *message = NULL;
    if (nng_msg_alloc(&message, bytes.len) != 0)
        BUG("out of memory: %zu bytes", bytes.len);
    memcpy(nng_msg_body(message), bytes.ptr, bytes.len);
    int64_t connect_by = clock_monotonic_ms() + CONNECT_WAIT_MS;
    nng_aio_set_timeout(channel->sending,
                        wait_for(connect_by < deadline_ms ? connect_by : deadline_ms));
    nng_aio_set_msg(channel->sending, message);
    nng_wake_not_to_send(channel->socket, channel->sending);
    nng_aio_wait(channel->sending);
    int rc = nng_aio_result(channel->sending);
    if (rc == 0)
        return true;
    nng_msg_free(message);
    return err_set(err, ERR_UNAVAILABLE, "%s at %s does not answer: %s", c->service->short_name,
                   c->url, nng_strerror(rc));
}

static bool begin(struct rpc_client *c, int64_t deadline_ms, struct str request,
                  struct rpc_pending *call, struct err *err)
{
    call->client = c;
    call->began_ms = clock_monotonic_ms();
    call->reply = NULL;
    TRY(take_channel(c, &call->channel, err));
    struct channel *channel = call->channel;
    if (!send_request(c, channel, deadline_ms, request, err)) {
        give_channel(c, channel);
        return false;
    }
    sem_init(&call->is_over, 0, 0);
    channel->call = call;
    nng_aio_set_timeout(channel->receiving, wait_for(deadline_ms));
    nng_recv_aio(channel->socket, channel->receiving);
    return true;
}

static void wait_for_end(struct rpc_pending *call)
{
    while (sem_wait(&call->is_over) != 0 && errno == EINTR)
        ;
    sem_destroy(&call->is_over);
}

/* The reply, or what became of the connection. */
static bool end(struct rpc_pending *call, nng_msg **ret, struct err *err)
{
    struct rpc_client *c = call->client;
    wait_for_end(call);
    *ret = call->reply;
    if (call->reply)
        return true;
    int rc = nng_aio_result(call->channel->receiving);
    err_set(err, ERR_TIMEOUT, "no reply of %s at %s: %s", c->service->short_name, c->url,
            nng_strerror(rc));
    if (rc == NNG_ETIMEDOUT)
        renew(c, call->channel, call->began_ms);
    else
        give_channel(c, call->channel);
    return false;
}

/* While a reply may still come the connection is not used again: see struct channel. */
static void abandon(struct rpc_pending *call)
{
    struct rpc_client *c = call->client;
    pthread_mutex_lock(&c->lock);
    if (call->channel)
        nng_aio_cancel(call->channel->receiving);
    pthread_mutex_unlock(&c->lock);
    wait_for_end(call);
    if (call->reply)
        nng_msg_free(call->reply);
    else
        replace(c, call->channel);
}

static uint32_t milliseconds_left(int64_t deadline_ms)
{
    int left = clock_poll_timeout(deadline_ms);
    return left < 0 ? UINT32_MAX : (uint32_t)left;
}

static bool begin_call(struct rpc_client *client, const struct rpc_context *context,
                       const char *method, const ProtobufCMessage *request, struct arena *arena,
                       struct rpc_pending *ret, struct err *err)
{
    const ProtobufCMethodDescriptor *m =
        protobuf_c_service_descriptor_get_method_by_name(client->service, method);
    BUG_ON(!m || m->input != request->descriptor);
    ret->method = m;
    struct str bytes = rpc_request_encode(
        &(struct rpc_request){
            .service = str_from_cstr(client->service->name),
            .method = str_from_cstr(method),
            .payload = message_pack(request, arena),
            .cid = context->cid,
            .timeout_ms = milliseconds_left(context->deadline_ms),
        },
        arena);
    if (str_is_null(bytes) || arena->exhausted)
        return err_set(err, ERR_LIMIT, "%s: request is too large", method);
    return begin(client, context->deadline_ms, bytes, ret, err) || err_wrap(err, "%s", method);
}

static bool end_call(struct rpc_pending *pending, struct arena *arena, ProtobufCMessage **ret_reply,
                     struct err *err)
{
    nng_msg *message = NULL;
    const char *method = pending->method->name;
    if (!end(pending, &message, err))
        return err_wrap(err, "%s", method);
    struct str payload, reply = str_make(nng_msg_body(message), nng_msg_len(message));
    bool ok = rpc_reply_decode(reply, arena, &payload, err);
    nng_msg_free(message);
    if (!ok)
        return err_wrap(err, "%s", method);
    *ret_reply = message_unpack(pending->method->output, payload, arena, err);
    return *ret_reply != NULL;
}

bool rpc_call(struct rpc_client *client, const struct rpc_context *context, const char *method,
              const ProtobufCMessage *request, struct arena *arena, ProtobufCMessage **ret_reply,
              struct err *err)
{
    struct rpc_pending pending;
    return begin_call(client, context, method, request, arena, &pending, err) &&
           end_call(&pending, arena, ret_reply, err);
}

struct rpc_pending *rpc_begin(struct rpc_client *client, const struct rpc_context *context,
                              const char *method, const ProtobufCMessage *request,
                              struct arena *arena, struct err *err)
{
    struct rpc_pending *pending = xcalloc(1, sizeof(*pending));
    if (begin_call(client, context, method, request, arena, pending, err))
        return pending;
    free(pending);
    return NULL;
}

bool rpc_end(struct rpc_pending *pending, struct arena *arena, ProtobufCMessage **ret_reply,
             struct err *err)
{
    bool ok = end_call(pending, arena, ret_reply, err);
    free(pending);
    return ok;
}

void rpc_abandon(struct rpc_pending *pending)
{
    if (!pending)
        return;
    abandon(pending);
    free(pending);
}
