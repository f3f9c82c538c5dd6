#include "tests/unit/common/sys/toy.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/sys/session_internal.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OPEN_MAX_PER_ADDRESS 30

static const struct toy_options limited_tls = {.tls = true, .tls_implicit = true, .limits = true};

static void connect_silently(struct toy_client *c, size_t count, const struct toy *toy,
                             const char *from)
{
    for (size_t i = 0; i < count; i++)
        toy_connect_from(&c[i], toy, from);
}

static void close_all(struct toy_client *c, size_t count)
{
    for (size_t i = 0; i < count; i++)
        toy_close(&c[i]);
}

static void expect_service(struct toy *toy, const char *from)
{
    struct toy_client c;
    toy_connect_from(&c, toy, from);
    toy_client_tls(&c, NULL, 0);
    toy_expect(&c, "hello");
    toy_ask(&c, "QUIT", "bye");
    toy_close(&c);
}

Test(session_door, silence_before_tls_counts_for_its_address_only)
{
    struct toy toy;
    struct toy_client c[OPEN_MAX_PER_ADDRESS], refused;
    toy_start(&toy, &limited_tls);
    connect_silently(c, ARRAY_LEN(c), &toy, "127.0.0.2");
    int64_t start_ms = clock_monotonic_ms();
    connect_silently(&refused, 1, &toy, "127.0.0.2");
    toy_expect(&refused, "");
    cr_assert(toy_elapsed_ms(start_ms) < 5000, "closed only when the handshake timed out");
    toy_close(&refused);
    toy_wait_logged(&toy, "too many open connections");
    expect_service(&toy, "127.0.0.3");
    close_all(c, ARRAY_LEN(c));
    toy_stop(&toy);
}

Test(session_door, whoever_leaves_makes_room_however_it_ends)
{
    struct toy toy;
    struct toy_client c[OPEN_MAX_PER_ADDRESS];
    toy_start(&toy, &limited_tls);
    for (int round = 0; round < 3; round++) {
        connect_silently(c, ARRAY_LEN(c), &toy, "127.0.0.2");
        toy_send(&c[0], "this is not TLS");
        toy_send(&c[1], "\x16\x03\x01"); /* the start of a ClientHello */
        toy_client_tls(&c[2], NULL, 0);
        toy_expect(&c[2], "hello");
        close_all(c, ARRAY_LEN(c));
        toy_wait_sessions(&toy, 0);
    }
    expect_service(&toy, "127.0.0.2");
    toy_stop(&toy);
}

Test(session_door, a_plain_connection_is_told_why)
{
    struct toy toy;
    struct toy_client c[OPEN_MAX_PER_ADDRESS], refused;
    toy_start(&toy, &(struct toy_options){.limits = true});
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        toy_connect(&c[i], &toy);
        toy_expect(&c[i], "hello");
    }
    toy_connect(&refused, &toy);
    toy_expect(&refused, "too many open connections");
    toy_expect(&refused, "");
    toy_close(&refused);
    close_all(c, ARRAY_LEN(c));
    toy_stop(&toy);
    cr_assert_eq(atomic_load(&toy.closed), OPEN_MAX_PER_ADDRESS, "the refused one never opened");
}

static void connect_by_proxy(struct toy_client *c, const struct toy *toy, const char *ip)
{
    char header[128];
    snprintf(header, sizeof(header), "PROXY TCP4 %s 203.0.113.9 4711 993\r\n", ip);
    toy_connect(c, toy);
    toy_send(c, header);
}

Test(session_door, behind_a_proxy_the_address_of_the_header_counts)
{
    struct toy toy;
    struct toy_client c[OPEN_MAX_PER_ADDRESS], other;
    struct toy_options options = limited_tls;
    options.proxy = "127.0.0.0/8";
    toy_start(&toy, &options);
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        connect_by_proxy(&c[i], &toy, "198.51.100.7");
        toy_client_tls(&c[i], NULL, 0);
        toy_expect(&c[i], "hello");
    }
    connect_by_proxy(&other, &toy, "198.51.100.7");
    toy_expect(&other, "");
    toy_close(&other);
    connect_by_proxy(&other, &toy, "198.51.100.8");
    toy_client_tls(&other, NULL, 0);
    toy_expect(&other, "hello");
    toy_close(&other);
    close_all(c, ARRAY_LEN(c));
    toy_stop(&toy);
}

/* Several workers begin handshakes: which is the oldest is known only when they come one by one. */
static void wait_for_handshakes(struct toy *toy, size_t wanted)
{
    size_t count = 0;
    for (int64_t start_ms = clock_monotonic_ms(); count != wanted; usleep(1000)) {
        pthread_mutex_lock(&toy->server->handshakes_lock);
        count = toy->server->handshakes_count;
        pthread_mutex_unlock(&toy->server->handshakes_lock);
        cr_assert(toy_elapsed_ms(start_ms) < 30000, "%zu handshakes, not %zu", count, wanted);
    }
}

/* Half of all sessions may be in a handshake: two here. */
Test(session_door, one_handshake_too_many_ends_the_oldest)
{
    struct toy toy;
    struct toy_client c[4];
    toy_start(&toy, &(struct toy_options){.tls = true, .tls_implicit = true, .sessions_max = 4});
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        toy_connect(&c[i], &toy);
        toy_send(&c[i], "\x16\x03\x01");
        if (i >= 2)
            toy_expect(&c[i - 2], "");
        else
            wait_for_handshakes(&toy, i + 1);
    }
    expect_service(&toy, "127.0.0.1"); /* c[2] gave way */
    cr_assert(strstr(toy_log(&toy), "reason=ousted"), "%s", toy_log(&toy));
    /* Done is done: it no longer counts, and has made room. */
    for (int i = 0; i < 8; i++)
        expect_service(&toy, "127.0.0.1");
    close_all(c, ARRAY_LEN(c));
    toy_stop(&toy);
}

Test(session_door, a_handshake_after_starttls_has_no_better_place)
{
    struct toy toy;
    struct toy_client c[3];
    toy_start(&toy, &(struct toy_options){.tls = true, .sessions_max = 4});
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        toy_connect(&c[i], &toy);
        toy_expect(&c[i], "hello");
        toy_ask(&c[i], "STARTTLS", "go");
        wait_for_handshakes(&toy, i < 2 ? i + 1 : 2);
    }
    toy_expect(&c[0], "");
    toy_client_tls(&c[1], NULL, 0);
    toy_client_tls(&c[2], NULL, 0);
    toy_ask(&c[1], "ECHO here", "here");
    close_all(c, ARRAY_LEN(c));
    toy_stop(&toy);
}
