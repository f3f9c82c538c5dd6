#include "common/base/clock.h"
#include "common/base/openssl.h"
#include "common/bus/events.h"
#include "common/bus/rpc.h"
#include "tests/unit/common/bus/auth_service.h"
#include "proto/events.pb-c.h"
#include "tests/unit/support/relay.h"
#include "tests/unit/support/remove_tree.h"

#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Doors with certificates, and who comes to them. */

static char directory[] = "/tmp/bus-tls-XXXXXX";
static char url[64];
static int port;
static struct arena identities;

static void run(const char *format, const char *a, const char *b, const char *c)
{
    char command[1024];
    snprintf(command, sizeof(command), format, a, b, c);
    cr_assert_eq(system(command), 0, "%s", command);
}

static void make_authority(const char *name)
{
    run("cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        " -subj /CN=authority -keyout %s.key -out %s.pem 2>/dev/null",
        directory, name, name);
}

/* A certificate for `service`, signed by `authority`; its files are AUTHORITY-SERVICE.pem, .key. */
static void make_certificate(const char *authority, const char *service)
{
    char names[256];
    snprintf(names, sizeof(names), "-CA %s.pem -CAkey %s.key -keyout %s-%s.key -out %s-%s.pem",
             authority, authority, authority, service, authority, service);
    run("cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 %s"
        " -subj /CN=any -addext subjectAltName=DNS:%s 2>/dev/null",
        directory, names, service);
}

static void setup(void)
{
    arena_init(&identities, 1 << 20);
    signal(SIGPIPE, SIG_IGN); /* as service_main does */
    cr_assert(mkdtemp(directory));
    make_authority("ours");
    make_authority("foreign");
    make_certificate("ours", "store");
    make_certificate("ours", "imap");
    make_certificate("ours", "smtp-in");
    make_certificate("foreign", "imap");
    make_certificate("foreign", "store");
    port = relay_free_port();
    snprintf(url, sizeof(url), "tls+tcp://127.0.0.1:%d", port);
}

static void teardown(void)
{
    remove_tree(directory);
    arena_release(&identities);
}

TestSuite(bus_tls, .init = setup, .fini = teardown);

/* ---- A door for imap, opened by store */

static const char *const knockers[] = {"imap", "submission", NULL};
static const char *const opener[] = {"store", NULL};

/* What `service` shows with a certificate of `authority`. */
static const struct bus_tls *identity(const char *authority, const char *service,
                                      const char *const *peers)
{
    struct bus_tls *tls = arena_new(&identities, struct bus_tls);
    struct str base = arena_printf(&identities, "%s/%s-%s", directory, authority, service);
    *tls = (struct bus_tls){
        .ca = arena_cstr(&identities, arena_printf(&identities, "%s/ours.pem", directory)),
        .certificate =
            arena_cstr(&identities, arena_printf(&identities, "%.*s.pem", STR_ARG(base))),
        .key = arena_cstr(&identities, arena_printf(&identities, "%.*s.key", STR_ARG(base))),
        .name = service,
        .peers = peers,
    };
    return tls;
}

static void step(Mailrail__Auth_Service *service, const Mailrail__AuthStepRequest *request,
                 Mailrail__AuthStepReply_Closure closure, void *closure_data)
{
    (void)service;
    Mailrail__AuthStepReply reply = MAILRAIL__AUTH_STEP_REPLY__INIT;
    reply.challenge = request->response;
    closure(&reply, closure_data);
}

static Mailrail__Auth_Service echo = MAILRAIL__AUTH__INIT();

static struct rpc_server *serve_as(const char *authority, const char *name)
{
    struct err err;
    struct rpc_door door = {
        .at = {url, identity(authority, name, knockers)}, .service = &echo.base, .workers = 2};
    struct rpc_server *server = rpc_server_new(&door, &err);
    cr_assert(server, "%s", err.detail);
    return server;
}

static struct rpc_client *come_as(const char *at, const char *authority, const char *name)
{
    struct err err;
    struct rpc_client *client =
        rpc_client_new((struct bus_address){at, identity(authority, name, opener)},
                       &mailrail__auth__descriptor, &err);
    cr_assert(client, "%s", err.detail);
    return client;
}

static bool call(struct rpc_client *client, struct str sent, int64_t timeout_ms, struct err *err)
{
    struct arena arena;
    ProtobufCMessage *reply = NULL;
    struct rpc_context context = rpc_context_ms(1, timeout_ms);
    Mailrail__AuthStepRequest request = MAILRAIL__AUTH_STEP_REQUEST__INIT;
    request.mechanism = (char *)"PLAIN";
    request.response = (ProtobufCBinaryData){sent.len, (uint8_t *)sent.ptr};
    arena_init(&arena, 64 << 20);
    bool ok = rpc_call(client, &context, "Step", &request.base, &arena, &reply, err);
    if (ok) {
        const ProtobufCBinaryData *got = &((Mailrail__AuthStepReply *)reply)->challenge;
        cr_assert(str_eq(str_make(got->data, got->len), sent));
    }
    arena_release(&arena);
    return ok;
}

/* The door still serves who may come. */
static void assert_serves(const char *after)
{
    struct err err;
    struct rpc_client *client = come_as(url, "ours", "imap");
    cr_assert(call(client, STR("x"), 5000, &err), "after %s: %s", after, err.detail);
    rpc_client_free(client);
}

Test(bus_tls, whoever_may_knock_is_served_with_small_and_large_messages)
{
    static char large[3 << 20];
    struct err err;
    memset(large, 'x', sizeof(large));
    struct rpc_server *server = serve_as("ours", "store");
    struct rpc_client *client = come_as(url, "ours", "imap");
    for (int i = 0; i < 50; i++)
        cr_assert(call(client, STR("small"), 5000, &err), "%s", err.detail);
    cr_assert(call(client, str_make(large, sizeof(large)), 20000, &err), "%s", err.detail);
    cr_assert(call(client, STR("small"), 5000, &err), "%s", err.detail);
    rpc_client_free(client);
    rpc_server_free(server, 1000);
}

Test(bus_tls, others_are_refused_and_the_door_stays_open)
{
    char plain[64];
    snprintf(plain, sizeof(plain), "tcp://127.0.0.1:%d", port);
    const struct {
        const char *who, *url, *authority, *name;
    } visitors[] = {
        {"the right authority and a wrong service", url, "ours", "smtp-in"},
        {"the right name by a foreign authority", url, "foreign", "imap"},
        {"no TLS", plain, "ours", "imap"},
    };
    struct rpc_server *server = serve_as("ours", "store");
    for (size_t i = 0; i < ARRAY_LEN(visitors); i++) {
        struct err err;
        struct rpc_client *client =
            come_as(visitors[i].url, visitors[i].authority, visitors[i].name);
        cr_assert_not(call(client, STR("x"), 700, &err), "%s", visitors[i].who);
        cr_assert_eq(err.kind, ERR_UNAVAILABLE, "%s: %s", visitors[i].who, err.detail);
        assert_serves(visitors[i].who);
        rpc_client_free(client);
    }
    rpc_server_free(server, 1000);
}

Test(bus_tls, a_door_that_somebody_else_opened_is_not_entered)
{
    const struct {
        const char *authority, *name;
    } impostors[] = {{"ours", "smtp-in"}, {"foreign", "store"}};
    for (size_t i = 0; i < ARRAY_LEN(impostors); i++) {
        struct err err;
        struct rpc_server *server = serve_as(impostors[i].authority, impostors[i].name);
        struct rpc_client *client = come_as(url, "ours", "imap");
        cr_assert_not(call(client, STR("x"), 700, &err), "%s", impostors[i].name);
        cr_assert_not(rpc_client_is_connected(client));
        rpc_client_free(client);
        rpc_server_free(server, 1000);
    }
}

/* ---- Visitors who do not speak nng */

static int connect_raw(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval patience = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

/* TLS with the certificate of `service`, or with none; leaves as soon as it stands. */
static void shake_hands_and_leave(const char *service)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (service) {
        const struct bus_tls *tls = identity("ours", service, opener);
        cr_assert_eq(SSL_CTX_use_certificate_chain_file(context, tls->certificate), 1);
        cr_assert_eq(SSL_CTX_use_PrivateKey_file(context, tls->key, SSL_FILETYPE_PEM), 1);
    }
    int fd = connect_raw();
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    cr_assert_eq(SSL_connect(ssl), 1); /* in TLS 1.3 a client learns later that it is refused */
    struct linger at_once = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
    SSL_free(ssl);
    SSL_CTX_free(context);
}

static void say(const char *text)
{
    int fd = connect_raw();
    cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    close(fd);
}

Test(bus_tls, visitors_who_leave_at_any_moment_do_not_shut_the_door, .timeout = 120)
{
    struct rpc_server *server = serve_as("ours", "store");
    for (int i = 0; i < 100; i++) {
        close(connect_raw());
        say("GET / HTTP/1.0\r\n\r\n");
        say("\x16\x03\x01");
        shake_hands_and_leave(NULL);
        shake_hands_and_leave("smtp-in");
        shake_hands_and_leave("imap");
    }
    assert_serves("600 visitors who left");
    rpc_server_free(server, 1000);
}

Test(bus_tls, a_client_without_certificate_gets_nothing)
{
    struct rpc_server *server = serve_as("ours", "store");
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    int fd = connect_raw();
    SSL *ssl = SSL_new(context);
    char byte;
    SSL_set_fd(ssl, fd);
    cr_assert(SSL_connect(ssl) != 1 || SSL_read(ssl, &byte, 1) <= 0);
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(fd);
    assert_serves("a visitor without certificate");
    rpc_server_free(server, 1000);
}

/* TLS with a certificate that is let in, and then `text` and no more. Takes `fd`. */
static SSL *come_in_and_say(int fd, struct str text)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    const struct bus_tls *tls = identity("ours", "imap", opener);
    cr_assert_eq(SSL_CTX_use_certificate_chain_file(context, tls->certificate), 1);
    cr_assert_eq(SSL_CTX_use_PrivateKey_file(context, tls->key, SSL_FILETYPE_PEM), 1);
    SSL *ssl = SSL_new(context);
    SSL_CTX_free(context);
    SSL_set_fd(ssl, fd);
    cr_assert_eq(SSL_connect(ssl), 1);
    if (text.len > 0)
        cr_assert_eq(SSL_write(ssl, text.ptr, (int)text.len), (int)text.len);
    return ssl;
}

static bool is_sent_away(int fd, int64_t until_ms)
{
    char bytes[1024];
    while (clock_monotonic_ms() < until_ms) {
        ssize_t len = recv(fd, bytes, sizeof(bytes), 0); /* for some seconds, see connect_raw */
        if (len == 0 || (len < 0 && errno == ECONNRESET))
            return true;
    }
    return false;
}

Test(bus_tls, visitors_who_do_not_greet_are_sent_away)
{
    const char *const says[] = {"nothing", "the beginning of TLS", "nothing within TLS",
                                "the beginning of a greeting"};
    int fds[ARRAY_LEN(says)];
    struct rpc_server *server = serve_as("ours", "store");
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = connect_raw();
    cr_assert_eq(send(fds[1], "\x16\x03\x01", 3, MSG_NOSIGNAL), 3);
    SSL *in[] = {come_in_and_say(fds[2], STR("")), come_in_and_say(fds[3], STR("\0SP"))};
    int64_t until_ms = clock_monotonic_ms() + 12000;
    assert_serves("they came");
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        cr_assert(is_sent_away(fds[i], until_ms), "who says %s is still there", says[i]);
    assert_serves("they went");
    for (size_t i = 0; i < ARRAY_LEN(in); i++)
        SSL_free(in[i]);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    rpc_server_free(server, 1000);
}

/* Restarts, as in an upgrade: the clients come back. */
Test(bus_tls, clients_find_a_door_that_was_opened_again, .timeout = 120)
{
    struct rpc_client *clients[8];
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        clients[i] = come_as(url, "ours", "imap");
    for (int round = 0; round < 20; round++) {
        struct rpc_server *server = serve_as("ours", "store");
        for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
            bool ok = call(clients[i], STR("x"), 6000, &err);
            cr_assert(ok || err.kind == ERR_TIMEOUT, "%s", err.detail);
        }
        rpc_server_free(server, 1000);
    }
    struct rpc_server *server = serve_as("ours", "store");
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        if (!call(clients[i], STR("x"), 6000, &err))
            cr_assert(call(clients[i], STR("x"), 6000, &err), "client %zu: %s", i, err.detail);
        rpc_client_free(clients[i]);
    }
    rpc_server_free(server, 1000);
}

/* ---- Events */

static atomic_uint events;

static void count_event(void *user, struct str topic, struct str payload)
{
    (void)user;
    (void)topic;
    (void)payload;
    events++;
}

static const struct event_handler handler = {.event = count_event};

static struct event_subscriber *subscribe_as(const char *authority, const char *name)
{
    struct err err;
    struct event_subscriber *s = event_subscriber_new(
        (struct bus_address){url, identity(authority, name, opener)}, &handler, &err);
    cr_assert(s, "%s", err.detail);
    event_subscribe(s, "account/");
    return s;
}

static unsigned publish_for(struct event_publisher *p, int64_t ms)
{
    Mailrail__AccountChanged m = MAILRAIL__ACCOUNT_CHANGED__INIT;
    events = 0;
    for (int64_t until = clock_monotonic_ms() + ms; clock_monotonic_ms() < until && events == 0;) {
        event_publish(p, "account/1/", &m.base);
        usleep(10000);
    }
    return events;
}

Test(bus_tls, events_are_for_those_who_may_hear_them)
{
    struct err err;
    struct event_publisher *p = event_publisher_new(
        (struct bus_address){url, identity("ours", "store", knockers)}, 0, &err);
    cr_assert(p, "%s", err.detail);
    struct event_subscriber *wrong = subscribe_as("ours", "smtp-in");
    struct event_subscriber *foreign = subscribe_as("foreign", "imap");
    cr_assert_eq(publish_for(p, 800), 0);
    struct event_subscriber *right = subscribe_as("ours", "imap");
    cr_assert_gt(publish_for(p, 5000), 0);
    event_subscriber_free(wrong);
    event_subscriber_free(foreign);
    event_subscriber_free(right);
    event_publisher_free(p);
}

/* ---- Certificates that cannot be used */

static void assert_unusable(struct bus_address at, const char *why)
{
    struct err err;
    cr_assert_null(rpc_client_new(at, &mailrail__auth__descriptor, &err), "%s", why);
    cr_assert(strstr(err.detail, why), "\"%s\" lacks \"%s\"", err.detail, why);
}

Test(bus_tls, unusable_certificates_are_named)
{
    struct bus_tls good = *identity("ours", "imap", opener), tls = good;
    char path[160], garbage[160];
    assert_unusable(bus_at(url), "needs certificates");
    snprintf(path, sizeof(path), "%s/missing.pem", directory);
    tls.ca = path;
    assert_unusable((struct bus_address){url, &tls}, "missing.pem: No such file");
    snprintf(garbage, sizeof(garbage), "%s/garbage.pem", directory);
    run("echo garbage > %s%s%s", garbage, "", "");
    tls.ca = garbage;
    assert_unusable((struct bus_address){url, &tls}, "garbage.pem: no certificate in PEM form");
    tls = good;
    tls.certificate = garbage;
    assert_unusable((struct bus_address){url, &tls}, "garbage.pem: no certificate in PEM form");
    tls = good;
    tls.key = identity("ours", "store", opener)->key;
    assert_unusable((struct bus_address){url, &tls}, "ours-store.key: no key in PEM form for");
    tls = good;
    tls.name = "store";
    assert_unusable((struct bus_address){url, &tls}, "ours-imap.pem: is not for the service store");
}
