#include "services/queue-deliverer/content.h"

#include "common/base/buf.h"

#include <criterion/criterion.h>

Test(content, dots_are_stuffed)
{
    static const struct {
        const char *name, *prefix, *file, *wanted;
    } rows[] = {
        {"nothing to do", "A: b\r\n", "\r\ntext\r\n", "A: b\r\n\r\ntext\r\n.\r\n"},
        {"first line", "", ".a\r\n", "..a\r\n.\r\n"},
        {"first line after the prefix", "A: b\r\n", ".\r\n", "A: b\r\n..\r\n.\r\n"},
        {"lines in a row", "", ".\r\n..\r\n.a\r\n", "..\r\n...\r\n..a\r\n.\r\n"},
        {"dots elsewhere", "", "a.b\r\n .\r\n", "a.b\r\n .\r\n.\r\n"},
        {"empty", "", "", ".\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct content c =
            content_begin(str_from_cstr(rows[i].prefix), str_from_cstr(rows[i].file));
        struct buf out;
        struct str span;
        buf_init(&out, 1000);
        while (content_next(&c, &span))
            buf_append(&out, span);
        cr_expect(str_eq(buf_str(&out), str_from_cstr(rows[i].wanted)), "%s: %.*s", rows[i].name,
                  STR_ARG(buf_str(&out)));
        buf_release(&out);
    }
}

Test(content, broken_line_ends_do_not_go_out)
{
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        {"a\r\nb\r\n", true}, {"", true},         {"a\r\nb", false}, {"a\nb\r\n", false},
        {"a\rb\r\n", false},  {"a\r\r\n", false}, {"\n", false},     {"a\r", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err;
        cr_expect_eq(content_check(str_from_cstr(rows[i].text), &err), rows[i].good, "row %zu", i);
    }
}
