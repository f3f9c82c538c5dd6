#include "tests/unit/services/imap/dialogue.h"

#include "tests/unit/services/imap/world.h"

#include <criterion/criterion.h>
#include <stdio.h>

/*
 * CONDSTORE (RFC 7162 3.1). In the store of the tests, making three mailboxes takes modseqs 1 to 3;
 * every delivery and every change takes the next.
 */

/* The second session sets a flag: what the first is told shows whether it has CONDSTORE. */
#define FLAG_BY_OTHER                                                                              \
    "C2: x SELECT INBOX", "U2: x OK %", "C2: x STORE 1 +FLAGS (\\Flagged)", "U2: x OK %"

Test(condstore, select_tells_the_highest_modseq_3_1_2_1)
{
    DIALOGUE("D: 1", "D: 2", "C: a SELECT INBOX", "U: * OK [HIGHESTMODSEQ 5] %", "S: a OK %",
             "C: b EXAMINE Archive (CONDSTORE)", "U: * OK [HIGHESTMODSEQ 2] %", "S: b OK %",
             "C: c SELECT INBOX (CONDSTORE CONDSTORE)", "S: c BAD %", "C: d SELECT INBOX (FOO)",
             "S: d BAD %", "C: e SELECT INBOX ()", "S: e BAD %");
    STRANGER("S: * OK %", "H: CONDSTORE", "C: a LOGIN me@localhost secret", "S: a OK %",
             "C: b SELECT INBOX", "U: * LIST %", "S: b OK %", "C: c ENABLE CONDSTORE",
             "S: * ENABLED", "S: c OK %", "D: 1", "C: d NOOP", "U: d OK %",
             "C: e SELECT INBOX (CONDSTORE)", "S: e BAD %", "C: f FETCH 1 MODSEQ", "S: f BAD %",
             "C: g FETCH 1 FLAGS (CHANGEDSINCE 1)", "S: g BAD %",
             "C: h STORE 1 (UNCHANGEDSINCE 1) FLAGS ()", "S: h BAD %", "C: i SEARCH MODSEQ 1",
             "S: i BAD %");
}

Test(condstore, every_part_of_it_enables_3_1)
{
    DIALOGUE("D: 1", "C: a SELECT INBOX", "U: a OK %", FLAG_BY_OTHER, "C: b NOOP",
             "S: * 1 FETCH (UID 1 FLAGS (\\Flagged))", "S: b OK %");
    DIALOGUE("D: 1", "C: a SELECT INBOX (CONDSTORE)", "U: a OK %", FLAG_BY_OTHER, "C: b NOOP",
             "S: * 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ (5))", "S: b OK %");
    DIALOGUE("D: 1", "C: a SELECT INBOX", "U: a OK %", "C: c ENABLE CONDSTORE IMAP4rev2",
             "S: * ENABLED CONDSTORE IMAP4rev2", "S: * OK [HIGHESTMODSEQ 4] %", "S: c OK %",
             "C: c ENABLE CONDSTORE", "S: * ENABLED CONDSTORE", "S: c OK %", FLAG_BY_OTHER,
             "C: b NOOP", "S: * 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ (5))", "S: b OK %");
    DIALOGUE("D: 1", "C: a SELECT INBOX", "U: a OK %", "C: c STATUS INBOX (HIGHESTMODSEQ)",
             "S: * STATUS Inbox (HIGHESTMODSEQ 4)", "S: c OK %", FLAG_BY_OTHER, "C: b NOOP",
             "S: * 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ (5))", "S: b OK %");
    DIALOGUE("D: 1", "C: a SELECT INBOX", "U: a OK %", "C: c FETCH 1 MODSEQ",
             "S: * OK [HIGHESTMODSEQ 4] %", "S: * 1 FETCH (UID 1 MODSEQ (4))", "S: c OK %",
             FLAG_BY_OTHER, "C: b NOOP", "S: * 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ (5))",
             "S: b OK %");
    DIALOGUE("D: 1", "C: a SELECT INBOX", "U: a OK %", "C: c FETCH 1 FLAGS (CHANGEDSINCE 4)",
             "S: * OK [HIGHESTMODSEQ 4] %", "S: c OK %", FLAG_BY_OTHER, "C: b NOOP",
             "S: * 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ (5))", "S: b OK %");
    DIALOGUE("D: 1", "C: a SELECT INBOX", "U: a OK %",
             "C: c STORE 1 (UNCHANGEDSINCE 4) +FLAGS.SILENT (\\Seen)",
             "S: * OK [HIGHESTMODSEQ 4] %", "S: * 1 FETCH (UID 1 MODSEQ (5))", "S: c OK stored",
             FLAG_BY_OTHER, "C: b NOOP", "S: * 1 FETCH (UID 1 FLAGS (\\Seen \\Flagged) MODSEQ (6))",
             "S: b OK %");
    DIALOGUE("D: 1", "C: a SELECT INBOX", "U: a OK %", "C: c SEARCH MODSEQ 5", "S: * SEARCH",
             "S: c OK %", FLAG_BY_OTHER, "C: b NOOP",
             "S: * 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ (5))", "S: b OK %");
}

Test(condstore, fetch_changed_since_3_1_4_1)
{
    DIALOGUE("D: 1", "D: 2", "D: 3", "C: a SELECT INBOX (CONDSTORE)", "U: a OK %",
             "C: b FETCH 1:* (FLAGS) (CHANGEDSINCE 5)", "S: * 3 FETCH (UID 3 FLAGS () MODSEQ (6))",
             "S: b OK %", "C: c UID STORE 1 +FLAGS.SILENT (\\Seen)",
             "S: * 1 FETCH (UID 1 MODSEQ (7))", "S: c OK %",
             "C: d UID FETCH 1,2 (FLAGS MODSEQ UID) (CHANGEDSINCE 5)",
             "S: * 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (7))", "S: d OK %",
             "C: e FETCH 1 FLAGS (CHANGEDSINCE 0)", "S: * 1 FETCH %", "S: e OK %",
             "C: f FETCH 1 FLAGS (CHANGEDSINCE 1 CHANGEDSINCE 1)", "S: f BAD %",
             "C: g FETCH 1 FLAGS (CHANGEDSINCE)", "S: g BAD %",
             "C: h FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)", "S: h BAD %",
             "C: i FETCH 1 FLAGS ()", "S: i BAD %", "C: j FETCH 1 FLAGS (VANISHED)", "S: j BAD %",
             "C: k FETCH 1 FLAGS", "S: * 1 FETCH (UID 1 FLAGS (\\Seen))", "S: k OK %",
             "C: l FETCH 2 BODY[] (CHANGEDSINCE 5)", "S: l OK %", "C: m NOOP", "S: m OK %");
}

Test(condstore, store_unchanged_since_3_1_3)
{
    DIALOGUE(
        "D: 1", "D: 2", "D: 3", "C: a SELECT INBOX (CONDSTORE)", "U: a OK %", FLAG_BY_OTHER,
        "C: b STORE 3,1:2 (UNCHANGEDSINCE 6) +FLAGS.SILENT (\\Deleted)",
        "S: * 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ (7))", "S: * 2 FETCH (UID 2 MODSEQ (8))",
        "S: * 3 FETCH (UID 3 MODSEQ (8))", "S: * OK [HIGHESTMODSEQ 6] %", "S: b OK [MODIFIED 1] %",
        "C: c NOOP", "S: * 1 FETCH %", "S: c OK %", "C: d UID EXPUNGE 2", "S: * 2 EXPUNGE",
        "S: d OK [HIGHESTMODSEQ 9] %", "C: e UID STORE 1:3 (UNCHANGEDSINCE 0) FLAGS ()",
        "S: * 1 FETCH %", "S: * 2 FETCH %", "S: e OK [MODIFIED 1,3] %",
        "C: f STORE 1:2 (UNCHANGEDSINCE 0) FLAGS ()", "S: * 1 FETCH %", "S: * 2 FETCH %",
        "S: f OK [MODIFIED 1:2] %", "C: g STORE 1,1 (UNCHANGEDSINCE 7) +FLAGS (a)",
        "S: * 1 FETCH (UID 1 FLAGS (\\Flagged a) MODSEQ (10))", "S: g OK stored",
        "C: h STORE 1 (UNCHANGEDSINCE 10) -FLAGS (b)",
        "S: * 1 FETCH (UID 1 FLAGS (\\Flagged a) MODSEQ (10))", "S: h OK stored",
        "C: i STORE 1 (UNCHANGEDSINCE x) FLAGS ()", "S: i BAD %", "C: j STORE 1 (FOO 1) FLAGS ()",
        "S: j BAD %", "C: k STORE 1 () FLAGS ()", "S: k BAD %");
}

/* The same with new messages, and with what others marked. */
Test(condstore, whatever_is_delayed_keeps_the_modseq_low)
{
    DIALOGUE("D: 1", "D: 2", "C: a SELECT INBOX (CONDSTORE)", "U: a OK %", "D: 3",
             "C: b STORE 1 +FLAGS.SILENT (\\Seen)", "S: * 1 FETCH (UID 1 MODSEQ (7))",
             "S: * OK [HIGHESTMODSEQ 5] %", "S: b OK %", "C: c NOOP", "S: * 3 EXISTS",
             "S: * 3 FETCH %", "S: c OK %", "C: d STORE 1 -FLAGS (\\Seen)", "S: * 1 FETCH %",
             "S: d OK %");
}

/* What is gone is not stored, and nothing is said that looks as if it had been. */
Test(condstore, store_skips_what_others_expunged)
{
    DIALOGUE("D: 1", "D: 2", "C: a SELECT INBOX", "U: a OK %", "C2: a SELECT INBOX", "U2: a OK %",
             "C2: b STORE 1 +FLAGS (\\Deleted)", "U2: b OK %", "C2: c EXPUNGE", "U2: c OK %",
             "C: b STORE 1:2 +FLAGS (a)", "S: * 2 FETCH (UID 2 FLAGS (a))",
             "S: b OK [EXPUNGEISSUED] %", "C: c NOOP", "S: * 1 EXPUNGE", "U: c OK %");
}

/* The answer of STORE is the news of it: nothing comes again, neither here nor with IDLE. */
Test(condstore, own_changes_are_told_once)
{
    DIALOGUE("D: 1", "D: 2", "C: a SELECT INBOX (CONDSTORE)", "U: a OK %",
             "C: b STORE 1 +FLAGS (\\Seen)", "S: * 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (6))",
             "S: b OK %", "C: c NOOP", "S: c OK %", "C: d STORE 2 +FLAGS.SILENT (\\Seen)",
             "S: * 2 FETCH (UID 2 MODSEQ (7))", "S: d OK %", "C: e NOOP", "S: e OK %", "C: f IDLE",
             "S: + idling", FLAG_BY_OTHER,
             "W:", "S: * 1 FETCH (UID 1 FLAGS (\\Seen \\Flagged) MODSEQ (8))", "D: 3",
             "W:", "S: * 3 EXISTS", "S: * 3 FETCH (UID 3 FLAGS () MODSEQ (9))", "C: DONE",
             "S: f OK %");
}

/* Two messages, and the second session has changed the first one. */
#define OTHER_CHANGES(select)                                                                      \
    "D: 1", "D: 2", "C: a " select, "U: a OK %", "C2: a SELECT INBOX", "U2: a OK %",               \
        "C2: b STORE 1 +FLAGS (k)", "U2: b OK %"

/* So it is when changes of others wait to be told (spec 1.21). */
Test(condstore, own_changes_are_told_once_beside_those_of_others)
{
    DIALOGUE(OTHER_CHANGES("SELECT INBOX"), "C: b UID STORE 2 +FLAGS.SILENT (\\Seen)",
             "S: * 1 FETCH (UID 1 FLAGS (k))", "S: b OK %", "C: c NOOP", "S: c OK %");
    DIALOGUE(OTHER_CHANGES("SELECT INBOX"), "C: b UID STORE 2 +FLAGS (\\Seen)",
             "S: * 2 FETCH (UID 2 FLAGS (\\Seen))", "S: * 1 FETCH (UID 1 FLAGS (k))", "S: b OK %",
             "C: c NOOP", "S: c OK %");
    DIALOGUE(OTHER_CHANGES("SELECT INBOX"), "C: b STORE 2 +FLAGS.SILENT (\\Seen)", "S: b OK %",
             "C: c STORE 2 FLAGS.SILENT (l \\Draft)", "S: c OK %", "C: d NOOP",
             "S: * 1 FETCH (UID 1 FLAGS (k))", "S: d OK %");
    DIALOGUE(OTHER_CHANGES("SELECT INBOX"), "C: b STORE 2 FLAGS (l)",
             "S: * 2 FETCH (UID 2 FLAGS (l))", "S: b OK %", "C: c NOOP",
             "S: * 1 FETCH (UID 1 FLAGS (k))", "S: c OK %");
    DIALOGUE(OTHER_CHANGES("SELECT INBOX (CONDSTORE)"), "C: b UID STORE 2 +FLAGS.SILENT (\\Seen)",
             "S: * 2 FETCH (UID 2 MODSEQ (7))", "S: * 1 FETCH (UID 1 FLAGS (k) MODSEQ (6))",
             "S: b OK %", "C: c NOOP", "S: c OK %");
    DIALOGUE(OTHER_CHANGES("SELECT INBOX (CONDSTORE)"), "C: b STORE 2 +FLAGS.SILENT (l)",
             "S: * 2 FETCH (UID 2 MODSEQ (7))", "S: * OK [HIGHESTMODSEQ 5] %", "S: b OK %",
             "C: c NOOP", "S: * 1 FETCH (UID 1 FLAGS (k) MODSEQ (6))", "S: c OK %");
}

/* What others did to the same message, before or after, is told all the same. */
Test(condstore, what_others_did_to_the_same_message_is_told)
{
    DIALOGUE(OTHER_CHANGES("SELECT INBOX"), "C: b UID STORE 1:2 +FLAGS.SILENT (\\Seen)",
             "S: * 1 FETCH (UID 1 FLAGS (\\Seen k))", "S: b OK %", "C: c NOOP", "S: c OK %");
    DIALOGUE(OTHER_CHANGES("SELECT INBOX"), "C: b STORE 1:2 +FLAGS.SILENT (l)",
             "S: * 1 FETCH (UID 1 FLAGS (k l))", "S: b OK %", "C: c NOOP", "S: c OK %");
    DIALOGUE(OTHER_CHANGES("SELECT INBOX (CONDSTORE)"), "C: b STORE 1:2 +FLAGS.SILENT (\\Seen)",
             "S: * 1 FETCH (UID 1 FLAGS (\\Seen k) MODSEQ (7))", "S: * 2 FETCH (UID 2 MODSEQ (7))",
             "S: b OK %", "C: c NOOP", "S: c OK %");
    /* What the command replaces is no news. */
    DIALOGUE(OTHER_CHANGES("SELECT INBOX"), "C: b STORE 1:2 FLAGS.SILENT (l \\Seen)", "S: b OK %",
             "C: c NOOP", "S: c OK %");
    /* Nothing is stored, and the last change is that of the other. */
    DIALOGUE(OTHER_CHANGES("SELECT INBOX"), "C: b STORE 1 +FLAGS.SILENT (k)", "S: b OK %",
             "C: c NOOP", "S: * 1 FETCH (UID 1 FLAGS (k))", "S: c OK %");
    DIALOGUE(OTHER_CHANGES("SELECT INBOX"), "C: b STORE 2 +FLAGS.SILENT (\\Seen)", "S: b OK %",
             "C2: c STORE 2 +FLAGS (\\Draft)", "U2: c OK %", "C: c NOOP",
             "S: * 1 FETCH (UID 1 FLAGS (k))", "S: * 2 FETCH (UID 2 FLAGS (\\Seen \\Draft))",
             "S: c OK %");
}

static void catch_up(void *user)
{
    fake_session_feed(user, STR("m NOOP\r\n"), 0);
}

/* So is it when another session brings the result of the command into the view before its answer
 * is here. */
Test(condstore, what_others_did_is_told_whoever_applies_the_result)
{
    struct world w;
    world_init(&w, 1 << 18);
    struct session *first = world_session(&w, 0), *other = world_session(&w, 1);
    for (int i = 0; i < 2; i++)
        fake_backend_deliver(w.server.backend, STR("Inbox"), STR(""), STR("a: b\r\n\r\n"));
    fake_session_feed(first, STR("l LOGIN me@localhost secret\r\ns SELECT INBOX\r\n"), 0);
    fake_session_feed(other, STR("l LOGIN me@localhost secret\r\ns SELECT INBOX\r\n"), 0);
    fake_session_feed(other, STR("b STORE 1 +FLAGS.SILENT (\\Flagged)\r\n"), 0);
    fake_session_sent(first);
    fake_backend_meanwhile(w.server.backend, catch_up, other);
    fake_session_feed(first, STR("b STORE 1:2 +FLAGS.SILENT (\\Seen)\r\nc NOOP\r\n"), 0);
    struct str sent = fake_session_sent(first);
    cr_expect(str_find(sent, STR("* 1 FETCH (UID 1 FLAGS (\\Seen \\Flagged))\r\n")) >= 0, "%.*s",
              STR_ARG(sent));
    world_release(&w);
}

/* However many STOREs there were since the client was last told of others. */
Test(condstore, many_own_changes_are_told_once)
{
    struct world w;
    char command[64];
    world_init(&w, 1 << 18);
    struct session *s = world_session(&w, 0), *other = world_session(&w, 1);
    for (int i = 0; i < 100; i++)
        fake_backend_deliver(w.server.backend, STR("Inbox"), STR(""), STR("a: b\r\n\r\n"));
    fake_session_feed(s, STR("l LOGIN me@localhost secret\r\ns SELECT INBOX\r\n"), 0);
    fake_session_feed(other, STR("l LOGIN me@localhost secret\r\ns SELECT INBOX\r\n"), 0);
    fake_session_feed(other, STR("b STORE 1 +FLAGS.SILENT (\\Flagged)\r\n"), 0);
    for (int i = 2; i <= 100; i++) {
        (void)snprintf(command, sizeof(command), "b STORE %d +FLAGS.SILENT (\\Seen)\r\n", i);
        fake_session_feed(s, str_from_cstr(command), 0);
    }
    fake_session_sent(s);
    fake_session_feed(s, STR("c NOOP\r\n"), 0);
    struct str sent = fake_session_sent(s);
    cr_expect(str_starts_with(sent, STR("* 1 FETCH (UID 1 FLAGS (\\Flagged))\r\nc OK ")), "%.*s",
              STR_ARG(sent));
    world_release(&w);
}

/* An expunge by another that comes with the answer of one's own STORE is told in IDLE at once. */
Test(condstore, what_vanished_meanwhile_is_told)
{
    struct world w;
    world_init(&w, 1 << 18);
    struct session *s = world_session(&w, 0);
    for (int i = 0; i < 2; i++)
        fake_backend_deliver(w.server.backend, STR("Inbox"), STR(""), STR("a: b\r\n\r\n"));
    fake_session_feed(s, STR("l LOGIN me@localhost secret\r\ns SELECT INBOX\r\n"), 0);
    fake_session_sent(s);
    fake_backend_expunge(w.server.backend, 2);
    fake_session_feed(s, STR("b STORE 1 +FLAGS.SILENT (\\Seen)\r\nc IDLE\r\n"), 0);
    fake_session_wake(s);
    struct str sent = fake_session_sent(s);
    cr_expect(str_find(sent, STR("+ idling\r\n* 2 EXPUNGE\r\n")) >= 0, "%.*s", STR_ARG(sent));
    world_release(&w);
}

/* Till then the client must not take the modseq of its own STORE for all that it knows. */
Test(condstore, what_vanished_meanwhile_is_not_counted_as_told)
{
    struct world w;
    world_init(&w, 1 << 18);
    struct session *s = world_session(&w, 0);
    for (int i = 0; i < 2; i++)
        fake_backend_deliver(w.server.backend, STR("Inbox"), STR(""), STR("a: b\r\n\r\n"));
    fake_session_feed(s, STR("l LOGIN me@localhost secret\r\ns SELECT INBOX (CONDSTORE)\r\n"), 0);
    fake_session_sent(s);
    fake_backend_expunge(w.server.backend, 2);
    fake_session_feed(s, STR("b STORE 1 +FLAGS.SILENT (\\Seen)\r\n"), 0);
    struct str sent = fake_session_sent(s);
    cr_expect(str_find(sent, STR("* OK [HIGHESTMODSEQ ")) >= 0, "%.*s", STR_ARG(sent));
    world_release(&w);
}

/* So is what the process has not heard of when the command begins. */
Test(condstore, what_other_services_did_to_the_same_message_is_told)
{
    DIALOGUE("D: 1", "D: 2", "C: a SELECT INBOX", "U: a OK %", "K: 1",
             "C: b STORE 1:2 +FLAGS.SILENT (\\Seen)",
             "S: * 1 FETCH (UID 1 FLAGS (\\Seen elsewhere))", "S: b OK %", "C: c NOOP", "S: c OK %",
             "K: 2", "C: d UID STORE 1 -FLAGS.SILENT (elsewhere)",
             "S: * 2 FETCH (UID 2 FLAGS (\\Seen elsewhere))", "S: d OK %", "C: e NOOP", "S: e OK %",
             "K: 1", "C: f UID STORE 1 FLAGS.SILENT (l)", "S: f OK %", "K: 1",
             "C: g STORE 1 +FLAGS.SILENT (l elsewhere m)", "S: g OK %", "C: h NOOP", "S: h OK %",
             "C: i STORE 2 +FLAGS.SILENT (n)", "S: i OK %", "K: 1",
             "C: j STORE 1 -FLAGS.SILENT (elsewhere)", "S: j OK %", "C: k FETCH 1:2 FLAGS",
             "S: * 1 FETCH (UID 1 FLAGS (l m))", "S: * 2 FETCH (UID 2 FLAGS (\\Seen elsewhere n))",
             "S: k OK %", "C: l NOOP", "S: l OK %");
    DIALOGUE("D: 1", "D: 2", "C: a SELECT INBOX (CONDSTORE)", "U: a OK %", "K: 1",
             "C: b UID STORE 1:2 +FLAGS.SILENT (l)",
             "S: * 1 FETCH (UID 1 FLAGS (elsewhere l) MODSEQ (7))",
             "S: * 2 FETCH (UID 2 MODSEQ (7))", "S: b OK %", "C: c NOOP", "S: c OK %");
    /* Nothing is stored, and the last change is that of the other: it alone is told. */
    DIALOGUE("D: 1", "D: 2", "C: a SELECT INBOX", "U: a OK %",
             "C: b STORE 2 +FLAGS.SILENT (\\Seen)", "S: b OK %", "K: 1",
             "C: c STORE 2 +FLAGS.SILENT (\\Seen)", "S: c OK %", "C: d NOOP",
             "S: * 1 FETCH (UID 1 FLAGS (elsewhere))", "S: d OK %", "K: 2",
             "C: e UID STORE 1:9 +FLAGS.SILENT (\\Draft)",
             "S: * 2 FETCH (UID 2 FLAGS (\\Seen \\Draft elsewhere))", "S: e OK %", "C: f NOOP",
             "S: f OK %");
}

Test(condstore, search_modseq_3_1_5_and_3_1_6)
{
    DIALOGUE("D: 1", "D: 2", "D: 3", "C: a SELECT INBOX", "U: a OK %", "C: b SEARCH MODSEQ 5",
             "S: * SEARCH 2 3 (MODSEQ 6)", "S: b OK %",
             "C: c SEARCH MODSEQ \"/flags/\\\\draft\" all 5 TO x", "S: * SEARCH", "S: c OK %",
             "C: d SEARCH OR NOT MODSEQ \"/flags/\\\\Seen\" priv 6 MODSEQ 6 1:2",
             "S: * SEARCH 1 2 (MODSEQ 5)", "S: d OK %", "C: e UID STORE 1 +FLAGS.SILENT (\\Seen)",
             "S: * 1 FETCH (UID 1 MODSEQ (7))", "S: e OK %", "C: f SEARCH RETURN (MIN) MODSEQ 5",
             "S: * ESEARCH (TAG \"f\") MIN 1 MODSEQ 7", "S: f OK %",
             "C: g SEARCH RETURN (MAX) MODSEQ 5", "S: * ESEARCH (TAG \"g\") MAX 3 MODSEQ 6",
             "S: g OK %", "C: h SEARCH RETURN (MIN MAX) MODSEQ 5",
             "S: * ESEARCH (TAG \"h\") MIN 1 MAX 3 MODSEQ 7", "S: h OK %",
             "C: i SEARCH RETURN (ALL) MODSEQ 5", "S: * ESEARCH (TAG \"i\") ALL 1:3 MODSEQ 7",
             "S: i OK %", "C: j SEARCH RETURN (COUNT MAX) BODY 3 MODSEQ 5",
             "S: * ESEARCH (TAG \"j\") MAX 3 COUNT 1 MODSEQ 6", "S: j OK %",
             "C: k SEARCH RETURN (ALL COUNT) MODSEQ 8", "S: * ESEARCH (TAG \"k\") COUNT 0",
             "S: k OK %", "C: l SEARCH MODSEQ \"/flags/x\" some 5", "S: l BAD %",
             "C: m SEARCH MODSEQ \"/comment\" all 5", "S: m BAD %", "C: n SEARCH MODSEQ",
             "S: n BAD %");
}

/* RFC 7162 3.1.2.1, 3.2.7 and 3.2.8 */
Test(condstore, expunge_move_and_close_tell_the_modseq)
{
    DIALOGUE("D: 1", "D: 2", "D: 3", "D: 4", "C: a SELECT INBOX (CONDSTORE)", "U: a OK %",
             "C: b STORE 1:3 +FLAGS.SILENT (\\Deleted)", "U: b OK %", "C: c UID EXPUNGE 1",
             "S: * 1 EXPUNGE", "S: c OK [HIGHESTMODSEQ 9] %", "C: d MOVE 1 Archive",
             "S: * OK [COPYUID %", "S: * 1 EXPUNGE", "S: d OK [HIGHESTMODSEQ 10] %", "C: e CLOSE",
             "S: e OK [HIGHESTMODSEQ 11] %", "C: f SELECT INBOX", "U: * OK [HIGHESTMODSEQ 11] %",
             "S: f OK %");
    /* What others did and the client was not told must not be skipped. */
    DIALOGUE("D: 1", "D: 2", "C: a SELECT INBOX (CONDSTORE)", "U: a OK %",
             "C: b STORE 1 +FLAGS.SILENT (\\Deleted)", "U: b OK %", "C: c NOOP", "S: c OK %",
             "D: 3", "C: e CLOSE", "S: e OK [HIGHESTMODSEQ 6] %");
    DIALOGUE("D: 1", "C: a EXAMINE INBOX (CONDSTORE)", "U: a OK %", "D: 2", "C: b CLOSE",
             "S: b OK [HIGHESTMODSEQ 4] %");
}

/* RFC 7162 3.2: expunges that are kept back have a lower modseq than what a FETCH shows. */
Test(condstore, delayed_expunges_keep_the_modseq_low)
{
    DIALOGUE("D: 1", "D: 2", "D: 3", "C: a SELECT INBOX (CONDSTORE)", "U: a OK %",
             "C2: a SELECT INBOX", "U2: a OK %", "C2: b STORE 1 +FLAGS (\\Deleted)", "U2: b OK %",
             "C2: c EXPUNGE", "U2: c OK %", "C2: d STORE 1 +FLAGS (\\Seen)", "U2: d OK %",
             "C: b FETCH 2 (FLAGS MODSEQ)", "S: * 2 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (9))",
             "S: * OK [HIGHESTMODSEQ 6] %", "S: b OK %", "C: c NOOP", "S: * 1 EXPUNGE",
             "S: * 1 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (9))", "S: c OK %",
             "C: d FETCH 1 (FLAGS MODSEQ)", "S: * 1 FETCH %", "S: d OK %");
}
