#include "tests/unit/services/imap/dialogue.h"

#include "common/base/array.h"
#include "common/mail/header.h"
#include "common/sys/file.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * FETCH of every message of the collection of nasty ones (tests/mime): each is appended, and what
 * comes back must be the same bytes, whole, in pieces, and as header and text.
 */

#define MESSAGE_MAX (1 << 20)

static struct session *logged_in(struct world *w)
{
    struct session *s = world_session(w, 0);
    fake_session_feed(s, STR("l LOGIN me@localhost secret\r\ns SELECT INBOX\r\n"), 0);
    fake_session_sent(s);
    return s;
}

static void append(struct session *s, struct str message)
{
    char command[64];
    snprintf(command, sizeof(command), "a APPEND INBOX {%zu+}\r\n", message.len);
    fake_session_feed(s, str_from_cstr(command), 0);
    fake_session_feed(s, message, 0);
    fake_session_feed(s, STR("\r\n"), 0);
    struct str sent = fake_session_sent(s);
    cr_assert(str_find(sent, STR("a OK [APPENDUID ")) >= 0, "%.*s", STR_ARG(sent));
}

/* Sends a FETCH of one item; the literal that comes back, in arena. STR_NULL when there is none. */
static struct str fetch(struct session *s, const char *item, struct arena *arena)
{
    char command[256];
    snprintf(command, sizeof(command), "f FETCH * (%s)\r\n", item);
    fake_session_feed(s, str_from_cstr(command), 0);
    struct str sent = fake_session_sent(s);
    ptrdiff_t open = str_find(sent, STR("{"));
    if (open < 0)
        return STR_NULL;
    struct str digits, rest;
    cr_assert(str_cut(str_skip(sent, (size_t)open + 1), '}', &digits, &rest));
    uint64_t size;
    cr_assert(str_to_u64(digits, MESSAGE_MAX, &size), "%s: %.*s", item, STR_ARG(sent));
    rest = str_skip(rest, 2);
    cr_assert_geq(rest.len, size, "%s", item);
    cr_assert(str_starts_with(str_skip(rest, size), STR(")\r\nf OK ")), "%s: a wrong size", item);
    return arena_copy(arena, str_slice(rest, 0, size));
}

/* With CRLF line ends, as it is stored, and with what literals have for NUL (fetch_run.c). */
static struct str shown_form(struct str text, struct arena *arena)
{
    struct buf out;
    buf_init(&out, 2 * MESSAGE_MAX);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n' && (i == 0 || text.ptr[i - 1] != '\r'))
            buf_append_char(&out, '\r');
        buf_append_char(&out, text.ptr[i] == '\0' ? '\x80' : text.ptr[i]);
    }
    struct str copy = arena_copy(arena, buf_str(&out));
    buf_release(&out);
    return copy;
}

static void check_message(struct session *s, const char *name, struct str want, struct arena *arena)
{
    char item[64];
    struct buf joined;
    cr_assert(str_eq(fetch(s, "BODY.PEEK[]", arena), want), "%s", name);
    cr_assert(str_eq(fetch(s, "RFC822", arena), want), "%s", name);
    buf_init(&joined, 2 * MESSAGE_MAX);
    for (size_t at = 0; at < want.len; at += 1000) {
        snprintf(item, sizeof(item), "BODY.PEEK[]<%zu.1000>", at);
        buf_append(&joined, fetch(s, item, arena));
    }
    cr_assert(str_eq(buf_str(&joined), want), "%s: in pieces", name);
    buf_reset(&joined);
    buf_append(&joined, fetch(s, "BODY.PEEK[HEADER]", arena));
    buf_append(&joined, fetch(s, "BODY.PEEK[TEXT]", arena));
    cr_assert(str_eq(buf_str(&joined), want), "%s: header and text", name);
    buf_release(&joined);
}

/* Everything at once must at least be a well-formed answer: parentheses and literals end. */
static void check_structure(struct session *s, const char *name)
{
    fake_session_feed(s, STR("f FETCH * (ENVELOPE BODY BODYSTRUCTURE BODY[1.MIME])\r\n"), 0);
    struct str sent = fake_session_sent(s);
    ptrdiff_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < sent.len; i++) {
        char c = sent.ptr[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && c == '{') {
            uint64_t size = 0;
            while (sent.ptr[++i] != '}')
                size = size * 10 + (uint64_t)(sent.ptr[i] - '0');
            i += 2 + size;
        } else if (!quoted)
            depth += (c == '(') - (c == ')');
        cr_assert_geq(depth, 0, "%s", name);
    }
    cr_assert_eq(depth, 0, "%s: %.*s", name, STR_ARG(sent));
    cr_assert(!quoted, "%s", name);
}

Test(fetch, nasty_messages_come_back_as_they_are)
{
    struct world w;
    struct dirent *entry;
    size_t count = 0;
    world_init(&w, 1000);
    struct session *s = logged_in(&w);
    const char *root = getenv("MAILRAIL_SOURCE_DIR");
    char mime[512];
    snprintf(mime, sizeof(mime), "%s/tests/mime", root ? root : ".");
    DIR *directory = opendir(mime);
    cr_assert(directory, "%s", mime);
    while ((entry = readdir(directory))) {
        struct err err;
        struct str text;
        struct arena arena;
        char path[1024];
        if (!str_ends_with(str_from_cstr(entry->d_name), STR(".eml")))
            continue;
        arena_init(&arena, 64 << 20);
        snprintf(path, sizeof(path), "%s/%s", mime, entry->d_name);
        cr_assert(file_read(path, MESSAGE_MAX, &arena, &text, &err), "%s", err.detail);
        if (text.len > 0) { /* RFC 3502: a message of no bytes is none */
            struct str want = shown_form(text, &arena);
            append(s, text);
            check_message(s, entry->d_name, want, &arena);
            check_structure(s, entry->d_name);
            count++;
        }
        arena_release(&arena);
    }
    closedir(directory);
    cr_assert_gt(count, 30);
    world_release(&w);
}

Test(fetch, binary_undoes_encodings_rfc_3516)
{
    struct world w;
    struct arena arena;
    world_init(&w, 1 << 18);
    arena_init(&arena, 1 << 20);
    struct session *s = logged_in(&w);
    append(s, STR("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
                  "--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: "
                  "quoted-printable\r\n\r\na=3Db=\r\nc\r\n"
                  "--b\r\nContent-Type: application/octet-stream\r\n"
                  "Content-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n"
                  "--b\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: x-new\r\n\r\nx\r\n"
                  "--b--\r\n"));
    cr_assert(str_eq(fetch(s, "BINARY[1]", &arena), STR("a=bc")));
    fake_session_feed(s, STR("f FETCH 1 (BINARY.PEEK[2] BINARY.SIZE[2] BINARY.PEEK[2]<1.2>)\r\n"),
                      0);
    struct str sent = fake_session_sent(s);
    static const char data[] = "* 1 FETCH (UID 1 BINARY[2] ~{4}\r\n\0\1\2\3 BINARY.SIZE[2] 4 "
                               "BINARY[2] ~{2}\r\n\1\2)\r\n";
    cr_assert(str_starts_with(sent, str_make(data, sizeof(data) - 1)), "%.*s", STR_ARG(sent));
    fake_session_feed(s, STR("f FETCH 1 BINARY[3]\r\ng FETCH 1 BINARY.SIZE[4]\r\n"), 0);
    sent = fake_session_sent(s);
    cr_assert(str_find(sent, STR("f NO [UNKNOWN-CTE]")) >= 0, "%.*s", STR_ARG(sent));
    cr_assert(str_find(sent, STR("g NO ")) >= 0, "%.*s", STR_ARG(sent));
    append(s, STR("Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n"));
    cr_assert(str_eq(fetch(s, "BINARY[]", &arena), STR("Subject: x\r\n\r\nhello")));
    arena_release(&arena);
    world_release(&w);
}

static void remove_text(const struct world *w, int id)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/accounts/7/msg/0/%d", w->data, id);
    cr_assert_eq(remove(path), 0);
}

/* Store is asked what happened to a message that is gone; not to one of which the view knows. */
Test(fetch, a_message_that_is_known_to_be_expunged_is_not_asked_for)
{
    struct world w;
    world_init(&w, 1 << 18);
    struct session *s = logged_in(&w), *other = world_session(&w, 1);
    for (int i = 0; i < 4; i++)
        append(s, STR("a: b\r\n\r\nx\r\n"));
    fake_session_feed(other,
                      STR("l LOGIN me@localhost secret\r\ns SELECT INBOX\r\n"
                          "d STORE 2:3 +FLAGS (\\Deleted)\r\ne EXPUNGE\r\n"),
                      0);
    fake_session_feed(s, STR("f FETCH 1:4 FLAGS\r\n"), 0);
    fake_session_sent(s);
    remove_text(&w, 2);
    uint64_t before = fake_backend_pulls(w.server.backend);
    fake_session_feed(s, STR("f FETCH 1:4 BODY.PEEK[]\r\n"), 0);
    struct str sent = fake_session_sent(s);
    cr_expect(str_find(sent, STR("* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3 BODY[] {11}")) > 0);
    cr_expect(str_find(sent, STR("f OK [EXPUNGEISSUED]")) > 0, "%.*s", STR_ARG(sent));
    cr_expect_eq(fake_backend_pulls(w.server.backend), before);

    remove_text(&w, 4);
    fake_session_feed(s, STR("f FETCH 1:4 BODY.PEEK[]\r\n"), 0);
    sent = fake_session_sent(s);
    cr_expect(str_find(sent, STR("* 4 FETCH (UID 4)\r\nf OK [EXPUNGEISSUED]")) > 0);
    cr_expect_eq(fake_backend_pulls(w.server.backend), before + 1);
    world_release(&w);
}

Test(fetch, a_message_that_is_gone_does_not_stop_the_others)
{
    struct world w;
    world_init(&w, 1 << 18);
    struct session *s = logged_in(&w);
    for (int i = 0; i < 3; i++)
        append(s, STR("a: b\r\n\r\nx\r\n"));
    remove_text(&w, 2);
    fake_session_feed(s, STR("f FETCH 1:3 BODY.PEEK[]\r\n"), 0);
    struct str sent = fake_session_sent(s);
    cr_assert(str_find(sent, STR("* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3 BODY[] {11}")) > 0, "%.*s",
              STR_ARG(sent));
    cr_assert(str_find(sent, STR("f OK [EXPUNGEISSUED]")) > 0, "%.*s", STR_ARG(sent));
    world_release(&w);
}

/* What is damaged is left out, and named at the end; the message stays unread. */
Test(fetch, a_damaged_message_does_not_stop_the_others)
{
    DIALOGUE("D: one", "D: two", "D: three", "D: four", SELECT_INBOX("4"), "Y: 2", "Y: 4",
             "C: a FETCH 1:* (ENVELOPE RFC822.SIZE)", "S: * 1 FETCH (UID 1 ENVELOPE %",
             "S: * 2 FETCH (UID 2 RFC822.SIZE %)", "S: * 3 FETCH (UID 3 ENVELOPE %",
             "S: * 4 FETCH (UID 4 RFC822.SIZE %)",
             "S: a NO [CORRUPTION] 2 damaged, UID 2 first; all else is fetched",
             "C: b FETCH 1:2 BODYSTRUCTURE", "S: * 1 FETCH (UID 1 BODYSTRUCTURE %",
             "S: * 2 FETCH (UID 2)", "S: b NO [CORRUPTION] 1 damaged, UID 2 first%",
             "C: c FETCH 1:3 BODY.PEEK[HEADER.FIELDS (SUBJECT)]", "U: c OK %");
    DIALOGUE("D: one", "D: two", "D: three", SELECT_INBOX("3"), "Z: 2",
             "C: a FETCH 1:* (BODY[TEXT] ENVELOPE)", "S: * 1 FETCH (UID 1 BODY[TEXT] {5}", "S: one",
             "S:  ENVELOPE %", "S: * 2 FETCH (UID 2 ENVELOPE %",
             "S: * 3 FETCH (UID 3 BODY[TEXT] {7}", "S: three", "S:  ENVELOPE %",
             "U: a NO [CORRUPTION] 1 damaged, UID 2 first%", "C: b SEARCH UNSEEN", "S: * SEARCH 2",
             "S: b OK %");
}

/* Nothing of it is served, not even the bytes that are whole: where they begin is not known. */
Test(fetch, a_damaged_prefix_is_a_damaged_message)
{
    DIALOGUE("D: one", "D: two", "D: three", SELECT_INBOX("3"), "V: 2",
             "C: a FETCH 1:* (BODY[TEXT] RFC822.SIZE)", "S: * 1 FETCH (UID 1 BODY[TEXT] {5}",
             "S: one", "S:  RFC822.SIZE %", "S: * 2 FETCH (UID 2 RFC822.SIZE 39)",
             "S: * 3 FETCH (UID 3 BODY[TEXT] {7}", "S: three", "S:  RFC822.SIZE %",
             "U: a NO [CORRUPTION] 1 damaged, UID 2 first; all else is fetched",
             "C: b FETCH 2 BODY[]", "S: * 2 FETCH (UID 2)", "S: b NO [CORRUPTION] 1 damaged%",
             "C: c FETCH 2 BODY[]<9.5>", "S: * 2 FETCH (UID 2)", "S: c NO [CORRUPTION] %",
             "C: d FETCH 2 BODY[]<999.5>", "S: * 2 FETCH (UID 2)", "S: d NO [CORRUPTION] %",
             "C: e FETCH 2 BODY[HEADER]", "S: * 2 FETCH (UID 2)", "S: e NO [CORRUPTION] %",
             "C: f FETCH 2 BODY[HEADER.FIELDS (Return-Path)]", "S: * 2 FETCH (UID 2)",
             "S: f NO [CORRUPTION] %", "C: g FETCH 2 RFC822", "S: * 2 FETCH (UID 2)",
             "S: g NO [CORRUPTION] %", "C: h FETCH 2 ENVELOPE", "S: * 2 FETCH (UID 2 ENVELOPE %",
             "S: h OK %", "C: i SEARCH UNSEEN", "S: * SEARCH 2", "S: i OK %", "C: j SEARCH TEXT t",
             "S: * SEARCH 1 3", "S: j OK %", "C: k SEARCH HEADER Return-Path \"\"",
             "S: * SEARCH 1 3", "S: k OK %");
}

/* Also when all of the message is the prefix, and no file need be read. */
Test(fetch, a_damaged_prefix_without_a_text)
{
    struct world w;
    world_init(&w, 1 << 18);
    for (int i = 0; i < 2; i++)
        fake_backend_deliver(w.server.backend, STR("Inbox"), STR("a: b\r\n"), STR(""));
    fake_backend_damage_prefix(w.server.backend, 2);
    struct session *s = logged_in(&w);
    fake_session_feed(s, STR("f FETCH 1:2 BODY.PEEK[]\r\n"), 0);
    struct str sent = fake_session_sent(s);
    cr_assert(str_starts_with(sent, STR("* 1 FETCH (UID 1 BODY[] {6}\r\na: b\r\n)\r\n"
                                        "* 2 FETCH (UID 2)\r\nf NO [CORRUPTION] 1 damaged")),
              "%.*s", STR_ARG(sent));
    world_release(&w);
}

#define MANY 600 /* more than two batches of rows.h */

/* With a prefix, which store is asked for, that ends in the message's number. */
static struct session *with_many(struct world *w)
{
    world_init(w, 1 << 12);
    for (int i = 1; i <= MANY; i++) {
        char prefix[32];
        snprintf(prefix, sizeof(prefix), "Number: %d\r\n", i);
        fake_backend_deliver(w->server.backend, STR("Inbox"), str_from_cstr(prefix),
                             STR("Subject: s\r\n\r\nx\r\n"));
    }
    return logged_in(w);
}

static void expect_all(struct session *s)
{
    fake_session_feed(
        s, STR("f UID FETCH 1:* (BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (Number)])\r\n"), 0);
    struct str sent = fake_session_sent(s);
    for (int i = 1; i <= MANY; i++) {
        char want[64];
        snprintf(want, sizeof(want), "* %d FETCH (UID %d BODYSTRUCTURE (", i, i);
        cr_assert(str_starts_with(sent, str_from_cstr(want)), "%s%.*s", want, 99, sent.ptr);
        snprintf(want, sizeof(want), "}\r\nNumber: %d\r\n\r\n)\r\n", i);
        ptrdiff_t at = str_find(sent, str_from_cstr(want));
        cr_assert(at > 0 && at < 250, "%s", want);
        sent = str_skip(sent, (size_t)at + strlen(want));
    }
    cr_assert(str_starts_with(sent, STR("f OK ")), "%.*s", STR_ARG(sent));
}

Test(fetch, batches_that_are_read_ahead_come_once_and_in_order)
{
    struct world w;
    struct session *s = with_many(&w);
    expect_all(s);
    world_release(&w);
}

Test(fetch, what_was_asked_ahead_of_a_store_that_restarts_is_asked_again)
{
    struct world w;
    struct session *s = with_many(&w);
    for (unsigned others = 1; others <= 2; others++) {
        fake_backend_lose(w.server.backend, others);
        expect_all(s);
    }
    fake_backend_lose(w.server.backend, 0); /* the first was not asked ahead */
    fake_session_feed(s, STR("f FETCH 1:* ENVELOPE\r\n"), 0);
    cr_expect(str_starts_with(fake_session_sent(s), STR("f NO ")));
    expect_all(s);
    world_release(&w);
}

/* The leak checker sees to the answer that nobody takes. */
Test(fetch, a_search_that_has_enough_leaves_what_was_asked_ahead)
{
    struct world w;
    struct session *s = with_many(&w);
    fake_session_feed(s, STR("f SEARCH RETURN (MIN) BODY x\r\n"), 0);
    struct str sent = fake_session_sent(s);
    cr_expect(str_starts_with(sent, STR("* ESEARCH (TAG \"f\") MIN 1\r\nf OK ")), "%.*s",
              STR_ARG(sent));
    expect_all(s);
    world_release(&w);
}
