#include "common/mail/line_ends.h"
#include "common/mail/maildir.h"

#include "common/base/bug.h"

#include <criterion/criterion.h>

static struct arena arena;

static void setup(void)
{
    arena_init(&arena, 1 << 20);
}

static void teardown(void)
{
    arena_release(&arena);
}

TestSuite(maildir, .init = setup, .fini = teardown);

Test(maildir, names_say_time_and_flags)
{
    static const struct {
        const char *name;
        const char *unique;
        int64_t time_s; /* -1: none */
        uint32_t bits;
        uint32_t letters;
    } rows[] = {
        {"1642966915.1.h:2,FSa", "1642966915.1.h", 1642966915, MAIL_FLAGGED | MAIL_SEEN, 1},
        {"x", "x", -1, 0, 0},
        {"1642966915", "1642966915", -1, 0, 0},
        {"1.h", "1.h", 1, 0, 0},
        {"1.h:2,", "1.h", 1, 0, 0},
        {"1.h:2,PDRTSF", "1.h", 1,
         MAIL_DRAFT | MAIL_ANSWERED | MAIL_DELETED | MAIL_SEEN | MAIL_FLAGGED, 0},
        {"1.h:2,zA9", "1.h", 1, 0, 1u << 25},
        {"1.h:1,S", "1.h:1,S", 1, 0, 0},
        {"99999999999999999999.h:2,S", "99999999999999999999.h", -1, MAIL_SEEN, 0},
        {"-1.h", "-1.h", -1, 0, 0},
        {"1.M2P3V4I5.h,S=6,W=7:2,S", "1.M2P3V4I5.h,S=6,W=7", 1, MAIL_SEEN, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct maildir_name n = maildir_parse_name(str_from_cstr(rows[i].name));
        cr_assert(str_eq(n.unique, str_from_cstr(rows[i].unique)), "%s: %.*s", rows[i].name,
                  STR_ARG(n.unique));
        cr_assert_eq(n.has_time, rows[i].time_s >= 0, "%s", rows[i].name);
        cr_assert(!n.has_time || n.time_s == rows[i].time_s, "%s", rows[i].name);
        cr_assert_eq(n.bits, rows[i].bits, "%s: %x", rows[i].name, n.bits);
        cr_assert_eq(n.letters, rows[i].letters, "%s: %x", rows[i].name, n.letters);
    }
}

Test(maildir, lines_of_the_keyword_file_are_checked)
{
    static const struct {
        const char *line;
        bool ok;
    } rows[] = {
        {"0 $Forwarded", true}, {"25 Work", true},   {"", true},    {"1 other\r", true},
        {"26 late", false},     {"0 again", false},  {"2", false},  {"x y", false},
        {"2 two words", false}, {"2 (bad)", false},  {"2 ", false}, {"-1 x", false},
        {"2 work", false},      {"2 \\Seen", false},
    };
    struct maildir_keywords k = {.words = {STR_NULL}};
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(maildir_keywords_line(&k, str_from_cstr(rows[i].line), &arena, &err),
                     rows[i].ok, "%s", rows[i].line);
    cr_assert(str_eq(k.words[25], STR("work")) && str_eq(k.words[1], STR("other")));
    cr_assert_eq(k.words[2].len, 0);

    struct maildir_name name = maildir_parse_name(STR("1642966915.1.h:2,FSaczz"));
    struct mail_flags flags = {.bits = 0};
    maildir_flags(&name, &k, &flags, &arena);
    cr_assert_eq(flags.bits, MAIL_FLAGGED | MAIL_SEEN | MAIL_FORWARDED, "%x", flags.bits);
    cr_assert(flags.keyword_count == 1 && str_eq(flags.keywords[0], STR("work")));
}

Test(maildir, names_and_letters_are_written_in_order_of_first_use)
{
    struct maildir_keywords k = {.words = {STR_NULL}};
    struct buf out;
    buf_init(&out, 1000);
    struct mail_flags one = {
        .bits = MAIL_SEEN | MAIL_JUNK, .keywords = {STR("work")}, .keyword_count = 1};
    struct mail_flags two = {.bits = MAIL_FLAGGED | MAIL_DELETED | MAIL_FORWARDED | MAIL_JUNK};
    struct mail_flags both = {.bits = MAIL_JUNK | MAIL_NOTJUNK | MAIL_DRAFT | MAIL_ANSWERED};
    uint32_t letters = maildir_letters(&k, &one, &arena);
    cr_assert(maildir_write_name(&out, 1642966915, 7, one.bits, letters));
    cr_assert(str_eq(buf_str(&out), STR("1642966915.7.mailrail:2,Sab")), "%.*s",
              STR_ARG(buf_str(&out)));
    buf_reset(&out);
    letters = maildir_letters(&k, &two, &arena);
    cr_assert(maildir_write_name(&out, 1, 8, two.bits, letters));
    cr_assert(str_eq(buf_str(&out), STR("1.8.mailrail:2,FTac")), "%.*s", STR_ARG(buf_str(&out)));
    buf_reset(&out);
    letters = maildir_letters(&k, &both, &arena);
    cr_assert(maildir_write_name(&out, 1, 9, both.bits, letters));
    cr_assert(str_eq(buf_str(&out), STR("1.9.mailrail:2,DR")), "%.*s", STR_ARG(buf_str(&out)));
    buf_reset(&out);
    cr_assert(maildir_write_keywords(&out, &k));
    cr_assert(str_eq(buf_str(&out), STR("0 $Junk\n1 work\n2 $Forwarded\n")), "%.*s",
              STR_ARG(buf_str(&out)));
    buf_release(&out);
}

Test(maildir, letters_end_at_26)
{
    struct maildir_keywords k = {.words = {STR_NULL}};
    struct mail_flags flags = {.bits = 0};
    for (int i = 0; i < 30; i++)
        flags.keywords[flags.keyword_count++] = arena_printf(&arena, "k%d", i);
    cr_assert_eq(maildir_letters(&k, &flags, &arena), (1u << 26) - 1);
    cr_assert(str_eq(k.words[25], STR("k25")));
}

Test(maildir, line_ends_are_converted_in_pieces)
{
    static const struct {
        const char *in, *crlf, *lf;
    } rows[] = {
        {"a\nb\n", "a\r\nb\r\n", "a\nb\n"},
        {"a\r\nb", "a\r\nb", "a\nb"},
        {"\n\n\r\n", "\r\n\r\n\r\n", "\n\n\n"},
        {"a\rb\r\r\n\r", "a\rb\r\r\n\r", "a\rb\r\n\r"},
        {"", "", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str in = str_from_cstr(rows[i].in), span;
        for (size_t size = 1; size <= in.len + 1; size++) {
            struct line_ends crlf = {0}, lf = {0};
            struct buf a, b;
            buf_init(&a, 100);
            buf_init(&b, 100);
            for (struct str rest = in; rest.len > 0; rest = str_skip(rest, size)) {
                struct str piece = str_slice(rest, 0, size);
                while (line_ends_to_crlf(&crlf, &piece, &span))
                    buf_append(&a, span);
                piece = str_slice(rest, 0, size);
                while (line_ends_to_lf(&lf, &piece, &span))
                    buf_append(&b, span);
            }
            buf_append(&b, line_ends_last(&lf));
            cr_assert(str_eq(buf_str(&a), str_from_cstr(rows[i].crlf)), "row %zu, pieces of %zu", i,
                      size);
            cr_assert(str_eq(buf_str(&b), str_from_cstr(rows[i].lf)), "row %zu, pieces of %zu", i,
                      size);
            buf_release(&a);
            buf_release(&b);
        }
    }
}
