#include "tests/unit/services/imap/dialogue.h"

#include "services/imap/sort.h"

#include <criterion/criterion.h>

/* SORT, over messages whose dates, subjects and people are in different orders. They are received
 * at the same time, so that by ARRIVAL alone they stay in the order of the mailbox. */
#define FIVE                                                                                       \
    "M: Date: Thu, 1 Jan 2004 00:00:00 +0000|Subject: Re: banana|From: Zoe <anton@x>|To: a@x||",   \
        "M: Date: Thu, 1 Jan 2004 01:00:00 +0200|Subject: Apple|From: berta@x|Cc: m@x||",          \
        "M: Subject: =?utf-8?q?=C3=A4pfel?=|From: =?utf-8?q?=C3=84nne?= <cesar@x>|To: Team: "      \
        "b@x;||",                                                                                  \
        "M: Date: Fri, 2 Jan 2004 00:00:00 +0000|Subject: [list] APPLE (fwd)|From: Dora@x||",      \
        "M: Date: nonsense|Subject: banana||x"

Test(sort, by_each_key_rfc_5256)
{
    DIALOGUE(FIVE, SELECT_INBOX("5"), "C: a SORT (DATE) UTF-8 ALL", "S: * SORT 2 1 4 3 5",
             "S: a OK %", "C: b SORT (REVERSE DATE) US-ASCII ALL", "S: * SORT 3 5 4 1 2",
             "S: b OK %", "C: c SORT (SUBJECT) UTF-8 ALL", "S: * SORT 2 4 3 1 5", "S: c OK %",
             "C: d SORT (SUBJECT REVERSE DATE) UTF-8 ALL", "S: * SORT 4 2 3 5 1", "S: d OK %",
             "C: e SORT (FROM) UTF-8 ALL", "S: * SORT 5 1 2 3 4", "S: e OK %",
             "C: f SORT (REVERSE SIZE) UTF-8 1,5", "S: * SORT 1 5", "S: f OK %",
             "C: g SORT (ARRIVAL) UTF-8 ALL", "S: * SORT 1 2 3 4 5", "S: g OK %",
             "C: h SORT (REVERSE ARRIVAL) UTF-8 ALL", "S: * SORT 1 2 3 4 5", "S: h OK %",
             "C: i SORT (TO CC) UTF-8 ALL", "S: * SORT 4 5 2 1 3", "S: i OK %");
}

Test(sort, what_is_searched_is_sorted)
{
    DIALOGUE(FIVE, SELECT_INBOX("5"), "C: a UID STORE 4 +FLAGS.SILENT \\Deleted", "S: a OK %",
             "C: b EXPUNGE", "S: * 4 EXPUNGE", "S: b OK %", "C: c SORT (DATE) UTF-8 SUBJECT banana",
             "S: * SORT 1 4", "S: c OK %", "C: d UID SORT (REVERSE DATE) UTF-8 SUBJECT banana",
             "S: * SORT 5 1", "S: d OK %", "C: e SORT (DATE) UTF-8 NOT ALL", "S: * SORT",
             "S: e OK %", "C: f UID SORT (DATE) UTF-8 NOT SENTSINCE 1-Jan-1990", "S: * SORT 3 5",
             "S: f OK %", "C: g SORT (DATE) UTF-8 MODSEQ 1", "S: * SORT 2 1 3 4 (MODSEQ %)",
             "S: g OK %");
}

Test(sort, syntax)
{
    DIALOGUE(SELECT_EMPTY(""), "C: a SORT (DATE) UTF-8 ALL", "S: * SORT", "S: a OK %",
             "C: b SORT (DATE) KOI8-R ALL", "S: b NO [BADCHARSET %", "C: c SORT (BOGUS) UTF-8 ALL",
             "S: c BAD %", "C: d SORT () UTF-8 ALL", "S: d BAD %", "C: e SORT DATE UTF-8 ALL",
             "S: e BAD %", "C: f SORT (DATE) ALL", "S: f BAD %", "C: g SORT (REVERSE) UTF-8 ALL",
             "S: g BAD %", "C: h SORT (DATE REVERSE REVERSE DATE) UTF-8 ALL", "S: h BAD %",
             "C: i SORT (DATE)", "S: i BAD %", "C: j SORT RETURN (DATE) UTF-8 ALL", "S: j BAD %");
}

Test(sort, display_rfc_5957)
{
    DIALOGUE(FIVE, SELECT_INBOX("5"), "C: a SORT (DISPLAYFROM) UTF-8 ALL", "S: * SORT 5 3 2 4 1",
             "S: a OK %", "C: b SORT (REVERSE DISPLAYTO) UTF-8 ALL", "S: * SORT 3 1 2 4 5",
             "S: b OK %");
}

Test(sort, esort_rfc_5267_3)
{
    DIALOGUE(FIVE, SELECT_INBOX("5"), "C: a UID SORT RETURN () (SUBJECT) UTF-8 ALL",
             "S: * ESEARCH (TAG \"a\") UID ALL 2,4,3,1,5", "S: a OK %",
             "C: b SORT RETURN (MIN MAX COUNT) (DATE) UTF-8 ALL",
             "S: * ESEARCH (TAG \"b\") MIN 2 MAX 5 COUNT 5", "S: b OK %",
             "C: c SORT RETURN (ALL) (ARRIVAL) UTF-8 2:4", "S: * ESEARCH (TAG \"c\") ALL 2:4",
             "S: c OK %", "C: d SORT RETURN (PARTIAL 2:4 COUNT) (REVERSE DATE) UTF-8 ALL",
             "S: * ESEARCH (TAG \"d\") COUNT 5 PARTIAL (2:4 5,4,1)", "S: d OK %",
             "C: e SORT RETURN (PARTIAL -1:-2) (DATE) UTF-8 ALL",
             "S: * ESEARCH (TAG \"e\") PARTIAL (-1:-2 3,5)", "S: e OK %",
             "C: f SORT RETURN (PARTIAL 6:9) (DATE) UTF-8 ALL",
             "S: * ESEARCH (TAG \"f\") PARTIAL (6:9 NIL)", "S: f OK %",
             "C: g SORT RETURN (MIN COUNT) (DATE) UTF-8 NOT ALL",
             "S: * ESEARCH (TAG \"g\") COUNT 0", "S: g OK %",
             "C: h SORT RETURN (SAVE PARTIAL 1:2) (DATE) UTF-8 ALL",
             "S: * ESEARCH (TAG \"h\") PARTIAL (1:2 2,1)", "S: h OK %", "C: i SEARCH $",
             "S: * SEARCH 1 2", "S: i OK %", "C: j SORT RETURN (SAVE) (DATE) UTF-8 3:4",
             "S: j OK %", "C: k SEARCH $", "S: * SEARCH 3 4", "S: k OK %");
}

/* As FETCH: nobody's expunge changes the numbers of the answer. */
Test(sort, two_sessions)
{
    DIALOGUE(FIVE, SELECT_INBOX("5"), "C2: s SELECT INBOX", "U2: s OK %",
             "C2: a STORE 1 +FLAGS.SILENT \\Deleted", "S2: a OK %", "C2: b EXPUNGE",
             "S2: * 1 EXPUNGE", "S2: b OK %", "C: a SORT (DATE) UTF-8 ALL", "S: * SORT 2 1 4 3 5",
             "S: a OK %", "C: b UID SORT (DATE) UTF-8 ALL", "S: * SORT 2 1 4 3 5", "S: * 1 EXPUNGE",
             "S: b OK %", "C: c SORT (DATE) UTF-8 ALL", "S: * SORT 1 3 2 4", "S: c OK %");
}

Test(sort, store_away_and_hidden)
{
    DIALOGUE(FIVE, SELECT_INBOX("5"), "C: a SORT RETURN (SAVE) (DATE) UTF-8 1:2", "S: a OK %",
             "A:", "C: b SORT RETURN (SAVE) (DATE) UTF-8 ALL", "S: b NO [UNAVAILABLE] %",
             "B:", "C: c SEARCH $", "S: * SEARCH", "S: c OK %");
    STRANGER("S: * OK %", "H: SORT", "C: l LOGIN me@localhost secret", "S: l OK %",
             SELECT_EMPTY(""), "C: a SORT (DATE) UTF-8 ALL", "S: a BAD %");
    STRANGER("S: * OK %", "H: SORT=DISPLAY", "C: l LOGIN me@localhost secret", "S: l OK %",
             SELECT_EMPTY(""), "C: a SORT (DISPLAYFROM) UTF-8 ALL", "S: a BAD %",
             "C: b SORT (FROM) UTF-8 ALL", "S: * SORT", "S: b OK %");
    STRANGER("S: * OK %", "H: ESORT", "C: l LOGIN me@localhost secret", "S: l OK %",
             SELECT_EMPTY(""), "C: a SORT RETURN (COUNT) (DATE) UTF-8 ALL", "S: a BAD %");
}

static void add_record(struct sort *sort, uint32_t uid, struct str subject)
{
    union sort_value *value = arena_new(&sort->arena, union sort_value);
    value->text = arena_copy(&sort->arena, subject);
    struct sort_record record = {uid, uid, value};
    array_push(&sort->records, record);
}

static void check_order(const struct sort *sort, const uint32_t *uids, size_t count)
{
    cr_assert_eq(sort->records.len, count);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(sort->records.items[i].uid, uids[i], "place %zu: %u", i,
                     sort->records.items[i].uid);
}

/* As contexts keep them: some leave, some are added. */
Test(sort, records_that_are_kept)
{
    struct sort sort = {.criteria = {{SORT_SUBJECT, false}}, .criteria_count = 1};
    sort_init(&sort);
    for (uint32_t uid = 1; uid <= 100; uid++)
        add_record(&sort, uid, uid % 2 ? STR("a subject of some length") : STR("another"));
    sort_run(&sort, 0);
    cr_assert_eq(sort.records.items[0].uid, 1);
    cr_assert_eq(sort.records.items[50].uid, 2);
    sort.records.items[1] = sort.records.items[50];
    sort.records.len = 2;
    size_t before = sort.arena.used;
    sort_compact(&sort);
    cr_assert_lt(sort.arena.used, before / 10);
    cr_assert(str_eq(sort.records.items[0].values[0].text, STR("a subject of some length")));
    cr_assert(str_eq(sort.records.items[1].values[0].text, STR("another")));
    add_record(&sort, 7, STR("z"));
    add_record(&sort, 6, STR("another"));
    add_record(&sort, 3, STR(""));
    sort_run(&sort, 2);
    check_order(&sort, (const uint32_t[]){3, 1, 2, 6, 7}, 5);
    sort_release(&sort);
}

/* Messages are read, then sort keys: the second part goes on from the first. */
Test(sort, inprogress_rfc_9585)
{
    struct world w;
    world_init(&w, 1 << 18);
    for (int i = 0; i < 4100; i++)
        fake_backend_deliver(w.server.backend, STR("Inbox"), STR(""), STR("\r\n"));
    for (int i = 0; i < 40; i++)
        dialogue_deliver(&w, "x");
    struct session *s = world_session(&w, 0);
    fake_session_feed(s, STR("a LOGIN me@localhost secret\r\nb SELECT INBOX\r\n"), 0);
    fake_session_sent(s);
    static const struct str commands[] = {STR_INIT("c SORT (SUBJECT) UTF-8"),
                                          STR_INIT("c THREAD REFERENCES UTF-8")};
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        fake_session_feed(s, commands[i], 0);
        fake_session_feed(s, STR(" OR BODY x UID 1:4100\r\n"), 0);
        struct str sent = fake_session_sent(s);
        cr_assert(str_starts_with(sent, STR("* OK [INPROGRESS (\"c\" 32 NIL)] at work\r\n")),
                  "%.*s", STR_ARG(str_slice(sent, 0, 200)));
        cr_assert(str_find(sent, STR("* OK [INPROGRESS (\"c\" 4136 NIL)] at work\r\n")) > 0);
        fake_session_feed(s, commands[i], 0);
        fake_session_feed(s, STR(" ALL\r\n"), 0);
        sent = fake_session_sent(s);
        cr_assert(str_starts_with(sent, STR("* OK [INPROGRESS (\"c\" 4096 4140)] at work\r\n")));
    }
    world_release(&w);
}
