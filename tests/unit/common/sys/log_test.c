#include "common/sys/log.h"
#include "common/sys/logfmt.h"
#include "common/sys/throttle.h"
#include "common/base/buf.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

Test(logfmt, values_are_quoted_when_they_must_be)
{
    static const struct {
        struct str in;
        const char *want;
    } rows[] = {
        {STR_INIT("plain"), "k=plain"},
        {STR_INIT("user@example.org"), "k=user@example.org"},
        {STR_INIT(""), "k=\"\""},
        {STR_INIT("a b"), "k=\"a b\""},
        {STR_INIT("a=b"), "k=\"a=b\""},
        {STR_INIT("say \"hi\"\\"), "k=\"say \\\"hi\\\"\\\\\""},
        {STR_INIT("a\r\nb\tc"), "k=\"a\\r\\nb\\tc\""},
        {STR_INIT("\x1b[0m\x7f\0"), "k=\"\\x1b[0m\\x7f\\x00\""},
        {STR_INIT("z\xc3\xbcrich"), "k=\"z\xc3\xbcrich\""},
        {STR_INIT("bad\xff"), "k=\"bad\\xff\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out;
        buf_init(&out, 1000);
        logfmt_pair(&out, "k", rows[i].in);
        cr_assert(str_eq(buf_str(&out), str_from_cstr(rows[i].want)), "want %s, have %.*s",
                  rows[i].want, STR_ARG(buf_str(&out)));
        buf_release(&out);
    }
}

Test(logfmt, long_values_are_cut)
{
    struct buf out;
    buf_init(&out, 1000);
    logfmt_pair_max(&out, "k", STR("abcdef"), 3);
    cr_assert(str_eq(buf_str(&out), STR("k=abc...")));
    buf_release(&out);
}

/* What was logged, read back from a pipe. */
static const char *logged(int fd)
{
    static char text[8192];
    ssize_t n = read(fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static struct log *log_to_pipe(enum log_level level, int *ret_fd)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    struct log *log = log_new(fds[1], level);
    *ret_fd = fds[0];
    return log;
}

Test(log, a_line_has_time_level_message_package_cid_user_and_fields)
{
    int fd;
    struct log *log = log_to_pipe(LOG_INFO, &fd);
    struct log_ctx root = log_root(log, "smtp-in");
    struct log_ctx session = log_child(&root, NULL, 0x18c5f0);
    snprintf(session.user, sizeof(session.user), "me");
    struct err err;
    err_set(&err, ERR_TEMPORARY, "disk full");
    log_error(&session, "cannot deliver", LOG_I64("n", -1), LOG_U64("size", UINT64_MAX),
              LOG_BOOL("tls", true), LOG_ERR(&err));
    const char *line = logged(fd);
    cr_assert_eq(strncmp(line, "time=20", 7), 0);
    cr_assert_eq(line[28], 'Z');
    cr_assert_str_eq(line + 30, "l=error m=\"cannot deliver\" pkg=smtp-in cid=18c5f0 user=me n=-1 "
                                "size=18446744073709551615 tls=true err=\"disk full\" "
                                "kind=temporary\n");
    cr_assert_eq(log_count(log, LOG_ERROR), 1);
    log_free(log);
}

Test(log, a_package_may_have_a_level_of_its_own)
{
    int fd;
    struct log *log = log_to_pipe(LOG_INFO, &fd);
    struct log_ctx smtp = log_root(log, "smtp");
    struct log_ctx imap = log_root(log, "imap");
    log_set_package_level(log, STR("imap"), LOG_TRACE);
    cr_assert(log_is_on(&imap, LOG_TRACE));
    cr_assert(!log_is_on(&smtp, LOG_TRACE));
    log_set_package_level(log, STR("imap"), LOG_WARN);
    cr_assert(!log_is_on(&imap, LOG_INFO));
    log_free(log);
}

Test(log, credentials_and_data_show_only_at_their_levels)
{
    static const struct {
        enum log_level level;
        enum log_trace_kind kind;
        const char *want; /* NULL: no line */
    } rows[] = {
        {LOG_DEBUG, LOG_TRACE_LINE, NULL},
        {LOG_TRACE, LOG_TRACE_LINE, "text=secret size=6\n"},
        {LOG_TRACE, LOG_TRACE_AUTH, "text=*** size=6\n"},
        {LOG_TRACE, LOG_TRACE_DATA, "text=... size=6\n"},
        {LOG_TRACEAUTH, LOG_TRACE_AUTH, "text=secret size=6\n"},
        {LOG_TRACEAUTH, LOG_TRACE_DATA, "text=... size=6\n"},
        {LOG_TRACEDATA, LOG_TRACE_DATA, "text=secret size=6\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int fd;
        struct log *log = log_to_pipe(rows[i].level, &fd);
        struct log_ctx root = log_root(log, "smtp");
        log_trace(&root, '<', rows[i].kind, STR("secret"));
        if (rows[i].want)
            cr_assert(strstr(logged(fd), rows[i].want), "row %zu", i);
        else
            cr_assert_eq(log_count(log, LOG_TRACE), 0);
        log_free(log);
    }
}

Test(log, repeated_errors_are_held_back_and_info_is_not)
{
    int fd;
    struct log *log = log_to_pipe(LOG_INFO, &fd);
    struct log_ctx root = log_root(log, "smtp");
    for (uint64_t i = 1; i <= 30; i++) {
        struct log_ctx session = log_child(&root, NULL, i);
        log_warn(&session, "store is away");
        log_info(&session, "connection");
    }
    cr_assert_eq(log_count(log, LOG_WARN), 10);
    cr_assert_eq(log_count(log, LOG_INFO), 30);
    log_free(log);
}

Test(throttle, after_a_minute_it_says_what_was_held_back)
{
    struct throttle t = {0};
    uint64_t held_back;
    int passed = 0;
    for (int i = 0; i < 25; i++)
        passed += throttle_pass(&t, 7, 1000, &held_back);
    cr_assert_eq(passed, 10);
    cr_assert(throttle_pass(&t, 8, 1000, &held_back), "another event");
    cr_assert(throttle_pass(&t, 7, 61000, &held_back));
    cr_assert_eq(held_back, 15);
    cr_assert(throttle_pass(&t, 7, 61001, &held_back));
    cr_assert_eq(held_back, 0);
}
