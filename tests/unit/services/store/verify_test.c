#include "fixture.h"

#include "services/store/acl.h"
#include "services/store/mailbox_ops.h"
#include "services/store/repair.h"
#include "services/store/upgrade.h"

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
         "mailbox Inbox: total is 9, should be 2 (see recalculate)"},
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
        {"UPDATE message SET id = id + 100 WHERE uid = 2",
         "UPDATE message SET id = id - 100 WHERE uid = 2",
         "has no message row (no command repairs this: see restore)"},
        {"INSERT INTO vanished VALUES (1, 2, 1, 2, 99)", "DELETE FROM vanished", "tombstone"},
        {"UPDATE message SET structure = x'ffffff00' WHERE uid = 2",
         "UPDATE message SET structure = (SELECT structure FROM message WHERE uid = 1)",
         "): what is stored of its parts cannot be decoded (see reparse)"},
        /* The parts are damaged, and not what stands before them. */
        {"UPDATE message SET structure = structure || x'1a020100' WHERE uid = 2",
         "UPDATE message SET structure = (SELECT structure FROM message WHERE uid = 1)",
         "see reparse"},
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

static bool recalculate(void)
{
    return repair_counts(f.account, NULL, &f.err) && acl_repair(f.account, NULL, &f.err);
}

static bool fix_uids(void)
{
    return repair_uids(f.account, NULL, &f.err);
}

static bool bump_uidvalidity(void)
{
    return repair_renew(f.account, STR("Inbox"), false, NULL, &f.err);
}

static bool reassign_uids(void)
{
    return repair_renew(f.account, STR("Inbox"), true, NULL, &f.err);
}

static bool reassign_threads(void)
{
    return upgrade_run(f.account, UPGRADE_THREADS, true, NULL, &f.err);
}

static bool reparse(void)
{
    return upgrade_run(f.account, UPGRADE_STRUCTURE, true, NULL, &f.err);
}

static bool remove_lost(void)
{
    return repair_lost(f.account, NULL, &f.err);
}

static bool rename_trash(void)
{
    struct mailbox_op away = {.name = STR("Trash"), .to = STR("Other")};
    struct mailbox_op back = {.name = STR("Other"), .to = STR("Trash")};
    return mailbox_rename(f.account, STR("away"), &away, &f.arena, &f.err) &&
           mailbox_rename(f.account, STR("back"), &back, &f.arena, &f.err);
}

/* What a finding names does repair it. */
Test(verify, remedies_work)
{
    static const struct {
        const char *sql, *remedy;
        bool (*run)(void);
    } rows[] = {
        {"UPDATE mailbox SET total = 9 WHERE name = 'Inbox'", "see recalculate", recalculate},
        {"UPDATE mailbox SET uidnext = 2 WHERE name = 'Inbox'", "see fix-uid-metadata", fix_uids},
        {"UPDATE mailbox SET uidvalidity = 4000000000 WHERE name = 'Trash'", "see fix-uid-metadata",
         fix_uids},
        {"UPDATE entry SET createseq = 0 WHERE uid = 1", "see bump-uidvalidity", bump_uidvalidity},
        {"UPDATE entry SET modseq = modseq + 100 WHERE uid = 1", "see bump-uidvalidity",
         bump_uidvalidity},
        {"UPDATE mailbox SET createseq = 0 WHERE name = 'Inbox'", "see bump-uidvalidity",
         bump_uidvalidity},
        {"INSERT INTO vanished SELECT id, 2, 1, 2, 99 FROM mailbox WHERE name = 'Inbox'",
         "see reassign-uids", reassign_uids},
        {"UPDATE message SET thread_id = 0 WHERE uid = 1", "see reassign-threads",
         reassign_threads},
        {"UPDATE mailbox SET parent_id = (SELECT id FROM mailbox WHERE name = 'Archive')"
         " WHERE name = 'Trash'",
         "rename it in a mail program", rename_trash},
        {"UPDATE message SET structure = x'ffffff00' WHERE uid = 1", "see reparse", reparse},
        {"INSERT INTO acl VALUES (99, 7, 0, 'bob@example.org', 1)",
         "rights of bob@example.org to mailbox 99, which does not exist (see recalculate)",
         recalculate},
        {NULL, "remove-lost", remove_lost}, /* of a file */
    };
    fixture_deliver(&f, "Inbox", TEXT);
    struct delivery last = fixture_deliver(&f, "Inbox", TEXT);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct findings findings;
        bool named = false;
        if (rows[i].sql)
            fixture_sql(&f, rows[i].sql);
        else
            cr_assert(unlink(account_message_path(f.account, last.message_id).text) == 0);
        findings_init(&findings, &f.arena);
        cr_assert(verify_account(f.account, &findings, &f.err));
        for (size_t k = 0; k < findings.lines.len; k++)
            named |= str_find(findings.lines.items[k], str_from_cstr(rows[i].remedy)) >= 0;
        cr_expect(named, "%s: %zu findings", rows[i].remedy, findings.lines.len);
        findings_release(&findings);
        cr_expect(rows[i].run(), "%s: %s", rows[i].remedy, f.err.detail);
        cr_expect(fixture_verify(&f) == 0, "row %zu: %s", i, rows[i].remedy);
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
