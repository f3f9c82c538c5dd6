#include "common/base/buf.h"
#include "tests/unit/services/imap/dialogue.h"

#include <criterion/criterion.h>
#include <stdio.h>

/*
 * With the text index a search finds what it finds without it, whatever the index knows, is wrong
 * about, and leaves open (fake_backend.h), and however keys are put together.
 */

static unsigned seed = 7;

static unsigned pick(unsigned below)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 16) % below;
}

static void add_key(struct buf *out, unsigned depth)
{
    static const char *const plain[] = {
        "TEXT apple",
        "BODY pear",
        "FROM ann",
        "SUBJECT \"apple pear\"",
        "TO bob",
        "HEADER X-A plum",
        "BODY \"\"",
        "CC ann",
        "HEADER Subject pear",
        "SEEN",
        "UID 3:9",
        "NOT SEEN",
        "ALL",
        "SENTSINCE 1-Jan-2024",
        "LARGER 90",
        "HEADER X-A \"\"",
        "TEXT \"\xc3\xa4p\"",
        "TEXT pl",
        "BCC x",
        "1:5",
    };
    switch (depth > 3 ? 0 : pick(6)) {
    case 1:
        buf_append(out, STR("NOT "));
        add_key(out, depth + 1);
        break;
    case 2:
        buf_append(out, STR("OR "));
        add_key(out, depth + 1);
        buf_append_char(out, ' ');
        add_key(out, depth + 1);
        break;
    case 3:
        buf_append_char(out, '(');
        add_key(out, depth + 1);
        buf_append_char(out, ' ');
        add_key(out, depth + 1);
        buf_append_char(out, ')');
        break;
    default:
        buf_append_cstr(out, plain[pick(ARRAY_LEN(plain))]);
    }
}

static void deliver(struct world *w)
{
    static const char *const words[] = {"apple", "PEAR", "plum", "ann", "Bob", "\xc3\x84pfel", "x"};
    static const char *const fields[] = {"From", "Subject", "To", "Cc", "X-A", "Bcc"};
    struct buf text;
    buf_init(&text, 4096);
    for (unsigned n = pick(5); n > 0; n--)
        buf_printf(&text, "%s: %s %s\r\n", fields[pick(ARRAY_LEN(fields))],
                   words[pick(ARRAY_LEN(words))], words[pick(ARRAY_LEN(words))]);
    if (pick(2))
        buf_append(&text, STR("Date: Mon, 5 Feb 2024 10:00:00 +0000\r\n"));
    buf_printf(&text, "Content-Type: text/plain; charset=utf-8\r\n\r\n%s %s\r\n",
               words[pick(ARRAY_LEN(words))], words[pick(ARRAY_LEN(words))]);
    fake_backend_deliver(w->server.backend, STR("Inbox"), pick(2) ? STR("X-A: plum\r\n") : STR(""),
                         buf_str(&text));
    buf_release(&text);
}

/* In arena. */
static struct str ask(struct world *w, bool indexed, struct str command, struct arena *arena)
{
    fake_backend_set_indexed(w->server.backend, indexed);
    fake_session_feed(world_session(w, 0), command, 0);
    return arena_copy(arena, fake_session_sent(world_session(w, 0)));
}

static struct str without_progress(struct str answer)
{
    struct str line, rest;
    while (str_starts_with(answer, STR("* OK [INPROGRESS")) && str_cut(answer, '\n', &line, &rest))
        answer = rest;
    return answer;
}

static void log_in(struct world *w)
{
    world_init(w, 1 << 18);
    for (int i = 0; i < 60; i++)
        deliver(w);
    fake_session_feed(world_session(w, 0), STR("a LOGIN me@localhost secret\r\nb SELECT INBOX\r\n"),
                      0);
    fake_session_feed(world_session(w, 0), STR("c STORE 1:30 +FLAGS.SILENT \\Seen\r\n"), 0);
    fake_session_sent(world_session(w, 0));
}

Test(search_index, changes_no_answer)
{
    static const char *const begins[] = {"SEARCH",
                                         "UID SEARCH",
                                         "SEARCH RETURN (MIN)",
                                         "SEARCH RETURN (MIN MAX COUNT ALL)",
                                         "UID SEARCH RETURN (PARTIAL 2:4)",
                                         "UID SEARCH RETURN (PARTIAL -1:-3)",
                                         "SEARCH RETURN (SAVE MIN ALL)",
                                         "UID THREAD REFERENCES UTF-8",
                                         "SORT (SUBJECT) UTF-8"};
    struct world w;
    log_in(&w);
    size_t hits = 0;
    for (unsigned n = 0; n < 500; n++) {
        struct arena arena;
        struct buf command;
        arena_init(&arena, 1 << 20);
        buf_init(&command, 1 << 16);
        buf_printf(&command, "t %s ", begins[pick(ARRAY_LEN(begins))]);
        add_key(&command, 0);
        buf_append_char(&command, ' ');
        add_key(&command, 0);
        buf_append(&command, STR("\r\n"));
        struct str read = without_progress(ask(&w, false, buf_str(&command), &arena));
        struct str indexed = without_progress(ask(&w, true, buf_str(&command), &arena));
        cr_assert(str_eq(read, indexed), "%.*s by reading:\n%.*s by index:\n%.*s",
                  STR_ARG(buf_str(&command)), STR_ARG(read), STR_ARG(indexed));
        cr_assert(str_find(read, STR("t OK")) >= 0, "%.*s%.*s", STR_ARG(buf_str(&command)),
                  STR_ARG(read));
        hits += read.len > 40;
        buf_release(&command);
        arena_release(&arena);
    }
    cr_expect(hits > 100);
    world_release(&w);
}

/* The interval is 0 in tests: reading shows. */
Test(search_index, spares_reading)
{
    struct world w;
    struct arena arena;
    log_in(&w);
    arena_init(&arena, 1 << 20);
    struct str read = ask(&w, false, STR("t SEARCH FROM ann\r\n"), &arena);
    struct str indexed = ask(&w, true, STR("t SEARCH FROM ann\r\n"), &arena);
    cr_expect(str_find(read, STR(" 60)] at work")) >= 0, "%.*s", STR_ARG(read));
    cr_expect(str_find(indexed, STR(" 60)] at work")) < 0, "%.*s", STR_ARG(indexed));
    cr_expect(str_eq(without_progress(read), without_progress(indexed)));
    arena_release(&arena);
    world_release(&w);
}
