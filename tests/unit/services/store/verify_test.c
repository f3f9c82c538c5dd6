#include "fixture.h"

static struct fixture f;

static void setup(void)
{
    fixture_open(&f);
}
TestSuite(verify, .init = setup);

/* Spec 20 1.23: each kind of damage is found, and only it. */
Test(verify, damaged_rows_are_named)
{
    static const struct {
        const char *sql, *undo, *finding;
    } rows[] = {
        {"UPDATE mailbox SET total = 9 WHERE name = 'Inbox'",
         "UPDATE mailbox SET total = 2 WHERE name = 'Inbox'",
         "mailbox Inbox: total is 9, should be 2"},
        {"UPDATE mailbox SET uidnext = 2 WHERE name = 'Inbox'",
         "UPDATE mailbox SET uidnext = 3 WHERE name = 'Inbox'", "UID is not below uidnext"},
        {"UPDATE mailbox SET parent_id = 2 WHERE name = 'Trash'",
         "UPDATE mailbox SET parent_id = NULL WHERE name = 'Trash'", "its parent is \"Archive\""},
        {"UPDATE mailbox SET uidvalidity = 4000000000 WHERE name = 'Trash'",
         "UPDATE mailbox SET uidvalidity = 1 WHERE name = 'Trash'", "UIDVALIDITY"},
        {"UPDATE entry SET createseq = 0 WHERE uid = 1",
         "UPDATE entry SET createseq = modseq WHERE uid = 1", "createseq"},
        {"UPDATE entry SET modseq = modseq + 100 WHERE uid = 1",
         "UPDATE entry SET modseq = modseq - 100 WHERE uid = 1", "modseq is above"},
        {"UPDATE message SET thread_id = 0 WHERE uid = 1",
         "UPDATE message SET thread_id = id WHERE uid = 1", "thread id is 0"},
        {"UPDATE message SET mailbox_id = 3 WHERE uid = 2",
         "UPDATE message SET mailbox_id = 1 WHERE uid = 2", "names another place"},
        {"INSERT INTO vanished VALUES (1, 2, 1, 2, 99)", "DELETE FROM vanished", "tombstone"},
    };
    fixture_deliver(&f, "Inbox", TEXT);
    fixture_deliver(&f, "Inbox", TEXT);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct findings findings;
        bool named = false;
        fixture_sql(&f, rows[i].sql);
        findings_init(&findings, &f.arena);
        cr_assert(verify_account(f.account, &findings, &f.err));
        for (size_t k = 0; k < findings.lines.len; k++)
            named |= str_find(findings.lines.items[k], str_from_cstr(rows[i].finding)) >= 0;
        cr_expect(named, "%s: %zu findings", rows[i].sql, findings.lines.len);
        findings_release(&findings);
        fixture_sql(&f, rows[i].undo);
        cr_assert(fixture_verify(&f) == 0, "after %s", rows[i].undo);
    }
    fixture_close(&f);
}

Test(verify, files_are_compared)
{
    struct findings findings;
    struct delivery lost = fixture_deliver(&f, "Inbox", TEXT);
    struct delivery cut = fixture_deliver(&f, "Inbox", TEXT);
    cr_assert(unlink(account_message_path(f.account, lost.message_id).text) == 0);
    /* The spool file shares the inode: replace instead of truncating. */
    struct layout_path path = account_message_path(f.account, cut.message_id);
    cr_assert(unlink(path.text) == 0);
    close(open(path.text, O_CREAT | O_WRONLY, 0660));
    close(open(account_message_path(f.account, 99).text, O_CREAT | O_WRONLY, 0660));
    findings_init(&findings, &f.arena);
    cr_assert(verify_account(f.account, &findings, &f.err));
    cr_expect(findings.lines.len == 3);
    cr_expect(findings.count[FINDING_FILE_MISSING] == 1);
    cr_expect(findings.count[FINDING_FILE_SIZE] == 1);
    cr_expect(findings.count[FINDING_FILE_STRAY] == 1);
    findings_release(&findings);
    fixture_discard(&f);
}
