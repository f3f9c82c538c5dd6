#include "services/queue-deliverer/client.h"

#include "common/base/clock.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * A server that follows a script, one connection a line set:
 *
 *     "S:220 hi"     sends a line, byte by byte
 *     "C:MAIL FROM"  reads a line that must begin so
 *     "D:"           reads message data up to the lone dot, into `data`
 *     "E:"           reads message data that ends with the connection, without the dot
 *     "X:"           closes and waits for the next connection
 */
struct server {
    const char *const *script;
    int listener;
    uint16_t port;
    pthread_t thread;
    char data[4096]; /* as it came, dots stuffed */
    char commands[4096];
    char failure[512];
};

static void send_bytewise(int fd, const char *line)
{
    char text[2048];
    snprintf(text, sizeof(text), "%s\r\n", line);
    for (const char *at = text; *at; at++)
        if (send(fd, at, 1, MSG_NOSIGNAL) != 1)
            return;
}

static bool read_data(FILE *in, struct server *s)
{
    char line[2048];
    while (fgets(line, sizeof(line), in)) {
        if (strcmp(line, ".\r\n") == 0)
            return true;
        strncat(s->data, line, sizeof(s->data) - strlen(s->data) - 1);
    }
    return false;
}

static bool follow(struct server *s, const char *step, int fd, FILE *in)
{
    char line[2048] = "";
    if (step[0] == 'S') {
        send_bytewise(fd, step + 2);
        return true;
    }
    if (step[0] == 'D')
        return read_data(in, s);
    if (step[0] == 'E' && !read_data(in, s))
        return true;
    if (!fgets(line, sizeof(line), in) || strncmp(line, step + 2, strlen(step + 2)) != 0) {
        snprintf(s->failure, sizeof(s->failure), "wanted \"%s\", got \"%.200s\"", step + 2, line);
        return false;
    }
    strncat(s->commands, line, sizeof(s->commands) - strlen(s->commands) - 1);
    return true;
}

static void *serve(void *arg)
{
    struct server *s = arg;
    const char *const *step = s->script;
    while (*step) {
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0)
            break;
        FILE *in = fdopen(dup(fd), "r");
        for (; *step && (*step)[0] != 'X'; step++)
            if (!follow(s, *step, fd, in))
                break;
        fclose(in);
        close(fd);
        if (*step && (*step)[0] != 'X')
            break;
        step += *step != NULL;
    }
    return NULL;
}

static void start_server(struct server *s, const char *const *script)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    *s = (struct server){.script = script};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(bind(s->listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    cr_assert(listen(s->listener, 4) == 0);
    cr_assert(getsockname(s->listener, (struct sockaddr *)&address, &size) == 0);
    s->port = ntohs(address.sin_port);
    cr_assert(pthread_create(&s->thread, NULL, serve, s) == 0);
}

static void stop_server(struct server *s, const char *row)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    cr_expect(s->failure[0] == '\0', "%s: %s", row, s->failure);
}

static bool connect_to(struct server *s, struct client **client, struct client_failure *failure)
{
    static struct log *log;
    if (!log)
        log = log_new(2, LOG_ERROR);
    struct log_ctx ctx = log_root(log, "test");
    struct client_target target = {
        .host = STR("mx.far.example"),
        .port = s->port,
        .hostname = STR("mail.home.example"),
        .connect_by_ms = clock_monotonic_ms() + 5000,
        .answer_ms = 2000,
    };
    cr_assert(ip_parse(STR("127.0.0.1"), &target.ip));
    return client_open(&target, &ctx, client, failure);
}

#define HELLO                                                                                      \
    "S:220 mx.far.example hi", "C:EHLO mail.home.example\r\n", "S:250-mx.far.example",             \
        "S:250-8BITMIME", "S:250-SIZE 10000", "S:250-SMTPUTF8"
#define PIPELINED HELLO, "S:250 PIPELINING"
#define STEPWISE HELLO, "S:250 HELP"

static const struct address recipients[] = {
    {STR_INIT("ann"), STR_INIT("far.example")},
    {STR_INIT("bob"), STR_INIT("far.example")},
    {STR_INIT("c d"), STR_INIT("far.example")},
};

static struct letter make_letter(size_t count)
{
    return (struct letter){
        .mail_from = {STR("me"), STR("home.example")},
        .recipients = recipients,
        .recipient_count = count,
        .prefix = STR("Received: here\r\n"),
        .file = STR("Subject: x\r\n\r\n.dot\r\ntext\r\n..\r\n"),
        .has_8bit = true,
    };
}

struct row {
    const char *name;
    const char *script[40];
    size_t recipients;
    struct {
        enum verdict_kind kind;
        unsigned code;
        const char *status;
    } wanted[3];
    bool usable; /* afterwards */
};

/* Spec 10 C19. */
static const struct row rows[] = {
    {"one recipient, pipelined",
     {PIPELINED, "C:MAIL FROM:<me@home.example> SIZE=46 BODY=8BITMIME\r\n",
      "C:RCPT TO:<ann@far.example>\r\n", "C:DATA\r\n", "S:250 ok", "S:250 ok", "S:354 go",
      "D:", "S:250 2.0.0 queued", "C:QUIT", "S:221 bye"},
     1,
     {{VERDICT_DELIVERED, 250, "2.0.0"}},
     true},
    {"without pipelining",
     {STEPWISE, "C:MAIL FROM", "S:250 ok", "C:RCPT TO", "S:250 ok", "C:DATA", "S:354 go",
      "D:", "S:250 queued", "C:QUIT", "S:221 bye"},
     1,
     {{VERDICT_DELIVERED, 250, "2.0.0"}},
     true},
    {"251 is success too",
     {STEPWISE, "C:MAIL FROM", "S:250 ok", "C:RCPT TO", "S:251 forwarding", "C:DATA", "S:354 go",
      "D:", "S:250 queued", "C:QUIT", "S:221 bye"},
     1,
     {{VERDICT_DELIVERED, 250, "2.0.0"}},
     true},
    {"MAIL refused and closed on pipelined input: the refusal stands",
     {PIPELINED, "C:MAIL FROM", "S:550 5.7.1 go away"},
     2,
     {{VERDICT_PERMANENT, 550, "5.7.1"}, {VERDICT_PERMANENT, 550, "5.7.1"}},
     false},
    {"MAIL refused for now",
     {PIPELINED, "C:MAIL FROM", "C:RCPT TO", "C:DATA", "S:451 4.7.1 greylisted", "S:503 no",
      "S:503 no", "C:QUIT", "S:221 bye"},
     1,
     {{VERDICT_TEMPORARY, 451, "4.7.1"}},
     true},
    {"recipients mixed",
     {PIPELINED, "C:MAIL FROM", "C:RCPT TO:<ann", "C:RCPT TO:<bob", "C:RCPT TO:<\"c d\"", "C:DATA",
      "S:250 ok", "S:550 5.1.1 no ann", "S:250 ok", "S:450 4.2.1 busy", "S:354 go",
      "D:", "S:250 queued", "C:QUIT", "S:221 bye"},
     3,
     {{VERDICT_PERMANENT, 550, "5.1.1"},
      {VERDICT_DELIVERED, 250, "2.0.0"},
      {VERDICT_TEMPORARY, 450, "4.2.1"}},
     true},
    {"all recipients refused, then closed",
     {PIPELINED, "C:MAIL FROM", "C:RCPT TO", "C:RCPT TO", "C:DATA", "S:250 ok", "S:550 5.1.1 no",
      "S:553 5.1.3 no"},
     2,
     {{VERDICT_PERMANENT, 550, "5.1.1"}, {VERDICT_PERMANENT, 553, "5.1.3"}},
     false},
    {"DATA accepted without recipients gets a lone dot",
     {PIPELINED, "C:MAIL FROM", "C:RCPT TO", "C:DATA", "S:250 ok", "S:550 5.1.1 no", "S:354 go",
      "C:.\r\n", "S:554 nobody", "C:QUIT", "S:221 bye"},
     1,
     {{VERDICT_PERMANENT, 550, "5.1.1"}},
     true},
    {"552 on a later recipient means another transaction",
     {PIPELINED,        "C:MAIL FROM", "C:RCPT TO:<ann", "C:RCPT TO:<bob",
      "C:DATA",         "S:250 ok",    "S:250 ok",       "S:552 too many",
      "S:354 go",       "D:",          "S:250 first",    "C:MAIL FROM",
      "C:RCPT TO:<bob", "C:DATA",      "S:250 ok",       "S:250 ok",
      "S:354 go",       "D:",          "S:250 second",   "C:QUIT",
      "S:221 bye"},
     2,
     {{VERDICT_DELIVERED, 250, "2.0.0"}, {VERDICT_DELIVERED, 250, "2.0.0"}},
     true},
    {"552 on the only recipient is temporary",
     {PIPELINED, "C:MAIL FROM", "C:RCPT TO", "C:DATA", "S:250 ok", "S:552 5.2.2 full", "S:503 no",
      "C:QUIT", "S:221 bye"},
     1,
     {{VERDICT_TEMPORARY, 552, "4.0.0"}},
     true},
    {"RFC 9422 RCPTMAX=1: one connection, two transactions",
     {HELLO,
      "S:250-LIMITS MAILMAX=5 RCPTMAX=1",
      "S:250 PIPELINING",
      "C:MAIL FROM",
      "C:RCPT TO:<ann",
      "C:DATA",
      "S:250 ok",
      "S:250 ok",
      "S:354 go",
      "D:",
      "S:250 first",
      "C:MAIL FROM",
      "C:RCPT TO:<bob",
      "C:DATA",
      "S:250 ok",
      "S:250 ok",
      "S:354 go",
      "D:",
      "S:250 second",
      "C:QUIT",
      "S:221 bye"},
     2,
     {{VERDICT_DELIVERED, 250, "2.0.0"}, {VERDICT_DELIVERED, 250, "2.0.0"}},
     true},
    {"a broken LIMITS counts for nothing",
     {HELLO, "S:250-LIMITS RCPTMAX=1 RCPTMAX=2", "S:250 PIPELINING", "C:MAIL FROM", "C:RCPT TO",
      "C:RCPT TO", "C:DATA", "S:250 ok", "S:250 ok", "S:250 ok", "S:354 go", "D:", "S:250 both",
      "C:QUIT", "S:221 bye"},
     2,
     {{VERDICT_DELIVERED, 250, "2.0.0"}, {VERDICT_DELIVERED, 250, "2.0.0"}},
     true},
    {"the message is refused",
     {STEPWISE, "C:MAIL FROM", "S:250 ok", "C:RCPT TO", "S:250 ok", "C:DATA", "S:354 go",
      "D:", "S:554 5.6.0 spam", "C:QUIT", "S:221 bye"},
     1,
     {{VERDICT_PERMANENT, 554, "5.6.0"}},
     true},
    {"closed after the message",
     {STEPWISE, "C:MAIL FROM", "S:250 ok", "C:RCPT TO", "S:250 ok", "C:DATA", "S:354 go", "D:"},
     1,
     {{VERDICT_TEMPORARY, 0, "4.0.0"}},
     false},
    {"codes that disagree are no SMTP",
     {STEPWISE, "C:MAIL FROM", "S:250-a", "S:500 b"},
     1,
     {{VERDICT_TEMPORARY, 0, "4.0.0"}},
     false},
    {"421 ends the session",
     {STEPWISE, "C:MAIL FROM", "S:421 4.3.2 closing"},
     1,
     {{VERDICT_TEMPORARY, 421, "4.3.2"}},
     false},
};

static void check_row(const struct row *row)
{
    struct server server;
    struct client *client;
    struct client_failure failure;
    struct verdict verdicts[3] = {0};
    struct letter letter = make_letter(row->recipients);
    start_server(&server, row->script);
    cr_assert(connect_to(&server, &client, &failure), "%s: %s", row->name, failure.verdict.text);
    client_send(client, &letter, verdicts);
    for (size_t i = 0; i < row->recipients; i++) {
        const struct verdict *v = &verdicts[i];
        cr_expect_eq(v->kind, row->wanted[i].kind, "%s: recipient %zu: %d %s", row->name, i,
                     (int)v->kind, v->text);
        cr_expect_eq(v->code, row->wanted[i].code, "%s: recipient %zu: %u", row->name, i, v->code);
        cr_expect_str_eq(verdict_status(v).text, row->wanted[i].status, "%s: recipient %zu",
                         row->name, i);
    }
    cr_expect_eq(client_is_usable(client), row->usable, "%s", row->name);
    client_close(client);
    stop_server(&server, row->name);
}

Test(client, transactions)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_row(&rows[i]);
}

/* ---- The point of no return */

struct gatekeeper {
    unsigned commits_allowed;
    char events[64];
};

static void note(struct gatekeeper *g, char event, const size_t *indexes, size_t count)
{
    size_t len = strlen(g->events);
    g->events[len++] = event;
    for (size_t i = 0; i < count; i++)
        g->events[len++] = (char)('0' + indexes[i]);
}

static bool on_commit(void *user, const size_t *indexes, size_t count)
{
    struct gatekeeper *g = user;
    bool ok = g->commits_allowed > 0;
    note(g, ok ? 'c' : 'x', indexes, count);
    g->commits_allowed -= ok;
    return ok;
}

static void on_answered(void *user, const size_t *indexes, size_t count, bool taken)
{
    note(user, taken ? 't' : 'r', indexes, count);
}

Test(client, the_end_of_a_message_needs_a_commitment)
{
    static const struct {
        const char *name;
        const char *script[32];
        unsigned commits_allowed;
        const char *events;
        bool usable;
    } gates[] = {
        {"for those that were accepted",
         {PIPELINED, "C:MAIL FROM", "C:RCPT TO", "C:RCPT TO", "C:RCPT TO", "C:DATA", "S:250 ok",
          "S:250 ok", "S:550 no", "S:250 ok", "S:354 go", "D:", "S:250 queued", "C:QUIT", "S:221"},
         1,
         "c02t02",
         true},
        {"refused",
         {PIPELINED, "C:MAIL FROM", "C:RCPT TO", "C:RCPT TO", "C:RCPT TO", "C:DATA", "S:250 ok",
          "S:550 no", "S:250 ok", "S:550 no", "S:354 go", "D:", "S:554 spam", "C:QUIT", "S:221"},
         1,
         "c1r1",
         true},
        {"no answer",
         {PIPELINED, "C:MAIL FROM", "C:RCPT TO", "C:RCPT TO", "C:RCPT TO", "C:DATA", "S:250 ok",
          "S:250 ok", "S:550 no", "S:550 no", "S:354 go", "D:"},
         1,
         "c0",
         false},
        {"not given: the message has no end, and the session another one than QUIT",
         {PIPELINED, "C:MAIL FROM", "C:RCPT TO", "C:RCPT TO", "C:RCPT TO", "C:DATA", "S:250 ok",
          "S:250 ok", "S:550 no", "S:550 no", "S:354 go", "E:"},
         0,
         "x0",
         false},
        {"each transaction has its own",
         {HELLO,
          "S:250-LIMITS RCPTMAX=2",
          "S:250 PIPELINING",
          "C:MAIL FROM",
          "C:RCPT TO:<ann",
          "C:RCPT TO:<bob",
          "C:DATA",
          "S:250 ok",
          "S:250 ok",
          "S:250 ok",
          "S:354 go",
          "D:",
          "S:250 first",
          "C:MAIL FROM",
          "C:RCPT TO:<\"c d\"",
          "C:DATA",
          "S:250 ok",
          "S:250 ok",
          "S:354 go",
          "E:"},
         1,
         "c01t01x2",
         false},
    };
    for (size_t i = 0; i < ARRAY_LEN(gates); i++) {
        struct server server;
        struct client *client;
        struct client_failure failure;
        struct verdict verdicts[3] = {0};
        struct letter letter = make_letter(3);
        struct gatekeeper keeper = {.commits_allowed = gates[i].commits_allowed};
        letter.gate = (struct letter_gate){on_commit, on_answered, &keeper};
        start_server(&server, gates[i].script);
        cr_assert(connect_to(&server, &client, &failure), "%s", gates[i].name);
        client_send(client, &letter, verdicts);
        cr_expect_str_eq(keeper.events, gates[i].events, "%s", gates[i].name);
        cr_expect_eq(client_is_usable(client), gates[i].usable, "%s", gates[i].name);
        client_close(client);
        stop_server(&server, gates[i].name);
    }
}

Test(client, the_message_arrives_with_its_dots_stuffed)
{
    static const char *const script[] = {
        STEPWISE,   "C:MAIL FROM", "S:250 ok",     "C:RCPT TO", "S:250 ok",  "C:DATA",
        "S:354 go", "D:",          "S:250 queued", "C:QUIT",    "S:221 bye", NULL};
    struct server server;
    struct client *client;
    struct client_failure failure;
    struct verdict verdict = {0};
    struct letter letter = make_letter(1);
    start_server(&server, script);
    cr_assert(connect_to(&server, &client, &failure));
    client_send(client, &letter, &verdict);
    client_close(client);
    stop_server(&server, "dots");
    cr_expect_str_eq(server.data, "Received: here\r\nSubject: x\r\n\r\n..dot\r\ntext\r\n...\r\n");
}

Test(client, a_second_message_uses_the_connection_after_rset)
{
    static const char *const script[] = {
        STEPWISE,    "C:MAIL FROM", "S:250 ok", "C:RCPT TO",   "S:550 5.1.1 no", "C:RSET",
        "S:250 ok",  "C:MAIL FROM", "S:250 ok", "C:RCPT TO",   "S:250 ok",       "C:DATA",
        "S:354 go",  "D:",          "S:250 ok", "C:MAIL FROM", "S:250 ok",       "C:RCPT TO",
        "S:250 ok",  "C:DATA",      "S:354 go", "D:",          "S:250 ok",       "C:QUIT",
        "S:221 bye", NULL};
    struct server server;
    struct client *client;
    struct client_failure failure;
    struct letter letter = make_letter(1);
    start_server(&server, script);
    cr_assert(connect_to(&server, &client, &failure));
    for (int i = 0; i < 3; i++) {
        struct verdict verdict = {0};
        client_send(client, &letter, &verdict);
        cr_expect_eq(verdict.kind, i == 0 ? VERDICT_PERMANENT : VERDICT_DELIVERED);
    }
    cr_expect_eq(client_messages(client), 2);
    client_close(client);
    stop_server(&server, "reuse");
}

/* The caller then tries again on a new connection. */
Test(client, an_idle_connection_that_ended_leaves_recipients_open)
{
    static const char *const script[] = {
        STEPWISE, "C:MAIL FROM", "S:250 ok", "C:RCPT TO", "S:250 ok",
        "C:DATA", "S:354 go",    "D:",       "S:250 ok",  NULL};
    struct server server;
    struct client *client;
    struct client_failure failure;
    struct letter letter = make_letter(1);
    struct verdict first = {0}, second = {0};
    start_server(&server, script);
    cr_assert(connect_to(&server, &client, &failure));
    client_send(client, &letter, &first);
    stop_server(&server, "idle");
    client_send(client, &letter, &second);
    cr_expect_eq(first.kind, VERDICT_DELIVERED);
    cr_expect_eq(second.kind, VERDICT_OPEN);
    cr_expect_not(client_is_usable(client));
    client_close(client);
}

Test(client, what_the_server_cannot_take_is_not_sent)
{
    static const char *const script[] = {"S:220 hi", "C:EHLO",    "S:250-x", "S:250 SIZE 20",
                                         "C:QUIT",   "S:221 bye", "X:",      "S:220 hi",
                                         "C:EHLO",   "S:250 x",   "C:QUIT",  "S:221 bye",
                                         NULL};
    struct server server;
    struct client *client;
    struct client_failure failure;
    struct letter letter = make_letter(1);
    struct verdict large = {0}, utf8 = {0};
    start_server(&server, script);
    cr_assert(connect_to(&server, &client, &failure));
    client_send(client, &letter, &large);
    cr_expect_eq(large.kind, VERDICT_PERMANENT);
    cr_expect_str_eq(verdict_status(&large).text, "5.3.4");
    client_close(client);
    cr_assert(connect_to(&server, &client, &failure));
    letter.smtputf8 = true;
    client_send(client, &letter, &utf8);
    cr_expect_eq(utf8.kind, VERDICT_TEMPORARY);
    cr_expect_str_eq(verdict_status(&utf8).text, "4.6.7");
    client_close(client);
    stop_server(&server, "abilities");
}

Test(client, greetings)
{
    static const struct {
        const char *name;
        const char *script[8];
        enum verdict_kind kind; /* VERDICT_OPEN: the session stands */
        unsigned code;
    } greetings[] = {
        {"EHLO unknown: HELO is used",
         {"S:220 hi", "C:EHLO", "S:502 what?", "C:HELO mail.home.example\r\n", "S:250 ok", "C:QUIT",
          "S:221 bye"},
         VERDICT_OPEN,
         0},
        {"no service", {"S:554 5.3.2 closed"}, VERDICT_PERMANENT, 554},
        {"busy", {"S:421 4.3.2 busy"}, VERDICT_TEMPORARY, 421},
        {"a greeting that is none", {"S:250 ok"}, VERDICT_TEMPORARY, 250},
        {"another protocol", {"S:SSH-2.0-x"}, VERDICT_TEMPORARY, 0},
        {"both hellos refused",
         {"S:220 hi", "C:EHLO", "S:500 what?", "C:HELO", "S:550 5.7.1 not you"},
         VERDICT_PERMANENT,
         550},
    };
    for (size_t i = 0; i < ARRAY_LEN(greetings); i++) {
        struct server server;
        struct client *client = NULL;
        struct client_failure failure;
        start_server(&server, greetings[i].script);
        bool ok = connect_to(&server, &client, &failure);
        cr_expect_eq(ok, greetings[i].kind == VERDICT_OPEN, "%s", greetings[i].name);
        if (!ok) {
            cr_expect(failure.connected, "%s", greetings[i].name);
            cr_expect_eq(failure.verdict.kind, greetings[i].kind, "%s: %s", greetings[i].name,
                         failure.verdict.text);
            cr_expect_eq(failure.verdict.code, greetings[i].code, "%s", greetings[i].name);
        }
        client_close(ok ? client : NULL);
        stop_server(&server, ok ? greetings[i].name : "");
    }
}
