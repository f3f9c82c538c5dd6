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

/* A connection of its own, for one call at a time; kept for the next call. Calls do not share a
 * connection, because nng 1.5 cannot bear it: when sending a request fails just while the reply of
 * another is half read, that connection is never closed, and the process's thread that closes all
 * others waits for it for ever, so that nothing connects again. */
struct channel {
    struct channel *next;
    nng_socket socket;
    nng_aio *sending;
    nng_aio *receiving;
    sem_t is_over; /* `receiving`: who waits for it wants no lock that nng holds */
    struct bus_link link;
    int64_t heard_ms;     /* when its last answer came */
    bool has_gone_silent; /* no answer came in time */
};

struct rpc_client {
    const ProtobufCServiceDescriptor *service;
    atomic_int connections;
    pthread_mutex_t lock; /* of `idle` */
    struct channel *idle; /* the one used last comes first */
    nng_tls_config *tls;  /* NULL without */
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
    sem_destroy(&channel->is_over);
    free(channel);
}

static void end_receiving(void *arg)
{
    struct channel *channel = arg;
    sem_post(&channel->is_over);
}

static int open_channel(struct rpc_client *c, struct channel **ret)
{
    struct channel *channel = xcalloc(1, sizeof(*channel));
    nng_mend();
    sem_init(&channel->is_over, 0, 0);
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
    TRY(bus_tls_config(at, NNG_TLS_MODE_CLIENT, &c->tls, err));
    if (str_copy_cstr(str_from_cstr(at.url), c->url, sizeof(c->url)))
        rc = open_channel(c, &c->idle); /* one at once: rpc_client_is_connected */
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

static bool take_channel(struct rpc_client *c, struct channel **ret, struct err *err)
{
    pthread_mutex_lock(&c->lock);
    struct channel *channel = c->idle;
    if (channel)
        c->idle = channel->next;
    pthread_mutex_unlock(&c->lock);
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
    channel->next = c->idle;
    c->idle = channel;
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
        channel->next = unheard;
        unheard = channel;
    }
    pthread_mutex_unlock(&c->lock);
    return unheard;
}

/* After a call that got no answer: the service may be slow, or its host has died without a word, in
 * which case its other connections are dead as well. None is used again but those that have heard
 * something since the call began. A new one is begun in place of this one; others, when calls need
 * them. */
static void renew(struct rpc_client *c, struct channel *silent, int64_t began_ms)
{
    struct channel *renewed;
    free_channel(silent);
    free_channels(take_unheard(c, began_ms));
    if (open_channel(c, &renewed) == 0)
        give_channel(c, renewed);
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

static void wait_for_end(struct channel *channel)
{
    while (sem_wait(&channel->is_over) != 0 && errno == EINTR)
        ;
}

static bool receive_reply(struct rpc_client *c, struct channel *channel, int64_t deadline_ms,
                          nng_msg **ret, struct err *err)
{
    nng_aio_set_timeout(channel->receiving, wait_for(deadline_ms));
    nng_recv_aio(channel->socket, channel->receiving);
    wait_for_end(channel);
    int rc = nng_aio_result(channel->receiving);
    channel->has_gone_silent = rc == NNG_ETIMEDOUT;
    if (rc != 0)
        return err_set(err, ERR_TIMEOUT, "no reply of %s at %s: %s", c->service->short_name, c->url,
                       nng_strerror(rc));
    channel->heard_ms = clock_monotonic_ms();
    *ret = nng_aio_get_msg(channel->receiving);
    return true;
}

static bool exchange(struct rpc_client *c, int64_t deadline_ms, struct str request, nng_msg **ret,
                     struct err *err)
{
    struct channel *channel;
    int64_t began_ms = clock_monotonic_ms();
    if (!take_channel(c, &channel, err))
        return false;
    bool ok = send_request(c, channel, deadline_ms, request, err) &&
              receive_reply(c, channel, deadline_ms, ret, err);
    if (channel->has_gone_silent)
        renew(c, channel, began_ms);
    else
        give_channel(c, channel);
    return ok;
}

static uint32_t milliseconds_left(int64_t deadline_ms)
{
    int left = clock_poll_timeout(deadline_ms);
    return left < 0 ? UINT32_MAX : (uint32_t)left;
}

bool rpc_call(struct rpc_client *client, const struct rpc_context *context, const char *method,
              const ProtobufCMessage *request, struct arena *arena, ProtobufCMessage **ret_reply,
              struct err *err)
{
    const ProtobufCMethodDescriptor *m =
        protobuf_c_service_descriptor_get_method_by_name(client->service, method);
    BUG_ON(!m || m->input != request->descriptor);
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
    nng_msg *message = NULL;
    if (!exchange(client, context->deadline_ms, bytes, &message, err))
        return err_wrap(err, "%s", method);
    struct str payload, reply = str_make(nng_msg_body(message), nng_msg_len(message));
    bool ok = rpc_reply_decode(reply, arena, &payload, err);
    nng_msg_free(message);
    if (!ok)
        return err_wrap(err, "%s", method);
    *ret_reply = message_unpack(m->output, payload, arena, err);
    return *ret_reply != NULL;
}
