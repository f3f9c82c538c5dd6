#include "services/imap/thread.h"
#include "tests/unit/services/imap/dialogue.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/*
 * RFC 5256 3. Messages of a row are "subject/id/references" with spaces between them, in the order
 * of the mailbox, each an hour after the one before unless it begins with "@HOUR/"; a subject with
 * "re:" in front is a reply. Expected is what THREAD REFERENCES says.
 */
static const struct {
    const char *name;
    const char *messages;
    const char *threads;
} rows[] = {
    {"nothing", "", ""},
    {"alone", "a/1/", "(1)"},
    {"a chain", "a/1/ re:a/2/1 re:a/3/1,2", "(1 2 3)"},
    {"a fork", "a/1/ re:a/2/1 re:a/3/1 re:a/4/1,3", "(1 (2)(3 4))"},
    {"RFC 5256: 2 alone, 3 6 with two branches",
     "x/1/ b/2/ c/3/ re:c/4/3,6 q/5/ re:c/6/3 re:c/7/3,6,44 re:c/23/3,6,4 re:c/44/3,6 "
     "re:c/96/3,6,44,7",
     "(1)(2)(3 6 (4 8)(9 7 10))(5)"},
    {"the answer comes first", "re:a/2/1 a/1/", "(2 1)"},
    {"a missing one between", "a/1/ re:a/3/1,2", "(1 2)"},
    {"a missing parent of one", "re:a/2/1", "(1)"},
    {"a missing parent of two is a dummy", "a/2/1 b/3/1", "((1)(2))"},
    {"missing ones in a row", "a/9/1,2,3 b/8/1,2,3", "((1)(2))"},
    {"branches of missing ones", "a/9/1,2 b/8/1,3 c/7/1,3", "((1)(2)(3))"},
    {"a loop", "a/1/2 b/2/1", "(2 1)"},
    {"a loop of one", "a/1/1", "(1)"},
    {"a loop of three in one field", "x/9/1,2,3,1 a/1/", "(2 1)"},
    {"own word counts for more", "x/3/1,2 a/1/ b/2/ c/4/2", "(2)(3 (1)(4))"},
    {"without references it has no parent", "x/3/1,2 a/1/ b/2/", "(2)(3 1)"},
    {"the same id twice", "a/1/ b/1/ c/2/1", "(1 3)(2)"},
    {"the same id twice and a loop", "a/1/2 b/1/2 c/2/1", "(3 (1)(2))"},
    {"no ids", "a// b// c//", "(1)(2)(3)"},
    {"subjects: a reply below", "a// re:a//", "(1 2)"},
    {"subjects: a reply before it", "re:a// a//", "(2 1)"},
    {"subjects: no reply is a dummy", "a// a//", "((1)(2))"},
    {"subjects: two replies", "re:a// re:a//", "((1)(2))"},
    {"subjects: three of them", "a// a// a//", "((1)(2)(3))"},
    {"subjects: reply to several", "a// a// re:a//", "((1)(2)(3))"},
    {"subjects: two dummies", "a/1/7 a/2/7 a/3/8 a/4/8", "((1)(2)(3)(4))"},
    {"subjects: a dummy and one", "a/1/7 b/2/7 re:a//", "((1)(2)(3))"},
    {"subjects: dummies with others inside", "a/1/7 z/2/7 a/3/8 y/4/8 z// y//",
     "((1)(2)(3)(4))(5)(6)"},
    {"subjects: the empty one joins nothing", "/1/ /2/ re:/3/", "(1)(2)(3)"},
    {"by date, not by number", "@9/a// @5/b// @5/c//", "(2)(3)(1)"},
    {"children by date", "@1/a/1/ @9/re:a/2/1 @5/re:a/3/1", "(1 (3)(2))"},
    {"a dummy by its first child", "@9/a/1/7 @2/b/2/7 @5/c//", "((2)(1))(3)"},
};

static void add(struct threads *t, uint32_t number, char *text)
{
    struct err err;
    struct str references[16], rest, subject, id;
    struct thread_message m = {.number = number, .date_s = number * 3600, .references = references};
    if (*text == '@') {
        m.date_s = strtol(text + 1, &text, 10) * 3600;
        text++;
    }
    str_cut(str_from_cstr(text), '/', &subject, &rest);
    m.is_reply = str_starts_with(subject, STR("re:"));
    m.subject = m.is_reply ? str_skip(subject, 3) : subject;
    str_cut(rest, '/', &id, &rest);
    m.message_id = id;
    while (rest.len > 0)
        str_cut(rest, ',', &references[m.reference_count++], &rest);
    cr_assert(threads_add(t, &m, &err), "%s", err.detail);
}

static void check(const char *name, const char *messages, enum thread_algorithm algorithm,
                  const char *wanted)
{
    struct threads t = {0};
    struct buf out;
    uint32_t number = 0;
    char *copy = strdup(messages);
    threads_init(&t, algorithm);
    for (char *at = strtok(copy, " "); at; at = strtok(NULL, " "))
        add(&t, ++number, at);
    threads_build(&t);
    buf_init(&out, 1 << 20);
    while (threads_write(&t, &out))
        ;
    cr_expect(str_eq(buf_str(&out), str_from_cstr(wanted)), "%s: %.*s instead of %s", name,
              STR_ARG(buf_str(&out)), wanted);
    buf_release(&out);
    threads_release(&t);
    free(copy);
}

Test(thread, references_rfc_5256_3)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(rows[i].name, rows[i].messages, THREAD_REFERENCES, rows[i].threads);
}

Test(thread, ordered_subject_rfc_5256_3)
{
    check("none", "", THREAD_ORDEREDSUBJECT, "");
    check("by subject", "a// b// re:a// c// a//", THREAD_ORDEREDSUBJECT, "(1 (3)(5))(2)(4)");
    check("by date", "@9/a// @5/re:a// @7/b//", THREAD_ORDEREDSUBJECT, "(2 1)(3)");
    check("references say nothing", "a/1/ b/2/1", THREAD_ORDEREDSUBJECT, "(1)(2)");
}

/* A stranger can make threads as deep as there are messages: nothing recurses, nothing is slow. */
static void check_depth(bool answers_first)
{
    enum { DEPTH = 100000 };
    struct err err;
    struct threads t = {0};
    struct buf out;
    char id[16], reference[16];
    threads_init(&t, THREAD_REFERENCES);
    for (uint32_t i = 1; i <= DEPTH; i++) {
        snprintf(id, sizeof(id), "%u", i);
        snprintf(reference, sizeof(reference), "%u", answers_first ? i + 1 : i - 1);
        struct str references[] = {str_from_cstr(reference)};
        struct thread_message m = {.number = i,
                                   .message_id = str_from_cstr(id),
                                   .references = references,
                                   .reference_count = 1};
        cr_assert(threads_add(&t, &m, &err));
    }
    threads_build(&t);
    buf_init(&out, 1 << 24);
    while (threads_write(&t, &out))
        ;
    struct str text = buf_str(&out);
    cr_expect(str_starts_with(text, answers_first ? STR("(100000 99999 ") : STR("(1 2 3 4 ")));
    cr_expect_eq(str_find_char(str_skip(text, 1), '('), -1);
    buf_release(&out);
    threads_release(&t);
}

Test(thread, deep_threads)
{
    check_depth(false);
    check_depth(true);
}

/* ---- The command */

#define FOUR                                                                                       \
    "M: Message-ID: <1@x>|Subject: one|Date: Thu, 1 Jan 2004 00:00:00 +0000||x",                   \
        "M: Message-ID: <2@x>|Subject: Re: one|Date: Fri, 2 Jan 2004 00:00:00 +0000|References: "  \
        "<1@x>||x",                                                                                \
        "M: Message-ID: <3@x>|Subject: RE: =?utf-8?q?One?=|In-Reply-To: <1@X>|Date: Thu, 1 Jan "   \
        "2004 12:00:00 +0000||x",                                                                  \
        "M: Message-ID: <4@x>|Subject: two|Date: Thu, 1 Jan 2003 00:00:00 +0000||x"

Test(thread, command)
{
    DIALOGUE(FOUR, SELECT_INBOX("4"), "C: a THREAD REFERENCES UTF-8 ALL",
             "S: * THREAD (4)(1 (3)(2))", "S: a OK %", "C: b THREAD ORDEREDSUBJECT US-ASCII ALL",
             "S: * THREAD (4)(1 (3)(2))", "S: b OK %", "C: c THREAD REFERENCES UTF-8 NOT ALL",
             "S: * THREAD", "S: c OK %", "C: d STORE 1 +FLAGS.SILENT \\Deleted", "S: d OK %",
             "C: e EXPUNGE", "S: * 1 EXPUNGE", "S: e OK %",
             "C: f UID THREAD REFERENCES UTF-8 SUBJECT one", "S: * THREAD ((3)(2))", "S: f OK %",
             "C: g THREAD REFERENCES UTF-8 ALL", "S: * THREAD (3)((2)(1))", "S: g OK %",
             "C: h THREAD BOGUS UTF-8 ALL", "S: h BAD %", "C: i THREAD REFERENCES ALL",
             "S: i BAD %", "C: j THREAD REFERENCES KOI8-R ALL", "S: j NO [BADCHARSET %",
             "C: k THREAD RETURN (ALL) REFERENCES UTF-8 ALL", "S: k BAD %",
             "A:", "C: l THREAD REFERENCES UTF-8 ALL", "S: l NO [UNAVAILABLE] %");
}

Test(thread, two_sessions_and_uidonly)
{
    DIALOGUE(FOUR, SELECT_INBOX("4"), "C2: s SELECT INBOX", "U2: s OK %",
             "C2: a STORE 4 +FLAGS.SILENT \\Deleted", "S2: a OK %", "C2: b EXPUNGE",
             "S2: * 4 EXPUNGE", "S2: b OK %", "C: a THREAD REFERENCES UTF-8 ALL",
             "S: * THREAD (4)(1 (3)(2))", "S: a OK %", "C: b UID THREAD REFERENCES UTF-8 ALL",
             "S: * THREAD (4)(1 (3)(2))", "S: * 4 EXPUNGE", "S: b OK %", "C: c ENABLE UIDONLY",
             "S: * ENABLED UIDONLY", "S: c OK %", "C: d THREAD REFERENCES UTF-8 ALL",
             "S: d BAD [UIDREQUIRED] %", "C: e SORT (DATE) UTF-8 ALL", "S: e BAD [UIDREQUIRED] %",
             "C: f UID THREAD REFERENCES UTF-8 ALL", "S: * THREAD (1 (3)(2))", "S: f OK %",
             "C: g UID SORT (DATE) UTF-8 ALL", "S: * SORT 1 3 2", "S: g OK %");
}

Test(thread, hidden)
{
    STRANGER("S: * OK %", "H: THREAD=REFERENCES", "C: l LOGIN me@localhost secret", "S: l OK %",
             SELECT_EMPTY(""), "C: a THREAD REFERENCES UTF-8 ALL", "S: a BAD %",
             "C: b THREAD ORDEREDSUBJECT UTF-8 ALL", "S: * THREAD", "S: b OK %");
}
