#include "tests/unit/services/imap/dialogue.h"

#include <criterion/criterion.h>

/* METADATA (RFC 5464) and LIST-METADATA (RFC 9590), as their examples show them. */

Test(metadata, set_and_get_rfc_5464_4)
{
    DIALOGUE("C: a SETMETADATA INBOX (/private/comment \"My new comment\")", "S: a OK %",
             "C: b GETMETADATA INBOX /PRIVATE/comment",
             "S: * METADATA INBOX (/private/comment \"My new comment\")", "S: b OK %",
             "C: c SETMETADATA \"\" (/shared/comment {6}", "S: + Ready", "C- server",
             "C:  /shared/admin ~{3+}", "C- a\"b", "C: )", "S: c OK %",
             "C: d GETMETADATA \"\" (/shared/comment /shared/admin /shared/none)",
             "S: * METADATA \"\" (/shared/comment \"server\" /shared/admin ~{3}", "S: a\"b)",
             "S: d OK %", "C: e SETMETADATA INBOX (/private/comment NIL)", "S: e OK %",
             "C: f GETMETADATA INBOX /private/comment", "S: f OK %",
             "C: g GETMETADATA nope /private/comment", "S: g NO [TRYCREATE] %",
             "C: h SETMETADATA nope (/private/comment NIL)", "S: h NO [TRYCREATE] %");
}

Test(metadata, options_rfc_5464_4_2)
{
    DIALOGUE("C: a SETMETADATA INBOX (/private/a \"1\" /private/a/b \"22\" /private/a/b/c \"333\" "
             "/private/ab \"4444\")",
             "S: a OK %", "C: b GETMETADATA (DEPTH 1) INBOX /private/a",
             "S: * METADATA INBOX (/private/a \"1\" /private/a/b \"22\")", "S: b OK %",
             "C: c GETMETADATA INBOX (DEPTH infinity MAXSIZE 2) (/private/a)",
             "S: * METADATA INBOX (/private/a \"1\" /private/a/b \"22\")",
             "S: c OK [METADATA LONGENTRIES 3] %", "C: d GETMETADATA (DEPTH infinity) INBOX /",
             "S: * METADATA INBOX (%/private/ab \"4444\")", "S: d OK %",
             "C: e GETMETADATA (DEPTH 1 DEPTH 1) INBOX /private/a", "S: e BAD %",
             "C: f GETMETADATA (DEPTH 2) INBOX /private/a", "S: f BAD %",
             "C: g GETMETADATA (MAXSIZE 0) INBOX /private/a", "S: g OK [METADATA LONGENTRIES 1] %");
}

Test(metadata, names_rfc_5464_6_2)
{
    DIALOGUE("C: a SETMETADATA INBOX (/other/a NIL)", "S: a NO %",
             "C: b SETMETADATA INBOX (/private/vendor/x NIL)", "S: b NO %",
             "C: c SETMETADATA INBOX (/private/vendor/x/y NIL)", "S: c OK %",
             "C: d SETMETADATA INBOX (/private//a NIL)", "S: d BAD %",
             "C: e SETMETADATA INBOX (/private/a/ NIL)", "S: e BAD %",
             "C: f SETMETADATA INBOX (\"/private/a*\" NIL)", "S: f BAD %",
             "C: g SETMETADATA INBOX (private NIL)", "S: g BAD %", "C: h SETMETADATA INBOX ()",
             "S: h BAD %", "C: i GETMETADATA INBOX", "S: i BAD %",
             "C: j SETMETADATA INBOX (/private/a \""
             "0123456789012345678901234567890123456789"
             "0123456789012345678901234567890123456789012345678901234567890123456789"
             "01234567890123456789012345678901234567890\")",
             "S: j NO [METADATA (MAXSIZE 1000000)] %");
}

Test(metadata, other_sessions_are_told_rfc_5464_4_4)
{
    DIALOGUE("C: a ENABLE METADATA", "S: * ENABLED METADATA", "S: a OK %",
             "C2: a SETMETADATA Archive (/shared/comment \"x\")", "S2: a OK %",
             "C2: b SETMETADATA \"\" (/private/x NIL)", "S2: b OK %", "C: b NOOP",
             "S: * METADATA Archive /shared/comment", "S: * METADATA \"\" /private/x", "S: b OK %",
             "C: c SETMETADATA Archive (/shared/comment NIL)", "S: c OK %", "C: d NOOP",
             "S: d OK %", "C2: c NOOP", "S2: c OK %");
    DIALOGUE("C: a ENABLE METADATA", "S: %", "S: a OK %", SELECT_EMPTY(""), "C: i IDLE",
             "S: + idling", "C2: a SETMETADATA Inbox (/shared/comment \"x\")", "S2: a OK %",
             "W:", "S: * METADATA Inbox /shared/comment", "C: DONE", "S: i OK %");
}

/* In IDLE at once, whatever mailbox is selected, or none. */
Test(metadata, told_in_idle)
{
    DIALOGUE("C: a ENABLE METADATA", "S: %", "S: a OK %", "C: i IDLE", "S: + idling",
             "C2: a SETMETADATA Inbox (/shared/comment \"x\")", "S2: a OK %",
             "W:", "S: * METADATA Inbox /shared/comment", "C: DONE", "S: i OK %", SELECT_EMPTY(""),
             "C2: b SETMETADATA Archive (/shared/comment \"x\")", "S2: b OK %",
             "W:", "N:", "C: j IDLE", "S: + idling", "S: * METADATA Archive /shared/comment",
             "C2: c SETMETADATA \"\" (/shared/comment NIL)", "S2: c OK %",
             "W:", "S: * METADATA \"\" /shared/comment", "C: DONE", "S: j OK %");
}

Test(metadata, list_rfc_9590)
{
    DIALOGUE(
        "C: a SETMETADATA Archive (/shared/vendor/cmu/cyrus-imapd/color \"#b71c1c\")", "S: a OK %",
        "C: A00 LIST \"\" % RETURN (METADATA (\"/shared/vendor/cmu/cyrus-imapd/color\") CHILDREN)",
        "S: * LIST (%Archive", "S: * LIST (%Inbox", "S: * LIST (%Trash",
        "S: * METADATA Archive (/shared/vendor/cmu/cyrus-imapd/color \"#b71c1c\")",
        "S: * METADATA Inbox (/shared/vendor/cmu/cyrus-imapd/color NIL)",
        "S: * METADATA Trash (%NIL)", "S: A00 OK %", "C: b LIST \"\" % RETURN (METADATA ())",
        "S: b BAD %");
}

Test(metadata, hidden_from_an_account)
{
    STRANGER("S: * OK [CAPABILITY % METADATA METADATA-SERVER LIST-METADATA%", "H: METADATA",
             "C: a LOGIN me@localhost secret", "S: a OK %", "C: b GETMETADATA INBOX /private/a",
             "S: b BAD unknown command", "C: c ENABLE METADATA", "S: * ENABLED", "S: c OK %");
}

Test(metadata, extensions_that_are_hidden_are_not_understood)
{
    STRANGER("S: %", "H: LIST-METADATA", "C: a LOGIN me@localhost secret", "S: a OK %",
             "C: b LIST \"\" % RETURN (METADATA (/private/a))", "S: b BAD %");
    STRANGER("S: %", "H: CATENATE", "C: a LOGIN me@localhost secret", "S: a OK %",
             "C: b APPEND Inbox CATENATE (URL /INBOX/;UID=1)", "S: b BAD %");
    STRANGER("S: %", "H: OBJECTID", "C: a LOGIN me@localhost secret", "S: a OK %",
             "C: b SELECT INBOX", "U: b OK %", "C: c FETCH 1 EMAILID", "S: c BAD %",
             "C: g CREATE a", "S: * LIST %", "S: g OK created", "C: d SEARCH EMAILID M7-1",
             "S: d BAD %", "C: e STATUS INBOX (MAILBOXID)", "S: e BAD %",
             "C: f STATUS INBOX (DELETED-STORAGE)", "S: * STATUS %", "S: f OK %");
    STRANGER("S: %", "H: QUOTA", "C: a LOGIN me@localhost secret", "S: a OK %",
             "C: b STATUS INBOX (DELETED-STORAGE)", "S: b BAD %",
             "C: c LIST \"\" % RETURN (STATUS (MESSAGES DELETED-STORAGE))", "S: c BAD %",
             "C: d STATUS INBOX (DELETED)", "S: * STATUS %", "S: d OK %");
    STRANGER("S: %", "H: CONDSTORE", "C: a LOGIN me@localhost secret", "S: a OK %",
             "C: b STATUS INBOX (HIGHESTMODSEQ)", "S: b BAD %");
    STRANGER("S: %", "H: APPENDLIMIT", "C: a LOGIN me@localhost secret", "S: a OK %",
             "C: b STATUS INBOX (APPENDLIMIT)", "S: b BAD %");
    STRANGER("S: %", "H: PREVIEW", "C: a LOGIN me@localhost secret", "S: a OK %",
             "C: b SELECT INBOX", "U: b OK %", "C: c FETCH 1 PREVIEW", "S: c BAD %");
}
