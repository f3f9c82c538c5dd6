#include "tests/unit/services/imap/dialogue.h"

#include <criterion/criterion.h>

/* UIDONLY (RFC 9586). */

#define ENABLE_UIDONLY "C: u ENABLE UIDONLY", "S: * ENABLED UIDONLY", "S: u OK %"

Test(uidonly, message_numbers_are_refused_3_1)
{
    DIALOGUE("D: 1", "D: 2", ENABLE_UIDONLY, "C: a SELECT INBOX", "S: * FLAGS %", "S: * OK %",
             "S: * 0 RECENT", "S: * 2 EXISTS", "S: * OK [UIDVALIDITY %", "U: a OK %",
             "C: b FETCH 1 FLAGS", "S: b BAD [UIDREQUIRED] %", "C: c STORE 1 +FLAGS (\\Seen)",
             "S: c BAD [UIDREQUIRED] %", "C: d SEARCH UID 1", "S: d BAD [UIDREQUIRED] %",
             "C: e COPY 1 Archive", "S: e BAD [UIDREQUIRED] %", "C: f MOVE 1 Archive",
             "S: f BAD [UIDREQUIRED] %", "C: g UID SEARCH 1", "S: g BAD [UIDREQUIRED] %",
             "C: h UID SEARCH OR NOT (1:2) ALL", "S: h BAD [UIDREQUIRED] %",
             "C: i UID SEARCH UID 1", "S: * SEARCH 1", "S: i OK %",
             "C: j UID SEARCH RETURN (SAVE) UID 2", "S: j OK %", "C: k UID SEARCH $",
             "S: * SEARCH 2", "S: k OK %", "C: l UID SEARCH BOGUS", "S: l BAD expected %",
             "C: m EXPUNGE", "S: m OK expunged", "C: n UID COPY 2 Archive",
             "S: n OK [COPYUID 1002 2 1] %", "C: o FETCH", "S: o BAD [UIDREQUIRED] %",
             "C: p REPLACE 1 INBOX {6}", "S: p BAD [UIDREQUIRED] %", "C: q REPLACE 1 INBOX {6+}",
             "C- a: b\r\n", "C: ", "S: q BAD [UIDREQUIRED] %", "C: r UID REPLACE 1 INBOX {6+}",
             "C- a: b\r\n", "C: ", "S: * OK [APPENDUID 1001 3] %", "S: * VANISHED 1",
             "S: * 2 EXISTS", "S: * 3 UIDFETCH (FLAGS ())", "S: r OK replaced");
    STRANGER("S: * OK %", "H: UIDONLY", "C: a LOGIN me@localhost secret", "S: a OK %",
             "C: b ENABLE UIDONLY", "S: * ENABLED", "S: b OK %");
}

Test(uidonly, answers_are_uidfetch_3_3)
{
    DIALOGUE("D: 1", "D: 2", "D: 3", ENABLE_UIDONLY, "C: a SELECT INBOX", "U: a OK %",
             "C: b UID STORE 1 +FLAGS.SILENT (\\Deleted)", "S: b OK %", "C: c EXPUNGE",
             "S: * VANISHED 1", "S: c OK %", "C: d UID FETCH 2 FLAGS", "S: * 2 UIDFETCH (FLAGS ())",
             "S: d OK %", "C: e UID FETCH 2:* (RFC822.SIZE UID FLAGS)",
             "S: * 2 UIDFETCH (UID 2 RFC822.SIZE 37 FLAGS ())",
             "S: * 3 UIDFETCH (UID 3 RFC822.SIZE 37 FLAGS ())", "S: e OK %", "C: f UID FETCH 3 UID",
             "S: * 3 UIDFETCH (UID 3)", "S: f OK %", "C: g UID STORE 2 +FLAGS (k)",
             "S: * 2 UIDFETCH (FLAGS (k))", "S: g OK %", "C: h UID FETCH 2 (BODY.PEEK[TEXT] FLAGS)",
             "S: * 2 UIDFETCH (BODY[TEXT] {3}", "S: 2", "S:  FLAGS (k))", "S: h OK %",
             "C: i UID FETCH 2 BODY[]<0.3>", "S: * 2 UIDFETCH (BODY[]<0> {3}", "S: Ret)",
             "S: * 2 UIDFETCH (FLAGS (\\Seen k))", "S: i OK %");
}

/* Text that ends in "(" does not look like the start of the list; a list is never empty. */
Test(uidonly, items_are_separated)
{
    DIALOGUE("D: x (", "C: a SELECT INBOX", "U: a OK %",
             "C: b FETCH 1 (BODY.PEEK[TEXT]<0.3> FLAGS)", "S: * 1 FETCH (UID 1 BODY[TEXT]<0> {3}",
             "S: x ( FLAGS ())", "S: b OK %", ENABLE_UIDONLY,
             "C: c UID FETCH 1 (BODY.PEEK[TEXT]<0.3> FLAGS)", "S: * 1 UIDFETCH (BODY[TEXT]<0> {3}",
             "S: x ( FLAGS ())", "S: c OK %", "C: d UID FETCH 1 BODY.PEEK[7]",
             "S: * 1 UIDFETCH (UID 1)", "S: d NO %");
}

Test(uidonly, news_of_other_sessions_3_3_and_3_5)
{
    DIALOGUE("D: 1", "D: 2", "D: 3", ENABLE_UIDONLY, "C: a SELECT INBOX (CONDSTORE)", "U: a OK %",
             "C: i IDLE", "S: + idling", "C2: a SELECT INBOX", "U2: a OK %",
             "C2: b STORE 1:2 +FLAGS (\\Deleted)", "U2: b OK %",
             "W:", "S: * 1 UIDFETCH (FLAGS (\\Deleted) MODSEQ (7))",
             "S: * 2 UIDFETCH (FLAGS (\\Deleted) MODSEQ (7))", "C2: c EXPUNGE", "S2: * 1 EXPUNGE",
             "S2: * 1 EXPUNGE", "S2: c OK %", "D: 4", "W:", "S: * VANISHED 1:2", "S: * 2 EXISTS",
             "S: * 4 UIDFETCH (FLAGS () MODSEQ (9))", "C: DONE", "S: i OK %",
             "C: j UID STORE 3:4 (UNCHANGEDSINCE 8) +FLAGS.SILENT (x)",
             "S: * 3 UIDFETCH (MODSEQ (10))", "S: * 4 UIDFETCH (FLAGS () MODSEQ (9))",
             "S: j OK [MODIFIED 4] %");
}

Test(uidonly, resynchronizing_without_numbers_3_4)
{
    DIALOGUE("D: 1", "D: 2", ENABLE_UIDONLY, "C: q ENABLE QRESYNC", "U: q OK %",
             "C: a SELECT INBOX (QRESYNC (1001 4 1:2 (1:2 1:2)))", "S: a BAD [UIDREQUIRED] %",
             "C: b SELECT INBOX (QRESYNC (1001 4 1:2))", "U: * OK [HIGHESTMODSEQ 5] %",
             "S: * 2 UIDFETCH (FLAGS () MODSEQ (5))", "S: b OK %",
             "C: c UID STORE 2 +FLAGS.SILENT (\\Deleted)", "S: * 2 UIDFETCH (MODSEQ (6))",
             "S: c OK %", "C: d UID EXPUNGE 2", "S: * VANISHED 2", "S: d OK [HIGHESTMODSEQ 7] %",
             "C: e UID FETCH 1:* FLAGS (CHANGEDSINCE 4 VANISHED)", "S: * VANISHED (EARLIER) 2",
             "S: e OK %", "C: f UID FETCH 1 FLAGS", "S: * 1 UIDFETCH (FLAGS () MODSEQ (4))",
             "S: f OK %");
}
