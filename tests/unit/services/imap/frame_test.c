#include "services/imap/frame.h"

#include "common/base/buf.h"
#include "common/sys/session.h"

#include <criterion/criterion.h>

Test(frame, lines_and_literal_bytes_are_units)
{
    static const struct {
        const char *name;
        struct frame frame;
        const char *in;
        size_t want;
    } rows[] = {
        {"a line", {FRAME_LINE, 0}, "a NOOP\r\nb", 8},
        {"a bare LF ends a line too", {FRAME_LINE, 0}, "a\nb\n", 2},
        {"no line end yet", {FRAME_LINE, 0}, "a NOOP\r", SESSION_FRAME_MORE},
        {"all of a literal", {FRAME_BYTES, 3}, "abc)\r\n", 3},
        {"a part of a literal", {FRAME_BYTES, 10}, "abc", 3},
        {"a literal may hold line ends", {FRAME_BYTES, 4}, "\r\n\r\nx", 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(frame_next(&rows[i].frame, str_from_cstr(rows[i].in)), rows[i].want, "%s",
                     rows[i].name);
}

Test(frame, lines_have_a_maximum)
{
    struct frame frame = {.mode = FRAME_LINE};
    char *line = malloc(FRAME_LINE_MAX + 1);
    memset(line, 'x', FRAME_LINE_MAX + 1);
    cr_assert_eq(frame_next(&frame, str_make(line, FRAME_LINE_MAX - 1)), SESSION_FRAME_MORE);
    cr_assert_eq(frame_next(&frame, str_make(line, FRAME_LINE_MAX)), SESSION_FRAME_BAD);
    line[FRAME_LINE_MAX - 1] = '\n';
    cr_assert_eq(frame_next(&frame, str_make(line, FRAME_LINE_MAX)), FRAME_LINE_MAX);
    line[FRAME_LINE_MAX - 1] = 'x';
    line[FRAME_LINE_MAX] = '\n';
    cr_assert_eq(frame_next(&frame, str_make(line, FRAME_LINE_MAX + 1)), SESSION_FRAME_BAD);
    free(line);
}

Test(frame, a_line_may_end_in_a_literal)
{
    static const struct {
        const char *in;
        bool is_literal;
        struct frame_literal want;
    } rows[] = {
        {"a X {12}\r\n", true, {4, 12, true, false}},
        {"a X {12+}\r\n", true, {4, 12, false, false}},
        {"a X ~{0}\r\n", true, {4, 0, true, true}},
        {"a X ~{5+}\n", true, {4, 5, false, true}},
        {"{99999999999999999999999}\r\n", true, {0, UINT64_MAX, true, false}},
        {"a X {12}x\r\n", false, {0}},
        {"a X {}\r\n", false, {0}},
        {"a X {+}\r\n", false, {0}},
        {"a X {1-}\r\n", false, {0}},
        {"12}\r\n", false, {0}},
        {"}\r\n", false, {0}},
        {"+}\r\n", false, {0}},
        {"\r\n", false, {0}},
        {"", false, {0}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct frame_literal got = {0};
        bool is_literal = frame_ends_in_literal(str_from_cstr(rows[i].in), &got);
        cr_assert_eq(is_literal, rows[i].is_literal, "%s", rows[i].in);
        if (!is_literal)
            continue;
        cr_assert_eq(got.offset, rows[i].want.offset, "%s", rows[i].in);
        cr_assert_eq(got.size, rows[i].want.size, "%s", rows[i].in);
        cr_assert_eq(got.sync, rows[i].want.sync, "%s", rows[i].in);
        cr_assert_eq(got.binary, rows[i].want.binary, "%s", rows[i].in);
    }
}

/* Takes the units of `in` as they are found when bytes come in pieces; writes each unit followed by
 * "|", literal bytes joined. */
static void write_units(struct str in, size_t first, size_t step, struct buf *out)
{
    struct frame frame = {.mode = FRAME_LINE};
    size_t at = 0, have = first;
    for (; at < in.len; have += step) {
        size_t len;
        if (have > in.len)
            have = in.len;
        while (at < have && (len = frame_next(&frame, str_slice(in, at, have - at))) > 0) {
            struct str unit = str_slice(in, at, len);
            struct frame_literal literal;
            at += len;
            buf_append(out, unit);
            if (frame.mode == FRAME_BYTES && (frame.remaining -= len) > 0)
                continue;
            bool ends = frame.mode == FRAME_LINE && frame_ends_in_literal(unit, &literal);
            frame = (struct frame){ends && literal.size ? FRAME_BYTES : FRAME_LINE,
                                   ends ? literal.size : 0};
            buf_append_char(out, '|');
        }
    }
}

Test(frame, units_do_not_depend_on_how_bytes_arrive)
{
    struct str in = STR("a LOGIN {2+}\r\nme {0}\r\n {6}\r\n\r\n{3}\n x\r\nb NOOP\nc X \"{3}\"\r\n");
    struct buf whole, pieces;
    buf_init(&whole, 1000);
    buf_init(&pieces, 1000);
    write_units(in, in.len, 1, &whole);
    cr_assert(str_eq(buf_str(&whole), STR("a LOGIN {2+}\r\n|me| {0}\r\n| {6}\r\n|\r\n{3}\n| "
                                          "x\r\n|b NOOP\n|c X \"{3}\"\r\n|")),
              "%.*s", STR_ARG(buf_str(&whole)));
    for (size_t first = 1; first <= in.len; first++) {
        for (size_t step = 1; step < 5; step++) {
            buf_reset(&pieces);
            write_units(in, first, step, &pieces);
            cr_assert(str_eq(buf_str(&whole), buf_str(&pieces)), "first %zu step %zu", first, step);
        }
    }
    buf_release(&whole);
    buf_release(&pieces);
}
