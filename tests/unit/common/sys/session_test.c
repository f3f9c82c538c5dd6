#include "tests/unit/common/sys/toy.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/sys/ip.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

Test(session, commands_are_answered_until_quit)
{
    struct toy toy;
    struct toy_client c;
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    toy_ask(&c, "ECHO one", "one");
    toy_ask(&c, "ECHO two", "two");
    toy_ask(&c, "TLS", "none");
    toy_ask(&c, "QUIT", "bye");
    toy_expect(&c, "");
    toy_close(&c);
    toy_stop(&toy);
    cr_assert_eq(atomic_load(&toy.closed), 1);
}

Test(session, input_is_framed_however_it_is_cut)
{
    struct toy toy;
    struct toy_client c;
    static const char input[] = "ECHO byte by byte\r\nECHO again\r\n";
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    for (size_t cut = 1; cut < sizeof(input) - 1; cut++) {
        char first[64] = {0};
        memcpy(first, input, cut);
        toy_send(&c, first);
        usleep(1000);
        toy_send(&c, input + cut);
        toy_expect(&c, "byte by byte");
        toy_expect(&c, "again");
    }
    for (size_t i = 0; i < sizeof(input) - 1; i++) {
        toy_send(&c, (char[]){input[i], '\0'});
        usleep(200);
    }
    toy_expect(&c, "byte by byte");
    toy_expect(&c, "again");
    toy_close(&c);
    toy_stop(&toy);
}

/* Such a client's second piece waits for the acknowledgement of its first, which the kernel would
 * delay by 40 ms. */
Test(session, clients_that_send_in_pieces_are_not_held_up)
{
    enum { ROUNDS = 50 };
    struct toy toy;
    struct toy_client c;
    int on = 0;
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&c, &toy);
    cr_assert_eq(setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    toy_expect(&c, "hello");
    int64_t begin_ms = clock_monotonic_ms();
    for (int i = 0; i < ROUNDS; i++) {
        toy_send(&c, "EC");
        toy_send(&c, "HO in ");
        toy_send(&c, "pieces\r\n");
        toy_expect(&c, "in pieces");
    }
    cr_assert_lt(toy_elapsed_ms(begin_ms), ROUNDS * 20);
    toy_close(&c);
    toy_stop(&toy);
}

Test(session, pipelined_commands_are_answered_in_one_packet)
{
    struct toy toy;
    struct toy_client c;
    char answer[64] = {0};
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    toy_send(&c, "ECHO 1\r\nMORE?\r\nMORE?\r\nQUIT\r\nECHO never\r\n");
    usleep(50000);
    toy_read(&c, answer, sizeof(answer) - 1);
    cr_assert_str_eq(answer, "1\r\nyes\r\nyes\r\nbye\r\n", "%s", answer);
    toy_expect(&c, "");
    toy_close(&c);
    toy_stop(&toy);
}

Test(session, much_pipelined_input_is_all_answered_in_order)
{
    struct toy toy;
    struct toy_client c;
    char line[64];
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    char *batch = xcalloc(5000, 20);
    for (int i = 0, len = 0; i < 5000; i++)
        len += sprintf(batch + len, "ECHO number %d\r\n", i);
    toy_send(&c, batch);
    free(batch);
    for (int i = 0; i < 5000; i++) {
        snprintf(line, sizeof(line), "number %d", i);
        toy_expect(&c, line);
    }
    toy_close(&c);
    toy_stop(&toy);
}

/* Their answers come to more than what is collected before it is sent. */
static void expect_all_long_answers(struct toy_client *c)
{
    enum { COMMANDS = 1000, LONG = 1000 };
    char *batch = xcalloc(COMMANDS, 16);
    for (int i = 0, len = 0; i < COMMANDS; i++)
        len += sprintf(batch + len, "LINE %d\r\n", LONG);
    toy_send(c, batch);
    free(batch);
    int64_t begin_ms = clock_monotonic_ms();
    for (int i = 0; i < COMMANDS; i++)
        cr_assert_eq(strlen(toy_line(c)), LONG, "answer %d", i);
    cr_assert_lt(toy_elapsed_ms(begin_ms), 5000);
    toy_ask(c, "ECHO end", "end");
}

Test(session, short_commands_with_long_answers_in_one_packet_are_all_answered)
{
    struct toy toy;
    struct toy_client c;
    toy_start(&toy, &(struct toy_options){.tls = true});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    expect_all_long_answers(&c);
    toy_ask(&c, "STARTTLS", "go");
    toy_client_tls(&c, "localhost", 0);
    expect_all_long_answers(&c);
    toy_close(&c);
    toy_stop(&toy);
}

Test(session, units_that_are_too_long_end_the_session)
{
    struct toy toy;
    struct toy_client c;
    char text[4096];
    toy_start(&toy, &(struct toy_options){0});
    /* With a line end in sight, without one, and with more behind it that nobody reads. */
    static const size_t sizes[] = {1500, 2048, 4000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        memset(text, 'x', sizeof(text));
        memcpy(text + sizes[i], i == 0 ? "\r\n" : "\0\0", 3);
        toy_connect(&c, &toy);
        toy_expect(&c, "hello");
        toy_send(&c, text);
        toy_expect(&c, "too long");
        toy_expect(&c, "");
        toy_close(&c);
    }
    toy_stop(&toy);
}

Test(session, last_words_arrive_though_the_client_goes_on_sending)
{
    struct toy toy;
    struct toy_client c;
    toy_start(&toy, &(struct toy_options){0});
    for (int i = 0; i < 20; i++) {
        toy_connect(&c, &toy);
        toy_expect(&c, "hello");
        toy_send(&c, "QUIT\r\n");
        for (int more = 0; more < 20; more++)
            send(c.fd, "ECHO too late\r\n", 15, MSG_NOSIGNAL);
        toy_expect(&c, "bye");
        toy_expect(&c, "");
        toy_close(&c);
    }
    toy_stop(&toy);
}

Test(session, a_client_that_closes_its_side_gets_all_answers)
{
    struct toy toy;
    struct toy_client c;
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&c, &toy);
    toy_send(&c, "ECHO 1\r\nBIG 2000\r\nECHO 2\r\n");
    shutdown(c.fd, SHUT_WR);
    toy_expect(&c, "hello");
    toy_expect(&c, "1");
    for (int i = 0; i < 2000; i++)
        cr_assert_eq(strlen(toy_line(&c)), 1000, "line %d", i);
    toy_expect(&c, "2");
    toy_expect(&c, "");
    toy_close(&c);
    toy_stop(&toy);
}

Test(session, aborted_sessions_say_nothing)
{
    struct toy toy;
    struct toy_client c;
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    toy_ask(&c, "ABORT", "");
    toy_close(&c);
    toy_stop(&toy);
}

Test(session, a_slow_reader_gets_megabytes_and_holds_no_worker)
{
    struct toy toy;
    struct toy_client slow[3];
    struct toy_client other;
    static char chunk[65536];
    toy_start(&toy, &(struct toy_options){.workers_max = 1});
    for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
        toy_connect(&slow[i], &toy);
        toy_expect(&slow[i], "hello");
        toy_send(&slow[i], "BIG 20000\r\nECHO end\r\n");
    }
    usleep(100000);
    toy_connect(&other, &toy);
    toy_expect(&other, "hello");
    for (int i = 0; i < 100; i++)
        toy_ask(&other, "ECHO still here", "still here");
    for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
        size_t total = 0;
        size_t want = 20000 * 1002 + strlen("end\r\n");
        while (total < want) {
            size_t n = toy_read(&slow[i], chunk, sizeof(chunk));
            cr_assert(n > 0, "end after %zu", total);
            total += n;
        }
        cr_assert_eq(total, want);
        toy_close(&slow[i]);
    }
    toy_close(&other);
    toy_stop(&toy);
}

Test(session, a_client_that_takes_nothing_is_dropped)
{
    struct toy toy;
    struct toy_client c;
    toy_start(&toy, &(struct toy_options){.write_timeout_ms = 200});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    toy_ask(&c, "TRACE 2", "ok"); /* keeps the log short */
    toy_send(&c, "BIG 100000\r\n");
    int64_t start_ms = clock_monotonic_ms();
    while (session_server_count(toy.server) > 0 && toy_elapsed_ms(start_ms) < 5000)
        usleep(10000);
    cr_assert_eq(session_server_count(toy.server), 0);
    cr_assert(strstr(toy_log(&toy), "client takes no output"));
    toy_close(&c);
    toy_stop(&toy);
}

Test(session, silence_ends_in_a_timeout)
{
    struct toy toy;
    struct toy_client c;
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    toy_ask(&c, "TIMEOUT 800", "ok");
    for (int i = 0; i < 3; i++) { /* each command begins it anew */
        usleep(300000);
        toy_ask(&c, "ECHO awake", "awake");
    }
    int64_t start_ms = clock_monotonic_ms();
    toy_expect(&c, "timeout");
    cr_assert(toy_elapsed_ms(start_ms) >= 790, "%jd ms", (intmax_t)toy_elapsed_ms(start_ms));
    cr_assert(toy_elapsed_ms(start_ms) < 8000);
    toy_expect(&c, "");
    toy_close(&c);
    toy_stop(&toy);
}

/* Bytes that keep coming do not keep a session alive: silence alone would do after 30 s. */
Test(session, a_unit_that_drips_ends_in_a_timeout)
{
    struct toy toy;
    struct toy_client c;
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    toy_ask(&c, "UNIT 1000", "ok");
    usleep(1200000); /* nothing has begun, so no time runs */
    toy_ask(&c, "ECHO awake", "awake");
    int64_t start_ms = clock_monotonic_ms();
    for (int i = 0; i < 4; i++) {
        toy_send(&c, "x");
        usleep(200000);
    }
    toy_expect(&c, "timeout");
    cr_assert(toy_elapsed_ms(start_ms) >= 990, "%jd ms", (intmax_t)toy_elapsed_ms(start_ms));
    cr_assert(toy_elapsed_ms(start_ms) < 8000, "that was silence");
    toy_expect(&c, "");
    toy_close(&c);
    toy_stop(&toy);
}

/* Neither do whole units, where a deadline is set for several of them. */
Test(session, a_deadline_ends_in_a_timeout_whatever_comes)
{
    struct toy toy;
    struct toy_client c;
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    toy_ask(&c, "UNTIL 500", "ok");
    toy_ask(&c, "UNTIL 0", "ok"); /* what was to come is there */
    usleep(700000);
    int64_t start_ms = clock_monotonic_ms();
    toy_ask(&c, "UNTIL 1000", "ok");
    for (int i = 0; i < 3; i++) {
        usleep(200000);
        toy_ask(&c, "ECHO awake", "awake");
    }
    toy_expect(&c, "timeout");
    cr_assert(toy_elapsed_ms(start_ms) >= 990, "%jd ms", (intmax_t)toy_elapsed_ms(start_ms));
    cr_assert(toy_elapsed_ms(start_ms) < 8000, "that was silence");
    toy_expect(&c, "");
    toy_close(&c);
    toy_stop(&toy);
}

Test(session, delayed_answers_hold_back_what_follows_but_no_worker)
{
    struct toy toy;
    struct toy_client c;
    struct toy_client other;
    toy_start(&toy, &(struct toy_options){.workers_max = 1});
    toy_connect(&c, &toy);
    toy_connect(&other, &toy);
    toy_expect(&c, "hello");
    toy_expect(&other, "hello");
    int64_t start_ms = clock_monotonic_ms();
    toy_send(&c, "DELAY 1000\r\nECHO after\r\n");
    toy_wait_logged(&toy, "DELAY 1000");
    toy_ask(&other, "ECHO now", "now");
    cr_assert(toy_elapsed_ms(start_ms) < 1000);
    toy_expect(&c, "late");
    cr_assert(toy_elapsed_ms(start_ms) >= 1000);
    toy_expect(&c, "after");
    toy_close(&c);
    toy_close(&other);
    toy_stop(&toy);
}

Test(session, unwelcome_clients_are_answered_slowly)
{
    struct toy toy;
    struct toy_client c;
    char answer[64] = {0};
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    int64_t start_ms = clock_monotonic_ms();
    toy_send(&c, "SLOW\r\n");
    for (size_t len = 0; len < 3; len++) {
        cr_assert_eq(toy_read(&c, answer + len, sizeof(answer) - 1 - len), 1, "at %zu", len);
        cr_assert(toy_elapsed_ms(start_ms) >= (int64_t)len * 1000);
    }
    cr_assert_str_eq(answer, "slo");
    cr_assert(toy_elapsed_ms(start_ms) < 9000);
    toy_close(&c);
    toy_stop(&toy);
}

Test(session, wakes_reach_parked_and_working_sessions_and_no_others)
{
    struct toy toy;
    struct toy_client c;
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    toy_ask(&c, "HANDLE", "ok");
    session_wake(toy.handle);
    toy_expect(&c, "woken");
    /* While it works: not lost, after the answer. */
    toy_send(&c, "BLOCK\r\n");
    while (atomic_load(&toy.blocked) == 0)
        usleep(1000);
    session_wake(toy.handle);
    atomic_store(&toy.unblock, true);
    toy_expect(&c, "unblocked");
    toy_expect(&c, "woken");
    toy_ask(&c, "QUIT", "bye");
    toy_expect(&c, "");
    toy_close(&c);
    /* The slot is used again, and the old handle is not for it. */
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    session_wake(toy.handle);
    usleep(20000);
    toy_ask(&c, "ECHO quiet", "quiet");
    toy_close(&c);
    toy_stop(&toy);
}

static void *wake_often(void *argument)
{
    struct toy *toy = argument;
    while (!atomic_load(&toy->unblock))
        session_wake(toy->handle);
    return NULL;
}

Test(session, wakes_that_race_with_commands_lose_nothing)
{
    struct toy toy;
    struct toy_client c;
    pthread_t threads[3];
    char want[32];
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    toy_ask(&c, "HANDLE", "ok");
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_create(&threads[i], NULL, wake_often, &toy);
    for (int i = 0; i < 300; i++) {
        char command[32];
        snprintf(command, sizeof(command), "ECHO %d\r\n", i);
        snprintf(want, sizeof(want), "%d", i);
        toy_send(&c, command);
        const char *line = toy_line(&c);
        while (strcmp(line, "woken") == 0)
            line = toy_line(&c);
        cr_assert_str_eq(line, want, "%s", line);
    }
    atomic_store(&toy.unblock, true);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    toy_close(&c);
    toy_stop(&toy);
}

Test(session, workers_start_when_needed_up_to_their_maximum)
{
    struct toy toy;
    struct toy_client c[5];
    toy_start(&toy, &(struct toy_options){.workers_max = 4});
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        toy_connect(&c[i], &toy);
        toy_expect(&c[i], "hello");
    }
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        toy_send(&c[i], "BLOCK\r\n");
    int64_t start_ms = clock_monotonic_ms();
    while (atomic_load(&toy.blocked) < 4 && toy_elapsed_ms(start_ms) < 5000)
        usleep(1000);
    usleep(50000);
    cr_assert_eq(atomic_load(&toy.blocked), 4);
    atomic_store(&toy.unblock, true);
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        toy_expect(&c[i], "unblocked");
        toy_close(&c[i]);
    }
    toy_stop(&toy);
}

Test(session, more_connections_than_sessions_max_are_closed)
{
    struct toy toy;
    struct toy_client c[3];
    toy_start(&toy, &(struct toy_options){.sessions_max = 2});
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        toy_connect(&c[i], &toy);
        toy_expect(&c[i], i < 2 ? "hello" : "too many connections");
    }
    toy_ask(&c[0], "QUIT", "bye");
    toy_expect(&c[0], "");
    toy_close(&c[0]);
    toy_close(&c[2]);
    while (session_server_count(toy.server) > 1)
        usleep(1000);
    toy_connect(&c[0], &toy);
    toy_expect(&c[0], "hello");
    toy_close(&c[0]);
    toy_close(&c[1]);
    cr_assert(strstr(toy_log(&toy), "too many sessions"));
    toy_stop(&toy);
}

Test(session, running_out_of_descriptors_only_delays_connections)
{
    struct toy toy;
    struct toy_client c;
    struct rlimit limit;
    toy_start(&toy, &(struct toy_options){0});
    int lowest_free = dup(0);
    getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t normal = limit.rlim_cur;
    /* One for the client, none for the server. */
    limit.rlim_cur = (rlim_t)lowest_free + 1;
    close(lowest_free);
    setrlimit(RLIMIT_NOFILE, &limit);
    toy_connect(&c, &toy);
    usleep(300000);
    cr_assert_eq(session_server_count(toy.server), 0);
    limit.rlim_cur = normal;
    setrlimit(RLIMIT_NOFILE, &limit);
    toy_expect(&c, "hello");
    cr_assert(strstr(toy_log(&toy), "cannot accept connections now"));
    toy_close(&c);
    toy_stop(&toy);
}

Test(session, draining_says_goodbye_and_waits_for_work)
{
    struct toy toy;
    struct toy_client idle;
    struct toy_client busy;
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&idle, &toy);
    toy_connect(&busy, &toy);
    toy_expect(&idle, "hello");
    toy_expect(&busy, "hello");
    toy_send(&busy, "BLOCK\r\n");
    while (atomic_load(&toy.blocked) == 0)
        usleep(1000);
    session_server_drain(toy.server, 20000);
    toy_expect(&idle, "going down");
    toy_expect(&idle, "");
    atomic_store(&toy.unblock, true);
    toy_expect(&busy, "unblocked");
    toy_expect(&busy, "going down");
    toy_expect(&busy, "");
    toy_close(&idle);
    toy_close(&busy);
    toy_stop(&toy);
}

static void *do_nothing(void *argument)
{
    return argument;
}

Test(session, after_the_grace_period_sessions_are_closed)
{
    struct toy toy;
    struct toy_client c;
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    toy_send(&c, "DELAY 20000\r\n");
    toy_wait_logged(&toy, "DELAY 20000");
    int64_t start_ms = clock_monotonic_ms();
    session_server_drain(toy.server, 200);
    pthread_join(toy.thread, NULL);
    cr_assert(toy_elapsed_ms(start_ms) >= 200);
    cr_assert(toy_elapsed_ms(start_ms) < 8000);
    toy_expect(&c, "late"); /* no longer held back */
    toy_expect(&c, "going down");
    toy_close(&c);
    pthread_create(&toy.thread, NULL, do_nothing, NULL); /* something for toy_stop to join */
    toy_stop(&toy);
}

Test(session, credentials_and_data_are_masked_in_the_trace)
{
    struct toy toy;
    struct toy_client c;
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    toy_ask(&c, "ECHO visible", "visible");
    toy_ask(&c, "LOGIN opensesame", "in");
    toy_ask(&c, "TRACE 1", "ok");
    toy_ask(&c, "ECHO password", "password");
    toy_ask(&c, "TRACE 2", "ok");
    toy_ask(&c, "ECHO love letter", "love letter");
    toy_ask(&c, "QUIT", "bye");
    toy_expect(&c, "");
    toy_close(&c);
    const char *log = toy_log(&toy);
    cr_assert(strstr(log, "ECHO visible"), "%s", log);
    cr_assert(strstr(log, "hello"), "%s", log);
    cr_assert_not(strstr(log, "opensesame"), "%s", log);
    cr_assert_not(strstr(log, "password"), "%s", log);
    cr_assert_not(strstr(log, "love letter"), "%s", log);
    toy_stop(&toy);
}

static uint16_t client_port(const struct toy_client *c)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    struct ip ip;
    uint16_t port = 0;
    getsockname(c->fd, (struct sockaddr *)&address, &size);
    cr_assert(ip_from_sockaddr(&address, &ip, &port));
    return port;
}

Test(session, peers_are_named_and_cids_differ)
{
    struct toy toy;
    struct toy_client a;
    struct toy_client b;
    char want[128];
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&a, &toy);
    toy_connect(&b, &toy);
    toy_expect(&a, "hello");
    toy_expect(&b, "hello");
    snprintf(want, sizeof(want), "127.0.0.1 %u 127.0.0.1 %u", client_port(&a), toy_port(&toy));
    toy_ask(&a, "PEER", want);
    toy_send(&a, "CID\r\n");
    uint64_t first = strtoull(toy_line(&a), NULL, 10);
    toy_send(&b, "CID\r\n");
    cr_assert_neq(first, 0);
    cr_assert_neq(strtoull(toy_line(&b), NULL, 10), first);
    toy_close(&a);
    toy_close(&b);
    toy_stop(&toy);
}

/* ---- PROXY protocol */

Test(session, the_proxy_header_names_the_peer)
{
    struct toy toy;
    struct toy_client c;
    static const char v2[] = "\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24"
                             "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                             "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x04\xd2\0\x19PEER\r\n";
    toy_start(&toy, &(struct toy_options){.proxy = "127.0.0.0/8"});
    toy_connect(&c, &toy);
    toy_send(&c, "PROXY TCP4 198.51.100.7 203.0.113.9 4711 25\r\nPEER\r\n");
    toy_expect(&c, "hello");
    toy_expect(&c, "198.51.100.7 4711 203.0.113.9 25");
    toy_close(&c);
    toy_connect(&c, &toy);
    for (size_t i = 0; i < sizeof(v2) - 1; i++) {
        send(c.fd, v2 + i, 1, MSG_NOSIGNAL);
        usleep(500);
    }
    toy_expect(&c, "hello");
    toy_expect(&c, "2001:db8::1 1234 2001:db8::2 25");
    toy_close(&c);
    toy_stop(&toy);
}

Test(session, who_is_no_proxy_is_not_believed)
{
    struct toy toy;
    struct toy_client c;
    char want[128];
    toy_start(&toy, &(struct toy_options){.proxy = "10.0.0.0/8"});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    toy_send(&c, "PROXY TCP4 198.51.100.7 203.0.113.9 4711 25\r\n");
    toy_expect(&c, "what?");
    snprintf(want, sizeof(want), "127.0.0.1 %u 127.0.0.1 %u", client_port(&c), toy_port(&toy));
    toy_ask(&c, "PEER", want);
    toy_close(&c);
    toy_stop(&toy);
}

Test(session, without_the_proxy_header_there_is_no_session)
{
    struct toy toy;
    struct toy_client c;
    toy_start(&toy, &(struct toy_options){.proxy = "127.0.0.0/8", .handshake_timeout_ms = 1000});
    toy_connect(&c, &toy);
    toy_send(&c, "PEER\r\n");
    toy_expect(&c, "");
    toy_close(&c);
    toy_connect(&c, &toy); /* nothing at all, until the time is over */
    toy_expect(&c, "");
    toy_close(&c);
    toy_connect(&c, &toy);
    toy_send(&c, "PROXY TCP4 198");
    shutdown(c.fd, SHUT_WR);
    toy_expect(&c, "");
    toy_close(&c);
    cr_assert(strstr(toy_log(&toy), "PROXY header is missing"));
    toy_stop(&toy);
    cr_assert_eq(atomic_load(&toy.closed), 0, "`close` without `open`");
}

/* RFC 5321 3.8: also in the middle of what the client sends, when the server can wait no longer. */
Test(session, the_end_of_the_grace_period_is_announced)
{
    struct toy toy;
    struct toy_client c[2];
    toy_start(&toy, &(struct toy_options){0});
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        toy_connect(&c[i], &toy);
        toy_expect(&c[i], "hello");
        toy_ask(&c[i], "KEEP", "kept");
    }
    toy_send(&c[0], "ECHO something that does not");
    session_server_drain(toy.server, 300);
    toy_ask(&c[1], "ECHO 1", "1"); /* goes on meanwhile */
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        toy_expect(&c[i], "going down");
        toy_expect(&c[i], "");
        toy_close(&c[i]);
    }
    toy_stop(&toy);
}
