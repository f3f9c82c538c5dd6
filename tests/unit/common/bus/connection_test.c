#include "common/base/clock.h"
#include "common/bus/rpc.h"
#include "tests/unit/common/bus/auth_service.h"
#include "tests/unit/support/relay.h"

#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What happens to connections over TCP: hosts that say nothing any more, visitors who never say
 * anything. */

#define SLOW_MS 1000

static atomic_uint slow_calls;
static int port;

static void step(Mailrail__Auth_Service *service, const Mailrail__AuthStepRequest *request,
                 Mailrail__AuthStepReply_Closure closure, void *closure_data)
{
    Mailrail__AuthStepReply reply = MAILRAIL__AUTH_STEP_REPLY__INIT;
    (void)service;
    if (strcmp(request->mechanism, "SLOW") == 0) {
        slow_calls++;
        usleep(SLOW_MS * 1000);
    }
    closure(&reply, closure_data);
}

static Mailrail__Auth_Service service = MAILRAIL__AUTH__INIT();

static void setup(void)
{
    port = relay_free_port();
}

TestSuite(connection, .init = setup);

static struct sockaddr_in address_of_port(void)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

static struct rpc_server *serve(void)
{
    struct err err;
    char url[64];
    snprintf(url, sizeof(url), "tcp://127.0.0.1:%d", port);
    struct rpc_door door = {.at = bus_at(url), .service = &service.base, .workers = 8};
    struct rpc_server *server = rpc_server_new(&door, &err);
    cr_assert(server, "%s", err.detail);
    return server;
}

static struct rpc_client *connect_to(int at)
{
    struct err err;
    char url[64];
    snprintf(url, sizeof(url), "tcp://127.0.0.1:%d", at);
    struct rpc_client *client = rpc_client_new(bus_at(url), &mailrail__auth__descriptor, &err);
    cr_assert(client, "%s", err.detail);
    return client;
}

static enum err_kind call(struct rpc_client *client, const char *mechanism, int64_t timeout_ms)
{
    struct rpc_context context = rpc_context_ms(1, timeout_ms);
    Mailrail__AuthStepRequest request = MAILRAIL__AUTH_STEP_REQUEST__INIT;
    ProtobufCMessage *reply;
    struct arena arena;
    struct err err = {.kind = ERR_NONE};
    request.mechanism = (char *)mechanism;
    arena_init(&arena, 1 << 20);
    bool ok = rpc_call(client, &context, "Step", &request.base, &arena, &reply, &err);
    arena_release(&arena);
    if (!ok)
        fprintf(stderr, "%s\n", err.detail);
    return ok ? ERR_NONE : err.kind;
}

/* A client that comes to a server through a network that can fail. */
struct line {
    struct relay *relay;
    struct rpc_server *server;
    struct rpc_client *client;
};

static struct line line_open(void)
{
    struct line line = {.relay = relay_new(port), .server = serve()};
    line.client = connect_to(relay_port(line.relay));
    return line;
}

static void line_close(struct line *line)
{
    rpc_client_free(line->client);
    rpc_server_free(line->server, 1000);
    relay_free(line->relay);
}

/* A call in a thread of its own. */
struct caller {
    pthread_t thread;
    struct rpc_client *client;
    const char *mechanism;
    int64_t timeout_ms;
    enum err_kind result;
};

static void *run_caller(void *arg)
{
    struct caller *c = arg;
    c->result = call(c->client, c->mechanism, c->timeout_ms);
    return NULL;
}

static void start_call(struct caller *c)
{
    cr_assert_eq(pthread_create(&c->thread, NULL, run_caller, c), 0);
}

static enum err_kind end_call(struct caller *c)
{
    pthread_join(c->thread, NULL);
    return c->result;
}

/* So many calls at the same time: all end well. */
static void call_at_once(struct rpc_client *client, size_t count)
{
    struct caller callers[8];
    cr_assert(count <= ARRAY_LEN(callers));
    for (size_t i = 0; i < count; i++) {
        callers[i] = (struct caller){.client = client, .mechanism = "SLOW", .timeout_ms = 5000};
        start_call(&callers[i]);
    }
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(end_call(&callers[i]), ERR_NONE);
}

Test(connection, after_a_call_without_answer_no_older_connection_is_used)
{
    struct line line = line_open();
    call_at_once(line.client, 6);
    cr_assert_eq(relay_count(line.relay), 6);
    relay_die(line.relay);
    cr_assert_eq(call(line.client, "PLAIN", 200), ERR_TIMEOUT);
    int64_t began = clock_monotonic_ms();
    call_at_once(line.client, 6);
    cr_assert_lt(clock_monotonic_ms() - began, 4500);
    cr_assert_leq(relay_count(line.relay), 12, "%u", relay_count(line.relay));
    line_close(&line);
}

Test(connection, a_slow_call_costs_its_own_connection_alone)
{
    struct line line = line_open();
    call_at_once(line.client, 2);
    cr_assert_eq(relay_count(line.relay), 2);
    struct caller slow = {.client = line.client, .mechanism = "SLOW", .timeout_ms = 150};
    start_call(&slow);
    usleep(50 * 1000);
    cr_assert_eq(call(line.client, "PLAIN", 5000), ERR_NONE);
    cr_assert_eq(end_call(&slow), ERR_TIMEOUT);
    call_at_once(line.client, 2);
    cr_assert_eq(relay_count(line.relay), 3, "%u", relay_count(line.relay));
    line_close(&line);
}

/* Its reply may be half here: nng cannot bear another request then (struct channel in client.c). */
Test(connection, an_abandoned_call_ends_its_connection)
{
    struct err err;
    struct arena arena;
    struct line line = line_open();
    struct rpc_context context = rpc_context_ms(1, 5000);
    Mailrail__AuthStepRequest request = MAILRAIL__AUTH_STEP_REQUEST__INIT;
    char mechanism[] = "SLOW";
    request.mechanism = mechanism;
    arena_init(&arena, 1 << 20);
    struct rpc_pending *slow =
        rpc_begin(line.client, &context, "Step", &request.base, &arena, &err);
    arena_release(&arena);
    cr_assert(slow, "%s", err.detail);
    cr_assert_eq(relay_count(line.relay), 1);
    rpc_abandon(slow);
    cr_assert_eq(call(line.client, "PLAIN", 5000), ERR_NONE);
    cr_assert_eq(relay_count(line.relay), 2, "%u", relay_count(line.relay));
    line_close(&line);
}

Test(connection, one_that_breaks_in_a_call_is_a_timeout_and_the_call_does_not_run_again)
{
    struct line line = line_open();
    slow_calls = 0;
    struct caller slow = {.client = line.client, .mechanism = "SLOW", .timeout_ms = 5000};
    start_call(&slow);
    while (slow_calls == 0)
        usleep(1000);
    int64_t began = clock_monotonic_ms();
    relay_cut(line.relay);
    cr_assert_eq(end_call(&slow), ERR_TIMEOUT);
    cr_assert_lt(clock_monotonic_ms() - began, SLOW_MS, "noticed when it broke");
    cr_assert_eq(call(line.client, "PLAIN", 5000), ERR_NONE);
    cr_assert_eq(slow_calls, 1);
    line_close(&line);
}

/* A listener that never accepts: the kernel says yes, and then nobody says anything. */
static int listen_deaf(void)
{
    struct sockaddr_in address = address_of_port();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(fd, 64), 0);
    return fd;
}

static int next_visitor(int listener)
{
    struct pollfd waiting = {.fd = listener, .events = POLLIN};
    cr_assert_eq(poll(&waiting, 1, 60 * 1000), 1);
    int fd = accept(listener, NULL, NULL);
    cr_assert_geq(fd, 0);
    return fd;
}

/* Whether the other side ends the connection within 100 ms. */
static bool is_over(int fd)
{
    char greeting[64];
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    return poll(&waiting, 1, 100) == 1 && recv(fd, greeting, sizeof(greeting), 0) <= 0;
}

Test(connection, a_door_that_does_not_greet_is_unavailable_and_asked_anew)
{
    int deaf = listen_deaf();
    struct rpc_client *client = connect_to(port);
    cr_assert_eq(call(client, "PLAIN", 200), ERR_UNAVAILABLE);
    int first = next_visitor(deaf);
    int64_t began = clock_monotonic_ms();
    while (!is_over(first)) {
        cr_assert_not(rpc_client_is_connected(client));
        cr_assert_lt(clock_monotonic_ms() - began, 60 * 1000, "it is not given up");
    }
    int second = next_visitor(deaf);
    cr_assert_not(rpc_client_is_connected(client));
    close(first);
    close(second);
    close(deaf);
    rpc_client_free(client);
}

/* ---- What the kernel is asked for */

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof(value);
    cr_assert_eq(getsockopt(fd, level, name, &value, &size), 0);
    return value;
}

/* Sockets of this process that are connected to or from `port`. */
static unsigned count_watched(unsigned *ret_watched)
{
    unsigned found = 0;
    *ret_watched = 0;
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_in here = {0}, there = {0};
        socklen_t size = sizeof(here), there_size = sizeof(there);
        if (getsockname(fd, (struct sockaddr *)&here, &size) != 0 ||
            getpeername(fd, (struct sockaddr *)&there, &there_size) != 0 ||
            here.sin_family != AF_INET ||
            (here.sin_port != htons((uint16_t)port) && there.sin_port != htons((uint16_t)port)))
            continue;
        found++;
        *ret_watched += option_of(fd, SOL_SOCKET, SO_KEEPALIVE) == 1 &&
                        option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 5 &&
                        option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT) == 10000;
    }
    return found;
}

Test(connection, the_kernel_watches_both_ends_and_no_other_sockets)
{
    unsigned watched;
    int yes = 1;
    struct rpc_server *server = serve();
    struct rpc_client *client = connect_to(port);
    cr_assert_eq(call(client, "PLAIN", 5000), ERR_NONE);
    cr_assert_eq(count_watched(&watched), 2);
    cr_assert_eq(watched, 2);
    int other = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(setsockopt(other, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes)), 0);
    cr_assert_eq(option_of(other, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    cr_assert_neq(option_of(other, IPPROTO_TCP, TCP_KEEPIDLE), 5);
    close(other);
    rpc_client_free(client);
    rpc_server_free(server, 1000);
}

/* ---- Visitors */

Test(connection, a_visitor_who_says_nothing_is_sent_away)
{
    struct sockaddr_in address = address_of_port();
    struct timeval patience = {.tv_sec = 13};
    char bytes[64];
    struct rpc_server *server = serve();
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ssize_t len;
    do
        len = recv(fd, bytes, sizeof(bytes), 0);
    while (len > 0); /* the door greets */
    cr_assert_eq(len, 0, "still there after %ld s", (long)patience.tv_sec);
    close(fd);
    rpc_server_free(server, 1000);
}
