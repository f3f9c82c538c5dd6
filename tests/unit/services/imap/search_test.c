#include "tests/unit/services/imap/dialogue.h"

#include <criterion/criterion.h>

/* The extensions of SEARCH, and what they share with FETCH. All messages are received on 14
 * November 2023 and saved on 9 March 2024 (fake_messages.c). */

Test(search, within_rfc_5032)
{
    DIALOGUE("D: old", SELECT_INBOX("1"), "C: a SEARCH OLDER 60", "S: * SEARCH 1", "S: a OK %",
             "C: b SEARCH YOUNGER 60", "S: * SEARCH", "S: b OK %",
             "C: c SEARCH NOT OLDER 4294967295 YOUNGER 4294967295", "S: * SEARCH 1", "S: c OK %",
             "C: d SEARCH OLDER 0", "S: d BAD %", "C: e SEARCH YOUNGER -1", "S: e BAD %",
             "C: f SEARCH OLDER 4294967296", "S: f BAD %");
}

Test(search, savedate_rfc_8514)
{
    DIALOGUE("D: one", SELECT_INBOX("1"), "C: a FETCH 1 (SAVEDATE INTERNALDATE)",
             "S: * 1 FETCH (UID 1 SAVEDATE \" 9-Mar-2024 16:00:00 +0000\" INTERNALDATE "
             "\"14-Nov-2023 23:13:20 +0100\")",
             "S: a OK %", "C: b SEARCH SAVEDON 9-Mar-2024 SAVEDSINCE 9-Mar-2024", "S: * SEARCH 1",
             "S: b OK %", "C: c SEARCH SAVEDBEFORE 9-Mar-2024", "S: * SEARCH", "S: c OK %",
             "C: d SEARCH SAVEDSINCE 10-Mar-2024", "S: * SEARCH", "S: d OK %",
             "C: e SEARCH SAVEDATESUPPORTED", "S: * SEARCH 1", "S: e OK %",
             "C: f SEARCH NOT SAVEDATESUPPORTED", "S: * SEARCH", "S: f OK %");
}

Test(search, partial_rfc_9394_3_1)
{
    DIALOGUE("D: 1", "D: 2", "D: 3", "D: 4", "D: 5", SELECT_INBOX("5"),
             "C: a STORE 2 +FLAGS.SILENT \\Deleted", "S: a OK %",
             "C: b UID SEARCH RETURN (PARTIAL 1:2) UNDELETED",
             "S: * ESEARCH (TAG \"b\") UID PARTIAL (1:2 1,3)", "S: b OK %",
             "C: c UID SEARCH RETURN (PARTIAL 3:500 COUNT) UNDELETED",
             "S: * ESEARCH (TAG \"c\") UID COUNT 4 PARTIAL (3:500 4:5)", "S: c OK %",
             "C: d SEARCH RETURN (PARTIAL 6:5) UNDELETED",
             "S: * ESEARCH (TAG \"d\") PARTIAL (6:5 NIL)", "S: d OK %",
             "C: e SEARCH RETURN (PARTIAL -1:-2 MIN) UNDELETED",
             "S: * ESEARCH (TAG \"e\") MIN 1 PARTIAL (-1:-2 4:5)", "S: e OK %",
             "C: f SEARCH RETURN (PARTIAL -9:-3) BODY 1",
             "S: * ESEARCH (TAG \"f\") PARTIAL (-9:-3 "
             "NIL)",
             "S: f OK %", "C: g SEARCH RETURN (PARTIAL 1:1) NOT BODY 1",
             "S: * ESEARCH (TAG \"g\") PARTIAL (1:1 2)", "S: g OK %",
             "C: h SEARCH RETURN (PARTIAL 1:2 ALL) ALL", "S: h BAD %",
             "C: i SEARCH RETURN (PARTIAL 1:2 PARTIAL 3:4) ALL", "S: i BAD %",
             "C: j SEARCH RETURN (PARTIAL 0:2) ALL", "S: j BAD %",
             "C: k SEARCH RETURN (PARTIAL -1:2) ALL", "S: k BAD %",
             "C: l SEARCH RETURN (PARTIAL 1:*) ALL", "S: l BAD %",
             "C: m SEARCH RETURN (PARTIAL) ALL", "S: m BAD %");
}

Test(search, partial_is_what_is_saved_rfc_9394_3_2)
{
    DIALOGUE("D: 1", "D: 2", "D: 3", "D: 4", SELECT_INBOX("4"),
             "C: a SEARCH RETURN (SAVE PARTIAL 2:3) ALL",
             "S: * ESEARCH (TAG \"a\") PARTIAL (2:3 2:3)", "S: a OK %", "C: b SEARCH $",
             "S: * SEARCH 2 3", "S: b OK %", "C: c SEARCH RETURN (SAVE PARTIAL 2:2 MAX) ALL",
             "S: * ESEARCH (TAG \"c\") MAX 4 PARTIAL (2:2 2)", "S: c OK %", "C: d SEARCH $",
             "S: * SEARCH 2 4", "S: d OK %", "C: e SEARCH RETURN (SAVE PARTIAL 2:2 COUNT) ALL",
             "S: * ESEARCH (TAG \"e\") COUNT 4 PARTIAL (2:2 2)", "S: e OK %", "C: f SEARCH $",
             "S: * SEARCH 1 2 3 4", "S: f OK %");
}

Test(search, partial_fetch_rfc_9394_3_3)
{
    DIALOGUE("D: 1", "D: 2", "D: 3", "D: 4", SELECT_INBOX("4"),
             "C: a UID FETCH 1:* (FLAGS) (PARTIAL -1:-2)", "S: * 3 FETCH (UID 3 FLAGS ())",
             "S: * 4 FETCH (UID 4 FLAGS ())", "S: a OK %", "C: b UID FETCH 2:900 UID (PARTIAL 2:2)",
             "S: * 3 FETCH (UID 3)", "S: b OK %", "C: c UID FETCH 2:3 UID (PARTIAL 3:4)",
             "S: c OK %", "C: d FETCH 1:4 UID (PARTIAL 1:2)", "S: d BAD %",
             "C: e UID FETCH 1:4 UID (PARTIAL 1:2 PARTIAL 1:2)", "S: e BAD %",
             "C: f UID FETCH 1:4 UID (PARTIAL)", "S: f BAD %", "C: g UID FETCH 1:4 UID ()",
             "S: g BAD %");
}

/* The interval is 0 in tests: every turn of 32 messages ends with a line. */
Test(search, inprogress_rfc_9585)
{
    struct world w;
    world_init(&w, 1 << 18);
    for (int i = 0; i < 70; i++)
        dialogue_deliver(&w, "x");
    struct session *s = world_session(&w, 0);
    fake_session_feed(s, STR("a LOGIN me@localhost secret\r\nb SELECT INBOX\r\n"), 0);
    fake_session_sent(s);
    fake_session_feed(s, STR("c SEARCH 2:70 BODY x\r\n"), 0);
    struct str sent = fake_session_sent(s);
    cr_assert(str_starts_with(sent, STR("* OK [INPROGRESS (\"c\" 32 69)] at work\r\n"
                                        "* OK [INPROGRESS (\"c\" 64 69)] at work\r\n"
                                        "* SEARCH 2 3 4 ")),
              "%.*s", STR_ARG(sent));
    cr_expect_eq(fake_session_sent_now(s), 2);
    fake_session_feed(s, STR("]d SEARCH 2:70 BODY x\r\n"), 0);
    sent = fake_session_sent(s);
    cr_assert(str_starts_with(sent, STR("* OK [INPROGRESS (NIL 32 69)] at work\r\n")), "%.*s",
              STR_ARG(sent));
    world_release(&w);
}

/* An account can be spared what its client does not get along with. */
Test(search, hidden_extensions_are_unknown)
{
    STRANGER("D: x", "S: * OK %", "H: WITHIN", "C: l LOGIN me@localhost secret", "S: l OK %",
             SELECT_INBOX("1"), "C: a SEARCH OLDER 1", "S: a BAD %",
             "C: b SEARCH SAVEDON 1-Jan-2024", "S: * SEARCH", "S: b OK %");
    STRANGER("D: x", "S: * OK %", "H: SAVEDATE", "C: l LOGIN me@localhost secret", "S: l OK %",
             SELECT_INBOX("1"), "C: a SEARCH SAVEDATESUPPORTED", "S: a BAD %",
             "C: b FETCH 1 SAVEDATE", "S: b BAD %", "C: c SEARCH OLDER 1", "S: * SEARCH 1",
             "S: c OK %");
    STRANGER("D: x", "S: * OK %", "H: PARTIAL", "C: l LOGIN me@localhost secret", "S: l OK %",
             SELECT_INBOX("1"), "C: a SEARCH RETURN (PARTIAL 1:2) ALL", /* of CONTEXT too */
             "S: * ESEARCH %", "S: a OK %", "C: b UID FETCH 1 UID (PARTIAL 1:2)", "S: b BAD %");
    STRANGER("D: x", "S: * OK %", "H: PARTIAL CONTEXT=SEARCH", "C: l LOGIN me@localhost secret",
             "S: l OK %", SELECT_INBOX("1"), "C: a SEARCH RETURN (PARTIAL 1:2) ALL", "S: a BAD %");
}

Test(search, system_flags_are_no_keywords)
{
    DIALOGUE("D: x", SELECT_INBOX("1"), "C: a SEARCH KEYWORD \\Seen", "S: a BAD %",
             "C: b SEARCH UNKEYWORD \\Seen", "S: b BAD %", "C: c SEARCH UNKEYWORD $Junk",
             "S: * SEARCH 1", "S: c OK %");
}

/* As clients nest them that look for any of many addresses. */
Test(search, alternatives_may_be_many)
{
    char some[2048] = "C: a SEARCH", more[4096] = "C: b SEARCH";
    for (int i = 0; i < 150; i++)
        strcat(some, " OR SEEN");
    for (int i = 0; i < 250; i++)
        strcat(more, " OR SEEN");
    strcat(some, " ALL");
    strcat(more, " ALL");
    DIALOGUE("D: x", SELECT_INBOX("1"), some, "S: * SEARCH 1", "S: a OK %", more,
             "S: b BAD [TOOBIG] %");
}

/* It is a message without header fields and text; what the row says of it is still true. */
Test(search, a_damaged_message_does_not_stop_the_others)
{
    DIALOGUE("D: one", "D: two", "D: three", SELECT_INBOX("3"), "Y: 2", "C: a SEARCH BODY t",
             "S: * SEARCH 3", "S: a OK %", "C: b SEARCH SUBJECT test", "S: * SEARCH 1 3",
             "S: b OK %", "C: c SEARCH NOT SUBJECT test", "S: * SEARCH 2", "S: c OK %",
             "C: d SEARCH OR (UID 2 NOT SENTSINCE 1-Jan-1980) BODY one", "S: * SEARCH 1 2",
             "S: d OK %", "Z: 3", "C: e SEARCH TEXT e", "S: * SEARCH 1", "S: e OK %",
             "C: f SEARCH NOT TEXT e", "S: * SEARCH 2 3", "S: f OK %");
}
