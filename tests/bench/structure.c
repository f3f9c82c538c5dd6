/*
 * CPU time for parsing, encoding and decoding the structure of messages: of FILEs, or of a usual
 * message of 4 KiB and of hostile ones of 8 MiB, whose cost for each KiB must stay near that of the
 * usual one.
 *
 *     bench-structure [FILE...]
 */
#include "common/mail/structure.h"

#include "common/base/bug.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SIZE_MAX_READ (256u << 20)
#define HOSTILE_SIZE (8u << 20)
#define SECONDS_EACH 0.5

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct bench {
    struct str message;
    struct arena arena;
    struct buf bytes;
    const struct structure *structure;
};

static void parse(struct bench *b)
{
    b->structure = structure_parse(b->message, &b->arena);
}

static void encode(struct bench *b)
{
    struct err err;
    buf_reset(&b->bytes);
    if (!structure_encode(structure_parse(b->message, &b->arena), &b->arena, &b->bytes, &err))
        BUG("%s", err.detail);
}

static void decode(struct bench *b)
{
    struct err err;
    if (!structure_decode(buf_str(&b->bytes), &b->arena, &b->structure, &err))
        BUG("%s", err.detail);
}

/* Microseconds of one call. */
static double measure(struct bench *b, void (*call)(struct bench *))
{
    double from = cpu_seconds(), now;
    unsigned long calls = 0;
    do {
        arena_reset(&b->arena);
        call(b);
        calls++;
        now = cpu_seconds();
    } while (now - from < SECONDS_EACH);
    return (now - from) / (double)calls * 1e6;
}

static void run(const char *name, struct str message)
{
    struct bench b = {.message = message};
    arena_init(&b.arena, STRUCTURE_ARENA_SIZE);
    buf_init(&b.bytes, STRUCTURE_ARENA_SIZE);
    double parsed = measure(&b, parse), encoded = measure(&b, encode),
           decoded = measure(&b, decode);
    printf("%-24s %9zu bytes: parse %10.1f us (%5.2f us/KiB), and encode %10.1f us to %7zu bytes, "
           "decode %7.1f us\n",
           name, message.len, parsed, parsed * 1024 / (double)message.len, encoded, b.bytes.len,
           decoded);
    buf_release(&b.bytes);
    arena_release(&b.arena);
}

static void run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    char *text = xmalloc(SIZE_MAX_READ);
    run(path, str_make(text, fread(text, 1, SIZE_MAX_READ, f)));
    fclose(f);
    free(text);
}

static void run_usual(void)
{
    struct buf text;
    buf_init(&text, 8192);
    buf_append_cstr(&text, "Received: from client.example (client.example [192.0.2.1])\r\n"
                           "\tby mx.example.org ([192.0.2.2]) via tcp with ESMTPS id abcdefgh\r\n"
                           "\tfor <jane@example.org>; Mon, 7 Feb 2022 21:52:25 -0800\r\n"
                           "From: \"Joe Doe\" <joe@example.net>\r\n"
                           "To: Jane <jane@example.org>, =?utf-8?q?J=C3=B6rg?= <j@example.org>\r\n"
                           "Subject: Re: [list] =?utf-8?q?Gr=C3=BC=C3=9Fe?= from here\r\n"
                           "Date: Mon, 7 Feb 2022 21:52:25 -0800\r\n"
                           "Message-ID: <1234.5678@example.net>\r\n"
                           "References: <a1@example.org> <a2@example.org>\r\n"
                           "Content-Type: multipart/alternative; boundary=\"=_x\"\r\n\r\n--=_x\r\n"
                           "Content-Type: text/plain; charset=utf-8\r\n"
                           "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
    while (text.len < 2048)
        buf_append_cstr(&text, "Hello J=C3=B6rg, this is a line that says something.\r\n");
    buf_append_cstr(&text, "--=_x\r\nContent-Type: text/html; charset=utf-8\r\n"
                           "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
    while (text.len < 4000)
        buf_append_cstr(&text, "<p>Hello J=C3=B6rg, this is a <b>line</b> as well.</p>\r\n");
    buf_append_cstr(&text, "--=_x--\r\n");
    run("usual message", buf_str(&text));
    buf_release(&text);
}

static void run_hostile(void)
{
    static const struct {
        const char *name;
        const char *begin;
        const char *piece;
    } cases[] = {
        {"nested multiparts", "", "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"},
        {"nested messages", "", "Content-Type: message/rfc822\r\n\r\n"},
        {"empty parts", "Content-Type: multipart/mixed; boundary=x\r\n\r\n", "--x\r\n\r\n"},
        {"near delimiters",
         "Content-Type: multipart/mixed; boundary=xxxxxxxx\r\n\r\n--xxxxxxxx\r\n",
         "--xxxxxxxy\r\n"},
        {"one line of addresses", "To: ", "=?utf-8?q?a?= <a@b.example>, "},
        {"fields of addresses", "", "To: a@b.example\r\n"},
        {"encoded words", "Subject: ", "=?utf-8?q?a?= =?"},
        {"list tags", "Subject: ", "[a]"},
        {"open comments", "Cc: ", "("},
        {"parameters", "Content-Type: text/plain", ";a*0=b"},
        {"references", "", "References: <a@b> <\r\n"},
        {"quoted lines", "\r\n", ">\r\n"},
        {"html tags", "Content-Type: text/html\r\n\r\n", "<a href=\"<!--"},
        {"base64", "Content-Transfer-Encoding: base64\r\n\r\n", "QUJD\r\n"},
        {"soft line breaks", "Content-Transfer-Encoding: quoted-printable\r\n\r\n", "= \t=\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf text;
        buf_init(&text, HOSTILE_SIZE + 4096);
        buf_append_cstr(&text, cases[i].begin);
        while (text.len < HOSTILE_SIZE)
            buf_append_cstr(&text, cases[i].piece);
        run(cases[i].name, buf_str(&text));
        buf_release(&text);
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        run_file(argv[i]);
    if (argc == 1) {
        run_usual();
        run_hostile();
    }
    return 0;
}
