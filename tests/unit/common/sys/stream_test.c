#include "common/sys/stream.h"

#include "common/base/clock.h"
#include "tests/unit/common/sys/toy.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static int64_t soon(void)
{
    return clock_monotonic_ms() + 10000;
}

static struct stream *connect_to(const struct toy *toy)
{
    struct err err;
    struct stream *s = NULL;
    struct stream_target target = {.port = toy_port(toy)};
    cr_assert(ip_parse(STR("127.0.0.1"), &target.ip));
    cr_assert(stream_connect(&target, soon(), &s, &err), "%s", err.detail);
    return s;
}

static void write_text(struct stream *s, const char *text)
{
    struct err err;
    cr_assert(stream_write(s, str_from_cstr(text), soon(), &err), "%s", err.detail);
}

static void expect_line(struct stream *s, const char *want)
{
    struct err err;
    struct str line;
    cr_assert(stream_read_line(s, 2000, soon(), &line, &err), "%s: %s", want, err.detail);
    cr_assert(str_eq(line, str_from_cstr(want)), "got \"%.*s\", want \"%s\"", STR_ARG(line), want);
}

Test(stream, what_is_written_leaves_together_when_an_answer_is_read)
{
    struct toy toy;
    toy_start(&toy, &(struct toy_options){0});
    struct stream *s = connect_to(&toy);
    expect_line(s, "hello");
    write_text(s, "MORE?\r\n");
    write_text(s, "ECHO two\r\n");
    expect_line(s, "yes"); /* the second command was there when the first ran */
    expect_line(s, "two");
    cr_assert(!stream_has_input(s));
    cr_assert(!stream_is_tls(s));
    stream_close(s);
    toy_stop(&toy);
}

Test(stream, much_can_be_written_and_read)
{
    struct toy toy;
    struct err err;
    char line[1000];
    toy_start(&toy, &(struct toy_options){0});
    struct stream *s = connect_to(&toy);
    expect_line(s, "hello");
    snprintf(line, sizeof(line), "ECHO %0900d\r\n", 7);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++)
            write_text(s, line);
        for (int i = 0; i < 100; i++) {
            struct str got;
            cr_assert(stream_read_line(s, 900, soon(), &got, &err), "%s", err.detail);
            cr_assert_eq(got.len, 900);
        }
    }
    stream_close(s);
    toy_stop(&toy);
}

Test(stream, lines_have_a_maximum)
{
    struct toy toy;
    struct err err;
    struct str line;
    toy_start(&toy, &(struct toy_options){0});
    struct stream *s = connect_to(&toy);
    cr_assert(stream_read_line(s, 5, soon(), &line, &err), "%s", err.detail);
    write_text(s, "ECHO 123456\r\n");
    cr_assert(!stream_read_line(s, 5, soon(), &line, &err));
    cr_assert_eq(err.kind, ERR_LIMIT);
    stream_close(s);
    toy_stop(&toy);
}

Test(stream, deadlines_and_ends_are_told_apart)
{
    struct toy toy;
    struct err err;
    struct str line;
    toy_start(&toy, &(struct toy_options){0});
    struct stream *s = connect_to(&toy);
    expect_line(s, "hello");
    int64_t start_ms = clock_monotonic_ms();
    cr_assert(!stream_read_line(s, 100, start_ms + 50, &line, &err));
    cr_assert_eq(err.kind, ERR_TIMEOUT, "%s", err.detail);
    cr_assert(toy_elapsed_ms(start_ms) >= 50);
    stream_close(s);

    s = connect_to(&toy);
    expect_line(s, "hello");
    write_text(s, "QUIT\r\n");
    expect_line(s, "bye");
    cr_assert(!stream_read_line(s, 100, soon(), &line, &err));
    cr_assert_eq(err.kind, ERR_UNAVAILABLE, "%s", err.detail);
    stream_close(s);
    toy_stop(&toy);
}

Test(stream, nobody_listens)
{
    struct err err;
    struct stream *s = NULL;
    struct stream_target target = {.port = 1};
    cr_assert(ip_parse(STR("127.0.0.1"), &target.ip));
    cr_assert(!stream_connect(&target, soon(), &s, &err));
    cr_assert_eq(err.kind, ERR_UNAVAILABLE);
    cr_assert_str_eq(err.detail, "connect to 127.0.0.1:1: connect: Connection refused", "%s",
                     err.detail);
}

Test(stream, the_local_address_can_be_chosen)
{
    struct toy toy;
    struct err err;
    struct stream *s = NULL;
    struct ip local;
    toy_start(&toy, &(struct toy_options){0});
    struct stream_target target = {.port = toy_port(&toy), .local = &local};
    cr_assert(ip_parse(STR("127.0.0.1"), &target.ip));
    cr_assert(ip_parse(STR("127.0.0.77"), &local));
    cr_assert(stream_connect(&target, soon(), &s, &err), "%s", err.detail);
    cr_assert(ip_eq(stream_local_ip(s), local));
    expect_line(s, "hello");
    write_text(s, "PEER\r\n");
    struct str line;
    cr_assert(stream_read_line(s, 100, soon(), &line, &err));
    cr_assert(str_starts_with(line, STR("127.0.0.77 ")), "%.*s", STR_ARG(line));
    stream_close(s);
    toy_stop(&toy);
}

static bool start_tls(struct toy *toy, const char *host, const char *ca_file, bool verify,
                      struct stream **ret_stream, struct err *err)
{
    *ret_stream = connect_to(toy);
    expect_line(*ret_stream, "hello");
    write_text(*ret_stream, "STARTTLS\r\n");
    expect_line(*ret_stream, "go");
    struct stream_tls tls = {.host = str_from_cstr(host), .verify = verify, .ca_file = ca_file};
    return stream_starttls(*ret_stream, &tls, soon(), err);
}

Test(stream, certificates_are_judged_and_enforced_when_asked)
{
    struct toy toy;
    struct err err;
    char ca_file[128];
    toy_start(&toy, &(struct toy_options){.tls = true});
    snprintf(ca_file, sizeof(ca_file), "%s/chain.pem", toy.directory);
    const struct {
        const char *host;
        const char *ca_file;
        bool verify;
        bool want_ok;
        bool want_verified;
        const char *want_error;
    } rows[] = {
        {"localhost", ca_file, true, true, true, ""},
        {"localhost", NULL, false, true, false, "self-signed certificate"},
        {"localhost", NULL, true, false, false, "certificate verify failed"},
        {"other.example", ca_file, false, true, false, "hostname mismatch"},
        {"other.example", ca_file, true, false, false, "certificate verify failed"},
        {"127.0.0.1", ca_file, true, true, true, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct stream *s;
        bool ok = start_tls(&toy, rows[i].host, rows[i].ca_file, rows[i].verify, &s, &err);
        cr_assert_eq(ok, rows[i].want_ok, "row %zu: %s", i, err.detail);
        const char *error = ok ? stream_verify_error(s) : err.detail;
        cr_assert(strstr(error, rows[i].want_error), "row %zu: %s", i, error);
        if (ok) {
            cr_assert_eq(stream_is_verified(s), rows[i].want_verified, "row %zu", i);
            cr_assert_str_eq(stream_tls_version(s), "TLSv1.3");
            cr_assert(strlen(stream_tls_cipher(s)) > 0);
            write_text(s, "TLS\r\nECHO hidden\r\n");
            expect_line(s, "TLSv1.3");
            expect_line(s, "hidden");
        }
        stream_close(s);
    }
    toy_stop(&toy);
}

Test(stream, plain_text_before_the_handshake_is_refused)
{
    struct toy toy;
    struct err err;
    struct str greeting;
    toy_start(&toy, &(struct toy_options){.tls = true});
    struct stream *s = connect_to(&toy);
    cr_assert(stream_read(s, 1, soon(), &greeting, &err));
    cr_assert(str_eq(greeting, STR("h")));
    cr_assert(stream_has_input(s));
    struct stream_tls tls = {.host = STR("localhost")};
    cr_assert(!stream_starttls(s, &tls, soon(), &err));
    cr_assert_eq(err.kind, ERR_STATE);
    stream_close(s);
    toy_stop(&toy);
}
