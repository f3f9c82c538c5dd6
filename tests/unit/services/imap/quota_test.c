#include "tests/unit/services/imap/dialogue.h"

#include <criterion/criterion.h>

/* QUOTA (RFC 9208), as its section 4 shows it. */

Test(quota, roots_and_resources_rfc_9208_4)
{
    DIALOGUE("Q: 0 0", "C: a GETQUOTAROOT INBOX", "S: * QUOTAROOT INBOX \"\"", "S: a OK %",
             "C: b GETQUOTA \"\"", "S: * QUOTA \"\" ()", "S: b OK %", "Q: 1 0",
             "C: c GETQUOTA {0+}", "C: ", "S: * QUOTA \"\" (STORAGE 0 1)", "S: c OK %", "D: one",
             "Q: 524288 20", "C: G0001 GETQUOTAROOT nowhere", "S: * QUOTAROOT nowhere \"\"",
             "S: * QUOTA \"\" (STORAGE 1 512 MESSAGE 1 20)", "S: G0001 OK %", "C: d GETQUOTA other",
             "S: d NO %", "C: e SETQUOTA \"\" (STORAGE 512)", "S: e BAD %", "C: f GETQUOTA",
             "S: f BAD %", "Q: 0 7", "C: g GETQUOTA \"\"", "S: * QUOTA \"\" (MESSAGE 1 7)",
             "S: g OK %");
}

Test(quota, deleted_storage_rfc_9208_3)
{
    DIALOGUE("D: one", "D: two", SELECT_INBOX("2"), "C: a STATUS Inbox (DELETED DELETED-STORAGE)",
             "S: * STATUS Inbox (DELETED 0 DELETED-STORAGE 0)", "S: a OK %",
             "C: b STORE 1 +FLAGS.SILENT (\\Deleted)", "U: b OK %",
             "C: c STATUS Inbox (DELETED DELETED-STORAGE SIZE)",
             "S: * STATUS Inbox (DELETED 1 DELETED-STORAGE 39 SIZE 78)", "S: c OK %",
             "C: d LIST \"\" Inbox RETURN (STATUS (DELETED-STORAGE))", "S: * LIST %",
             "S: * STATUS Inbox (DELETED-STORAGE 39)", "S: d OK %");
}

Test(quota, hidden_from_an_account)
{
    STRANGER("S: * OK [CAPABILITY % QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE%", "H: QUOTA",
             "C: a LOGIN me@localhost secret", "S: a OK %", "C: b GETQUOTAROOT INBOX",
             "S: b BAD unknown command", "C: c GETQUOTA {3}", "S: c BAD unknown command");
}
