#include "tests/unit/services/imap/dialogue.h"

#include <criterion/criterion.h>
#include <string.h>

/* ---- Before login */

Test(dialogue, greeting_and_login)
{
    STRANGER("S: * OK [CAPABILITY IMAP4rev2 IMAP4rev1 % AUTH=PLAIN %] Mailrail ready",
             "C: a ID NIL", "S: * ID (\"name\" \"Mailrail\")", "S: a OK %", "C: a FETCH 1 FLAGS",
             "S: a NO log in first", "C: b LOGIN me@localhost wrong",
             "S: b NO [AUTHENTICATIONFAILED] %", "C: c LOGIN {12+}", "C- me@localhost", "C:  {6}",
             "S: + Ready", "C- secret", "C: ", "S: c OK [CAPABILITY %] logged in", "C: d ID NIL",
             "S: * ID (\"name\" \"Mailrail\" \"version\" %)", "S: d OK %", "C: e LOGIN a b",
             "S: e NO already logged in", "C: f LOGOUT", "S: * BYE %", "S: f OK %", "X:");
}

Test(dialogue, authenticate_plain_with_and_without_initial_response)
{
    STRANGER("S: * OK %", "C: a AUTHENTICATE PLAIN", "S: + ", "C: *", "S: a BAD %",
             "C: b AUTHENTICATE PLAIN AG1lQGxvY2FsaG9zdABzZWNyZXQ=", "S: b OK [CAPABILITY %");
    STRANGER("S: * OK %", "C: a authenticate plain", "S: + ", "C: !", "S: a BAD %",
             "C: b AUTHENTICATE PLAIN", "S: + ",
             "C: AG1lQGxvY2FsaG9zdABzZWNyZXQ=", "S: b OK [CAPABILITY %");
    STRANGER("S: * OK %", "C: a AUTHENTICATE SCRAM-SHA-256-PLUS", "S: a NO %",
             "C: b AUTHENTICATE X-NEW", "S: b NO %", "C: c AUTHENTICATE CRAM-MD5 AAAA",
             "S: c BAD %");
}

Test(dialogue, other_protocols_are_sent_away_spec_2_3)
{
    STRANGER("S: * OK %", "C: GET / HTTP/1.1", "S: * BYE %", "X:");
    STRANGER("S: * OK %", "C: EHLO x", "S: * BYE %", "X:");
    STRANGER("S: * OK %", "C: a LOGIN x", "S: a BAD %", "C: b BOGUS", "S: b BAD %", "C: c NOOP",
             "S: c OK %");
}

Test(dialogue, third_failure_is_slow_and_success_is_fast_again)
{
    struct world w;
    world_init(&w, 1 << 18);
    struct session *s = world_session(&w, 0);
    for (int i = 0; i < 3; i++) {
        cr_assert(!fake_session_is_slow(s));
        fake_session_feed(s, STR("a LOGIN me@localhost wrong\r\n"), 0);
    }
    cr_assert(fake_session_is_slow(s));
    fake_session_feed(s, STR("a LOGIN me@localhost secret\r\n"), 0);
    cr_assert(!fake_session_is_slow(s));
    world_release(&w);
}

Test(dialogue, each_login_after_the_third_failure_waits_a_second_longer)
{
    struct world w;
    world_init(&w, 1 << 18);
    struct session *s = world_session(&w, 0);
    for (int i = 0; i < 7; i++) {
        fake_session_feed(s, STR("a LOGIN me@localhost wrong\r\n"), 0);
        cr_expect_eq(fake_session_delay(s), i > 3 ? (i - 3) * 1000 : 0, "attempt %d: %d ms", i,
                     (int)fake_session_delay(s));
    }
    world_release(&w);
}

Test(dialogue, passwords_need_tls_and_are_masked_in_traces)
{
    struct world w;
    world_init(&w, 1 << 18);
    w.config.cleartext_auth = false;
    struct session *s = world_session(&w, 0);
    cr_assert(str_find(fake_session_sent(s), STR(" LOGINDISABLED ")) > 0);
    fake_session_feed(s, STR("a LOGIN me@localhost secret\r\n"), 0);
    cr_assert(str_starts_with(fake_session_sent(s), STR("a NO [PRIVACYREQUIRED]")));
    fake_session_feed(s, STR("a AUTHENTICATE PLAIN AAAA\r\n"), 0);
    cr_assert(str_starts_with(fake_session_sent(s), STR("a NO [PRIVACYREQUIRED]")));
    fake_session_feed(s, STR("a AUTHENTICATE LOGIN\r\n"), 0);
    cr_assert(str_starts_with(fake_session_sent(s), STR("a NO [PRIVACYREQUIRED]")));
    fake_session_feed(s, STR("a STARTTLS\r\n"), 0);
    cr_assert(str_starts_with(fake_session_sent(s), STR("a BAD")));
    fake_session_set_tls(s, true, false);
    fake_session_feed(s, STR("a STARTTLS\r\n"), 0);
    cr_assert(str_starts_with(fake_session_sent(s), STR("a OK")));
    fake_session_feed(s, STR("a CAPABILITY\r\n"), 0);
    struct str sent = fake_session_sent(s);
    cr_assert(str_find(sent, STR("LOGINDISABLED")) < 0 && str_find(sent, STR("STARTTLS")) < 0);
    cr_assert(str_find(sent, STR(" AUTH=PLAIN ")) > 0);
    fake_session_feed(s, STR("a LOGIN me@localhost {6}\r\n"), 0);
    cr_assert_eq(fake_session_trace(s), LOG_TRACE_AUTH);
    fake_session_feed(s, STR("secret\r\n"), 0);
    cr_assert_eq(fake_session_trace(s), LOG_TRACE_LINE);
    world_release(&w);
}

/* ---- Syntax and literals */

Test(dialogue, literals_spec_2_4)
{
    DIALOGUE("C: a SELECT Inbox", "S: * FLAGS %", "S: * OK [PERMANENTFLAGS %", "S: * 0 RECENT",
             "S: * 0 EXISTS", "S: * OK [UIDVALIDITY 1001] %", "S: * OK [UIDNEXT 1] %",
             "S: * OK [MAILBOXID (F7-1)] %", "S: * LIST () \"/\" Inbox", "S: * OK [HIGHESTMODSEQ %",
             "S: a OK [READ-WRITE] %", "C: b SEARCH TEXT {102401}", "S: b BAD [TOOBIG] %",
             "C: c NOOP", "S: c OK %", "C: d CREATE {3}", "S: + Ready", "C- abc",
             "C: ", "S: * LIST (\\Subscribed) \"/\" abc", "S: d OK %", "C: e RENAME {3+}", "C- abc",
             "C:  {3+}", "C- def", "C: ", "S: e OK %", "C: f STATUS def (MESSAGES)",
             "S: * STATUS def (MESSAGES 0)", "S: f OK %", "C: g BOGUS", "S: g BAD %", "C: h",
             "S: * BAD %", "C: i SEARCH TEXT {102401+}", "S: * BYE [ALERT] %",
             "S: i BAD [TOOBIG] %", "X:");
}

Test(dialogue, unknown_commands_with_literals)
{
    DIALOGUE("C: a BOGUS {5}", "S: a BAD %", "C: b NOOP", "S: b OK %", "C: c BOGUS {5+}",
             "S: c BAD %", "X:");
}

Test(dialogue, a_wrong_append_is_answered_after_the_message_that_came_unasked)
{
    DIALOGUE("C: a APPEND inbox (\\Badflag) {6+}", "C- a: b\r\n", "C: ", "S: a BAD %",
             "C: b APPEND inbox \"yesterday\" {6+}", "C- a NOOP", "C:  (\\Seen) {6+}",
             "C- a: b\r\n", "C: ", "S: b BAD %", "C: c APPEND inbox (\\Badflag) {6}", "S: c BAD %",
             "C: d APPEND inbox (\\Badflag) {6+}", "C- a: b\r\n", "C:  {6}", "S: d BAD %",
             "C: e STATUS inbox (MESSAGES)", "S: * STATUS Inbox (MESSAGES 0)", "S: e OK %",
             "C: f APPEND inbox (\\Badflag) {2097152+}", "S: * BYE %", "S: f %", "X:");
}

Test(dialogue, mailbox_names_in_utf7_and_utf8)
{
    DIALOGUE("C: a CREATE \"&\"", "S: a BAD %", "C: b CREATE \"&Jjo-\"",
             "S: * LIST (\\Subscribed) \"/\" &Jjo-", "S: b OK %", "C: c LIST \"\" &Jjo-",
             "S: * LIST () \"/\" &Jjo-", "S: c OK %", "C: d ENABLE UTF8=ACCEPT foo",
             "S: * ENABLED UTF8=ACCEPT", "S: d OK %", "C: e LIST \"\" \"\xe2\x98\xba\"",
             "S: * LIST () \"/\" \"\xe2\x98\xba\"", "S: e OK %", "C: f CREATE \"&\"",
             "S: * LIST (\\Subscribed) \"/\" &", "S: f OK %");
}

/* ---- Mailboxes */

Test(dialogue, list_rfc_9051_6_3_9)
{
    DIALOGUE("C: a LIST \"\" \"\"", "S: * LIST () \"/\" \"\"", "S: a OK %",
             "C: b CREATE a/b/c (USE (\\Sent))", "S: * LIST (\\Subscribed) \"/\" a",
             "S: * LIST (\\Subscribed) \"/\" a/b", "S: * LIST (\\Subscribed) \"/\" a/b/c",
             "S: b OK %", "C: c CREATE a/b/c", "S: c NO [ALREADYEXISTS] %",
             "C: d CREATE n (USE (\\All))", "S: d NO [USEATTR] %", "C: e UNSUBSCRIBE a/b",
             "S: e OK %", "C: f LIST \"a\" \"%\" RETURN (SUBSCRIBED CHILDREN)",
             "S: * LIST (\\HasChildren) \"/\" a/b", "S: f OK %",
             "C: g LIST (SUBSCRIBED) \"\" (\"INBO*\" \"a/%\" \"a/b/*\") RETURN (STATUS (MESSAGES))",
             "S: * LIST (\\Subscribed \\Sent) \"/\" a/b/c", "S: * STATUS a/b/c (MESSAGES 0)",
             "S: g OK %", "C: h LIST (RECURSIVEMATCH) \"\" *", "S: h BAD %",
             "C: i LIST (SUBSCRIBED RECURSIVEMATCH) \"\" a/%",
             "S: * LIST () \"/\" a/b (\"CHILDINFO\" (\"SUBSCRIBED\"))", "S: i OK %",
             "C: j LSUB \"\" a/%", "S: * LSUB (\\NoSelect) \"/\" a/b", "S: j OK %",
             "C: k LIST \"\" /*", "S: k OK %", "C: l LIST \"INBOX\" \"\" RETURN ()", "S: l OK %",
             "C: m LIST (SPECIAL-USE) \"\" *", "S: * LIST (\\Sent) \"/\" a/b/c", "S: m OK %");
}

Test(dialogue, select_again_and_deleted_elsewhere)
{
    DIALOGUE("C: a SELECT Archive", "S: * FLAGS %", "S: * OK %", "S: * 0 RECENT", "S: * 0 EXISTS",
             "S: * OK %", "S: * OK %", "S: * OK [MAILBOXID %", "S: * LIST () \"/\" Archive",
             "S: * OK [HIGHESTMODSEQ %", "S: a OK [READ-WRITE] %", "C: b SELECT bogus",
             "S: * OK [CLOSED] %", "S: b NO [NONEXISTENT] %", "C: c FETCH 1 ALL",
             "S: c NO select a mailbox first", "C: d EXAMINE Archive", "S: * FLAGS %",
             "S: * OK [PERMANENTFLAGS ()] %", "S: * 0 RECENT", "S: * 0 EXISTS", "S: * OK %",
             "S: * OK %", "S: * OK %", "S: * LIST %", "S: * OK [HIGHESTMODSEQ %",
             "S: d OK [READ-ONLY] %", "C: e STORE 1 FLAGS ()", "S: e NO the mailbox is read-only",
             "C2: a DELETE Archive", "S2: a OK %", "C: f CHECK", "S: f NO [NONEXISTENT] %",
             "C: g UID FETCH 1 FLAGS", "S: g NO [NONEXISTENT] %", "C: h CLOSE", "S: h OK %");
}

/* ---- Messages */

Test(dialogue, append_and_fetch)
{
    DIALOGUE(SELECT_EMPTY(""), "C: a APPEND inbox (\\Seen foo) \" 1-Feb-2024 10:20:30 +0130\" {13}",
             "S: + Ready", "C: Subject: x", "C- x", "C: ", "S: * 1 EXISTS",
             "S: * 1 FETCH (UID 1 FLAGS (\\Seen foo))", "S: a OK [APPENDUID 1001 1] %",
             "C: b FETCH 1 (INTERNALDATE RFC822.SIZE BODY.PEEK[])",
             "S: * 1 FETCH (UID 1 INTERNALDATE \" 1-Feb-2024 10:20:30 +0130\" RFC822.SIZE 13 "
             "BODY[] {13}",
             "S: Subject: x", "S: x)", "S: b OK %", "C: c APPEND nobox {1}",
             "S: c NO [TRYCREATE] %", "C: d APPEND nobox {1+}", "C: x", "S: d NO [TRYCREATE] %",
             "C: d APPEND {5}", "S: + Ready", "C- inbox", "C:  (\\Seen) {6+}", "C- a: b\r\n",
             "C: ", "S: * 2 EXISTS", "S: * 2 FETCH (UID 2 FLAGS (\\Seen))",
             "S: d OK [APPENDUID 1001 2] %", "C: e APPEND inbox {0}", "S: e NO %", "C: f NOOP",
             "S: f OK %", "C: g APPEND inbox {2097152}", "S: g NO [TOOBIG] %");
}

Test(dialogue, multiappend_is_one_command_rfc_3502)
{
    DIALOGUE(SELECT_EMPTY(""), "C: a APPEND inbox {6+}", "C- a: b\r\n", "C:  (\\Flagged) ~{7+}",
             "C- c: d\n\n\n", "C: ", "S: * 2 EXISTS", "S: * 1 FETCH (UID 1 FLAGS ())",
             "S: * 2 FETCH (UID 2 FLAGS (\\Flagged))", "S: a OK [APPENDUID 1001 1:2] %",
             "C: b FETCH 1:2 RFC822.SIZE", "S: * 1 FETCH (UID 1 RFC822.SIZE 6)",
             "S: * 2 FETCH (UID 2 RFC822.SIZE 10)", "S: b OK %", "C: c APPEND inbox {6+}",
             "C- a: b\r\n", "C:  {0+}", "C: ", "S: c NO %", "C: d APPEND inbox UTF8 (~{6+}",
             "C- a: b\r\n", "C: )", "S: * 3 EXISTS", "S: * 3 FETCH %", "S: d OK %",
             "C: e APPEND inbox {6+}", "C- a: b\r\n", "C: x", "S: e BAD %");
}

Test(dialogue, fetch_sections_and_seen_spec_2_21)
{
    DIALOGUE("D: one", SELECT_INBOX("1"), "C: a FETCH 1 BODY[]", "S: * 1 FETCH (UID 1 BODY[] {39}",
             "S: Return-Path: <>", "S: Subject: test", "S: ", "S: one", "S: )", "S: a OK %",
             "C: b NOOP", "S: * 1 FETCH (UID 1 FLAGS (\\Seen))", "S: b OK %",
             "C: c UID FETCH 1 (BODY[1]<1.2> BODY[1]<100000.10> BODY[TEXT])",
             "S: * 1 FETCH (UID 1 BODY[1]<1> {2}", "S: ne BODY[1]<100000> {0}",
             "S:  BODY[TEXT] {5}", "S: one", "S: )", "S: c OK %",
             "C: d FETCH 1 (BODY[HEADER] BODY[HEADER.FIELDS (SUBJECT)] RFC822.HEADER)",
             "S: * 1 FETCH (UID 1 BODY[HEADER] {34}", "S: Return-Path: <>", "S: Subject: test",
             "S: ", "S:  BODY[HEADER.FIELDS (SUBJECT)] {17}", "S: Subject: test",
             "S: ", "S:  RFC822.HEADER {34}", "S: Return-Path: <>", "S: Subject: test",
             "S: ", "S: )", "S: d OK %", "C: e FETCH 1 BODY[2]", "S: * 1 FETCH (UID 1)",
             "S: e NO %", "C: f FETCH 1 BODY[1.MIME]", "S: * 1 FETCH (UID 1 BODY[1.MIME] {2}",
             "S: ", "S: )", "S: f OK %", "C: g FETCH 1 ()", "S: g BAD %", "C: h FETCH 1 (ALL)",
             "S: h BAD %", "C: i FETCH 2 UID", "S: i BAD %", "C: j UID FETCH 9 FLAGS", "S: j OK %",
             "C: k UID FETCH 9:* (UID)", "S: * 1 FETCH (UID 1)", "S: k OK %",
             "C: l FETCH 1 BODY[MIME]", "S: l BAD %", "C: m FETCH 1 BODY[]<0.0>", "S: m BAD %",
             "C: n FETCH 1 (BINARY[1] BINARY.SIZE[1])", "S: * 1 FETCH (UID 1 BINARY[1] {5}",
             "S: one", "S:  BINARY.SIZE[1] 5)", "S: n OK %");
}

Test(dialogue, envelope_and_bodystructure)
{
    DIALOGUE("D: one", SELECT_INBOX("1"), "C: a FETCH 1 FULL",
             "S: * 1 FETCH (UID 1 FLAGS () INTERNALDATE \"14-Nov-2023 23:13:20 +0100\" RFC822.SIZE "
             "39 ENVELOPE (NIL \"test\" NIL NIL NIL NIL NIL NIL NIL NIL) BODY (\"TEXT\" \"PLAIN\" "
             "(\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 5 1))",
             "S: a OK %", "C: b FETCH 1 BODYSTRUCTURE",
             "S: * 1 FETCH (UID 1 BODYSTRUCTURE (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL "
             "NIL \"7BIT\" 5 1 NIL NIL NIL NIL))",
             "S: b OK %");
}

Test(dialogue, store_spec_2_24)
{
    DIALOGUE("D: one", "D: two", SELECT_INBOX("2"), "C: a STORE 1 FLAGS (New new b A)",
             "S: * 1 FETCH (UID 1 FLAGS (a b new))", "S: a OK %", "C: b STORE 2,1 +FLAGS \\Seen",
             "S: * 1 FETCH (UID 1 FLAGS (\\Seen a b new))", "S: * 2 FETCH (UID 2 FLAGS (\\Seen))",
             "S: b OK %", "C: c NOOP", "S: c OK %", "C: d UID STORE 1 -FLAGS.SILENT (a b)",
             "S: d OK %", "C: e NOOP", "S: e OK %", "C: f FETCH 1 FLAGS",
             "S: * 1 FETCH (UID 1 FLAGS (\\Seen new))", "S: f OK %", "C: g STORE 3 FLAGS ()",
             "S: g BAD %", "C: h UID STORE 9 FLAGS ()", "S: h OK %", "C: i STORE 1 FLAGS (\\foo)",
             "S: i BAD %");
}

Test(dialogue, copy_move_and_expunge)
{
    DIALOGUE("D: 1", "D: 2", "D: 3", "D: 4", SELECT_INBOX("4"), "C: a UID COPY 4,3 Trash",
             "S: a OK [COPYUID 1003 3:4 1:2] %", "C: b MOVE 2 Archive",
             "S: * OK [COPYUID 1002 2 1] moved", "S: * 2 EXPUNGE", "S: b OK %",
             "C: c STORE 1:2 +FLAGS.SILENT (\\Deleted)", "S: c OK %", "C: d UID EXPUNGE 3",
             "S: * 2 EXPUNGE", "S: d OK %", "C: e EXPUNGE", "S: * 1 EXPUNGE", "S: e OK %",
             "C: f UID FETCH 1:* UID", "S: * 1 FETCH (UID 4)", "S: f OK %", "C: g COPY 1 inbox",
             "S: g NO %", "C: h COPY 1 nope", "S: h NO [TRYCREATE] %", "C: i UID COPY 99 Trash",
             "S: i NO %");
}

Test(dialogue, search_spec_2_26)
{
    DIALOGUE("D: alpha", "D: beta", "D: gamma", SELECT_INBOX("3"), "C: a SEARCH ALL",
             "S: * SEARCH 1 2 3", "S: a OK %", "C: b SEARCH NOT ALL", "S: * SEARCH", "S: b OK %",
             "C: c SEARCH RETURN () ALL", "S: * ESEARCH (TAG \"c\") ALL 1:3", "S: c OK %",
             "C: d SEARCH RETURN (MIN COUNT) NOT ALL", "S: * ESEARCH (TAG \"d\") COUNT 0",
             "S: d OK %", "C: e UID SEARCH RETURN (MIN MAX) OR BODY BETA BODY gamma",
             "S: * ESEARCH (TAG \"e\") UID MIN 2 MAX 3", "S: e OK %",
             "C: f SEARCH SUBJECT TEST NOT TEXT alp UNSEEN", "S: * SEARCH 2 3", "S: f OK %",
             "C: g SEARCH (1:2 UID 2:3) LARGER 10 SMALLER 1000", "S: * SEARCH 2", "S: g OK %",
             "C: h SEARCH ON 14-Nov-2023 SINCE 14-Nov-2023 BEFORE 15-Nov-2023", "S: * SEARCH 1 2 3",
             "S: h OK %", "C: i SEARCH SENTSINCE 1-Jan-1990", "S: * SEARCH", "S: i OK %",
             "C: j SEARCH RETURN (MIN SAVE) ALL", "S: * ESEARCH (TAG \"j\") MIN 1", "S: j OK %",
             "C: k FETCH $ UID", "S: * 1 FETCH (UID 1)", "S: k OK %",
             "C: l SEARCH CHARSET KOI8-R ALL", "S: l NO [BADCHARSET %",
             "C: m SEARCH HEADER Return-Path \"\" HEADER X-None \"\"", "S: * SEARCH", "S: m OK %",
             "C: n SEARCH HEADER Return-Path \"\"", "S: * SEARCH 1 2 3", "S: n OK %",
             "C: o SEARCH BOGUS", "S: o BAD %", "C: p SEARCH NEW", "S: * SEARCH", "S: p OK %",
             "C: q ENABLE IMAP4rev2", "S: * ENABLED IMAP4rev2", "S: q OK %", "C: r SEARCH UNSEEN",
             "S: * ESEARCH (TAG \"r\") ALL 1:3", "S: r OK %", "C: s SEARCH RETURN (SAVE) KEYWORD x",
             "S: s OK %", "C: t UID FETCH $ FLAGS", "S: t OK %");
}

/* ---- Two sessions */

Test(dialogue, sequence_numbers_never_lie)
{
    DIALOGUE("D: 1", "D: 2", "D: 3", SELECT_INBOX("3"), "C2: s EXAMINE Inbox", "S2: * FLAGS %",
             "S2: * OK %", "S2: * 0 RECENT", "S2: * 3 EXISTS", "S2: * OK %", "S2: * OK %",
             "S2: * OK %", "S2: * OK %", "S2: * LIST %", "S2: * OK [HIGHESTMODSEQ %",
             "S2: s OK [READ-ONLY] %", "C: a STORE 1 +FLAGS.SILENT \\Deleted", "S: a OK %",
             "C: b EXPUNGE", "S: * 1 EXPUNGE", "S: b OK %", "C2: a FETCH 3 FLAGS",
             "S2: * 3 FETCH (UID 3 FLAGS ())", "S2: a OK %", "C2: b FETCH 1 (FLAGS BODY[TEXT])",
             "S2: * 1 FETCH (UID 1 FLAGS (\\Deleted) BODY[TEXT] {3}", "S2: 1", "S2: )",
             "S2: b OK [EXPUNGEISSUED] %", "C2: c SEARCH 3", "S2: * SEARCH 3", "S2: c OK %", "D: 4",
             "C2: d UID SEARCH ALL", "S2: * SEARCH 1 2 3", "S2: * 1 EXPUNGE", "S2: * 3 EXISTS",
             "S2: * 3 FETCH (UID 4 FLAGS ())", "S2: d OK %", "C2: e FETCH 3 UID",
             "S2: * 3 FETCH (UID 4)", "S2: e OK %");
}

Test(dialogue, idle_tells_at_once)
{
    DIALOGUE(SELECT_EMPTY(""), SELECT_EMPTY("2"), "C: i IDLE", "S: + idling", "N:", "D: 1", "D: 2",
             "D: 3", "W:", "S: * 3 EXISTS", "S: * 1 FETCH (UID 1 FLAGS ())",
             "S: * 2 FETCH (UID 2 FLAGS ())", "S: * 3 FETCH (UID 3 FLAGS ())", "N:", "C2: n NOOP",
             "S2: * 3 EXISTS", "S2: * 1 %", "S2: * 2 %", "S2: * 3 %", "S2: n OK %",
             "C2: a UID STORE 1 +FLAGS (\\Deleted)", "S2: * 1 FETCH (UID 1 FLAGS (\\Deleted))",
             "S2: a OK %", "W:", "S: * 1 FETCH (UID 1 FLAGS (\\Deleted))", "C2: b EXPUNGE",
             "S2: * 1 EXPUNGE", "S2: b OK %", "W:", "S: * 1 EXPUNGE", "C: done", "S: i OK %",
             "D: 4", "W:", "N:", "C: j IDLE", "S: + idling", "W:", "S: * 3 EXISTS",
             "S: * 3 FETCH %", "C: FOO", "S: * BYE %", "X:");
}

Test(dialogue, messages_that_are_not_announced_survive_expunge_spec_2_19)
{
    DIALOGUE(SELECT_EMPTY(""), SELECT_EMPTY("2"), "D: 1", "C2: a NOOP", "S2: * 1 EXISTS",
             "S2: * 1 FETCH %", "S2: a OK %", "C2: b STORE 1 +FLAGS.SILENT (\\Deleted)",
             "S2: b OK %", "C: a CLOSE", "S: a OK %", "C2: c FETCH 1 FLAGS",
             "S2: * 1 FETCH (UID 1 FLAGS (\\Deleted))", "S2: c OK %", "C2: d CLOSE", "S2: d OK %",
             "C2: e STATUS Inbox (MESSAGES)", "S2: * STATUS Inbox (MESSAGES 0)", "S2: e OK %");
}

Test(dialogue, store_away_is_temporary)
{
    DIALOGUE("D: 1", SELECT_INBOX("1"), "A:", "C: a NOOP", "S: a NO [UNAVAILABLE] %",
             "C: b FETCH 1 FLAGS", "S: * 1 FETCH (UID 1 FLAGS ())", "S: b OK %",
             "C: c STORE 1 +FLAGS (\\Seen)", "S: c NO [UNAVAILABLE] %", "C: d LIST \"\" *",
             "S: d NO [UNAVAILABLE] %", "B:", "D: 2", "C: e NOOP", "S: * 2 EXISTS",
             "S: * 2 FETCH %", "S: e OK %");
    STRANGER("S: * OK %", "A:", "C: a LOGIN me@localhost secret", "S: a NO [UNAVAILABLE] %",
             "B:", "C: b LOGIN me@localhost secret", "S: b OK %");
}

Test(dialogue, long_search_answers_are_split_spec_2_26)
{
    struct world w;
    world_init(&w, 1 << 18);
    for (int i = 0; i < 250; i++)
        dialogue_deliver(&w, "x");
    struct session *s = world_session(&w, 0);
    fake_session_feed(s, STR("a LOGIN me@localhost secret\r\nb SELECT INBOX\r\n"), 0);
    fake_session_sent(s);
    fake_session_feed(s, STR("c SEARCH ALL\r\n"), 0);
    struct str rest = fake_session_sent(s), line;
    size_t numbers[4] = {0}, lines = 0;
    while (str_cut(rest, '\n', &line, &rest) && str_starts_with(line, STR("* SEARCH")))
        for (lines++; str_cut(str_skip(line, 1), ' ', NULL, &line); numbers[lines - 1]++)
            cr_assert_leq(lines, 3);
    cr_assert_eq(lines, 3);
    cr_assert_eq(numbers[0], 101, "%zu", numbers[0]); /* with "SEARCH" */
    cr_assert_eq(numbers[2], 51);
    world_release(&w);
}

/* ---- Extensions that stand alone */

Test(dialogue, literal_plus_hidden_is_literal_minus_rfc_7888)
{
    DIALOGUE("C: a CAPABILITY", "S: * CAPABILITY % LITERAL+ %", "S: a OK %",
             "C: b APPEND Inbox {5000}", "S: + Ready");
    STRANGER("S: * OK [CAPABILITY % LITERAL+ %", "H: LITERAL+", "C: a LOGIN me@localhost secret",
             "S: a OK [CAPABILITY % LITERAL- %", "C: b CREATE {3+}", "C- abc", "C: ", "S: * LIST %",
             "S: b OK %", "C: c APPEND abc {5000}", "S: + Ready");
    STRANGER("S: * OK %", "H: LITERAL+", "C: a LOGIN me@localhost secret", "S: a OK %",
             "C: b CREATE {4097+}", "S: * BYE %", "S: b BAD [TOOBIG] %", "X:");
    STRANGER("S: * OK %", "H: LITERAL+", "C: a LOGIN me@localhost secret", "S: a OK %",
             "C: b APPEND Inbox {4097+}", "S: * BYE %", "S: b BAD [TOOBIG] %", "X:");
    STRANGER("S: * OK %", "H: LITERAL+", "C: a LOGIN me@localhost secret", "S: a OK %",
             "C: b APPEND Inbox {6+}", "C- a: b\r\n", "C:  {4097+}", "S: * BYE %",
             "S: b NO [TOOBIG] %", "X:");
}

Test(dialogue, preview_rfc_8970)
{
    DIALOGUE("D: some  words", "C: a SELECT Inbox", "S: * FLAGS %", "S: * OK [PERMANENTFLAGS %",
             "S: * 0 RECENT", "S: * 1 EXISTS", "S: %", "S: %", "S: %", "S: %", "S: * LIST %",
             "S: * OK [HIGHESTMODSEQ %", "S: a OK %", "C: b FETCH 1 (PREVIEW (LAZY) FLAGS)",
             "S: * 1 FETCH (UID 1 PREVIEW \"some  words\" FLAGS ())", "S: b OK %",
             "C: c UID FETCH 1 PREVIEW", "S: * 1 FETCH (UID 1 PREVIEW \"some  words\")",
             "S: c OK %", "C: d FETCH 1 PREVIEW (EAGER)", "S: d BAD %",
             "C: e FETCH 1 (PREVIEW (LAZY))", "S: * 1 FETCH (UID 1 PREVIEW %)", "S: e OK %");
}

Test(dialogue, objectid_of_mailboxes_rfc_8474_4)
{
    DIALOGUE("C: a CREATE foo", "S: * LIST %", "S: a OK [MAILBOXID (F7-4)] created",
             "C: b RENAME foo bar", "S: b OK %", "C: c STATUS bar (MAILBOXID MESSAGES)",
             "S: * STATUS bar (MAILBOXID (F7-4) MESSAGES 0)", "S: c OK %", "C: d EXAMINE bar",
             "S: * FLAGS %", "S: * OK [PERMANENTFLAGS %", "S: * 0 RECENT", "S: * 0 EXISTS",
             "S: * OK [UIDVALIDITY %", "S: * OK [UIDNEXT %", "S: * OK [MAILBOXID (F7-4)] %",
             "S: * LIST %", "S: * OK [HIGHESTMODSEQ %", "S: d OK %",
             "C: e LIST \"\" bar RETURN (STATUS (MAILBOXID))", "S: * LIST %",
             "S: * STATUS bar (MAILBOXID (F7-4))", "S: e OK %");
}

Test(dialogue, objectid_of_messages_rfc_8474_5)
{
    DIALOGUE(
        "D: one", "D: two", "C: a SELECT Inbox", "S: %", "S: %", "S: %", "S: %", "S: %", "S: %",
        "S: %", "S: %", "S: %", "S: %", "S: a OK %", "C: b FETCH 1:2 (EMAILID THREADID)",
        "S: * 1 FETCH (UID 1 EMAILID (M7-1) THREADID (T7-1))",
        "S: * 2 FETCH (UID 2 EMAILID (M7-2) THREADID (T7-2))", "S: b OK %",
        "C: c SEARCH EMAILID M7-2", "S: * SEARCH 2", "S: c OK %", "C: d SEARCH THREADID T7-1",
        "S: * SEARCH 1", "S: d OK %", "C: e SEARCH OR EMAILID M8-2 EMAILID T7-2", "S: * SEARCH",
        "S: e OK %", "C: f SEARCH EMAILID (M7-2)", "S: f BAD %", "C: g COPY 1 Archive", "S: g OK %",
        "C: h MOVE 2 Archive", "S: %", "S: %", "S: h OK %", "C: i SELECT Archive",
        "S: * OK [CLOSED] %", "S: %", "S: %", "S: %", "S: %", "S: %", "S: %", "S: %", "S: %",
        "S: %", "S: %", "S: i OK %", "C: j FETCH 1:2 EMAILID",
        "S: * 1 FETCH (UID 1 EMAILID (M7-1))", "S: * 2 FETCH (UID 2 EMAILID (M7-2))", "S: j OK %");
}

Test(dialogue, compress_rfc_4978)
{
    DIALOGUE("C: a CAPABILITY", "S: * CAPABILITY % COMPRESS=DEFLATE%", "S: a OK %",
             "C: b COMPRESS BOGUS", "S: b NO %", "C: c COMPRESS", "S: c BAD %",
             "C: d COMPRESS DEFLATE", "S: d OK %", "C: e COMPRESS DEFLATE",
             "S: e NO [COMPRESSIONACTIVE] %");
    STRANGER("S: %", "C: a COMPRESS DEFLATE", "S: a NO log in first", "H: COMPRESS=DEFLATE",
             "C: b LOGIN me@localhost secret", "S: b OK %", "C: c COMPRESS DEFLATE",
             "S: c BAD unknown command");
}

Test(dialogue, replace_rfc_8508)
{
    DIALOGUE("D: one", "D: two", "D: three", SELECT_INBOX("3"), "C2: s SELECT Inbox",
             "S2: * FLAGS %", "S2: %", "S2: %", "S2: %", "S2: %", "S2: %", "S2: %", "S2: %",
             "S2: %", "S2: %", "S2: s OK %",
             "C: a REPLACE 2 INBOX (\\Seen \\Draft) \"01-Jan-2024 00:00:00 +0000\" {6}",
             "S: + Ready", "C- a: b\r\n", "C: ", "S: * OK [APPENDUID 1001 4] stored",
             "S: * 2 EXPUNGE", "S: * 3 EXISTS", "S: * 3 FETCH (UID 4 FLAGS (\\Seen \\Draft))",
             "S: a OK replaced", "C2: a NOOP", "S2: * 2 EXPUNGE", "S2: * 3 EXISTS",
             "S2: * 3 FETCH (UID 4 %", "S2: a OK %", "C: b UID REPLACE 4 Archive {6+}",
             "C- a: b\r\n", "C: ", "S: * OK [APPENDUID 1002 1] stored", "S: * 3 EXPUNGE",
             "S: b OK replaced", "C: c REPLACE * Trash {6+}", "C- a: b\r\n",
             "C: ", "S: * OK [APPENDUID 1003 1] stored", "S: * 2 EXPUNGE", "S: c OK replaced");
}

Test(dialogue, replace_of_what_is_gone_stores_nothing_rfc_8508)
{
    DIALOGUE("D: one", SELECT_INBOX("1"), "C: a REPLACE 1 Archive {6}", "S: + Ready",
             "C2: x SELECT Inbox", "S2: %", "S2: %", "S2: %", "S2: %", "S2: %", "S2: %", "S2: %",
             "S2: %", "S2: %", "S2: %", "S2: x OK %", "C2: y STORE 1 +FLAGS.SILENT \\Deleted",
             "S2: y OK %", "C2: z EXPUNGE", "S2: * 1 EXPUNGE", "S2: z OK %", "C- a: b\r\n",
             "C: ", "S: * 1 EXPUNGE", "S: a NO the message to replace is gone",
             "C: b STATUS Archive (MESSAGES)", "S: * STATUS Archive (MESSAGES 0)", "S: b OK %",
             "C: c REPLACE * Inbox {6}", "S: c BAD %", "C: d REPLACE 1 Inbox {6+}", "C- a: b\r\n",
             "C: ", "S: d BAD %", "C: e REPLACE 0 Inbox {6}", "S: e BAD %", "C: f REPLACE 1 Inbox",
             "S: f BAD %", "C: g REPLACE {1}", "S: g BAD %");
    DIALOGUE("D: one", SELECT_INBOX("1"), "C: a REPLACE 1 nope {6}", "S: a NO [TRYCREATE] %",
             "C: b REPLACE 1 Archive {6+}", "C- a: b\r\n", "C:  {6+}", "C- a: b\r\n",
             "C: ", "S: b BAD %", "C: c REPLACE 1 nope {1000001+}", "S: * BYE %",
             "S: c BAD [TOOBIG] %", "X:");
    DIALOGUE("D: one", "C: a EXAMINE INBOX", "S: %", "S: %", "S: %", "S: %", "S: %", "S: %", "S: %",
             "S: %", "S: %", "S: %", "S: a OK %", "C: b REPLACE 1 Archive {6}",
             "S: b NO the mailbox is read-only", "C: c REPLACE 1 Archive {1000001+}", "S: * BYE %",
             "S: c BAD [TOOBIG] %", "X:");
}

Test(dialogue, catenate_rfc_4469)
{
    DIALOGUE("C: a APPEND Inbox {23+}", "C- Subject: old\r\n\r\nfirst\r\n", "C: ", "S: a OK %",
             "C: A003 APPEND Inbox (\\Seen \\Draft) CATENATE (URL "
             "\"/INBOX;UIDVALIDITY=1001/;UID=1/;SECTION=HEADER\" TEXT {5}",
             "S: + Ready", "C- more ", "C:  URL \"/INBOX/;UID=1/;section=TEXT\" TEXT {5+}",
             "C- \r\nend", "C: )", "S: A003 OK [APPENDUID 1001 2] stored", SELECT_INBOX("2"),
             "C: c FETCH 2 (FLAGS BODY.PEEK[])",
             "S: * 2 FETCH (UID 2 FLAGS (\\Seen \\Draft) BODY[] {33}", "S: Subject: old",
             "S: ", "S: more first", "S: ", "S: end)", "S: c OK %");
    /* Only URLs, one as a literal; a part of a message; a message after it. */
    DIALOGUE("C: a APPEND Inbox {23+}", "C- Subject: old\r\n\r\nfirst\r\n", "C: ", "S: a OK %",
             "C: b APPEND Inbox CATENATE (URL /INBOX/;UID=1)", "S: b OK [APPENDUID 1001 2] %",
             "C: c APPEND Inbox CATENATE (URL {14+}", "C- /INBOX/;UID=1/", "C: )",
             "S: c NO [BADURL /INBOX/;UID=1/] %");
}

Test(dialogue, catenate_literal_urls_and_bad_ones_rfc_4469)
{
    DIALOGUE("C: a APPEND Inbox {23+}", "C- Subject: old\r\n\r\nfirst\r\n", "C: ", "S: a OK %",
             "C: c APPEND Inbox CATENATE (URL {13}", "S: + Ready", "C- /INBOX/;UID=1", "C: ) {6+}",
             "C- a: b\r\n", "C: ", "S: c OK [APPENDUID 1001 2:3] %",
             "C: d APPEND Inbox CATENATE (URL \"imap://me%40localhost@localhost/INBOX/;UID=1\")",
             "S: d OK %", "C: e APPEND Inbox CATENATE (URL /INBOX/;UID=77)",
             "S: e NO [BADURL /INBOX/;UID=77] %", "C: f APPEND Inbox CATENATE (TEXT {3+}", "C- abc",
             "C:  URL /INBOX;UIDVALIDITY=7/;UID=1 TEXT {3+}", "C- abc", "C: )",
             "S: f NO [BADURL /INBOX;UIDVALIDITY=7/;UID=1] %",
             "C: g APPEND Inbox CATENATE (URL imap://elsewhere/INBOX/;UID=1 TEXT {3}",
             "S: g NO [BADURL %", "C: h APPEND Inbox CATENATE (URL /INBOX/;UID=1/;SECTION=7)",
             "S: h NO [BADURL %",
             "C: o APPEND Inbox CATENATE (URL \"imap://you%40localhost@localhost/INBOX/;UID=1\")",
             "S: o NO [BADURL %",
             "C: i APPEND Inbox CATENATE (URL /INBOX/;UID=1/;SECTION=TEXT/;PARTIAL=1.2)",
             "S: i OK [APPENDUID 1001 5] %", "C: j APPEND Inbox CATENATE ()", "S: j BAD %",
             "C: k APPEND Inbox CATENATE (URL /INBOX/;UID=1", "S: k BAD %",
             "C: l APPEND Inbox CATENATE (TEXT {0+}", "C: )", "S: l NO a message of no bytes %",
             "C: m APPEND Inbox CATENATE (URL {4097}", "S: m BAD %", SELECT_INBOX("5"),
             "C: n FETCH 5 BODY.PEEK[]", "S: * 5 FETCH (UID 5 BODY[] {2}", "S: ir)", "S: n OK %");
}
