#include "tests/unit/services/imap/dialogue.h"

#include <criterion/criterion.h>

/* ESEARCH (RFC 7377). Three messages in Inbox, of which two are copied to Archive/2023; "one" is in
 * both, and Archive itself is empty. UIDVALIDITY is 1000 and the number of the mailbox. */
#define MAILBOXES                                                                                  \
    "D: one", "D: two", "D: three", "C: x CREATE Archive/2023", "U: x OK %", "C: x SELECT INBOX",  \
        "U: x OK %", "C: x COPY 1:2 Archive/2023", "U: x OK %", "C: x UNSELECT", "S: x OK %"

Test(esearch, mailboxes_rfc_7377_2_1)
{
    DIALOGUE(MAILBOXES, "C: a ESEARCH IN (mailboxes (inbox Archive Archive/2023 Nope)) BODY one",
             "S: * ESEARCH (TAG \"a\" MAILBOX Inbox UIDVALIDITY 1001) UID ALL 1",
             "S: * ESEARCH (TAG \"a\" MAILBOX Archive/2023 UIDVALIDITY 1004) UID ALL 1",
             "S: a OK %", "C: b ESEARCH IN (mailboxes \"INBOX\") RETURN (COUNT MAX) ALL",
             "S: * ESEARCH (TAG \"b\" MAILBOX Inbox UIDVALIDITY 1001) UID MAX 3 COUNT 3",
             "S: b OK %", "C: c ESEARCH IN (mailboxes Nope) ALL", "S: c OK %",
             "C: d ESEARCH IN (mailboxes Inbox) RETURN (COUNT) BODY nothing", "S: d OK %",
             "C: e ESEARCH IN (subtree Archive) ALL",
             "S: * ESEARCH (TAG \"e\" MAILBOX Archive/2023 UIDVALIDITY 1004) UID ALL 1:2",
             "S: e OK %", "C: f CREATE Archive/2023/May", "U: f OK %",
             "C: g ESEARCH IN (subtree-one (Archive Inbox)) RETURN (PARTIAL 1:1) ALL",
             "S: * ESEARCH (TAG \"g\" MAILBOX Inbox UIDVALIDITY 1001) UID PARTIAL (1:1 1)",
             "S: * ESEARCH (TAG \"g\" MAILBOX Archive/2023 UIDVALIDITY 1004) UID PARTIAL (1:1 1)",
             "S: g OK %");
}

Test(esearch, many_names_for_a_mailbox_and_subscriptions)
{
    DIALOGUE(MAILBOXES, "C: a ESEARCH IN (personal inboxes subtree Archive mailboxes Inbox) ALL",
             "S: * ESEARCH (TAG \"a\" MAILBOX Inbox UIDVALIDITY 1001) UID ALL 1:3",
             "S: * ESEARCH (TAG \"a\" MAILBOX Archive/2023 UIDVALIDITY 1004) UID ALL 1:2",
             "S: a OK %", "C: b UNSUBSCRIBE Inbox", "U: b OK %", "C: c ESEARCH IN (subscribed) 2:*",
             "S: * ESEARCH (TAG \"c\" MAILBOX Archive/2023 UIDVALIDITY 1004) UID ALL 2",
             "S: c OK %");
}

Test(esearch, the_selected_mailbox)
{
    DIALOGUE(
        MAILBOXES, "C: a ESEARCH IN (selected) ALL", "S: a BAD %", "C: b ESEARCH ALL", "S: b BAD %",
        "C: s SELECT Archive/2023", "U: s OK %", "C: c ESEARCH RETURN (SAVE ALL) BODY two",
        "S: * ESEARCH (TAG \"c\" MAILBOX Archive/2023 UIDVALIDITY 1004) UID ALL 2", "S: c OK %",
        "C: d FETCH $ UID", "S: * 2 FETCH (UID 2)", "S: d OK %", "C: e ESEARCH IN (selected) $",
        "S: * ESEARCH (TAG \"e\" MAILBOX Archive/2023 UIDVALIDITY 1004) UID ALL 2", "S: e OK %",
        "C: f ESEARCH IN (mailboxes Inbox) $", "S: f NO %",
        "C: g ESEARCH IN (selected mailboxes Inbox) RETURN (SAVE) ALL", "S: g BAD %",
        "C: h ESEARCH IN (mailboxes Archive/2023) RETURN (SAVE) NOT ALL", "S: h OK %",
        "C: i SEARCH $", "S: * SEARCH", "S: i OK %", "C: j ESEARCH IN (selected) 3", "S: j BAD %",
        "C: k ESEARCH IN (mailboxes Inbox) 3",
        "S: * ESEARCH (TAG \"k\" MAILBOX Inbox UIDVALIDITY 1001) UID ALL 3", "S: k OK %");
}

/* The selected mailbox is searched as its session sees it, another one as it is now. */
Test(esearch, two_sessions)
{
    DIALOGUE(
        MAILBOXES, "C: s SELECT INBOX", "U: s OK %", "C2: n NOOP", "U2: n OK %",
        "C2: s SELECT INBOX", "U2: s OK %", "C2: a STORE 2 +FLAGS.SILENT \\Deleted", "S2: a OK %",
        "C2: b EXPUNGE", "S2: * 2 EXPUNGE", "S2: b OK %", "C: a ESEARCH IN (selected) ALL",
        "S: * ESEARCH (TAG \"a\" MAILBOX Inbox UIDVALIDITY 1001) UID ALL 1:3", "S: * 2 EXPUNGE",
        "S: a OK %", "C2: c SELECT Archive", "U2: c OK %", "D: four",
        "C2: d ESEARCH IN (mailboxes Inbox) UNSEEN",
        "S2: * ESEARCH (TAG \"d\" MAILBOX Inbox UIDVALIDITY 1001) UID ALL 1,3:4", "S2: d OK %");
}

Test(esearch, names_are_encoded_and_syntax_is_checked)
{
    DIALOGUE("D: x", "C: x CREATE \"a &- b\"", "U: x OK %", "C: x SELECT INBOX", "U: x OK %",
             "C: x COPY 1 \"a &- b\"", "U: x OK %", "C: a ESEARCH IN (mailboxes (\"a &- b\")) ALL",
             "S: * ESEARCH (TAG \"a\" MAILBOX \"a &- b\" UIDVALIDITY 1004) UID ALL 1", "S: a OK %",
             "C: b ESEARCH IN () ALL", "S: b BAD %", "C: c ESEARCH IN (selected-delayed) ALL",
             "S: c BAD %", "C: d ESEARCH IN (mailboxes) ALL", "S: d BAD %",
             "C: e ESEARCH IN (personal) BOGUS", "S: e BAD %",
             "C: f ESEARCH IN (personal) CHARSET KOI8-R ALL", "S: f NO [BADCHARSET %",
             "C: g ESEARCH", "S: g BAD %", "C: h UID ESEARCH ALL", "S: h BAD %",
             "A:", "C: i ESEARCH IN (personal) ALL", "S: i NO [UNAVAILABLE] %");
    STRANGER("S: * OK %", "C: a ESEARCH IN (personal) ALL", "S: a NO %", "H: MULTISEARCH",
             "C: l LOGIN me@localhost secret", "S: l OK %", "C: b ESEARCH IN (personal) ALL",
             "S: b BAD %");
}

/* How much there is to be read in all mailboxes is not known before the last one. */
Test(esearch, inprogress_rfc_9585)
{
    struct world w;
    world_init(&w, 1 << 18);
    for (int i = 0; i < 40; i++)
        dialogue_deliver(&w, "x");
    struct session *s = world_session(&w, 0);
    fake_session_feed(s, STR("a LOGIN me@localhost secret\r\nb SELECT INBOX\r\n"), 0);
    fake_session_feed(s, STR("c COPY 1:* Archive\r\nd UNSELECT\r\n"), 0);
    fake_session_sent(s);
    fake_session_feed(s, STR("e ESEARCH IN (mailboxes (Inbox Archive)) BODY x\r\n"), 0);
    struct str sent = fake_session_sent(s);
    cr_assert(str_starts_with(sent, STR("* OK [INPROGRESS (\"e\" 32 NIL)] at work\r\n")), "%.*s",
              STR_ARG(sent));
    cr_assert(str_find(sent, STR("* OK [INPROGRESS (\"e\" 72 NIL)] at work\r\n")) > 0, "%.*s",
              STR_ARG(sent));
    fake_session_feed(s, STR("f ESEARCH IN (mailboxes (Inbox Nope)) BODY x\r\n"), 0);
    sent = fake_session_sent(s);
    cr_assert(str_starts_with(sent, STR("* OK [INPROGRESS (\"f\" 32 40)] at work\r\n")), "%.*s",
              STR_ARG(sent));
    world_release(&w);
}

Test(esearch, uidonly_wants_uids)
{
    DIALOGUE(MAILBOXES, "C: a ENABLE UIDONLY", "S: * ENABLED UIDONLY", "S: a OK %",
             "C: b ESEARCH IN (mailboxes Inbox) 1", "S: b BAD [UIDREQUIRED] %",
             "C: c ESEARCH IN (mailboxes Inbox) UID 1",
             "S: * ESEARCH (TAG \"c\" MAILBOX Inbox UIDVALIDITY 1001) UID ALL 1", "S: c OK %");
}
