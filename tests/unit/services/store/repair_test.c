#include "fixture.h"

#include "services/store/repair.h"

static struct fixture f;

static void setup(void)
{
    fixture_open(&f);
}
TestSuite(repair, .init = setup);

/* Spec 20 4.8: counts that were damaged by hand, in rows and in what is in memory. */
Test(repair, counts_come_from_the_messages)
{
    fixture_deliver(&f, "Inbox", TEXT);
    fixture_deliver(&f, "Inbox", TEXT);
    int64_t modseq = fixture_number(&f, "SELECT modseq FROM mailbox WHERE name = 'Inbox'");
    int64_t size = fixture_number(&f, "SELECT size FROM mailbox WHERE name = 'Inbox'");
    fixture_sql(&f, "UPDATE mailbox SET total = 9, unseen = 0, size = 1 WHERE name = 'Inbox'");
    fixture_reopen(&f); /* it adds up what the rows say */
    cr_assert(repair_counts(f.account, NULL, &f.err), "%s", f.err.detail);
    cr_expect(fixture_number(&f, "SELECT total FROM mailbox WHERE name = 'Inbox'") == 2);
    cr_expect(fixture_number(&f, "SELECT unseen FROM mailbox WHERE name = 'Inbox'") == 2);
    cr_expect(fixture_number(&f, "SELECT size FROM mailbox WHERE name = 'Inbox'") == size);
    cr_expect(fixture_number(&f, "SELECT modseq FROM mailbox WHERE name = 'Inbox'") > modseq);
    cr_expect(atomic_load(&f.account->used) == size);
    modseq = (int64_t)atomic_load(&f.account->modseq);
    cr_assert(repair_counts(f.account, NULL, &f.err));
    cr_expect((int64_t)atomic_load(&f.account->modseq) == modseq, "nothing was wrong any more");
    fixture_close(&f);
}

Test(repair, sizes_come_from_the_files)
{
    struct delivery d = fixture_deliver(&f, "Inbox", TEXT);
    fixture_deliver(&f, "Inbox", TEXT);
    struct layout_path path = account_message_path(f.account, d.message_id);
    cr_assert(unlink(path.text) == 0);
    int fd = open(path.text, O_CREAT | O_WRONLY, 0660);
    cr_assert(
        file_write_all(fd, STR("Subject: longer\r\n\r\nthan it was before, by some\r\n"), &f.err));
    close(fd);
    cr_assert(fixture_verify(&f) == 1);
    cr_assert(repair_sizes(f.account, NULL, &f.err), "%s", f.err.detail);
    cr_expect(fixture_number(&f, "SELECT size - prefix_size FROM entry WHERE uid = 1") == 48);
    cr_expect(
        fixture_number(&f, "SELECT count(*) FROM message WHERE preview LIKE 'than it was%'") == 1,
        "it was parsed again");
    fixture_close(&f);
}

static void check_mailbox(const char *what, uint64_t old_id, int64_t old_uidvalidity)
{
    cr_expect(fixture_number(&f, "SELECT id FROM mailbox WHERE name = 'Inbox'") > (int64_t)old_id,
              "%s: a new mailbox for sessions", what);
    cr_expect(fixture_number(&f, "SELECT uidvalidity FROM mailbox WHERE name = 'Inbox'") >
                  old_uidvalidity,
              "%s", what);
    cr_expect(fixture_verify(&f) == 0, "%s", what);
}

/* Spec 20 4.8: UIDs 5 and 9 become 1 and 2. */
Test(repair, uids_begin_at_1)
{
    int64_t id = fixture_number(&f, "SELECT id FROM mailbox WHERE name = 'Inbox'");
    int64_t uidvalidity = fixture_number(&f, "SELECT uidvalidity FROM mailbox WHERE id = 1");
    fixture_deliver(&f, "Inbox", TEXT);
    fixture_deliver(&f, "Inbox", TEXT);
    fixture_sql(&f, "UPDATE entry SET place = place + 7 WHERE uid = 2;"
                    "UPDATE entry SET place = place + 4 WHERE uid = 1;"
                    "UPDATE message SET uid = 9 WHERE uid = 2; UPDATE message SET uid = 5 WHERE "
                    "uid = 1; UPDATE mailbox SET uidnext = 10 WHERE name = 'Inbox'");
    cr_assert(repair_renew(f.account, STR("Inbox"), true, NULL, &f.err), "%s", f.err.detail);
    cr_expect(fixture_number(&f, "SELECT group_concat(uid) = '1,2' FROM entry") == 1);
    cr_expect(fixture_number(&f, "SELECT uidnext FROM mailbox WHERE name = 'Inbox'") == 3);
    check_mailbox("reassign-uids", (uint64_t)id, uidvalidity);
    fixture_deliver(&f, "Inbox", TEXT);
    cr_expect(fixture_number(&f, "SELECT max(uid) FROM entry") == 3);
    fixture_close(&f);
}

Test(repair, a_new_uidvalidity_keeps_everything_else)
{
    fixture_deliver(&f, "Inbox/below/it", TEXT);
    fixture_deliver(&f, "Inbox", TEXT);
    int64_t id = fixture_number(&f, "SELECT id FROM mailbox WHERE name = 'Inbox'");
    int64_t uidvalidity = fixture_number(&f, "SELECT max(uidvalidity) FROM mailbox");
    cr_assert(repair_renew(f.account, STR(""), false, NULL, &f.err), "%s", f.err.detail);
    check_mailbox("bump-uidvalidity", (uint64_t)id, uidvalidity);
    cr_expect(fixture_number(&f, "SELECT count(DISTINCT uidvalidity) = count(*) FROM mailbox") ==
              1);
    struct mailbox_op op = {.name = STR("After")};
    cr_assert(mailbox_create(f.account, STR_NULL, &op, &f.arena, &f.err), "%s", f.err.detail);
    cr_expect(fixture_number(&f, "SELECT count(DISTINCT id) = count(*) FROM mailbox") == 1);
    cr_expect(!repair_renew(f.account, STR("Nowhere"), false, NULL, &f.err));
    cr_expect(f.err.kind == ERR_NOT_FOUND);
    fixture_close(&f);
}

/* Spec 20 1.9: no view sees a message whose modseq is 0. */
Test(repair, a_new_uidvalidity_mends_modseqs_that_cannot_be)
{
    fixture_deliver(&f, "Inbox", TEXT);
    fixture_deliver(&f, "Inbox", TEXT);
    fixture_sql(&f, "UPDATE entry SET modseq = 0 WHERE uid = 1;"
                    "UPDATE entry SET modseq = 1000000 WHERE uid = 2");
    cr_expect(fixture_verify(&f) > 0);
    cr_assert(repair_renew(f.account, STR("Inbox"), false, NULL, &f.err), "%s", f.err.detail);
    cr_expect(fixture_verify(&f) == 0);
    cr_expect(fixture_number(&f, "SELECT min(modseq) FROM entry") == 1);
    cr_expect(fixture_pull(&f, "Inbox", 0).count == 2);
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_SEEN, UIDS(&f, 1));
    cr_expect(fixture_number(&f, "SELECT flags & 1 FROM entry WHERE uid = 1") == 1);
    fixture_close(&f);
}

Test(repair, next_uids_are_raised)
{
    fixture_deliver(&f, "Inbox", TEXT);
    fixture_deliver(&f, "Inbox", TEXT);
    fixture_sql(&f, "UPDATE mailbox SET uidnext = 1 WHERE name = 'Inbox';"
                    "UPDATE account SET next_uidvalidity = 1");
    cr_assert(fixture_verify(&f) > 0);
    cr_assert(repair_uids(f.account, NULL, &f.err), "%s", f.err.detail);
    cr_expect(fixture_number(&f, "SELECT uidnext FROM mailbox WHERE name = 'Inbox'") == 3);
    fixture_close(&f);
}
