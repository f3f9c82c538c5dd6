#include "common/base/bug.h"
#include "tests/unit/common/sys/toy.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <zlib.h>

/* A client that compresses, by hand. */
struct squeezer {
    struct toy_client c;
    z_stream sent, received;
    char in[4096];
    bool ended;   /* the server has ended its stream */
    size_t bytes; /* that came */
};

static void squeezer_start(struct squeezer *z, const struct toy *toy)
{
    memset(z, 0, sizeof(*z));
    toy_connect(&z->c, toy);
    toy_expect(&z->c, "hello");
    toy_ask(&z->c, "COMPRESS", "squeezed");
    cr_assert_eq(deflateInit2(&z->sent, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    cr_assert_eq(inflateInit2(&z->received, -15), Z_OK);
}

static void squeezer_stop(struct squeezer *z)
{
    deflateEnd(&z->sent);
    inflateEnd(&z->received);
    toy_close(&z->c);
}

static size_t squeeze(struct squeezer *z, const char *text, size_t len, int flush, char *dst,
                      size_t size)
{
    z->sent.next_in = (Bytef *)(uintptr_t)text;
    z->sent.avail_in = (uInt)len;
    z->sent.next_out = (Bytef *)(void *)dst;
    z->sent.avail_out = (uInt)size;
    int result = deflate(&z->sent, flush);
    cr_assert(result == Z_OK || result == Z_STREAM_END, "deflate %d", result);
    cr_assert_gt(z->sent.avail_out, 0);
    return size - z->sent.avail_out;
}

static void send_bytes(const struct squeezer *z, const char *bytes, size_t len, size_t step)
{
    for (size_t at = 0; at < len; at += step) {
        size_t n = len - at < step ? len - at : step;
        cr_assert_eq(send(z->c.fd, bytes + at, n, MSG_NOSIGNAL), (ssize_t)n);
    }
}

static void say(struct squeezer *z, const char *text, int flush, size_t step)
{
    char bytes[4096];
    size_t len = squeeze(z, text, strlen(text), flush, bytes, sizeof(bytes));
    send_bytes(z, bytes, len, step);
}

/* The next bytes of what the server says; 0 at its end. */
static size_t hear(struct squeezer *z, char *dst, size_t size)
{
    z->received.next_out = (Bytef *)(void *)dst;
    z->received.avail_out = (uInt)size;
    for (;;) {
        int result = inflate(&z->received, Z_SYNC_FLUSH);
        z->ended = result == Z_STREAM_END;
        cr_assert(result == Z_OK || result == Z_BUF_ERROR || z->ended, "inflate %d", result);
        if (z->received.avail_out < size)
            return size - z->received.avail_out;
        size_t n = toy_read(&z->c, z->in, sizeof(z->in));
        if (n == 0)
            return 0;
        z->bytes += n;
        z->received.next_in = (Bytef *)(void *)z->in;
        z->received.avail_in = (uInt)n;
    }
}

static void hear_line(struct squeezer *z, const char *want)
{
    char line[256];
    size_t len = 0;
    do
        cr_assert_eq(hear(z, line + len, 1), 1, "the end instead of %s", want);
    while (line[len++] != '\n' && len < sizeof(line) - 1);
    line[len] = '\0';
    cr_assert_str_eq(strtok(line, "\r\n"), want);
}

Test(session_compress, both_directions_and_every_way_to_flush)
{
    struct toy toy;
    struct squeezer z;
    static const int flushes[] = {Z_SYNC_FLUSH, Z_PARTIAL_FLUSH, Z_FULL_FLUSH};
    toy_start(&toy, &(struct toy_options){0});
    for (size_t i = 0; i < 3; i++) {
        squeezer_start(&z, &toy);
        say(&z, "ECHO one\r\n", flushes[i], 1);
        hear_line(&z, "one");
        say(&z, "ECHO two\r\nCOMPRESS\r\nECHO three\r\n", flushes[i], 4096);
        hear_line(&z, "two");
        hear_line(&z, "already");
        hear_line(&z, "three");
        squeezer_stop(&z);
    }
    toy_stop(&toy);
}

Test(session_compress, large_answers_and_the_end_of_the_stream)
{
    struct toy toy;
    struct squeezer z;
    char text[1000];
    toy_start(&toy, &(struct toy_options){0});
    squeezer_start(&z, &toy);
    say(&z, "BIG 20000\r\nQUIT\r\n", Z_SYNC_FLUSH, 4096);
    size_t total = 0, n;
    while (!z.ended && (n = hear(&z, text, sizeof(text))) > 0)
        total += n;
    cr_assert_eq(total, 20000 * 1002 + 5);
    cr_assert(z.ended, "the deflate stream was cut off");
    cr_assert_lt(z.bytes, 200000, "%zu bytes came", z.bytes);
    squeezer_stop(&z);
    toy_stop(&toy);
}

Test(session_compress, what_was_sent_behind_the_command_is_compressed)
{
    struct toy toy;
    struct squeezer z = {.ended = false};
    char bytes[256] = "COMPRESS\r\n";
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&z.c, &toy);
    toy_expect(&z.c, "hello");
    cr_assert_eq(deflateInit2(&z.sent, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    cr_assert_eq(inflateInit2(&z.received, -15), Z_OK);
    size_t len = squeeze(&z, "ECHO early\r\n", 12, Z_SYNC_FLUSH, bytes + 10, sizeof(bytes) - 10);
    send_bytes(&z, bytes, 10 + len, sizeof(bytes));
    toy_expect(&z.c, "squeezed");
    hear_line(&z, "early");
    squeezer_stop(&z);
    toy_stop(&toy);
}

/* 200 MB of one line that never ends, in 200 KB: refused after 1000 bytes of it. */
Test(session_compress, a_bomb_does_not_grow)
{
    struct toy toy;
    struct squeezer z;
    size_t size = 200u << 20, room = 1u << 20;
    char *plain = calloc(1, size), *bytes = malloc(room);
    toy_start(&toy, &(struct toy_options){0});
    squeezer_start(&z, &toy);
    size_t len = squeeze(&z, plain, size, Z_SYNC_FLUSH, bytes, room);
    for (size_t at = 0, n = 1; at < len && n > 0; at += n) {
        ssize_t sent = send(z.c.fd, bytes + at, len - at < 4096 ? len - at : 4096, MSG_NOSIGNAL);
        n = sent < 0 ? 0 : (size_t)sent;
    }
    toy_wait_sessions(&toy, 0);
    squeezer_stop(&z);
    toy_stop(&toy);
    free(plain);
    free(bytes);
}

Test(session_compress, what_is_no_deflate_ends_the_connection)
{
    struct toy toy;
    struct squeezer z;
    toy_start(&toy, &(struct toy_options){0});
    squeezer_start(&z, &toy);
    send_bytes(&z, "ECHO plain\r\n", 12, 12);
    toy_wait_sessions(&toy, 0);
    squeezer_stop(&z);
    toy_stop(&toy);
}

Test(session_compress, woken_while_nothing_comes)
{
    struct toy toy;
    struct squeezer z;
    toy_start(&toy, &(struct toy_options){0});
    squeezer_start(&z, &toy);
    say(&z, "HANDLE\r\n", Z_SYNC_FLUSH, 4096);
    hear_line(&z, "ok");
    session_wake(toy.handle);
    hear_line(&z, "woken");
    squeezer_stop(&z);
    toy_stop(&toy);
}
