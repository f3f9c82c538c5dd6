#include "tests/unit/services/imap/dialogue.h"

#include <criterion/criterion.h>
#include <stdio.h>

/*
 * NOTIFY (RFC 5465). The second session changes what the first one hears of, without a command.
 */

#define ALL_MESSAGES "(MessageNew MessageExpunge FlagChange)"

Test(notify, other_mailboxes_5_2_to_5_4)
{
    DIALOGUE("C: a NOTIFY SET (personal " ALL_MESSAGES ")", "S: a OK %", "D: 1",
             "W:", "S: * STATUS Inbox (UIDNEXT 2 MESSAGES 1 UNSEEN 1)", "N:", "C2: a SELECT INBOX",
             "U2: a OK %", "C2: b STORE 1 +FLAGS.SILENT (\\Seen)", "S2: b OK %",
             "W:", "S: * STATUS Inbox (UIDVALIDITY 1001 UNSEEN 0)", "C2: c MOVE 1 Archive",
             "U2: c OK %", "W:", "S: * STATUS Inbox (UIDNEXT 2 MESSAGES 0 UNSEEN 0)",
             "S: * STATUS Archive (UIDNEXT 2 MESSAGES 1 UNSEEN 0)", "C: b ENABLE CONDSTORE",
             "U: b OK %", "D: 2", "W:",
             "S: * STATUS Inbox (UIDNEXT 3 MESSAGES 1 HIGHESTMODSEQ 7 "
             "UNSEEN 1)",
             "C: c NOTIFY NONE", "S: c OK %", "D: 3", "W:", "N:", "C: d NOOP", "S: d OK %");
}

/* With STATUS, all that is to be watched is told first; the selected mailbox is not among it. */
Test(notify, status_first_3_1)
{
    DIALOGUE("D: 1", "C: a NOTIFY SET STATUS (mailboxes (INBOX nope) " ALL_MESSAGES ")",
             "S: * STATUS Inbox (UIDNEXT 2 MESSAGES 1 UIDVALIDITY 1001 UNSEEN 1)", "S: a OK %",
             "C: b SELECT INBOX", "U: b OK %",
             "C: c NOTIFY SET STATUS (selected " ALL_MESSAGES ") (personal (MessageNew "
             "MessageExpunge))",
             "S: * STATUS Archive (UIDNEXT 1 MESSAGES 0 UIDVALIDITY 1002 UNSEEN 0)",
             "S: * STATUS Trash %", "S: c OK %");
}

Test(notify, the_first_group_that_matches_decides_spec_2_32)
{
    DIALOGUE("C2: a CREATE a/b/c", "U2: a OK %", "C2: a SELECT INBOX", "U2: a OK %", "D: 1",
             "C2: a NOOP", "U2: a OK %",
             "C: a NOTIFY SET (mailboxes a NONE) (subtree-one a (MessageNew MessageExpunge)) "
             "(subtree (Trash Archive) (MessageNew MessageExpunge))",
             "S: a OK %", "C2: b COPY 1 a", "U2: b OK %", "W:", "N:", "C2: b COPY 1 a/b",
             "U2: b OK %", "W:", "S: * STATUS a/b (%", "C2: b COPY 1 a/b/c", "U2: b OK %",
             "W:", "N:", "C2: b COPY 1 Trash", "U2: b OK %", "W:", "S: * STATUS Trash (%", "D: 2",
             "W:", "N:");
    DIALOGUE("C2: a UNSUBSCRIBE INBOX", "S2: a OK %",
             "C: a NOTIFY SET (subscribed (MessageNew MessageExpunge))", "S: a OK %", "D: 1",
             "W:", "N:", "C2: b SUBSCRIBE INBOX", "S2: b OK %", "D: 2",
             "W:", "S: * STATUS Inbox (%");
}

Test(notify, names_and_subscriptions_5_5_and_5_6)
{
    DIALOGUE("C: a NOTIFY SET (personal (MailboxName SubscriptionChange))", "S: a OK %",
             "C2: a CREATE x/y", "U2: a OK %", "W:", "S: * LIST (\\Subscribed) \"/\" x",
             "S: * LIST (\\Subscribed) \"/\" x/y", "N:", "C2: b RENAME x/y z", "U2: b OK %",
             "W:", "S: * LIST (\\Subscribed) \"/\" z (\"OLDNAME\" (x/y))", "U: * LIST %",
             "C2: c UNSUBSCRIBE z", "U2: c OK %", "W:", "U: * LIST () \"/\" z", "C2: d DELETE z",
             "S2: d OK %", "W:", "S: * LIST (\\NonExistent) \"/\" z", "D: 1", "W:", "N:");
    DIALOGUE("C: a NOTIFY SET (inboxes (MailboxName))", "S: a OK %", "C2: a CREATE \"&Jjo-\"",
             "U2: a OK %", "W:", "S: * LIST (\\Subscribed) \"/\" &Jjo-",
             "N:", "C2: b UNSUBSCRIBE \"&Jjo-\"", "U2: b OK %", "W:", "N:");
}

/* "selected": at any time; "selected-delayed": when a command ends, and in IDLE. */
Test(notify, the_selected_mailbox_6)
{
    DIALOGUE("D: 1", "C: a NOTIFY SET (selected " ALL_MESSAGES ")", "S: a OK %",
             "C: b SELECT INBOX", "U: b OK %", "D: 2", "W:", "S: * 2 EXISTS",
             "S: * 2 FETCH (UID 2 FLAGS ())", "C2: a SELECT INBOX", "U2: a OK %",
             "C2: b STORE 1 +FLAGS (\\Deleted k)", "U2: b OK %", "W:", "S: * FLAGS (% k)",
             "S: * 1 FETCH (UID 1 FLAGS (\\Deleted k))", "C2: c EXPUNGE", "U2: c OK %",
             "W:", "S: * 1 EXPUNGE", "N:", "C: c IDLE", "S: + idling", "D: 3",
             "W:", "S: * 2 EXISTS", "S: * 2 FETCH %", "C: DONE", "S: c OK %", "D: 4",
             "W:", "S: * 3 EXISTS", "S: * 3 FETCH %");
    DIALOGUE("D: 1", "C: a NOTIFY SET (selected-delayed " ALL_MESSAGES ")", "S: a OK %",
             "C: b SELECT INBOX", "U: b OK %", "D: 2", "W:", "N:", "C: c FETCH 1 FLAGS",
             "S: * 1 FETCH %", "S: c OK %", "W:", "N:", "C: d NOOP", "S: * 2 EXISTS",
             "S: * 2 FETCH (UID 2 FLAGS ())", "S: d OK %", "D: 3", "C: e IDLE", "S: + idling",
             "W:", "S: * 3 EXISTS", "S: * 3 FETCH %", "D: 4", "W:", "S: * 4 EXISTS",
             "S: * 4 FETCH %", "C: DONE", "S: e OK %");
    DIALOGUE("D: 1", "C: a SELECT INBOX", "U: a OK %",
             "C: b NOTIFY SET (selected (MessageNew MessageExpunge))", "S: b OK %",
             "C2: a SELECT INBOX", "U2: a OK %", "C2: b STORE 1 +FLAGS (\\Seen)", "U2: b OK %",
             "W:", "N:", "D: 2", "W:", "S: * 2 EXISTS", "S: * 2 FETCH %", "C: c NOOP", "S: c OK %");
}

/* A command that is half sent is not spoken into; what came meanwhile comes after it. */
Test(notify, not_within_a_command)
{
    DIALOGUE("D: 1", "C: a NOTIFY SET (selected " ALL_MESSAGES ") (personal (MailboxName))",
             "S: a OK %", "C: b SELECT INBOX", "U: b OK %", "C: c SEARCH SUBJECT {4}", "S: + Ready",
             "D: 2", "C2: a CREATE x", "U2: a OK %", "W:", "N:", "C- test", "C: ", "S: * SEARCH 1",
             "S: c OK %", "W:", "S: * 2 EXISTS", "S: * 2 FETCH %", "S: * LIST % x");
}

Test(notify, items_of_new_messages_5_2)
{
    DIALOGUE("C: a SELECT INBOX", "U: a OK %",
             "C: b NOTIFY SET (selected (MessageNew (UID BODY.PEEK[TEXT] FLAGS) MessageExpunge "
             "FlagChange))",
             "S: b OK %", "D: one", "D: two", "W:", "S: * 2 EXISTS",
             "S: * 1 FETCH (UID 1 BODY[TEXT] {5}", "S: one", "S:  FLAGS ())",
             "S: * 2 FETCH (UID 2 BODY[TEXT] {5}", "S: two", "S:  FLAGS ())",
             "N:", "C2: a SELECT INBOX", "U2: a OK %", "C2: b STORE 1 +FLAGS (\\Flagged)",
             "U2: b OK %", "D: three", "W:", "S: * 3 EXISTS",
             "S: * 1 FETCH (UID 1 FLAGS (\\Flagged))", "S: * 3 FETCH (UID 3 BODY[TEXT] {7}",
             "S: three", "S:  FLAGS ())", "N:");
    /* MODSEQ enables CONDSTORE; BODY[] does not set \Seen; an item that is not there. */
    DIALOGUE("C: a SELECT INBOX", "U: a OK %",
             "C: b NOTIFY SET (selected (MessageNew (MODSEQ BODY[]<0.3>) MessageExpunge))",
             "S: * OK [HIGHESTMODSEQ 1] %", "S: b OK %", "D: one", "W:", "S: * 1 EXISTS",
             "S: * 1 FETCH (UID 1 MODSEQ (4) BODY[]<0> {3}", "S: Ret)", "N:", "C: c FETCH 1 FLAGS",
             "S: * 1 FETCH (UID 1 FLAGS ())", "S: c OK %",
             "C: d NOTIFY SET (selected (MessageNew (BODY.PEEK[3]) MessageExpunge))", "S: d OK %",
             "D: two", "D: 3", "W:", "S: * 3 EXISTS", "S: * 2 FETCH (UID 2)", "S: * NO %",
             "S: * 3 FETCH (UID 3)", "S: * NO %", "N:");
}

/* Nothing unasked, but answers are complete, and a new NOTIFY brings what was left out. */
Test(notify, none_3_2)
{
    DIALOGUE("D: 1", "D: 2", "C: a SELECT INBOX", "U: a OK %", "C: b NOTIFY NONE", "S: b OK %",
             "D: 3", "C: c NOOP", "S: c OK %", "C: d IDLE", "S: + idling", "W:", "N:", "C: DONE",
             "S: d OK %", "C: e FETCH 1:* UID", "S: * 1 FETCH (UID 1)", "S: * 2 FETCH (UID 2)",
             "S: e OK %", "C: f STORE 1 +FLAGS.SILENT (\\Deleted)", "S: f OK %", "C: g EXPUNGE",
             "S: * 1 EXPUNGE", "U: g OK %");
    DIALOGUE("D: 1", "C: a SELECT INBOX", "U: a OK %",
             "C: b NOTIFY SET (selected-delayed " ALL_MESSAGES ")", "S: b OK %", "D: 2",
             "C: c NOTIFY NONE", "S: * 2 EXISTS", "S: * 2 FETCH %", "S: c OK %", "D: 3",
             "C: d NOTIFY SET (selected " ALL_MESSAGES ")", "S: % EXISTS", "S: * 3 FETCH %",
             "S: d OK %");
    DIALOGUE("D: 1", "C: a SELECT INBOX", "U: a OK %", "C: b NOTIFY SET (personal (MailboxName))",
             "S: b OK %", "D: 2", "C: c NOOP", "S: c OK %");
}

Test(notify, arguments_spec_2_32)
{
    static const struct {
        const char *arguments, *answer;
    } rows[] = {
        {"", "S: a BAD %"},
        {"SET", "S: a BAD %"},
        {"NONE x", "S: a BAD %"},
        {"SET ()", "S: a BAD %"},
        {"SET (personal)", "S: a BAD %"},
        {"SET (personal ())", "S: a BAD %"},
        {"SET (nobody NONE)", "S: a BAD %"},
        {"SET (selected (FlagChange))", "S: a BAD %"},
        {"SET (selected (MessageNew))", "S: a BAD %"},
        {"SET (personal (MessageExpunge))", "S: a BAD %"},
        {"SET (selected (MailboxName))", "S: a BAD %"},
        {"SET (selected NONE) (selected-delayed NONE)", "S: a BAD %"},
        {"SET (personal (MessageNew (FLAGS) MessageExpunge))", "S: a BAD %"},
        {"SET (selected (MessageNew (NO) MessageExpunge))", "S: a BAD %"},
        {"SET (mailboxes NONE)", "S: a BAD %"},
        {"SET (personal (Foo))",
         "S: a NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName "
         "SubscriptionChange MailboxMetadataChange ServerMetadataChange)] %"},
        {"SET (selected (MailboxMetadataChange))", "S: a BAD %"},
        {"SET (selected-delayed (ServerMetadataChange))", "S: a BAD %"},
        {"SET (personal (MailboxName AnnotationChange))", "S: a NO [BADEVENT (%"},
        {"set status (Mailboxes q none) (SUBTREE (x {1+}", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[200];
        snprintf(line, sizeof(line), "C: a NOTIFY %s", rows[i].arguments);
        cr_log_info("%s", line);
        if (rows[i].answer)
            DIALOGUE(line, rows[i].answer);
        else
            DIALOGUE(line, "C- y", "C: ) (mailboxname))", "S: a OK %", "C2: a CREATE y/z",
                     "U2: a OK %", "W:", "S: * LIST % y", "S: * LIST % y/z", "N:");
    }
}

/* Without ENABLE METADATA; what the client does itself is not told. */
Test(notify, annotations_5_6_and_5_7)
{
    DIALOGUE("C2: z SETMETADATA Archive (/shared/comment \"old\")", "S2: z OK %",
             "C: a NOTIFY SET (mailboxes Archive (MailboxMetadataChange)) (personal "
             "(ServerMetadataChange))",
             "S: a OK %", "W:", "N:", "C2: a SETMETADATA Archive (/shared/comment \"x\")",
             "S2: a OK %", "W:", "S: * METADATA Archive /shared/comment",
             "C2: b SETMETADATA Trash (/shared/comment \"x\")", "S2: b OK %",
             "W:", "N:", "C2: c SETMETADATA \"\" (/shared/comment \"x\")", "S2: c OK %",
             "W:", "S: * METADATA \"\" /shared/comment",
             "C2: d SETMETADATA Archive (/shared/comment NIL /private/a \"1\")", "S2: d OK %",
             "W:", "S: * METADATA Archive /shared/comment", "S: * METADATA Archive /private/a",
             "C: b SETMETADATA Archive (/shared/comment \"y\")", "S: b OK %",
             "W:", "N:", "C2: e SETMETADATA Archive (/shared/comment \"z\")", "S2: e OK %",
             "C: c NOOP", "S: * METADATA Archive /shared/comment", "S: c OK %", "C: i IDLE",
             "S: + idling", "C2: f SETMETADATA Archive (/shared/comment \"z\")", "S2: f OK %",
             "W:", "S: * METADATA Archive /shared/comment", "C: DONE", "S: i OK %",
             "C2: g SETMETADATA Archive (/shared/comment \"1\")", "S2: g OK %", "C: d NOTIFY NONE",
             "S: * METADATA Archive /shared/comment", "S: d OK %",
             "C2: h SETMETADATA Archive (/shared/comment \"2\")", "S2: h OK %", "C: e NOOP",
             "S: e OK %", "C: f NOTIFY SET (subtree Archive (MailboxMetadataChange))", "S: f OK %",
             "W:", "N:", "C2: j SETMETADATA \"\" (/shared/comment \"3\")", "S2: j OK %",
             "W:", "N:");
    STRANGER("S: * OK %", "H: METADATA", "C: a LOGIN me@localhost secret", "S: a OK %",
             "C: b NOTIFY SET (personal (MailboxMetadataChange))",
             "S: b NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName "
             "SubscriptionChange)] %");
}

/* RFC 5465 5.3: STATUS is for flags. */
Test(notify, annotations_are_no_change_of_flags)
{
    DIALOGUE("D: 1",
             "C: a NOTIFY SET (personal (MessageNew MessageExpunge FlagChange "
             "MailboxMetadataChange))",
             "S: a OK %", "W:", "N:", "C2: a SETMETADATA Inbox (/shared/comment \"x\")",
             "S2: a OK %", "W:", "S: * METADATA Inbox /shared/comment", "N:", "C2: s SELECT Inbox",
             "U2: s OK %", "C2: b STORE 1 +FLAGS (\\Seen)", "U2: b OK %",
             "C2: c SETMETADATA Inbox (/shared/comment \"y\")", "S2: c OK %",
             "W:", "S: * METADATA Inbox /shared/comment",
             "S: * STATUS Inbox (UIDVALIDITY % UNSEEN 0)", "N:");
}

/* Of a new mailbox nothing but its name is told, until there are messages. */
Test(notify, new_mailboxes_are_no_change_of_flags)
{
    DIALOGUE("C: a NOTIFY SET (personal (MessageNew MessageExpunge FlagChange MailboxName))",
             "S: a OK %", "C2: a CREATE x", "U2: a OK %", "W:", "S: * LIST %/\" x",
             "N:", "C: b CREATE y", "S: * LIST %/\" y", "S: b OK %",
             "W:", "N:", "C2: s SELECT Inbox", "U2: s OK %", "D: 1", "W:", "S: * STATUS Inbox %",
             "C2: b CREATE z", "U2: b OK %", "C2: c COPY 1 z", "U2: c OK %",
             "W:", "S: * LIST %/\" z", "S: * STATUS z (UIDNEXT 2 MESSAGES 1 UNSEEN 1)", "N:");
    DIALOGUE("C: a NOTIFY SET (personal (FlagChange))", "S: a BAD %",
             "C: b NOTIFY SET (personal (MailboxName))", "S: b OK %", "C2: a CREATE x",
             "U2: a OK %", "W:", "S: * LIST %", "N:");
}

Test(notify, hidden_and_store_away)
{
    STRANGER("S: * OK %", "H: NOTIFY", "C: a LOGIN me@localhost secret", "S: a OK %",
             "C: b NOTIFY NONE", "S: b BAD unknown %");
    DIALOGUE("A:", "D: 0", "C: a NOTIFY SET (personal " ALL_MESSAGES ")", "S: a NO [UNAVAILABLE] %",
             "B:", "D: 1", "W:", "N:", "C: b NOTIFY SET (personal " ALL_MESSAGES ")", "S: b OK %",
             "A:", "D: 2", "W:", "N:", "B:", "D: 3",
             "W:", "S: * STATUS Inbox (UIDNEXT 5 MESSAGES 4 UNSEEN 4)");
}

/* Without NOTIFY (spec 2.18): in IDLE at once, otherwise when a command ends; never in the answer
 * of a command that is itself about names, and not what the session did itself. */
Test(notify, names_come_to_every_session)
{
    DIALOGUE("C: i IDLE", "S: + idling", "C2: a CREATE x/y", "U2: a OK %",
             "W:", "S: * LIST (\\Subscribed) \"/\" x", "S: * LIST (\\Subscribed) \"/\" x/y",
             "N:", "C2: b RENAME x/y z", "U2: b OK %", "W:", "S: * LIST (\\Subscribed) \"/\" z",
             "C2: c UNSUBSCRIBE z", "S2: c OK %", "W:", "S: * LIST () \"/\" z", "C2: d SUBSCRIBE z",
             "S2: d OK %", "W:", "S: * LIST (\\Subscribed) \"/\" z", "C2: e DELETE z", "S2: e OK %",
             "W:", "N:", "C: DONE", "S: i OK %", "C2: f NOOP", "S2: f OK %");
    DIALOGUE("C: e ENABLE IMAP4rev2", "U: e OK %", "C: i IDLE", "S: + idling", "C2: a CREATE x",
             "U2: a OK %", "W:", "S: * LIST (\\Subscribed) \"/\" x", "C2: b RENAME x z",
             "U2: b OK %", "W:", "S: * LIST (\\Subscribed) \"/\" z (\"OLDNAME\" (x))",
             "U: * LIST (\\NonExistent) \"/\" x", "C2: e DELETE z", "S2: e OK %",
             "W:", "S: * LIST (\\NonExistent% z", "C: DONE", "S: i OK %");
    DIALOGUE("C2: a CREATE x", "U2: a OK %", "W:", "N:", "C: a LIST \"\" x", "S: * LIST () \"/\" x",
             "S: a OK %", "C: b NOOP", "S: * LIST (\\Subscribed) \"/\" x", "S: b OK %", "C: c NOOP",
             "S: c OK %", "C: d SELECT INBOX", "U: d OK %", "D: 1", "C: e NOOP", "U: e OK %",
             "C2: b CREATE y", "U2: b OK %", "C: f FETCH 1 UID", "S: * 1 FETCH (UID 1)",
             "S: f OK %", "C: g UID FETCH 1 UID", "S: * 1 FETCH (UID 1)",
             "S: * LIST (\\Subscribed) \"/\" y", "S: g OK %");
}

Test(notify, own_names_do_not_come_back)
{
    DIALOGUE("C: a CREATE x/y", "U: a OK %", "C: b NOOP", "S: b OK %", "C: c RENAME x/y p/q",
             "S: c OK %", "C: d UNSUBSCRIBE x", "S: d OK %", "C: e SUBSCRIBE x", "S: e OK %",
             "C: g IDLE", "S: + idling", "W:", "N:");
    DIALOGUE("C: a ENABLE IMAP4rev2", "U: a OK %", "C: b CREATE x", "U: b OK %", "C2: a DELETE x",
             "S2: a OK %", "C: c NOOP", "S: * LIST (\\NonExistent% x", "U: c OK %", "C: d CREATE x",
             "U: d OK %", "C: e DELETE x", "S: e OK %", "C2: b CREATE x", "U2: b OK %", "C: f NOOP",
             "S: * LIST (\\Subscribed) \"/\" x", "S: f OK %");
    DIALOGUE("C: a NOTIFY SET (personal (MailboxName SubscriptionChange))", "S: a OK %",
             "C: b CREATE x", "U: b OK %", "W:", "N:", "C: c NOTIFY NONE", "S: c OK %",
             "C2: a CREATE y", "U2: a OK %", "C: d IDLE", "S: + idling", "W:", "N:");
}

/* What came while store was away comes when it is back. */
Test(notify, names_when_store_is_away)
{
    DIALOGUE("C: i IDLE", "S: + idling", "C2: a CREATE x", "U2: a OK %",
             "A:", "W:", "N:", "B:", "C: DONE", "S: * LIST (\\Subscribed) \"/\" x", "S: i OK %");
}
