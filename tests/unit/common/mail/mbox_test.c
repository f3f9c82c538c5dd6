#include "common/mail/mbox.h"

#include "common/base/bug.h"

#include <criterion/criterion.h>
#include <string.h>

static struct arena arena;

static void setup(void)
{
    arena_init(&arena, 1 << 20);
}

static void teardown(void)
{
    arena_release(&arena);
}

TestSuite(mbox, .init = setup, .fini = teardown);

/* The messages of `file`, each behind "[SENDER@OFFSET]"; "!OFFSET" when it is bad. The file comes
 * in pieces of `size` bytes. */
static struct str read_all(struct str file, size_t size)
{
    struct mbox_reader r;
    struct buf out;
    struct str text;
    enum mbox_event event = MBOX_NEEDS_INPUT;
    bool last = false;
    buf_init(&out, 1 << 16);
    mbox_reader_init(&r, 0);
    while (!last && event != MBOX_BAD) {
        struct str piece = str_slice(file, 0, size);
        file = str_skip(file, piece.len);
        if (piece.len == 0) {
            last = true;
            piece = mbox_reader_last(&r);
        }
        while ((event = mbox_read(&r, &piece, &text)) != MBOX_NEEDS_INPUT && event != MBOX_BAD) {
            if (event == MBOX_MESSAGE)
                buf_printf(&out, "[%.*s@%d]", STR_ARG(r.sender), (int)r.message_offset);
            else
                buf_append(&out, text);
        }
    }
    if (event == MBOX_BAD)
        buf_printf(&out, "!%d", (int)r.offset);
    struct str copy = arena_copy(&arena, buf_str(&out));
    buf_release(&out);
    return copy;
}

Test(mbox, files_are_messages_wherever_they_are_cut)
{
    static const struct {
        const char *name;
        const char *in;
        const char *want;
    } rows[] = {
        {"spec 4.1: empty file", "", ""},
        {"spec 4.1: two messages", "From a x\nA: b\n\none\n\nFrom b y\nC: d\n\ntwo\n",
         "[a@0]A: b\r\n\r\none\r\n[b@20]C: d\r\n\r\ntwo\r\n"},
        {"spec 4.1: From without an empty line before it", "From a x\nA: b\n\none\nFrom b\n\n",
         "[a@0]A: b\r\n\r\none\r\nFrom b\r\n"},
        {"spec 4.1: quoted", "From a x\n\n>>From x\n>From y\n>Fromage\n>\n>>\n",
         "[a@0]\r\n>From x\r\nFrom y\r\n>Fromage\r\n>\r\n>>\r\n"},
        {"spec 4.1: other text", "Subject: x\n\nFrom a x\n", "!0"},
        {"a beginning of From", "Fro", "!3"},
        {"an empty line first", "\nFrom a x\n", "!0"},
        {"spec 5: last line without its end", "From a x\nA: b\n\nend", "[a@0]A: b\r\n\r\nend\r\n"},
        {"spec 5: the separating line is not text", "From a x\nA: b\n\none\n\n\nFrom b y\nx\n\n",
         "[a@0]A: b\r\n\r\none\r\n\r\n[b@21]x\r\n"},
        {"an empty line before quoted From", "From a x\n\nx\n\n>From y\n\n",
         "[a@0]\r\nx\r\n\r\nFrom y\r\n"},
        {"CRLF", "From a x\r\nA: b\r\n\r\none\r\n\r\nFrom b y\r\nx\r\n",
         "[a@0]A: b\r\n\r\none\r\n[b@25]x\r\n"},
        {"bare CR", "From a x\n\rx\ry\n\n\rz\n", "[a@0]\rx\ry\r\n\r\n\rz\r\n"},
        {"no text", "From a x\n\nFrom b y\n", "[a@0][b@10]"},
        {"From alone at the end", "From a x\n\nFrom", "[a@0]\r\nFrom\r\n"},
        {"From line without its end", "From a x", "[a@0]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str in = str_from_cstr(rows[i].in);
        for (size_t size = 1; size <= in.len + 1; size++) {
            struct str got = read_all(in, size);
            cr_assert(str_eq(got, str_from_cstr(rows[i].want)), "%s, in pieces of %zu: %.*s",
                      rows[i].name, size, STR_ARG(got));
        }
    }
}

Test(mbox, reading_starts_at_any_message)
{
    struct mbox_reader r;
    struct str piece = STR("From b y\nx\n"), text;
    mbox_reader_init(&r, 21);
    cr_assert_eq(mbox_read(&r, &piece, &text), MBOX_MESSAGE);
    cr_assert_eq(r.message_offset, 21);
    cr_assert_eq(r.offset, 30);
}

Test(mbox, from_lines_have_a_date_with_or_without_zone)
{
    static const struct {
        const char *line;
        const char *sender;
        int64_t time_s; /* -1: none */
    } rows[] = {
        {"a@example.org Sun Jan 23 19:41:55 2022", "a@example.org", 1642966915},
        {"a@example.org Sun Jan  2 19:41:55 2022", "a@example.org", 1641152515},
        {"a@example.org Sun Jan 23 20:41:55 +0100 2022", "a@example.org", 1642966915},
        {"a@example.org Sun Jan 23 20:41:55 2022 +0100", "a@example.org", 1642966915},
        {"a@example.org Sun Jan 23 14:41:55 EST 2022\r", "a@example.org", 1642966915},
        {"\"a b\"@example.org Sun Jan 23 19:41:55 2022", "\"a b\"@example.org", 1642966915},
        {"MAILER-DAEMON", "MAILER-DAEMON", -1},
        {"a yesterday", "a", -1},
        {"a Sun Jan 32 19:41:55 2022", "a", -1},
        {"a Sun Jan 23 25:41:55 2022", "a", -1},
        {"a Sun Jan 23 19:41:55 22", "a", -1},
        {"", "", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str sender;
        struct date date;
        bool has = mbox_parse_from_line(str_from_cstr(rows[i].line), &sender, &date);
        cr_assert_eq(has, rows[i].time_s >= 0, "%s", rows[i].line);
        cr_assert(!has || date.time_s == rows[i].time_s, "%s: %lld", rows[i].line,
                  (long long)date.time_s);
        cr_assert(str_eq(sender, str_from_cstr(rows[i].sender)), "%s: %.*s", rows[i].line,
                  STR_ARG(sender));
    }
}

static struct str join_keywords(const struct mail_flags *flags)
{
    return arena_join(&arena, flags->keywords, flags->keyword_count, ' ');
}

Test(mbox, flags_come_from_header_fields)
{
    static const struct {
        const char *header;
        uint32_t bits;
        const char *keywords;
    } rows[] = {
        {"spec 4.1: X-Keywords: no field\r\n", 0, ""},
        {"X-Keywords: $Junk,Work,a b\r\n", MAIL_JUNK, "work"},
        {"Status: RO\r\nX-Status: AFTD\r\n",
         MAIL_SEEN | MAIL_ANSWERED | MAIL_FLAGGED | MAIL_DRAFT | MAIL_DELETED, ""},
        {"status: O\r\nX-Status: xyz\r\n", 0, ""},
        {"X-Keywords: Forwarded, $NonJunk , PHISHING,\r\n $mdnsent\r\n",
         MAIL_FORWARDED | MAIL_NOTJUNK | MAIL_PHISHING | MAIL_MDNSENT, ""},
        {"X-Keywords: a,(b),\\Seen,A,b\"c,,d\r\nX-Keywords: e\r\n", 0, "a d e"},
        {"A: b\r\n\r\nStatus: R\r\n", 0, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct mail_flags flags = {.bits = 0};
        mbox_read_flags(str_from_cstr(rows[i].header), &flags, &arena);
        cr_assert_eq(flags.bits, rows[i].bits, "%s: %x", rows[i].header, flags.bits);
        cr_assert(str_eq(join_keywords(&flags), str_from_cstr(rows[i].keywords)), "%s: %.*s",
                  rows[i].header, STR_ARG(join_keywords(&flags)));
    }
}

/* ---- Writing */

static struct str write_one(struct str text, size_t size, const struct mail_flags *flags)
{
    struct mbox_writer w;
    struct buf out;
    buf_init(&out, 1 << 16);
    cr_assert(mbox_write_begin(&w, STR("a@example.org"), 1642966915, flags, &out));
    while (text.len > 0) {
        cr_assert(mbox_write(&w, str_slice(text, 0, size), &out));
        text = str_skip(text, size);
    }
    cr_assert(mbox_write_end(&w, &out));
    struct str copy = arena_copy(&arena, buf_str(&out));
    buf_release(&out);
    return copy;
}

#define FROM "From a@example.org Sun Jan 23 19:41:55 2022\n"

Test(mbox, writing_quotes_and_says_the_flags)
{
    static const struct {
        const char *name;
        const char *in;
        uint32_t bits;
        const char *keyword;
        const char *want;
    } rows[] = {
        {"plain", "A: b\r\n\r\nx\r\n", 0, NULL, FROM "A: b\n\nx\n\n"},
        {"spec 4.5: quoting", "A: b\r\n\r\nFrom x\r\n>From y\r\n>>Fro\r\n>\r\nFrom\r\n", 0, NULL,
         FROM "A: b\n\n>From x\n>>From y\n>>Fro\n>\nFrom\n\n"},
        {"spec 4.5: status fields replaced",
         "Status: x\r\nA: b\r\nX-Keywords: a,\r\n b\r\nSTATUS : y\r\nContent-Length: "
         "7\r\nX-Statusx: "
         "z\r\n\r\nStatus: R\r\n",
         MAIL_SEEN | MAIL_FLAGGED | MAIL_FORWARDED, "work",
         FROM "A: b\nX-Statusx: z\nStatus: R\nX-Status: F\nX-Keywords: $Forwarded,work\n\n"
              "Status: R\n\n"},
        {"spec 4.5: junk only if not both", "\r\nx\r\n", MAIL_JUNK | MAIL_NOTJUNK, NULL,
         FROM "\nx\n\n"},
        {"junk", "\r\nx\r\n", MAIL_JUNK, NULL, FROM "X-Keywords: $Junk\n\nx\n\n"},
        {"no end of the header", "A: b\r\n", MAIL_SEEN, NULL, FROM "A: b\nStatus: R\n\n"},
        {"no line end", "A: b\r\n\r\nx", 0, NULL, FROM "A: b\n\nx\n\n"},
        {"bare CR", "A: b\r\n\r\nx\ry\r\r\n\r", 0, NULL, FROM "A: b\n\nx\ry\r\n\r\n\n"},
        {"From in the header", "From x\r\n>From y\r\nA: b\r\n\r\n", 0, NULL,
         FROM ">From x\n>>From y\nA: b\n\n\n"},
        {"nothing", "", 0, NULL, FROM "\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str in = str_from_cstr(rows[i].in);
        struct mail_flags flags = {.bits = rows[i].bits};
        if (rows[i].keyword)
            flags.keywords[flags.keyword_count++] = str_from_cstr(rows[i].keyword);
        for (size_t size = 1; size <= in.len + 1; size++) {
            struct str got = write_one(in, size, &flags);
            cr_assert(str_eq(got, str_from_cstr(rows[i].want)), "%s, in pieces of %zu: %.*s",
                      rows[i].name, size, STR_ARG(got));
        }
    }
}

Test(mbox, what_was_written_is_read_back)
{
    static const char *const texts[] = {
        "A: b\r\n\r\nx\r\n",    "A: b\r\n\r\nFrom x\r\n\r\nFrom y\r\n>From z\r\n\r\n\r\n",
        "A: b\r\n\r\n\r\n\r\n", "A: b\r\n",
        "A: b\r\n\r\n",         "A: b\r\n\r\n>>>>>>>>>>>>>>>>>>>>From x\r\n",
    };
    struct mail_flags none = {.bits = 0};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct str file = write_one(str_from_cstr(texts[i]), 1000, &none);
        struct str want = arena_printf(&arena, "[a@example.org@0]%s", texts[i]);
        struct str got = read_all(file, 7);
        cr_assert(str_eq(got, want), "%s: %.*s", texts[i], STR_ARG(got));
    }
}
