#include "common/base/buf.h"
#include "common/smtp/data.h"

#include <criterion/criterion.h>

struct outcome {
    struct buf text;
    struct smtp_data data;
    size_t used;
};

/* Feeds `in`, cut into two chunks at `cut`; chunk 0 is skipped when it is empty. */
static void feed(struct outcome *o, struct str in, size_t cut)
{
    struct str chunks[] = {str_slice(in, 0, cut), str_skip(in, cut)};
    for (size_t i = 0; i < 2; i++) {
        struct str rest = chunks[i], span;
        while (smtp_data_next(&o->data, &rest, &span))
            buf_append(&o->text, span);
        o->used += chunks[i].len - rest.len;
    }
}

static void outcome_init(struct outcome *o)
{
    *o = (struct outcome){0};
    buf_init(&o->text, 4096);
    smtp_data_init(&o->data);
}

struct row {
    const char *name, *in;
    const char *want;  /* text; NULL: bad */
    const char *after; /* what is left behind the end; NULL: not ended */
    bool has_8bit, has_separator;
};

static const struct row rows[] = {
    {"4.1.1.4: the end", "a\r\n.\r\nQUIT\r\n", "a\r\n", "QUIT\r\n", false, false},
    {"empty message", ".\r\n", "", "", false, false},
    {"4.5.2: stuffed dots", "..x\r\n...\r\n.\r\n", ".x\r\n..\r\n", "", false, false},
    {"a dot before text goes", ".x\r\n.\r\n", "x\r\n", "", false, false},
    {"dots inside are text", "a.b\r\n.\r\n", "a.b\r\n", "", false, false},
    {"separator", "A: b\r\n\r\nc\r\n.\r\n", "A: b\r\n\r\nc\r\n", "", false, true},
    {"separator at the start", "\r\nc\r\n.\r\n", "\r\nc\r\n", "", false, true},
    {"8 bit", "gr\xc3\xbc\xc3\x9f dich\r\n.\r\n", "gr\xc3\xbc\xc3\x9f dich\r\n", "", true, false},
    {"bare LF is repaired", "a\nb\n\nc\r\n.\r\n", "a\r\nb\r\n\r\nc\r\n", "", false, true},
    {"a dot after a bare LF is text", "a\n.b\r\n.\r\n", "a\r\n.b\r\n", "", false, false},
    {"not ended", "a\r\n.", "a\r\n", NULL, false, false},
    {"bare CR", "a\rb\r\n.\r\n", NULL, "", false, false},
    {"CR CR LF", "a\r\r\n.\r\n", NULL, "", false, false},
    {"CR dot CR LF", "a\r.\r\n.\r\n", NULL, "", false, false},
    {"dot CR text", "a\r\n.\rb\r\n.\r\n", NULL, "", false, false},
    {"smuggling: LF . LF", "a\n.\nMAIL\r\n.\r\n", NULL, "", false, false},
    {"smuggling: LF . CRLF", "a\n.\r\nMAIL\r\n.\r\n", NULL, "", false, false},
    {"smuggling: CRLF . LF", "a\r\n.\nMAIL\r\n.\r\n", NULL, "", false, false},
    {"smuggling: at the start", ".\nMAIL\r\n.\r\n", NULL, "", false, false},
    {"bad still ends only at CRLF . CRLF", "a\n.\n.\r\nb\r\n.\r\nQ", NULL, "Q", false, false},
};

Test(data, finds_the_end_and_unstuffs_however_it_is_cut)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct str in = str_from_cstr(row->in);
        for (size_t cut = 0; cut <= in.len; cut++) {
            struct outcome o;
            outcome_init(&o);
            feed(&o, in, cut);
            cr_assert_eq(o.data.ended, row->after != NULL, "%s, cut at %zu", row->name, cut);
            cr_assert_eq(o.data.bad != NULL, row->want == NULL, "%s, cut at %zu", row->name, cut);
            if (row->after)
                cr_assert(str_eq(str_skip(in, o.used), str_from_cstr(row->after)), "%s, cut at %zu",
                          row->name, cut);
            if (row->want) {
                cr_assert(str_eq(buf_str(&o.text), str_from_cstr(row->want)),
                          "%s, cut at %zu: got \"%.*s\"", row->name, cut,
                          STR_ARG(buf_str(&o.text)));
                cr_assert_eq(o.data.size, o.text.len, "%s", row->name);
                cr_assert_eq(o.data.has_8bit, row->has_8bit, "%s, cut at %zu", row->name, cut);
                cr_assert_eq(o.data.has_separator, row->has_separator, "%s, cut at %zu", row->name,
                             cut);
            }
            buf_release(&o.text);
        }
    }
}

Test(data, byte_by_byte_gives_the_same)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome o;
        outcome_init(&o);
        struct str in = str_from_cstr(rows[i].in);
        for (size_t at = 0; at < in.len && !o.data.ended; at++)
            feed(&o, str_slice(in, at, 1), 0);
        cr_assert_eq(o.data.ended, rows[i].after != NULL, "%s", rows[i].name);
        if (rows[i].want)
            cr_assert(str_eq(buf_str(&o.text), str_from_cstr(rows[i].want)), "%s", rows[i].name);
        buf_release(&o.text);
    }
}

Test(data, clean_text_is_one_span)
{
    struct smtp_data d;
    smtp_data_init(&d);
    struct str in = STR("A: b\r\n\r\ntext\r\nmore text\r\n"), span;
    cr_assert(smtp_data_next(&d, &in, &span));
    cr_assert_eq(span.len, 25);
    cr_assert_eq(in.len, 0);
}

Test(data, length_is_what_belongs_to_it)
{
    struct smtp_data d;
    smtp_data_init(&d);
    cr_assert_eq(smtp_data_length(&d, STR("a\r\n.\r\nQUIT\r\n")), 6);
    cr_assert_eq(smtp_data_length(&d, STR("a\r\n.\r")), 5);
    cr_assert(!d.ended);
}
