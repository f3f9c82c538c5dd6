/*
 * How much our calls cost beside a bare nng request/reply of the same size, in one run.
 *
 *     bench-rpc_roundtrip [CALLS]
 *
 * Both sides run in this process, over ipc://, with one caller at a time and then eight. Prints the
 * median of five rounds of each, and their ratio. The bare side sends the very bytes that our
 * envelope around the request takes.
 */
#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/bus/envelope.h"
#include "common/bus/rpc.h"
#include "proto/delivery.pb-c.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS 5
#define SERVER_WORKERS 8
#define CALLERS_MAX 8

static unsigned calls = 5000;
static nng_socket bare_client;
static struct rpc_client *client;
static Mailrail__ResolveRequest request = MAILRAIL__RESOLVE_REQUEST__INIT;
static struct str request_bytes;

static void resolve(Mailrail__Delivery_Service *service, const Mailrail__ResolveRequest *input,
                    Mailrail__ResolveReply_Closure closure, void *call)
{
    (void)service;
    Mailrail__ResolveReply reply = MAILRAIL__RESOLVE_REPLY__INIT;
    reply.canonical_localpart = input->localpart;
    reply.mailbox = "Inbox";
    closure(&reply, call);
}

static void deliver(Mailrail__Delivery_Service *service, const Mailrail__DeliverRequest *input,
                    Mailrail__DeliverReply_Closure closure, void *call)
{
    (void)service;
    (void)input;
    closure(NULL, call);
}

static void *bare_server(void *ctx)
{
    nng_aio *aio;
    BUG_ON(nng_aio_alloc(&aio, NULL, NULL) != 0);
    for (;;) {
        nng_ctx_recv(*(nng_ctx *)ctx, aio);
        nng_aio_wait(aio);
        if (nng_aio_result(aio) != 0)
            break;
        nng_ctx_send(*(nng_ctx *)ctx, aio); /* the same message back */
        nng_aio_wait(aio);
    }
    nng_aio_free(aio);
    return NULL;
}

static void *bare_caller(void *unused)
{
    (void)unused;
    nng_ctx ctx;
    nng_aio *aio;
    BUG_ON(nng_ctx_open(&ctx, bare_client) != 0 || nng_aio_alloc(&aio, NULL, NULL) != 0);
    for (unsigned i = 0; i < calls; i++) {
        nng_msg *message;
        BUG_ON(nng_msg_alloc(&message, request_bytes.len) != 0);
        memcpy(nng_msg_body(message), request_bytes.ptr, request_bytes.len);
        nng_aio_set_msg(aio, message);
        nng_ctx_send(ctx, aio);
        nng_aio_wait(aio);
        nng_ctx_recv(ctx, aio);
        nng_aio_wait(aio);
        BUG_ON(nng_aio_result(aio) != 0);
        nng_msg_free(nng_aio_get_msg(aio));
    }
    nng_aio_free(aio);
    nng_ctx_close(ctx);
    return NULL;
}

static void *rpc_caller(void *unused)
{
    (void)unused;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (unsigned i = 0; i < calls; i++) {
        struct err err;
        ProtobufCMessage *reply;
        struct rpc_context context = rpc_context_ms(i, 10000);
        if (!rpc_call(client, &context, "Resolve", &request.base, &arena, &reply, &err))
            BUG("%s", err.detail);
        arena_reset(&arena);
    }
    arena_release(&arena);
    return NULL;
}

static double microseconds_a_call(void *(*caller)(void *), unsigned callers)
{
    pthread_t threads[CALLERS_MAX];
    int64_t began = clock_monotonic_us();
    for (unsigned i = 0; i < callers; i++)
        BUG_ON(pthread_create(&threads[i], NULL, caller, NULL) != 0);
    for (unsigned i = 0; i < callers; i++)
        pthread_join(threads[i], NULL);
    return (double)(clock_monotonic_us() - began) / ((double)calls * callers);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void measure(unsigned callers)
{
    double bare[ROUNDS], ours[ROUNDS];
    for (unsigned i = 0; i < ROUNDS; i++) { /* in turns: a noisy moment hits both */
        bare[i] = microseconds_a_call(bare_caller, callers);
        ours[i] = microseconds_a_call(rpc_caller, callers);
    }
    qsort(bare, ROUNDS, sizeof(*bare), by_value);
    qsort(ours, ROUNDS, sizeof(*ours), by_value);
    printf("%u caller%s: bare nng %.1f us, rpc_call %.1f us, ratio %.2f\n", callers,
           callers == 1 ? "" : "s", bare[ROUNDS / 2], ours[ROUNDS / 2],
           ours[ROUNDS / 2] / bare[ROUNDS / 2]);
}

int main(int argc, char **argv)
{
    static Mailrail__Delivery_Service service = MAILRAIL__DELIVERY__INIT();
    char bare_url[64], rpc_url[64];
    struct err err;
    struct arena arena;
    if (argc > 1)
        calls = (unsigned)atoi(argv[1]);
    snprintf(bare_url, sizeof(bare_url), "ipc:///tmp/bench-bare-%d.sock", (int)getpid());
    snprintf(rpc_url, sizeof(rpc_url), "ipc:///tmp/bench-rpc-%d.sock", (int)getpid());

    request.localpart = "someone";
    request.domain = "example.org";
    arena_init(&arena, 1 << 16);
    struct rpc_request envelope = {.service = STR("mailrail.Delivery"),
                                   .method = STR("Resolve"),
                                   .payload = message_pack(&request.base, &arena),
                                   .cid = 1,
                                   .timeout_ms = 10000};
    request_bytes = rpc_request_encode(&envelope, &arena);

    nng_socket bare;
    nng_ctx contexts[SERVER_WORKERS];
    BUG_ON(nng_rep0_open(&bare) != 0 || nng_listen(bare, bare_url, NULL, 0) != 0);
    for (unsigned i = 0; i < SERVER_WORKERS; i++) {
        pthread_t thread;
        BUG_ON(nng_ctx_open(&contexts[i], bare) != 0);
        BUG_ON(pthread_create(&thread, NULL, bare_server, &contexts[i]) != 0);
        pthread_detach(thread);
    }
    BUG_ON(nng_req0_open(&bare_client) != 0 || nng_dial(bare_client, bare_url, NULL, 0) != 0);

    struct rpc_door door = {
        .at = {rpc_url, NULL}, .service = &service.base, .workers = SERVER_WORKERS};
    struct rpc_server *server = rpc_server_new(&door, &err);
    client = rpc_client_new(bus_at(rpc_url), &mailrail__delivery__descriptor, &err);
    BUG_ON(!server || !client);

    measure(1);
    measure(CALLERS_MAX);
    rpc_client_free(client);
    rpc_server_free(server, 1000);
    nng_close(bare_client);
    nng_close(bare);
    arena_release(&arena);
    return 0;
}
