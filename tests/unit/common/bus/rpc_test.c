#include "common/base/clock.h"
#include "common/bus/envelope.h"
#include "common/bus/rpc.h"
#include "tests/unit/common/bus/auth_service.h"

#include <criterion/criterion.h>

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SLOW_MS 1000

static atomic_int slow_calls;

/* The Auth service with handlers that show what a caller can meet. */
static void step(Mailrail__Auth_Service *service, const Mailrail__AuthStepRequest *request,
                 Mailrail__AuthStepReply_Closure closure, void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct err err;
    (void)service;
    if (strcmp(request->mechanism, "FAIL") == 0) {
        err_set(&err, ERR_LIMIT, "over quota of account %d", 7);
        err_reply(&err, "mailbox is full");
        rpc_fail(call, &err);
        return;
    }
    if (strcmp(request->mechanism, "FILL") == 0) {
        while (arena_alloc(call->arena, 1 << 20))
            ;
        err_set(&err, ERR_LIMIT, "no room");
        rpc_fail(call, &err);
        return;
    }
    if (strcmp(request->mechanism, "SLOW") == 0) {
        slow_calls++;
        usleep(SLOW_MS * 1000);
    }
    Mailrail__AuthStepReply reply = MAILRAIL__AUTH_STEP_REPLY__INIT;
    reply.challenge = request->response;
    reply.text = arena_cstr(call->arena, arena_printf(call->arena, "cid %d", (int)call->cid));
    closure(&reply, call);
}

static Mailrail__Auth_Service service = MAILRAIL__AUTH__INIT();

static char url[96];

static void setup(void)
{
    snprintf(url, sizeof(url), "ipc:///tmp/rpc-test-%d.sock", (int)getpid());
}

static void teardown(void)
{
    unlink(url + strlen("ipc://"));
}

TestSuite(rpc, .init = setup, .fini = teardown);

static struct rpc_server *serve(unsigned workers)
{
    struct err err;
    struct rpc_door door = {.at = {url, NULL}, .service = &service.base, .workers = workers};
    struct rpc_server *server = rpc_server_new(&door, &err);
    cr_assert(server, "%s", err.detail);
    return server;
}

static struct rpc_client *connect_client(void)
{
    struct err err;
    struct rpc_client *client = rpc_client_new(bus_at(url), &mailrail__auth__descriptor, &err);
    cr_assert(client, "%s", err.detail);
    return client;
}

static Mailrail__AuthStepRequest step_request(const char *mechanism, struct str response)
{
    Mailrail__AuthStepRequest request = MAILRAIL__AUTH_STEP_REQUEST__INIT;
    request.mechanism = (char *)mechanism;
    request.response = (ProtobufCBinaryData){response.len, (uint8_t *)response.ptr};
    return request;
}

static bool call(struct rpc_client *client, const char *mechanism, struct str response,
                 int64_t timeout_ms, struct arena *arena, Mailrail__AuthStepReply **ret,
                 struct err *err)
{
    struct rpc_context context = rpc_context_ms(42, timeout_ms);
    Mailrail__AuthStepRequest request = step_request(mechanism, response);
    ProtobufCMessage *reply = NULL;
    bool ok = rpc_call(client, &context, "Step", &request.base, arena, &reply, err);
    if (ok)
        *ret = (Mailrail__AuthStepReply *)reply;
    return ok;
}

/* A door, who calls there, and room for the replies. */
struct both {
    struct rpc_server *server;
    struct rpc_client *client;
    struct arena arena;
};

static struct both open_both(unsigned workers)
{
    struct both both = {.server = serve(workers), .client = connect_client()};
    arena_init(&both.arena, 1 << 20);
    return both;
}

static void close_both(struct both *both)
{
    rpc_client_free(both->client);
    cr_expect(rpc_server_free(both->server, 5000));
    arena_release(&both->arena);
}

Test(rpc, a_reply_lives_in_the_callers_arena_and_the_cid_crosses)
{
    struct err err;
    Mailrail__AuthStepReply *reply;
    struct both both = open_both(2);
    cr_assert(call(both.client, "PLAIN", STR("a\0b"), 5000, &both.arena, &reply, &err), "%s",
              err.detail);
    cr_assert_eq(reply->challenge.len, 3);
    cr_assert_str_eq(reply->text, "cid 42");
    for (int i = 0; i < 100 && !rpc_client_is_connected(both.client); i++)
        usleep(10 * 1000); /* nng may tell later than it serves */
    cr_assert(rpc_client_is_connected(both.client));
    close_both(&both);
}

Test(rpc, a_failure_crosses_with_kind_reply_and_detail)
{
    struct err err;
    Mailrail__AuthStepReply *reply;
    struct both both = open_both(1);
    cr_assert_not(call(both.client, "FAIL", STR(""), 5000, &both.arena, &reply, &err));
    cr_assert_eq(err.kind, ERR_LIMIT);
    cr_assert_str_eq(err.reply, "mailbox is full");
    cr_assert_str_eq(err.detail, "Step: over quota of account 7");
    close_both(&both);
}

Test(rpc, a_failure_for_want_of_room_is_one)
{
    struct rpc_server *server = serve(1);
    struct rpc_client *client = connect_client();
    struct arena arena;
    struct err err;
    Mailrail__AuthStepReply *reply = NULL;
    arena_init(&arena, 1 << 16);
    for (int i = 0; i < 2; i++) {
        cr_assert_not(call(client, "FILL", STR("x"), 5000, &arena, &reply, &err));
        cr_expect_eq(err.kind, ERR_LIMIT);
        cr_expect_str_eq(err.detail, "Step: no room");
        cr_assert(call(client, "PLAIN", STR("x"), 5000, &arena, &reply, &err), "%s", err.detail);
    }
    arena_release(&arena);
    rpc_client_free(client);
    rpc_server_free(server, 1000);
}

Test(rpc, a_deadline_that_passes_is_a_timeout_and_the_next_call_works)
{
    struct err err;
    Mailrail__AuthStepReply *reply;
    struct both both = open_both(2);
    int64_t began = clock_monotonic_ms();
    cr_assert_not(call(both.client, "SLOW", STR(""), 50, &both.arena, &reply, &err));
    cr_assert_eq(err.kind, ERR_TIMEOUT, "%s", err.detail);
    cr_assert(clock_monotonic_ms() - began < SLOW_MS);
    cr_assert(call(both.client, "PLAIN", STR("x"), 5000, &both.arena, &reply, &err), "%s",
              err.detail);
    cr_assert_eq(reply->challenge.len, 1);
    close_both(&both);
}

static struct rpc_pending *begin(struct rpc_client *client, const char *mechanism,
                                 int64_t timeout_ms, struct arena *arena)
{
    struct err err;
    struct rpc_context context = rpc_context_ms(42, timeout_ms);
    Mailrail__AuthStepRequest request = step_request(mechanism, STR("x"));
    struct rpc_pending *pending = rpc_begin(client, &context, "Step", &request.base, arena, &err);
    cr_assert(pending, "%s", err.detail);
    return pending;
}

Test(rpc, a_call_that_was_begun_runs_while_its_caller_does_something_else)
{
    struct arena other;
    struct err err;
    Mailrail__AuthStepReply *quick;
    ProtobufCMessage *reply;
    arena_init(&other, 1 << 20);
    struct both both = open_both(2);
    struct rpc_pending *pending = begin(both.client, "SLOW", 5000, &both.arena);
    arena_reset(&both.arena); /* what was sent is gone from here */
    int64_t began = clock_monotonic_ms();
    cr_assert(call(both.client, "PLAIN", STR("xy"), 5000, &other, &quick, &err), "%s", err.detail);
    cr_expect(clock_monotonic_ms() - began < SLOW_MS);
    cr_assert(rpc_end(pending, &both.arena, &reply, &err), "%s", err.detail);
    cr_expect_eq(((Mailrail__AuthStepReply *)reply)->challenge.len, 1);
    cr_expect_eq(quick->challenge.len, 2);
    cr_expect_eq(slow_calls, 1);
    close_both(&both);
    arena_release(&other);
}

static size_t open_files(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

#define BEGUN 20

/* A client that takes its time, and thousands of them, would have a connection each. */
Test(rpc, a_reply_that_nobody_takes_holds_no_connection)
{
    struct err err;
    ProtobufCMessage *reply;
    struct rpc_pending *pending[BEGUN];
    struct both both = open_both(2);
    size_t before = 0;
    for (int i = 0; i < BEGUN; i++) {
        pending[i] = begin(both.client, "PLAIN", 5000, &both.arena);
        usleep(20 * 1000);
        if (i == 0)
            before = open_files();
    }
    cr_expect(open_files() <= before + BEGUN / 2, "%zu, were %zu", open_files(), before);
    for (int i = 0; i < BEGUN; i++) {
        cr_assert(rpc_end(pending[i], &both.arena, &reply, &err), "%s", err.detail);
        cr_expect_eq(((Mailrail__AuthStepReply *)reply)->challenge.len, 1);
    }
    close_both(&both);
}

#define CROWD 150 /* more than are kept */

Test(rpc, connections_of_a_crowd_are_given_up_again)
{
    struct err err;
    ProtobufCMessage *reply;
    Mailrail__AuthStepReply *quick;
    struct rpc_pending *pending[CROWD];
    struct both both = open_both(CROWD);
    for (int i = 0; i < CROWD; i++)
        pending[i] = begin(both.client, "SLOW", 30000, &both.arena);
    size_t crowded = open_files();
    for (int i = 0; i < CROWD; i++)
        cr_assert(rpc_end(pending[i], &both.arena, &reply, &err), "%s", err.detail);
    for (int i = 0; i < CROWD; i++)
        cr_assert(call(both.client, "PLAIN", STR("x"), 5000, &both.arena, &quick, &err), "%s",
                  err.detail);
    for (int i = 0; i < 100 && open_files() + 15 > crowded; i++)
        usleep(20 * 1000); /* nng closes behind us */
    cr_expect(open_files() + 15 <= crowded, "%zu, were %zu", open_files(), crowded);
    close_both(&both);
}

/* Whether its reply is here already or not. */
Test(rpc, a_call_that_was_abandoned_costs_nobody_anything)
{
    struct err err;
    Mailrail__AuthStepReply *reply;
    struct both both = open_both(2);
    rpc_abandon(NULL);
    rpc_abandon(begin(both.client, "SLOW", 5000, &both.arena));
    struct rpc_pending *answered = begin(both.client, "PLAIN", 5000, &both.arena);
    usleep(SLOW_MS / 10 * 1000);
    rpc_abandon(answered);
    for (int i = 0; i < 3; i++) {
        cr_assert(call(both.client, "PLAIN", STR("xyz"), 5000, &both.arena, &reply, &err), "%s",
                  err.detail);
        cr_expect_eq(reply->challenge.len, 3);
    }
    close_both(&both);
    cr_expect_eq(slow_calls, 1);
}

Test(rpc, a_call_that_was_begun_ends_with_its_deadline)
{
    struct err err;
    ProtobufCMessage *reply;
    struct both both = open_both(1);
    cr_assert_not(rpc_end(begin(both.client, "SLOW", 50, &both.arena), &both.arena, &reply, &err));
    cr_expect_eq(err.kind, ERR_TIMEOUT);
    cr_expect(strncmp(err.detail, "Step: no reply of ", 18) == 0, "%s", err.detail);
    close_both(&both);
}

Test(rpc, nobody_at_the_door_is_unavailable_and_a_late_server_is_found)
{
    struct arena arena;
    struct err err;
    Mailrail__AuthStepReply *reply;
    arena_init(&arena, 1 << 20);
    struct rpc_client *client = connect_client();
    cr_assert_not(call(client, "PLAIN", STR(""), 50, &arena, &reply, &err));
    cr_assert_eq(err.kind, ERR_UNAVAILABLE, "%s", err.detail);
    cr_assert_not(rpc_client_is_connected(client));
    struct rpc_server *server = serve(1);
    cr_assert(call(client, "PLAIN", STR("y"), 5000, &arena, &reply, &err), "%s", err.detail);
    rpc_client_free(client);
    rpc_server_free(server, 1000);
    arena_release(&arena);
}

static void *call_slowly(void *client)
{
    struct arena arena;
    struct err err;
    Mailrail__AuthStepReply *reply;
    arena_init(&arena, 1 << 20);
    cr_assert(call(client, "SLOW", STR("x"), 5000, &arena, &reply, &err), "%s", err.detail);
    arena_release(&arena);
    return NULL;
}

Test(rpc, a_call_that_outlives_the_grace_keeps_its_server)
{
    pthread_t caller;
    struct rpc_server *server = serve(2);
    struct rpc_client *client = connect_client();
    slow_calls = 0;
    cr_assert_eq(pthread_create(&caller, NULL, call_slowly, client), 0);
    while (slow_calls == 0)
        usleep(1000);
    int64_t began = clock_monotonic_ms();
    cr_assert_not(rpc_server_free(server, 50));
    cr_assert(clock_monotonic_ms() - began < SLOW_MS);
    pthread_join(caller, NULL); /* it has its answer */
    cr_assert(rpc_server_free(server, 1000));
    rpc_client_free(client);
}

Test(rpc, a_handler_without_a_reply_message_is_a_failure_not_a_crash)
{
    struct err err;
    ProtobufCMessage *reply;
    struct both both = open_both(1);
    struct rpc_context context = rpc_context_ms(1, 5000);
    Mailrail__AuthRenewRequest request = MAILRAIL__AUTH_RENEW_REQUEST__INIT;
    cr_assert_not(
        rpc_call(both.client, &context, "Renew", &request.base, &both.arena, &reply, &err));
    cr_assert_eq(err.kind, ERR_LIMIT);
    close_both(&both);
}

static void *caller(void *client)
{
    for (int i = 0; i < 100; i++) {
        struct arena arena;
        struct err err;
        Mailrail__AuthStepReply *reply;
        char text[32];
        arena_init(&arena, 1 << 20);
        snprintf(text, sizeof(text), "%d", i);
        cr_assert(call(client, "PLAIN", str_from_cstr(text), 5000, &arena, &reply, &err), "%s",
                  err.detail);
        cr_assert(
            str_eq(str_make(reply->challenge.data, reply->challenge.len), str_from_cstr(text)));
        arena_release(&arena);
    }
    return NULL;
}

Test(rpc, many_threads_share_one_client_and_each_gets_its_own_reply)
{
    pthread_t threads[8];
    struct rpc_server *server = serve(4);
    struct rpc_client *client = connect_client();
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_create(&threads[i], NULL, caller, client);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    rpc_client_free(client);
    rpc_server_free(server, 1000);
}

Test(rpc, the_socket_of_a_door_is_private_and_a_second_server_is_refused)
{
    struct err err;
    struct stat st;
    struct rpc_server *server = serve(1);
    cr_assert_eq(stat(url + strlen("ipc://"), &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600);
    struct rpc_door door = {.at = {url, NULL}, .service = &service.base, .workers = 1};
    cr_assert_null(rpc_server_new(&door, &err));
    cr_assert_eq(err.kind, ERR_CONFLICT, "%s", err.detail);
    cr_assert(strstr(err.detail, url), "%s", err.detail);
    rpc_server_free(server, 1000);
}

static struct sockaddr_un address_of_door(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", url + strlen("ipc://"));
    return address;
}

static int raw_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0);
    return fd;
}

Test(rpc, visitors_who_leave_at_once_do_not_shut_the_door)
{
    struct arena arena;
    struct err err;
    Mailrail__AuthStepReply *reply;
    struct sockaddr_un address = address_of_door();
    arena_init(&arena, 1 << 20);
    struct rpc_server *server = serve(1);
    for (int i = 0; i < 200; i++) {
        int fd = raw_socket();
        cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        close(fd);
        usleep(100);
    }
    struct rpc_client *client = connect_client();
    cr_assert(call(client, "PLAIN", STR("x"), 5000, &arena, &reply, &err), "%s", err.detail);
    rpc_client_free(client);
    rpc_server_free(server, 1000);
    arena_release(&arena);
}

/* Shuts the door in the face of whoever comes, for `ms`: as a service does that is being killed. */
static void *turn_away(void *ms)
{
    struct sockaddr_un address = address_of_door();
    int listener = raw_socket();
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(listener, 64), 0);
    struct timeval soon = {.tv_usec = 10000};
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
    int64_t until = clock_monotonic_ms() + *(int *)ms;
    while (clock_monotonic_ms() < until) {
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0)
            close(fd);
    }
    unlink(address.sun_path);
    close(listener);
    return NULL;
}

Test(rpc, a_client_that_was_turned_away_comes_back)
{
    struct rpc_client *clients[40];
    struct arena arena;
    struct err err;
    Mailrail__AuthStepReply *reply;
    pthread_t doorman;
    int ms = 600;
    arena_init(&arena, 1 << 20);
    cr_assert_eq(pthread_create(&doorman, NULL, turn_away, &ms), 0);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        clients[i] = connect_client();
    pthread_join(doorman, NULL);
    struct rpc_server *server = serve(1);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        cr_assert(call(clients[i], "PLAIN", STR("x"), 4000, &arena, &reply, &err), "client %zu: %s",
                  i, err.detail);
        rpc_client_free(clients[i]);
    }
    rpc_server_free(server, 1000);
    arena_release(&arena);
}

Test(rpc, envelopes_survive_coding_and_garbage_is_refused)
{
    struct arena arena;
    struct err err;
    struct rpc_request out, in = {.service = STR("mailrail.Auth"),
                                  .method = STR("Step"),
                                  .payload = STR("\0\1\2"),
                                  .cid = 99,
                                  .timeout_ms = 1000};
    arena_init(&arena, 4096);
    struct str bytes = rpc_request_encode(&in, &arena);
    cr_assert(rpc_request_decode(bytes, &arena, &out, &err));
    cr_assert(str_eq(in.service, out.service) && str_eq(in.method, out.method));
    cr_assert(str_eq(in.payload, out.payload) && out.cid == 99 && out.timeout_ms == 1000);
    cr_assert_not(rpc_request_decode(STR("\xff\xff\xff"), &arena, &out, &err));
    cr_assert_eq(err.kind, ERR_SYNTAX);
    arena_release(&arena);
}
