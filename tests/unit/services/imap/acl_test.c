#include "tests/unit/services/imap/dialogue.h"

#include <criterion/criterion.h>

/* ACL (RFC 4314) on own mailboxes, as its examples show it. What is shared is tested over the whole
 * system, by test_imap_acl.py. */

#define ALL "lrswipkxtecda"

Test(acl, set_and_get_rfc_4314_3)
{
    DIALOGUE("C: a GETACL INBOX", "S: * ACL INBOX \"me@localhost\" " ALL, "S: a OK %",
             "C: b SETACL INBOX you@localhost lrs", "S: b OK %",
             "C: c SETACL INBOX you@localhost +cda", "S: c OK %", "C: d GETACL INBOX",
             "S: * ACL INBOX \"me@localhost\" " ALL " \"you@localhost\" lrskxtecda", "S: d OK %",
             "C: e SETACL INBOX you@localhost -rc", "S: e OK %", "C: f GETACL INBOX",
             "S: * ACL INBOX \"me@localhost\" " ALL " \"you@localhost\" lsteda", "S: f OK %",
             "C: g SETACL INBOX -you@localhost {1+}", "C- a", "C: ", "S: g OK %",
             "C: h SETACL INBOX you@localhost \"\"", "S: h OK %", "C: i GETACL INBOX",
             "S: * ACL INBOX \"me@localhost\" " ALL " \"-you@localhost\" a", "S: i OK %",
             "C: j DELETEACL INBOX -you@localhost", "S: j OK %", "C: k GETACL INBOX",
             "S: * ACL INBOX \"me@localhost\" " ALL, "S: k OK %");
}

Test(acl, what_can_be_granted_rfc_4314_3_4)
{
    DIALOGUE("C: a LISTRIGHTS INBOX me@localhost", "S: * LISTRIGHTS INBOX \"me@localhost\" " ALL,
             "S: a OK %", "C: b LISTRIGHTS INBOX anyone",
             "S: * LISTRIGHTS INBOX \"anyone\" \"\" l r s w i p k x t e c d a", "S: b OK %",
             "C: c LISTRIGHTS INBOX -you@localhost",
             "S: * LISTRIGHTS INBOX \"-you@localhost\" \"\" l r s w i p k x t e c d a", "S: c OK %",
             "C: d MYRIGHTS INBOX", "S: * MYRIGHTS INBOX " ALL, "S: d OK %");
}

Test(acl, what_is_wrong)
{
    DIALOGUE("C: a SETACL INBOX you@localhost lrz", "S: a BAD %",
             "C: b SETACL INBOX you@localhost LR", "S: b BAD %", "C: c SETACL INBOX you@localhost",
             "S: c BAD %", "C: d SETACL INBOX nobody@localhost lr", "S: d NO %", "C: e GETACL nope",
             "S: e NO [NONEXISTENT] %", "C: f MYRIGHTS nope", "S: f NO [NONEXISTENT] %",
             "C: g MYRIGHTS \"Other Users/nobody@localhost/INBOX\"", "S: g NO [NONEXISTENT] %",
             "C: h SELECT \"Other Users/nobody@localhost/INBOX\"", "S: h NO [NONEXISTENT] %",
             "C: i SETACL INBOX you@localhost ++l", "S: i BAD %", "C: j GETACL INBOX x",
             "S: j BAD %", "A:", "C: k GETACL INBOX", "S: k NO [UNAVAILABLE] %");
}

Test(acl, in_list_rfc_8440)
{
    DIALOGUE("C: a LIST \"\" INBOX RETURN (MYRIGHTS)", "S: * LIST () \"/\" Inbox",
             "S: * MYRIGHTS Inbox " ALL, "S: a OK %", "C: b NAMESPACE",
             "S: * NAMESPACE ((\"\" \"/\")) ((\"Other Users/\" \"/\")) NIL", "S: b OK %",
             "C: c STATUS \"Other Users/me@localhost/INBOX\" (MESSAGES)", /* oneself */
             "S: * STATUS \"Other Users/me@localhost/INBOX\" (MESSAGES 0)", "S: c OK %");
}

Test(acl, is_hidden_with_all_that_belongs_to_it)
{
    STRANGER("S: * OK [CAPABILITY % ACL RIGHTS=texk LIST-MYRIGHTS%", "H: ACL",
             "C: a LOGIN me@localhost secret", "S: a OK [CAPABILITY %", "C: b GETACL INBOX",
             "S: b BAD unknown command", "C: c NAMESPACE", "S: * NAMESPACE ((\"\" \"/\")) NIL NIL",
             "S: c OK %", "C: d CREATE \"Other Users/me@localhost/x\"", "S: * LIST %",
             "S: * LIST %", "S: * LIST %", "S: d OK %");
}
