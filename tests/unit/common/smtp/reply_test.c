#include "common/smtp/reply.h"

#include <criterion/criterion.h>
#include <string.h>

static void check_written(const char *name, struct smtp_reply reply, const char *want)
{
    struct buf out;
    buf_init(&out, 8192);
    smtp_reply_write(&out, &reply);
    cr_assert(str_eq(buf_str(&out), str_from_cstr(want)), "%s: got \"%.*s\"", name,
              STR_ARG(buf_str(&out)));
    buf_release(&out);
}

Test(reply, is_written_with_its_codes_on_each_line)
{
    check_written("one line", SMTP_REPLY(250, 2, 1, 0, "ok"), "250 2.1.0 ok\r\n");
    check_written("no enhanced code", SMTP_REPLY_PLAIN(354, "go on"), "354 go on\r\n");
    check_written("lines", SMTP_REPLY(550, 5, 1, 1, "a\nb"), "550-5.1.1 a\r\n550 5.1.1 b\r\n");
    check_written("no text", SMTP_REPLY_PLAIN(334, ""), "334 \r\n");
    check_written("no injection", SMTP_REPLY(550, 5, 1, 1, "a\rb"), "550 5.1.1 a?b\r\n");
}

Test(reply, long_lines_are_wrapped_below_512_bytes)
{
    char text[1200];
    memset(text, 'x', sizeof(text));
    text[450] = ' ';
    struct buf out;
    buf_init(&out, 8192);
    smtp_reply_write(&out, &(struct smtp_reply){550, {5, 7, 1}, {text, sizeof(text)}});
    struct str rest = buf_str(&out), line;
    size_t lines = 0, bytes = 0;
    while (rest.len > 0) {
        str_cut(rest, '\n', &line, &rest);
        cr_assert(line.len + 1 <= 512, "line of %zu", line.len);
        if (lines == 0)
            cr_assert_eq(line.len, strlen("550-5.7.1 ") + 450 + 1);
        bytes += line.len - strlen("550-5.7.1 ") - 1;
        lines++;
    }
    cr_assert_eq(lines, 3);
    cr_assert_eq(bytes, sizeof(text) - 1); /* all but the space at which it was wrapped */
    buf_release(&out);
}

static bool read_reply(const char *lines, struct arena *arena, struct smtp_reply *ret,
                       struct err *err)
{
    struct smtp_reply_reader r;
    smtp_reply_reader_init(&r, arena);
    bool done = false;
    struct str rest = str_from_cstr(lines), line;
    while (!done && !str_is_null(rest)) {
        str_cut(rest, '\n', &line, &rest);
        if (!smtp_reply_reader_add(&r, line, &done, err))
            return false;
    }
    *ret = r.reply;
    return done || err_set(err, ERR_STATE, "not done");
}

Test(reply, is_read_line_by_line)
{
    static const struct {
        const char *in;
        uint16_t code; /* 0: refused */
        uint8_t enhanced[3];
        const char *text;
    } rows[] = {
        {"250 ok", 250, {0, 0, 0}, "ok"},
        {"250 2.1.0 ok\r", 250, {2, 1, 0}, "ok"},
        {"550-5.1.1 no\r\n550 5.1.1 such user\r", 550, {5, 1, 1}, "no\nsuch user"},
        {"250", 250, {0, 0, 0}, ""},
        {"250-\n250", 250, {0, 0, 0}, "\n"},
        {"450 4.2.10", 450, {4, 2, 10}, ""},
        {"550 4.1.1 class does not fit", 550, {0, 0, 0}, "4.1.1 class does not fit"},
        {"550 5.1.1x", 550, {0, 0, 0}, "5.1.1x"},
        {"220-a\n250 b", 0, {0}, NULL},
        {"25 ok", 0, {0}, NULL},
        {"250ok", 0, {0}, NULL},
        {"600 ok", 0, {0}, NULL},
        {"100 ok", 0, {0}, NULL},
        {"", 0, {0}, NULL},
        {"HTTP/1.1 400", 0, {0}, NULL},
    };
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_reply reply;
        struct err err;
        bool ok = read_reply(rows[i].in, &arena, &reply, &err);
        cr_assert_eq(ok, rows[i].code != 0, "%s", rows[i].in);
        if (!ok)
            continue;
        cr_assert_eq(reply.code, rows[i].code, "%s", rows[i].in);
        cr_assert_arr_eq(reply.enhanced, rows[i].enhanced, 3, "%s", rows[i].in);
        cr_assert(str_eq(reply.text, str_from_cstr(rows[i].text)), "%s: got \"%.*s\"", rows[i].in,
                  STR_ARG(reply.text));
    }
    arena_release(&arena);
}

Test(reply, of_endless_lines_is_refused)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct smtp_reply_reader r;
    smtp_reply_reader_init(&r, &arena);
    struct err err;
    bool done = false;
    unsigned lines = 0;
    while (lines <= SMTP_REPLY_LINES_MAX && smtp_reply_reader_add(&r, STR("250-x"), &done, &err))
        lines++;
    cr_assert_eq(lines, SMTP_REPLY_LINES_MAX);
    cr_assert_eq(err.kind, ERR_LIMIT);
    arena_release(&arena);
}

Test(reply, ehlo_keywords_are_found_after_the_greeting)
{
    struct smtp_reply ehlo = {250, {0}, STR_INIT("SIZE.example\nSIZE 1000\nstarttls\nAUTH PLAIN")};
    struct str parameters;
    cr_assert(smtp_reply_has_keyword(&ehlo, STR("SIZE"), &parameters));
    cr_assert(str_eq(parameters, STR("1000")));
    cr_assert(smtp_reply_has_keyword(&ehlo, STR("STARTTLS"), &parameters));
    cr_assert_eq(parameters.len, 0);
    cr_assert(!smtp_reply_has_keyword(&ehlo, STR("PIPELINING"), NULL));
    cr_assert(!smtp_reply_has_keyword(&ehlo, STR("SIZE.example"), NULL));
}

Test(reply, every_kind_of_error_has_one)
{
    for (int kind = ERR_SYNTAX; kind <= ERR_INTERNAL; kind++) {
        struct err err = {.kind = (enum err_kind)kind};
        struct smtp_reply reply = smtp_reply_of_err(&err);
        cr_assert_eq(reply.code / 100, reply.enhanced[0], "%s", err_kind_name(err.kind));
        if (err_is_transient(err.kind))
            cr_assert(smtp_reply_is_transient(&reply), "%s", err_kind_name(err.kind));
        cr_assert_neq(reply.text.len, 0);
    }
    struct err err;
    err_set(&err, ERR_LIMIT, "detail for the log");
    err_reply(&err, "mailbox is full");
    cr_assert(str_eq(smtp_reply_of_err(&err).text, STR("mailbox is full")));
}
