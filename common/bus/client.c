#include "common/bus/rpc.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/bus/envelope.h"
#include "common/bus/nng_mend.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>
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
    nng_aio *aio;
};

struct rpc_client {
    const ProtobufCServiceDescriptor *service;
    atomic_int connections;
    pthread_mutex_t lock; /* of `idle` */
    struct channel *idle; /* the one used last comes first */
    char url[256];
};

struct rpc_context rpc_context_ms(uint64_t cid, int64_t timeout_ms)
{
    return (struct rpc_context){.cid = cid, .deadline_ms = clock_monotonic_ms() + timeout_ms};
}

static void count_connections(nng_pipe pipe, nng_pipe_ev event, void *client)
{
    (void)pipe;
    ((struct rpc_client *)client)->connections += event == NNG_PIPE_EV_ADD_POST ? 1 : -1;
}

static int open_socket(struct rpc_client *c, nng_socket *ret)
{
    nng_mend();
    int rc = nng_req0_open(ret);
    if (rc != 0)
        return rc;
    nng_pipe_notify(*ret, NNG_PIPE_EV_ADD_POST, count_connections, c);
    nng_pipe_notify(*ret, NNG_PIPE_EV_REM_POST, count_connections, c);
    /* Without a resend time a call whose connection breaks fails, instead of running twice. */
    nng_socket_set_ms(*ret, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    nng_socket_set_ms(*ret, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS);
    nng_socket_set_ms(*ret, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
    nng_socket_set_size(*ret, NNG_OPT_RECVMAXSZ, REPLY_MAX);
    /* The first attempt to connect must not fail the start: the service may come later. */
    return nng_dial(*ret, c->url, NULL, NNG_FLAG_NONBLOCK);
}

static void free_channel(struct channel *channel)
{
    nng_close(channel->socket);
    nng_aio_free(channel->aio);
    free(channel);
}

static int open_channel(struct rpc_client *c, struct channel **ret)
{
    struct channel *channel = xcalloc(1, sizeof(*channel));
    int rc = nng_aio_alloc(&channel->aio, NULL, NULL);
    if (rc == 0)
        rc = open_socket(c, &channel->socket);
    if (rc == 0)
        *ret = channel;
    else
        free_channel(channel);
    return rc;
}

struct rpc_client *rpc_client_new(const char *url, const ProtobufCServiceDescriptor *service,
                                  struct err *err)
{
    struct rpc_client *c = xcalloc(1, sizeof(*c));
    c->service = service;
    pthread_mutex_init(&c->lock, NULL);
    int rc = NNG_EADDRINVAL;
    if (str_copy_cstr(str_from_cstr(url), c->url, sizeof(c->url)))
        rc = open_channel(c, &c->idle); /* one at once: rpc_client_is_connected */
    if (rc == 0)
        return c;
    err_set(err, ERR_SYNTAX, "door %s at %s: %s", service->short_name, url, nng_strerror(rc));
    rpc_client_free(c);
    return NULL;
}

void rpc_client_free(struct rpc_client *client)
{
    if (!client)
        return;
    while (client->idle) {
        struct channel *channel = client->idle;
        client->idle = channel->next;
        free_channel(channel);
    }
    pthread_mutex_destroy(&client->lock);
    free(client);
}

bool rpc_client_is_connected(const struct rpc_client *client)
{
    return client->connections > 0;
}

static bool take_channel(struct rpc_client *c, struct channel **ret, struct err *err)
{
    pthread_mutex_lock(&c->lock);
    struct channel *channel = c->idle;
    if (channel)
        c->idle = channel->next;
    pthread_mutex_unlock(&c->lock);
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
    nng_aio_set_timeout(channel->aio,
                        wait_for(connect_by < deadline_ms ? connect_by : deadline_ms));
    nng_aio_set_msg(channel->aio, message);
    nng_send_aio(channel->socket, channel->aio);
    nng_aio_wait(channel->aio);
    int rc = nng_aio_result(channel->aio);
    if (rc == 0)
        return true;
    nng_msg_free(message);
    return err_set(err, ERR_UNAVAILABLE, "%s at %s does not answer: %s", c->service->short_name,
                   c->url, nng_strerror(rc));
}

static bool receive_reply(struct rpc_client *c, struct channel *channel, int64_t deadline_ms,
                          nng_msg **ret, struct err *err)
{
    nng_aio_set_timeout(channel->aio, wait_for(deadline_ms));
    nng_recv_aio(channel->socket, channel->aio);
    nng_aio_wait(channel->aio);
    int rc = nng_aio_result(channel->aio);
    if (rc != 0)
        return err_set(err, ERR_TIMEOUT, "no reply of %s at %s: %s", c->service->short_name, c->url,
                       nng_strerror(rc));
    *ret = nng_aio_get_msg(channel->aio);
    return true;
}

static bool exchange(struct rpc_client *c, int64_t deadline_ms, struct str request, nng_msg **ret,
                     struct err *err)
{
    struct channel *channel;
    if (!take_channel(c, &channel, err))
        return false;
    bool ok = send_request(c, channel, deadline_ms, request, err) &&
              receive_reply(c, channel, deadline_ms, ret, err);
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
