#include "tests/unit/services/imap/dialogue.h"

#include <criterion/criterion.h>
#include <stdio.h>

/*
 * QRESYNC (RFC 7162 3.2). Modseqs 1 to 3 make the mailboxes; every delivery and every change takes
 * the next.
 */

#define ENABLE_QRESYNC(n)                                                                          \
    "C" n ": q ENABLE QRESYNC", "S" n ": * ENABLED QRESYNC CONDSTORE", "U" n ": q OK %"

/* Six messages (modseqs 4 to 9) of which 3 and 4 are expunged (11), and 5 is flagged (12). */
#define SIX_WITHOUT_3_AND_4                                                                        \
    "D: 1", "D: 2", "D: 3", "D: 4", "D: 5", "D: 6", "C2: a SELECT INBOX", "U2: a OK %",            \
        "C2: b STORE 3:4 +FLAGS.SILENT (\\Deleted)", "U2: b OK %", "C2: c EXPUNGE", "U2: c OK %",  \
        "C2: d UID STORE 5 +FLAGS (\\Flagged)", "U2: d OK %"

Test(qresync, enable_spec_2_8)
{
    DIALOGUE("C: a ENABLE QRESYNC foo", "S: * ENABLED QRESYNC CONDSTORE", "S: a OK %",
             "C: b ENABLE qresync", "S: * ENABLED qresync", "S: b OK %");
    DIALOGUE("C: a ENABLE CONDSTORE QRESYNC", "S: * ENABLED CONDSTORE QRESYNC", "S: a OK %");
    DIALOGUE("D: 1", "C: a SELECT INBOX (CONDSTORE)", "U: a OK %", "C: b ENABLE QRESYNC",
             "S: * ENABLED QRESYNC", "S: * OK [HIGHESTMODSEQ 4] %", "S: b OK %");
    STRANGER("S: * OK %", "H: QRESYNC", "C: a LOGIN me@localhost secret", "S: a OK %",
             "C: b ENABLE QRESYNC", "S: * ENABLED", "S: b OK %",
             "C: c SELECT INBOX (QRESYNC (1001 1))", "S: c BAD %");
}

Test(qresync, select_3_2_5)
{
    DIALOGUE(
        SIX_WITHOUT_3_AND_4, "C: a SELECT INBOX (QRESYNC (1001 4))", "S: a BAD %",
        ENABLE_QRESYNC(""), "C: b SELECT INBOX (QRESYNC (1001 8))", "U: * OK [HIGHESTMODSEQ 12] %",
        "S: * VANISHED (EARLIER) 3:4", "S: * 3 FETCH (UID 5 FLAGS (\\Flagged) MODSEQ (12))",
        "S: * 4 FETCH (UID 6 FLAGS () MODSEQ (9))", "S: b OK [READ-WRITE] selected",
        "C: c SELECT INBOX (QRESYNC (1001 8 1,2,5:6))", "U: * OK [HIGHESTMODSEQ 12] %",
        "S: * 3 FETCH (UID 5 %", "S: * 4 FETCH (UID 6 %", "S: c OK %",
        "C: d EXAMINE INBOX (CONDSTORE QRESYNC (1001 10 4:5,100))", "U: * OK [HIGHESTMODSEQ 12] %",
        "S: * VANISHED (EARLIER) 4", "S: * 3 FETCH (UID 5 %", "S: d OK [READ-ONLY] examined",
        "C: e SELECT INBOX (QRESYNC (1001 12))", "U: * OK [HIGHESTMODSEQ 12] %", "S: e OK %",
        "C: f SELECT INBOX (QRESYNC (1002 1))", "U: * OK [HIGHESTMODSEQ 12] %", "S: f OK %");
}

Test(qresync, select_parameters_spec_2_30)
{
    static const struct {
        const char *name, *arguments, *answer;
    } rows[] = {
        {"a star in the known UIDs", "(QRESYNC (1001 1 1:*))", "S: a BAD %"},
        {"a saved result", "(QRESYNC (1001 1 $))", "S: a BAD %"},
        {"twice", "(QRESYNC (1001 1) QRESYNC (1001 1))", "S: a BAD %"},
        {"modseq 0", "(QRESYNC (1001 0))", "S: a BAD %"},
        {"no modseq", "(QRESYNC (1001))", "S: a BAD %"},
        {"no arguments", "(QRESYNC)", "S: a BAD %"},
        {"more numbers than UIDs", "(QRESYNC (1001 1 1:9 (1:2 1:3)))", "S: a BAD %"},
        {"one set only", "(QRESYNC (1001 1 1:9 (1:2)))", "S: a BAD %"},
        {"numbers that do not ascend", "(QRESYNC (1001 1 1:9 (2,1 1:2)))", "S: a NO %"},
        {"UIDs that do not ascend", "(QRESYNC (1001 1 (1:2 2,2)))", "S: a NO %"},
        {"a range that descends", "(QRESYNC (1001 1 (1:2 3:2)))", "S: a NO %"},
        {"all of the largest numbers",
         "(QRESYNC (1001 1 1:4294967295 (1:4294967295 1:4294967295)))", "U: a OK %"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[200];
        snprintf(line, sizeof(line), "C: a SELECT INBOX %s", rows[i].arguments);
        cr_log_info("%s", rows[i].name);
        DIALOGUE("D: 1", ENABLE_QRESYNC(""), line, rows[i].answer);
    }
}

/* Pairs that still match show that nothing before them has vanished. */
Test(qresync, match_data_3_2_5_2)
{
    DIALOGUE(SIX_WITHOUT_3_AND_4, ENABLE_QRESYNC(""),
             "C: a SELECT INBOX (QRESYNC (1001 9 1:6 (1,2 1,2)))", "U: * OK [HIGHESTMODSEQ 12] %",
             "S: * VANISHED (EARLIER) 3:4", "S: * 3 FETCH (UID 5 %", "S: a OK %",
             "C: b SELECT INBOX (QRESYNC (1001 9 (2:3 2,4)))", "U: * OK [HIGHESTMODSEQ 12] %",
             "S: * VANISHED (EARLIER) 3:4", "S: * 3 FETCH (UID 5 %", "S: b OK %",
             "C: c SELECT INBOX (QRESYNC (1001 9 1:6 (1,3,4 1,5,6)))",
             "U: * OK [HIGHESTMODSEQ 12] %", "S: * 3 FETCH (UID 5 %", "S: c OK %");
}

/* The client claims a modseq after the removal of a UID that it still lists. */
Test(qresync, an_inconsistent_client_is_told_all_spec_2_30)
{
    DIALOGUE(SIX_WITHOUT_3_AND_4, "C2: e STORE 1 +FLAGS.SILENT (\\Deleted)", "U2: e OK %",
             "C2: f EXPUNGE", "U2: f OK %", ENABLE_QRESYNC(""),
             "C: a SELECT INBOX (QRESYNC (1001 12 5:6 (1:3 2,4,5)))",
             "U: * OK [HIGHESTMODSEQ 14] %", "S: * OK [ALERT] %", "S: * VANISHED (EARLIER) 1,3:4",
             "S: * 2 FETCH (UID 5 FLAGS (\\Flagged) MODSEQ (12))", "S: a OK %");
}

Test(qresync, forgotten_expunges_spec_2_30)
{
    DIALOGUE("D: 1", "D: 2", "D: 3", "C2: a SELECT INBOX", "U2: a OK %",
             "C2: b STORE 1,3 +FLAGS.SILENT (\\Deleted)", "U2: b OK %", "C2: c EXPUNGE",
             "U2: c OK %", "P: 1", "P: 3", ENABLE_QRESYNC(""),
             "C: a SELECT INBOX (QRESYNC (1001 6))", "U: * OK [HIGHESTMODSEQ 8] %",
             "S: * VANISHED (EARLIER) 1,3", "S: a OK %", "C: b SELECT INBOX (QRESYNC (1001 6 2:9))",
             "U: * OK [HIGHESTMODSEQ 8] %", "S: * VANISHED (EARLIER) 3", "S: b OK %",
             "C: c SELECT INBOX (QRESYNC (1001 8))", "U: * OK [HIGHESTMODSEQ 8] %", "S: c OK %",
             "C: d UID FETCH 1:4 (FLAGS) (CHANGEDSINCE 1 VANISHED)", "S: * VANISHED (EARLIER) 1,3",
             "S: * 1 FETCH (UID 2 FLAGS () MODSEQ (5))", "S: d OK %");
}

Test(qresync, uid_fetch_vanished_3_2_6)
{
    DIALOGUE(SIX_WITHOUT_3_AND_4, ENABLE_QRESYNC(""), "C: a SELECT INBOX", "U: a OK %",
             "C: b UID FETCH 1:* (FLAGS) (CHANGEDSINCE 10 VANISHED)", "S: * VANISHED (EARLIER) 3:4",
             "S: * 3 FETCH (UID 5 FLAGS (\\Flagged) MODSEQ (12))", "S: b OK %",
             "C: c UID FETCH 4:100 (UID) (VANISHED CHANGEDSINCE 10)", "S: * VANISHED (EARLIER) 4",
             "S: * 3 FETCH (UID 5 MODSEQ (12))", "S: c OK %",
             "C: d FETCH 1:4 (FLAGS) (CHANGEDSINCE 1 VANISHED)", "S: d BAD %",
             "C: e UID FETCH 1:4 (FLAGS) (VANISHED)", "S: e BAD %",
             /* With QRESYNC, every UID FETCH tells the modseq; the last UID may have vanished. */
             "C: f UID FETCH 6 FLAGS", "S: * 4 FETCH (UID 6 FLAGS () MODSEQ (9))", "S: f OK %",
             "C: g UID STORE 6 +FLAGS.SILENT (\\Deleted)", "S: * 4 FETCH (UID 6 MODSEQ (13))",
             "S: g OK %", "C: h EXPUNGE", "S: * VANISHED 6", "S: h OK [HIGHESTMODSEQ 14] %",
             "C: i UID FETCH 5:* FLAGS (CHANGEDSINCE 13 VANISHED)", "S: * VANISHED (EARLIER) 6",
             "S: i OK %");
    DIALOGUE(SIX_WITHOUT_3_AND_4, "C: a SELECT INBOX (CONDSTORE)", "U: a OK %",
             "C: b UID FETCH 1:4 (FLAGS) (CHANGEDSINCE 1 VANISHED)", "S: b BAD %");
}

/* What vanished after the horizon is news, not "earlier". */
Test(qresync, later_expunges_are_not_told_twice)
{
    DIALOGUE("D: 1", "D: 2", "D: 3", ENABLE_QRESYNC(""), "C: a SELECT INBOX", "U: a OK %",
             "C2: a SELECT INBOX", "U2: a OK %", "C2: b STORE 2 +FLAGS (\\Deleted)", "U2: b OK %",
             "C2: c EXPUNGE", "S2: * 2 EXPUNGE", "S2: c OK %",
             "C: b UID FETCH 1:* (FLAGS) (CHANGEDSINCE 6 VANISHED)",
             "S: * 2 FETCH (UID 2 FLAGS (\\Deleted) MODSEQ (7))", "S: * VANISHED 2",
             "S: b OK [EXPUNGEISSUED] %");
}

Test(qresync, vanished_instead_of_expunge_3_2_10)
{
    DIALOGUE("D: 1", "D: 2", "D: 3", "D: 4", "D: 5", ENABLE_QRESYNC(""), "C: a SELECT INBOX",
             "U: a OK %", ENABLE_QRESYNC("2"), "C2: a SELECT INBOX", "U2: a OK %", "C2: i IDLE",
             "S2: + idling", "C: b STORE 1:2,4 +FLAGS.SILENT (\\Deleted)", "U: b OK %",
             "W:", "S2: * 1 FETCH (UID 1 FLAGS (\\Deleted) MODSEQ (9))", "S2: * 2 FETCH %",
             "S2: * 4 FETCH %", "C: c EXPUNGE", "S: * VANISHED 1:2,4",
             "S: c OK [HIGHESTMODSEQ 10] %", "W:", "S2: * VANISHED 1:2,4", "C: d MOVE 1 Archive",
             "S: * OK [COPYUID %", "S: * VANISHED 3", "S: d OK [HIGHESTMODSEQ 11] %", "D: 6",
             "W:", "S2: * VANISHED 3", "S2: * 2 EXISTS",
             "S2: * 2 FETCH (UID 6 FLAGS () MODSEQ (12))", "C2: DONE", "S2: i OK %");
}

Test(qresync, vanished_lines_are_short_3_2_10)
{
    struct world w;
    world_init(&w, 1 << 18);
    for (int i = 0; i < 3000; i++)
        dialogue_deliver(&w, "x");
    struct session *s = world_session(&w, 0);
    fake_session_feed(s, STR("a LOGIN me@localhost secret\r\nb ENABLE QRESYNC\r\n"), 0);
    fake_session_feed(s, STR("c SELECT INBOX\r\n"), 0);
    for (int i = 1; i < 3000; i += 2) {
        char line[100];
        snprintf(line, sizeof(line), "d UID STORE %d +FLAGS.SILENT \\Deleted\r\n", i);
        fake_session_feed(s, str_from_cstr(line), 0);
    }
    fake_session_feed(s, STR("e CLOSE\r\n"), 0);
    fake_session_sent(s);
    fake_session_feed(s, STR("f SELECT INBOX (QRESYNC (1001 3100 1:2000))\r\n"), 0);
    struct str rest = fake_session_sent(s), line;
    size_t lines = 0, uids = 0;
    while (str_cut(rest, '\n', &line, &rest)) {
        if (!str_starts_with(line, STR("* VANISHED (EARLIER) ")))
            continue;
        lines++;
        cr_assert_lt(line.len, 4096);
        for (struct str uid; line.len > 0; uids++)
            str_cut(line, ',', &uid, &line);
    }
    cr_assert_eq(uids, 1000, "%zu", uids);
    cr_assert_eq(lines, 2, "%zu", lines);
    world_release(&w);
}
