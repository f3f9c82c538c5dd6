#include "tests/unit/services/imap/dialogue.h"

#include <criterion/criterion.h>

/* Contexts (RFC 5267): searches with UPDATE. The second session changes what the first one hears
 * of. */

#define FIVE "D: 1", "D: 2", "D: 3", "D: 4", "D: 5"
#define TWO_SELECT(exists) SELECT_INBOX(exists), "C2: s SELECT INBOX", "U2: s OK %"

Test(context, changes_of_flags_rfc_5267_4_3)
{
    DIALOGUE(FIVE, TWO_SELECT("5"), "C: B01 UID SEARCH RETURN (UPDATE COUNT) DELETED KEYWORD $Junk",
             "S: * ESEARCH (TAG \"B01\") UID COUNT 0", "S: B01 OK %",
             /* A tag that is in use. */
             "C: B01 SORT RETURN (UPDATE) (DATE) UTF-8 FLAGGED", "S: B01 BAD %",
             "C2: a STORE 2,4:5 +FLAGS.SILENT (\\Deleted $Junk)", "S2: a OK %", "C: b NOOP",
             "S: * 2 FETCH %", "S: * 4 FETCH %", "S: * 5 FETCH %",
             "S: * ESEARCH (TAG \"B01\") UID ADDTO (0 2,4:5)", "S: b OK %",
             "C2: b STORE 1:2 -FLAGS.SILENT ($Junk)", "S2: b OK %", "C: c NOOP", "S: * 2 FETCH %",
             "S: * ESEARCH (TAG \"B01\") UID REMOVEFROM (0 2)", "S: c OK %",
             /* What it does itself. */
             "C: d UID STORE 1,4 FLAGS (\\Deleted $Junk)", "S: * 1 FETCH %", "S: * 4 FETCH %",
             "S: * ESEARCH (TAG \"B01\") UID ADDTO (0 1)", "S: d OK %", "C: e CANCELUPDATE \"B01\"",
             "S: e OK %", "C2: c STORE 1:5 FLAGS.SILENT ()", "S2: c OK %", "C: f NOOP",
             "S: * 1 FETCH %", "S: * 2 FETCH %", "S: * 4 FETCH %", "S: * 5 FETCH %", "S: f OK %");
}

/* An expunge is told with the number that the message had, before EXPUNGE; what came, after
 * EXISTS. */
Test(context, numbers_rfc_5267_4_3_2)
{
    DIALOGUE(FIVE, TWO_SELECT("5"), "C: a SEARCH RETURN (UPDATE ALL) UNSEEN",
             "S: * ESEARCH (TAG \"a\") ALL 1:5", "S: a OK %", "C: i IDLE", "S: + idling",
             "C2: a STORE 2,4 +FLAGS.SILENT \\Deleted", "S2: a OK %", "C2: b EXPUNGE",
             "S2: * 2 EXPUNGE", "S2: * 3 EXPUNGE", "S2: b OK %", "D: 6",
             "W:", "S: * ESEARCH (TAG \"a\") REMOVEFROM (0 2,4)", "S: * 2 EXPUNGE",
             "S: * 3 EXPUNGE", "S: * 4 EXISTS", "S: * 4 FETCH (UID 6 FLAGS ())",
             "S: * ESEARCH (TAG \"a\") ADDTO (0 4)", "N:", "C2: c UID STORE 5 +FLAGS \\Seen",
             "U2: c OK %", "W:", "S: * 3 FETCH (UID 5 FLAGS (\\Seen))",
             "S: * ESEARCH (TAG \"a\") REMOVEFROM (0 3)", "N:", "C: DONE", "S: i OK %",
             /* Numbers in a search mean the messages that they named. */
             "C: b SEARCH RETURN (UPDATE COUNT) 1:2 FLAGGED", "S: * ESEARCH (TAG \"b\") COUNT 0",
             "S: b OK %", "C2: d STORE 1 +FLAGS.SILENT \\Deleted", "S2: d OK %", "C2: e EXPUNGE",
             "S2: * 1 EXPUNGE", "S2: e OK %", "C2: f STORE 1:2 +FLAGS.SILENT \\Flagged",
             "S2: f OK %", "C: c NOOP", "S: * ESEARCH (TAG \"a\") REMOVEFROM (0 1)",
             "S: * 1 EXPUNGE", "S: * 1 FETCH %", "S: * 2 FETCH %",
             "S: * ESEARCH (TAG \"b\") ADDTO (0 1)", "S: c OK %");
}

Test(context, a_set_without_end_goes_on)
{
    DIALOGUE("D: 1", "D: 2", SELECT_INBOX("2"), "C: a UID SEARCH RETURN (UPDATE COUNT) UID 2:*",
             "S: * ESEARCH (TAG \"a\") UID COUNT 1", "S: a OK %",
             "C: b UID SEARCH RETURN (UPDATE COUNT) UID 1:2",
             "S: * ESEARCH (TAG \"b\") UID COUNT 2", "S: b OK %", "D: 3", "C: c NOOP",
             "S: * 3 EXISTS", "S: * 3 FETCH %", "S: * ESEARCH (TAG \"a\") UID ADDTO (0 3)",
             "S: c OK %");
}

/* With QRESYNC and UIDONLY the same, in front of VANISHED. */
Test(context, vanished_rfc_7162_and_9586)
{
    DIALOGUE("D: 1", "D: 2", "C: q ENABLE QRESYNC UIDONLY", "S: * ENABLED %", "S: q OK %",
             "C: s SELECT INBOX", "U: s OK %", "C2: s SELECT INBOX", "U2: s OK %",
             "C: a UID SEARCH RETURN (UPDATE ALL) UNDELETED",
             "S: * ESEARCH (TAG \"a\") UID ALL 1:2", "S: a OK %", "C: b SEARCH RETURN (UPDATE) ALL",
             "S: b BAD [UIDREQUIRED] %", "C2: a STORE 1 +FLAGS.SILENT \\Deleted", "S2: a OK %",
             "C: c NOOP", "S: * 1 UIDFETCH (FLAGS (\\Deleted) MODSEQ (%",
             "S: * ESEARCH (TAG \"a\") UID REMOVEFROM (0 1)", "S: c OK %",
             "C2: b STORE 1 -FLAGS.SILENT \\Deleted", "S2: b OK %",
             "C2: c STORE 2 +FLAGS.SILENT \\Deleted", "S2: c OK %", "C2: d EXPUNGE",
             "S2: * 2 EXPUNGE", "S2: d OK %", "C: d NOOP",
             "S: * ESEARCH (TAG \"a\") UID REMOVEFROM (0 2)", "S: * VANISHED 2",
             "S: * 1 UIDFETCH %", "S: * ESEARCH (TAG \"a\") UID ADDTO (0 1)", "S: d OK %");
}

Test(context, with_other_options_rfc_5267_4_2_and_rfc_9394)
{
    DIALOGUE(
        FIVE, TWO_SELECT("5"), "C: A01 SEARCH RETURN (CONTEXT COUNT) UNDELETED UNKEYWORD $Junk",
        "S: * ESEARCH (TAG \"A01\") COUNT 5", "S: A01 OK %",
        "C: A02 UID SEARCH RETURN (PARTIAL 1:2 UPDATE) UNDELETED",
        "S: * ESEARCH (TAG \"A02\") UID PARTIAL (1:2 1:2)", "S: A02 OK %",
        "C: A03 SEARCH RETURN (UPDATE MIN SAVE) UNDELETED", "S: * ESEARCH (TAG \"A03\") MIN 1",
        "S: A03 OK %", "C: A04 UID SEARCH RETURN (UPDATE) $ UNSEEN",
        "S: * ESEARCH (TAG \"A04\") UID", "S: A04 OK %",
        "C2: a STORE 1,5 +FLAGS.SILENT (\\Deleted \\Seen)", "S2: a OK %", "C: b NOOP",
        "S: * 1 FETCH %", "S: * 5 FETCH %", "S: * ESEARCH (TAG \"A04\") UID REMOVEFROM (0 1)",
        "S: * ESEARCH (TAG \"A03\") REMOVEFROM (0 1,5)",
        "S: * ESEARCH (TAG \"A02\") UID REMOVEFROM (0 1,5)", "S: b OK %",
        "C: c SEARCH RETURN (UPDATE UPDATE) ALL", "S: c BAD %",
        "C: d SEARCH RETURN (UPDATE ()) ALL", "S: d BAD %", "C: e SEARCH RETURN (CONTEXTS) ALL",
        "S: e BAD %", "C: f CANCELUPDATE \"A02\" \"nope\" A04", "S: f NO %", "C: g CANCELUPDATE",
        "S: g BAD %", "C: h CANCELUPDATE \"A03\" ", "S: h BAD %", "C2: b STORE 1 FLAGS.SILENT ()",
        "S2: b OK %", "C: i NOOP", "S: * 1 FETCH %", "S: * ESEARCH (TAG \"A03\") ADDTO (0 1)",
        "S: i OK %");
}

#define SORTED                                                                                     \
    "M: Subject: d|From: a@x||", "M: Subject: b|From: a@x||", "M: Subject: f|From: a@x||",         \
        "M: Subject: b|From: a@x||", "M: Subject: a|From: a@x||"

/* Where a message comes or goes in the order of SORT. */
Test(context, places_rfc_5267_4_3_3)
{
    DIALOGUE(SORTED, TWO_SELECT("5"), "C: a UID SORT RETURN (UPDATE ALL) (SUBJECT) UTF-8 UNSEEN",
             "S: * ESEARCH (TAG \"a\") UID ALL 5,2,4,1,3", "S: a OK %",
             "C: b SORT RETURN (UPDATE COUNT) (REVERSE SUBJECT) UTF-8 UNSEEN",
             "S: * ESEARCH (TAG \"b\") COUNT 5", "S: b OK %",
             "C2: a STORE 2,1,3 +FLAGS.SILENT \\Seen", "S2: a OK %", "C: c NOOP", "S: * 1 FETCH %",
             "S: * 2 FETCH %", "S: * 3 FETCH %",
             /* of 3 1 2 4 5 the first three; of 5 2 4 1 3 what is left is 5 4 */
             "S: * ESEARCH (TAG \"b\") REMOVEFROM (1 3,1:2)",
             "S: * ESEARCH (TAG \"a\") UID REMOVEFROM (2 2 3 1,3)", "S: c OK %",
             "M: Subject: c|From: a@x||", "C2: b STORE 2,3 -FLAGS.SILENT \\Seen", "S2: b OK %",
             "C: d NOOP", "S: * 6 EXISTS", "S: * 2 FETCH %", "S: * 3 FETCH %", "S: * 6 FETCH %",
             "S: * ESEARCH (TAG \"b\") ADDTO (1 3,6,2)",
             /* 5 2 4 6 3 */
             "S: * ESEARCH (TAG \"a\") UID ADDTO (2 2 4 6,3)", "S: d OK %",
             "C2: c STORE 4:5 +FLAGS.SILENT \\Deleted", "S2: c OK %", "C2: d EXPUNGE", "U2: d OK %",
             "C: e NOOP", "S: * ESEARCH (TAG \"b\") REMOVEFROM (4 4:5)",
             "S: * ESEARCH (TAG \"a\") UID REMOVEFROM (1 5 2 4)", "S: * 4 EXPUNGE",
             "S: * 4 EXPUNGE", "S: e OK %");
}

/* What must be read is read again, of messages that changed. */
Test(context, texts_are_read)
{
    DIALOGUE("D: apple", "D: banana", TWO_SELECT("2"),
             "C: a SEARCH RETURN (UPDATE COUNT) BODY apple UNSEEN",
             "S: * ESEARCH (TAG \"a\") COUNT 1", "S: a OK %", "D: apple pie", "D: cherry",
             "C: b NOOP", "S: * 4 EXISTS", "S: * 3 FETCH %", "S: * 4 FETCH %",
             "S: * ESEARCH (TAG \"a\") ADDTO (0 3)", "S: b OK %",
             "C2: a STORE 1:2 +FLAGS.SILENT \\Seen", "S2: a OK %", "C: c NOOP", "S: * 1 FETCH %",
             "S: * 2 FETCH %", "S: * ESEARCH (TAG \"a\") REMOVEFROM (0 1)", "S: c OK %");
}

/* RFC 5465 7: items of new messages; none for those whose flags brought them in. */
Test(context, items_of_new_messages_rfc_5465_7)
{
    DIALOGUE(
        "D: 1", TWO_SELECT("1"),
        "C: a00 SEARCH RETURN (COUNT UPDATE (UID BODY[HEADER.FIELDS (SUBJECT)])) UNFLAGGED",
        "S: * ESEARCH (TAG \"a00\") COUNT 1", "S: a00 OK %",
        "C2: a STORE 1 +FLAGS.SILENT \\Flagged", "S2: a OK %", "D: 2", "C: b NOOP", "S: * 2 EXISTS",
        "S: * 1 FETCH (UID 1 FLAGS (\\Flagged))", "S: * 2 FETCH (UID 2 FLAGS ())",
        "S: * 2 FETCH (UID 2 BODY[HEADER.FIELDS (SUBJECT)] {17}", "S: Subject: test", "S: ", "S: )",
        "S: * ESEARCH (TAG \"a00\") REMOVEFROM (0 1)", "S: * ESEARCH (TAG \"a00\") ADDTO (0 2)",
        "S: b OK %", "C2: b STORE 1 -FLAGS.SILENT \\Flagged", "S2: b OK %", "C: c NOOP",
        "S: * 1 FETCH (UID 1 FLAGS ())", "S: * ESEARCH (TAG \"a00\") ADDTO (0 1)", "S: c OK %",
        "C: d FETCH 2 FLAGS", "S: * 2 FETCH (UID 2 FLAGS ())", "S: d OK %");
}

/* Without a command, when NOTIFY asks for it. */
Test(context, with_notify_rfc_5465_5)
{
    DIALOGUE("D: 1", TWO_SELECT("1"),
             "C: n NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))", "S: n OK %",
             "C: a UID SEARCH RETURN (UPDATE COUNT) UNSEEN", "S: * ESEARCH (TAG \"a\") UID COUNT 1",
             "S: a OK %", "C2: a STORE 1 +FLAGS.SILENT \\Seen", "S2: a OK %",
             "W:", "S: * 1 FETCH (UID 1 FLAGS (\\Seen))",
             "S: * ESEARCH (TAG \"a\") UID REMOVEFROM (0 1)", "D: 2", "W:", "S: * 2 EXISTS",
             "S: * 2 FETCH %", "S: * ESEARCH (TAG \"a\") UID ADDTO (0 2)", "N:");
}

/* It ends with the mailbox, and the tag is free again. */
Test(context, ends_with_the_mailbox)
{
    DIALOGUE("D: 1", SELECT_INBOX("1"), "C: a SEARCH RETURN (UPDATE COUNT) ALL", "U: a OK %",
             "C: b SELECT INBOX", "U: b OK %", "D: 2", "C: c NOOP", "S: * 2 EXISTS",
             "S: * 2 FETCH %", "S: c OK %", "C: a SEARCH RETURN (UPDATE COUNT) ALL",
             "S: * ESEARCH (TAG \"a\") COUNT 2", "S: a OK %", "C: d UNSELECT", "S: d OK %",
             "C: e CANCELUPDATE \"a\"", "S: e NO %");
}

#define MANY(n) "C: u" n " SEARCH RETURN (UPDATE COUNT) ALL", "S: * ESEARCH %", "S: u" n " OK %"

Test(context, refused_rfc_5267_4_3_1)
{
    DIALOGUE(
        "D: 1", SELECT_INBOX("1"), MANY("1"), MANY("2"), MANY("3"), MANY("4"), MANY("5"), MANY("6"),
        MANY("7"), MANY("8"), MANY("9"), MANY("10"),
        "C: B02 UID SORT RETURN (UPDATE COUNT) (DATE) UTF-8 ALL",
        "S: * ESEARCH (TAG \"B02\") UID COUNT 1", "S: * NO [NOUPDATE \"B02\"] %", "S: B02 OK %",
        "C: c CANCELUPDATE \"u1\" \"u2\" \"u3\" \"u4\" \"u5\" \"u6\" \"u7\" \"u8\"", "S: c OK %",
        "C: B02 UID SORT RETURN (UPDATE COUNT) (DATE) UTF-8 ALL", "S: * ESEARCH %", "S: B02 OK %",
        "D: 2", "C: d NOOP", "S: * 2 EXISTS", "S: * 2 FETCH %",
        "S: * ESEARCH (TAG \"B02\") UID ADDTO (2 2)", "S: * ESEARCH (TAG \"u10\") ADDTO (0 2)",
        "S: * ESEARCH (TAG \"u9\") ADDTO (0 2)", "S: d OK %");
}

/* What cannot be asked while store is away is asked with the next change. */
Test(context, store_away)
{
    DIALOGUE("D: apple", SELECT_INBOX("1"), "C: a UID SORT RETURN (UPDATE ALL) (SUBJECT) UTF-8 ALL",
             "S: * ESEARCH %", "S: a OK %", "C: b UID SEARCH RETURN (UPDATE ALL) BODY apple",
             "S: * ESEARCH %", "S: b OK %", "C: i IDLE", "S: + idling", "D: apple",
             "A:", "D: apple", "W:", "N:", "B:", "D: 4", "W:", "S: * 4 EXISTS", "S: * 2 FETCH %",
             "S: * 3 FETCH %", "S: * 4 FETCH %", "S: * ESEARCH (TAG \"b\") UID ADDTO (0 2:3)",
             "S: * ESEARCH (TAG \"a\") UID ADDTO (2 2:4)", "C: DONE", "S: i OK %");
}

/* RFC 7377 2.2: for the selected mailbox only; the answers name it. */
Test(context, esearch_rfc_7377)
{
    DIALOGUE("C: x ESEARCH RETURN (UPDATE COUNT) ALL", "S: x BAD %",
             "C: y ESEARCH IN (personal) RETURN (UPDATE COUNT) ALL", "S: y BAD %", "D: 1",
             SELECT_INBOX("1"), "C: a ESEARCH IN (personal) RETURN (UPDATE COUNT) UNSEEN",
             "S: * ESEARCH (TAG \"a\" MAILBOX Inbox UIDVALIDITY 1001) UID COUNT 1", "S: a OK %",
             "C: a ESEARCH RETURN (UPDATE) ALL", "S: a BAD %",
             "C: b ESEARCH IN (mailboxes Archive) RETURN (CONTEXT UPDATE) ALL", "S: b BAD %",
             "D: 2", "C: c NOOP", "S: * 2 EXISTS", "S: * 2 FETCH %",
             "S: * ESEARCH (TAG \"a\" MAILBOX Inbox UIDVALIDITY 1001) UID ADDTO (0 2)",
             "S: c OK %");
}

Test(context, hidden)
{
    STRANGER("S: * OK [CAPABILITY % CONTEXT=SEARCH CONTEXT=SORT %", "H: CONTEXT=SORT",
             "C: l LOGIN me@localhost secret", "S: l OK %", SELECT_EMPTY(""),
             "C: a SORT RETURN (UPDATE) (DATE) UTF-8 ALL", "S: a BAD %",
             "C: b SEARCH RETURN (UPDATE COUNT) ALL", "S: * ESEARCH %", "S: b OK %",
             "C: c CANCELUPDATE \"b\"", "S: c OK %");
    STRANGER("S: %", "H: ESORT", "C: l LOGIN me@localhost secret", "S: l OK %", "C: a CAPABILITY",
             "S: * CAPABILITY % CONTEXT=SEARCH BINARY %", "S: a OK %");
    STRANGER("S: %", "H: CONTEXT=SEARCH", "C: l LOGIN me@localhost secret", "S: l OK %",
             SELECT_EMPTY(""), "C: a SEARCH RETURN (UPDATE) ALL", "S: a BAD %",
             "C: b SEARCH RETURN (CONTEXT) ALL", "S: b BAD %",
             "C: c SEARCH RETURN (PARTIAL 1:2) ALL", "S: * ESEARCH %", "S: c OK %");
    STRANGER("S: %", "H: NOTIFY", "C: l LOGIN me@localhost secret", "S: l OK %", SELECT_EMPTY(""),
             "C: a SEARCH RETURN (UPDATE (FLAGS)) ALL", "S: a BAD %");
}
