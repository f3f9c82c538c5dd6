#include "services/imap/parse.h"

#include "services/imap/names.h"
#include "services/imap/section.h"
#include "services/imap/uid_set.h"

#include <criterion/criterion.h>

Test(parse, strings)
{
    static const struct {
        const char *in;
        const char *want; /* NULL: an error */
    } rows[] = {
        {"atom", "atom"},
        {"a]b", "a]b"},
        {"\"\"", ""},
        {"\"a b\"", "a b"},
        {"\"a\\\\b\\\"c\"", "a\\b\"c"},
        {"\"\\\\\"", "\\"},
        {"\"a\\b\"", NULL},
        {"\"a", NULL},
        {"\"a\r\n\"", NULL},
        {"\"h\xc3\xa9\"", "h\xc3\xa9"},
        {"{3}\r\na\r\n", "a\r\n"},
        {"{3+}\r\nabc", "abc"},
        {"{4}\r\nabc", NULL},
        {"{102401}\r\n", NULL},
        {"", NULL},
        {"(", NULL},
    };
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err;
        struct cursor c = cursor_init(str_from_cstr(rows[i].in));
        struct str got = parse_astring(&c, &arena);
        bool ok = cursor_finish(&c, &err);
        cr_assert_eq(ok, rows[i].want != NULL, "%s", rows[i].in);
        if (ok)
            cr_assert(str_eq(got, str_from_cstr(rows[i].want)), "%s: %.*s", rows[i].in,
                      STR_ARG(got));
    }
    arena_release(&arena);
}

Test(parse, sequence_sets)
{
    static const struct {
        const char *in;
        const char *want; /* NULL: an error */
    } rows[] = {
        {"1", "1:1 "},        {"1:3,7", "1:3 7:7 "},
        {"*", "0:0 "},        {"2:*,*:4", "2:0 0:4 "},
        {"0", NULL},          {"1,", NULL},
        {"1:", NULL},         {"4294967295", "4294967295:4294967295 "},
        {"4294967296", NULL}, {"a", NULL},
    };
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err;
        struct buf got;
        buf_init(&got, 1000);
        struct cursor c = cursor_init(str_from_cstr(rows[i].in));
        struct sequence_set set = parse_sequence_set(&c, &arena);
        bool ok = cursor_finish(&c, &err);
        cr_assert_eq(ok, rows[i].want != NULL, "%s", rows[i].in);
        for (size_t k = 0; k < set.len; k++)
            buf_printf(&got, "%u:%u ", set.ranges[k].first, set.ranges[k].last);
        if (ok)
            cr_assert(str_eq(buf_str(&got), str_from_cstr(rows[i].want)), "%s", rows[i].in);
        buf_release(&got);
    }
    arena_release(&arena);
}

Test(parse, flags_spec_1_8)
{
    static const struct {
        const char *in;
        uint32_t flags;
        const char *keywords; /* NULL: an error */
    } rows[] = {
        {"()", 0, ""},
        {"(\\Seen \\DELETED)", FLAG_SEEN | FLAG_DELETED, ""},
        {"(New new b A)", 0, "new b a "},
        {"($NOTJUNK $junk)", FLAG_NOTJUNK | FLAG_JUNK, ""},
        {"(\\foo)", 0, NULL},
        {"(\\Recent)", 0, NULL},
        {"(a  b)", 0, NULL},
        {"(a", 0, NULL},
        {"(a%b)", 0, NULL},
    };
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err;
        struct buf got;
        buf_init(&got, 1000);
        struct cursor c = cursor_init(str_from_cstr(rows[i].in));
        struct flag_list list = parse_flag_list(&c, &arena);
        bool ok = cursor_finish(&c, &err);
        cr_assert_eq(ok, rows[i].keywords != NULL, "%s", rows[i].in);
        for (size_t k = 0; k < list.keyword_count; k++)
            buf_printf(&got, "%.*s ", STR_ARG(list.keywords[k]));
        if (ok) {
            cr_assert_eq(list.flags, rows[i].flags, "%s", rows[i].in);
            cr_assert(str_eq(buf_str(&got), str_from_cstr(rows[i].keywords)), "%s", rows[i].in);
        }
        buf_release(&got);
    }
    arena_release(&arena);
}

Test(parse, dates)
{
    static const struct {
        const char *in;
        bool ok;
        int64_t time_s;
        int zone;
    } rows[] = {
        {"\"17-Jul-1996 02:44:25 -0700\"", true, 837596665, -420},
        {"\" 1-Jan-1970 00:00:00 +0000\"", true, 0, 0},
        {"\"1-Jan-1970 00:00:00 +0000\"", false, 0, 0},
        {"\"31-Apr-2020 00:00:00 +0000\"", false, 0, 0},
        {"\"17-Jul-1996 25:44:25 -0700\"", false, 0, 0},
        {"\"17-Jul-1996 02:44:25 -2400\"", false, 0, 0},
        {"\"17-Jux-1996 02:44:25 -0700\"", false, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err;
        struct cursor c = cursor_init(str_from_cstr(rows[i].in));
        struct date date = parse_date_time(&c);
        cr_assert_eq(cursor_finish(&c, &err), rows[i].ok, "%s", rows[i].in);
        if (rows[i].ok)
            cr_assert_eq(date.time_s, rows[i].time_s, "%s: %lld", rows[i].in,
                         (long long)date.time_s);
        if (rows[i].ok)
            cr_assert_eq(date.zone_minutes, rows[i].zone, "%s", rows[i].in);
    }
    struct cursor day = cursor_init(STR("\"2-Jan-1970\""));
    cr_assert_eq(parse_date(&day), 1);
    cr_assert(cursor_at_end(&day) && !cursor_failed(&day));
}

Test(parse, sections_come_back_as_they_were)
{
    static const struct {
        const char *in;
        const char *want; /* NULL: an error */
    } rows[] = {
        {"[]", "[]"},
        {"[1.2]", "[1.2]"},
        {"[text]", "[TEXT]"},
        {"[1.2.Header]", "[1.2.HEADER]"},
        {"[3.MIME]", "[3.MIME]"},
        {"[HEADER.FIELDS (from \"to\" {1}\r\na)]", "[HEADER.FIELDS (from to a)]"},
        {"[1.HEADER.FIELDS.NOT (x)]", "[1.HEADER.FIELDS.NOT (x)]"},
        {"[MIME]", NULL},
        {"[0]", NULL},
        {"[1.]", NULL},
        {"[1..2]", NULL},
        {"[HEADER.FIELDS]", NULL},
        {"[1", NULL},
        {"[4294967296]", NULL},
    };
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err;
        struct buf got;
        buf_init(&got, 1000);
        struct cursor c = cursor_init(str_from_cstr(rows[i].in));
        struct section section = section_take(&c, &arena);
        bool ok = cursor_finish(&c, &err);
        cr_assert_eq(ok, rows[i].want != NULL, "%s", rows[i].in);
        section_write(&section, &got);
        if (ok)
            cr_assert(str_eq(buf_str(&got), str_from_cstr(rows[i].want)), "%s: %.*s", rows[i].in,
                      STR_ARG(buf_str(&got)));
        buf_release(&got);
    }
    arena_release(&arena);
}

Test(names, patterns_rfc_9051_6_3_9)
{
    static const struct {
        const char *pattern, *name;
        bool want;
    } rows[] = {
        {"*", "a/b/c", true},
        {"%", "a", true},
        {"%", "a/b", false},
        {"a/%", "a/b", true},
        {"a/%", "a/b/c", false},
        {"a*c", "a/b/c", true},
        {"%/%", "a/b", true},
        {"%/%", "a/b/c", false},
        {"*%", "a/b", true},
        {"%*", "a/b", true},
        {"INBO*", "Inbox", false},
        {"", "", true},
        {"a", "", false},
        {"*x%y", "a/x/xbby", true},
        {"*x%y", "a/xb/y", false},
        {"%b*", "ab/c", true},
        {"*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaa", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(name_matches(str_from_cstr(rows[i].pattern), str_from_cstr(rows[i].name)),
                     rows[i].want, "%s %s", rows[i].pattern, rows[i].name);
}

Test(uid_set, ranges_are_merged_and_found)
{
    struct uid_set set = {0};
    struct buf out;
    buf_init(&out, 100);
    uid_set_add_range(&set, 9, 7);
    uid_set_add_range(&set, 1, 1);
    uid_set_add_range(&set, 2, 3);
    uid_set_add_range(&set, 8, 12);
    uid_set_add_range(&set, UINT32_MAX, UINT32_MAX - 1);
    uid_set_normalise(&set);
    uid_set_write(&set, &out);
    cr_assert(str_eq(buf_str(&out), STR("1:3,7:12,4294967294:4294967295")), "%.*s",
              STR_ARG(buf_str(&out)));
    cr_assert_eq(uid_set_count(&set), 11);
    cr_assert(uid_set_has(&set, 1) && uid_set_has(&set, 12) && uid_set_has(&set, UINT32_MAX));
    cr_assert(!uid_set_has(&set, 4) && !uid_set_has(&set, 13) && !uid_set_has(&set, 0));
    uid_set_release(&set);
    for (uint32_t i = 1; i < 10; i++)
        if (i != 5)
            uid_set_add(&set, i);
    cr_assert_eq(set.len, 2);
    uid_set_release(&set);
    buf_release(&out);
}

Test(uid_set, numbers_are_taken_out)
{
    static const struct {
        struct uid_range from[3], out[3];
        const char *rest;
    } rows[] = {
        {{{1, 10}}, {{5, 5}}, "1:4,6:10"},
        {{{1, 10}}, {{1, 10}}, ""},
        {{{1, 3}, {5, 7}, {9, 9}}, {{2, 6}}, "1,7,9"},
        {{{2, 3}, {5, 7}}, {{1, 1}, {4, 4}, {8, 9}}, "2:3,5:7"},
        {{{1, UINT32_MAX}}, {{1, 1}, {3, 4}, {UINT32_MAX, UINT32_MAX}}, "2,5:4294967294"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct uid_set from = {0}, out = {0};
        struct buf text;
        buf_init(&text, 1000);
        for (size_t k = 0; k < 3; k++) {
            if (rows[i].from[k].first > 0)
                uid_set_add_range(&from, rows[i].from[k].first, rows[i].from[k].last);
            if (rows[i].out[k].first > 0)
                uid_set_add_range(&out, rows[i].out[k].first, rows[i].out[k].last);
        }
        uid_set_subtract(&from, &out);
        uid_set_write(&from, &text);
        cr_assert(str_eq(buf_str(&text), str_from_cstr(rows[i].rest)), "row %zu: %.*s", i,
                  STR_ARG(buf_str(&text)));
        uid_set_release(&from);
        uid_set_release(&out);
        buf_release(&text);
    }
}
