#include "tests/unit/common/sys/toy.h"

#include "common/base/buf.h"
#include "common/base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

Test(session_tls, starttls_then_commands)
{
    struct toy toy;
    struct toy_client c;
    toy_start(&toy, &(struct toy_options){.tls = true});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    toy_ask(&c, "STARTTLS", "go");
    toy_client_tls(&c, "localhost", 0);
    toy_ask(&c, "TLS", "TLSv1.3");
    toy_ask(&c, "ECHO hidden", "hidden");
    toy_ask(&c, "QUIT", "bye");
    toy_expect(&c, "");
    toy_close(&c);
    toy_stop(&toy);
}

/* RFC 3207 6: what was sent in the clear behind the command must not be run as if under TLS. */
Test(session_tls, commands_behind_starttls_are_never_run)
{
    struct toy toy;
    struct toy_client c;
    toy_start(&toy, &(struct toy_options){.tls = true});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    toy_send(&c, "STARTTLS\r\nECHO injected\r\n");
    toy_expect(&c, "go");
    toy_expect(&c, "");
    toy_close(&c);
    cr_assert_not(strstr(toy_log(&toy), "injected"));
    cr_assert(strstr(toy_log(&toy), "reason=plaintext"), "%s", toy_log(&toy));
    /* In a packet of its own it meets the handshake. */
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    toy_ask(&c, "STARTTLS", "go");
    toy_send(&c, "ECHO injected\r\n");
    while (*toy_line(&c))
        cr_assert_not(strstr(c.line, "injected"));
    toy_close(&c);
    cr_assert(strstr(toy_log(&toy), "reason=nottls"), "%s", toy_log(&toy));
    toy_stop(&toy);
}

Test(session_tls, implicit_tls_with_pipelining_and_megabytes)
{
    struct toy toy;
    struct toy_client c;
    static char chunk[65536];
    toy_start(&toy, &(struct toy_options){.tls = true, .tls_implicit = true});
    toy_connect(&c, &toy);
    toy_client_tls(&c, NULL, 0);
    toy_expect(&c, "hello");
    toy_send(&c, "ECHO 1\r\nMORE?\r\nBIG 20000\r\nECHO end\r\n");
    toy_expect(&c, "1");
    toy_expect(&c, "yes");
    usleep(200000); /* the socket is full by now */
    size_t want = 20000 * 1002 + strlen("end\r\n");
    size_t total = 0;
    while (total < want) {
        size_t n = toy_read(&c, chunk, sizeof(chunk));
        cr_assert(n > 0, "end after %zu", total);
        total += n;
    }
    cr_assert_eq(total, want);
    cr_assert(memcmp(chunk, "x", 1) == 0);
    toy_ask(&c, "QUIT", "bye");
    toy_expect(&c, "");
    toy_close(&c);
    toy_stop(&toy);
}

Test(session_tls, the_proxy_header_comes_before_the_handshake)
{
    struct toy toy;
    struct toy_client c;
    toy_start(&toy,
              &(struct toy_options){.tls = true, .tls_implicit = true, .proxy = "127.0.0.0/8"});
    toy_connect(&c, &toy);
    toy_send(&c, "PROXY TCP4 198.51.100.7 203.0.113.9 4711 993\r\n");
    toy_client_tls(&c, NULL, 0);
    toy_expect(&c, "hello");
    toy_ask(&c, "PEER", "198.51.100.7 4711 203.0.113.9 993");
    toy_close(&c);
    toy_stop(&toy);
}

static void expect_binding(struct toy_client *c, const char *type, bool exists)
{
    struct buf own;
    char command[64];
    char want[256];
    buf_init(&own, 256);
    cr_assert_eq(tls_channel_binding(c->ssl, str_from_cstr(type), &own), exists, "%s", type);
    for (size_t i = 0; i < own.len; i++)
        snprintf(want + 2 * i, 3, "%02x", (unsigned char)own.ptr[i]);
    snprintf(command, sizeof(command), "BIND %s", type);
    toy_ask(c, command, exists ? want : "none");
    buf_release(&own);
}

/* RFC 9266, RFC 5929: the same on both ends, and only what is safe in the version. */
Test(session_tls, channel_bindings_are_equal_on_both_ends)
{
    static const struct {
        int version;
        bool exporter;
        bool unique;
    } rows[] = {{TLS1_3_VERSION, true, false}, {TLS1_2_VERSION, false, true}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct toy toy;
        struct toy_client c;
        toy_start(&toy, &(struct toy_options){.tls = true, .tls_implicit = true});
        toy_connect(&c, &toy);
        toy_client_tls(&c, "localhost", rows[i].version);
        toy_expect(&c, "hello");
        expect_binding(&c, "tls-exporter", rows[i].exporter);
        expect_binding(&c, "tls-unique", rows[i].unique);
        expect_binding(&c, "tls-server-end-point", true);
        expect_binding(&c, "tls-something", false);
        toy_close(&c);
        toy_stop(&toy);
    }
}

Test(session_tls, failed_handshakes_are_counted_by_reason)
{
    struct toy toy;
    struct toy_client c;
    toy_start(&toy, &(struct toy_options){
                        .tls = true, .tls_implicit = true, .handshake_timeout_ms = 1500});
    toy_connect(&c, &toy); /* too old */
    cr_assert_not(toy_client_tls_try(&c, NULL, TLS1_1_VERSION));
    toy_close(&c);
    toy_connect(&c, &toy); /* something else */
    toy_send(&c, "GET / HTTP/1.1\r\n\r\n");
    while (*toy_line(&c))
        ;
    toy_close(&c);
    toy_connect(&c, &toy); /* gone */
    shutdown(c.fd, SHUT_WR);
    toy_expect(&c, "");
    toy_close(&c);
    toy_connect(&c, &toy); /* silent */
    toy_expect(&c, "");
    toy_close(&c);
    struct buf text;
    buf_init(&text, 1 << 20);
    metrics_write(toy.metrics, &text);
    buf_append_char(&text, '\0');
    static const char *const reasons[] = {"unsupportedversions", "nottls", "eof", "timeout"};
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        char want[64];
        snprintf(want, sizeof(want), "reason=\"%s\"} 1", reasons[i]);
        cr_assert(strstr(text.ptr, want), "%s in %s", want, text.ptr);
    }
    buf_release(&text);
    toy_stop(&toy);
    cr_assert_eq(atomic_load(&toy.closed), 0);
}

Test(session_tls, goodbye_is_said_in_tls)
{
    struct toy toy;
    struct toy_client c;
    char byte;
    toy_start(&toy, &(struct toy_options){.tls = true, .tls_implicit = true});
    toy_connect(&c, &toy);
    toy_client_tls(&c, NULL, 0);
    toy_expect(&c, "hello");
    toy_ask(&c, "QUIT", "bye");
    cr_assert_eq(toy_read(&c, &byte, 1), 0);
    cr_assert(SSL_get_shutdown(c.ssl) & SSL_RECEIVED_SHUTDOWN, "close_notify (RFC 8446 6.1)");
    toy_close(&c);
    toy_stop(&toy);
}
