#include "fixture.h"

static struct fixture f;

static void setup(void)
{
    fixture_open(&f);
}
TestSuite(accounts, .init = setup);

/* Spec 20 1.2. */
Test(accounts, a_new_account_has_six_mailboxes)
{
    static const char *const names[] = {"Inbox", "Archive", "Drafts", "Junk", "Sent", "Trash"};
    uint32_t uidvalidity = 0;
    for (size_t i = 0; i < 6; i++) {
        struct changes c = fixture_pull(&f, names[i], 0);
        cr_expect(c.mailbox.modseq == 2 && c.mailbox.uidnext == 1, "%s", names[i]);
        cr_expect(str_is_empty(c.mailbox.special_use) == (i == 0), "%s", names[i]);
        cr_expect(i == 0 || c.mailbox.uidvalidity == uidvalidity, "%s", names[i]);
        uidvalidity = c.mailbox.uidvalidity;
        struct mailbox_op op = {.name = str_from_cstr(names[i]), .subscribe = false};
        cr_assert(mailbox_subscribe(f.account, &op, &f.arena, &f.err));
        cr_expect(op.modseq > 2, "%s was not subscribed", names[i]);
    }
    fixture_close(&f);
}

Test(accounts, an_account_keeps_everything_when_reopened)
{
    struct delivery d = fixture_deliver(&f, "Inbox", TEXT);
    uint64_t before, after;
    cr_assert(account_used_bytes(f.account, &before, &f.err));
    fixture_reopen(&f);
    cr_assert(account_used_bytes(f.account, &after, &f.err));
    cr_expect(before == after && before == strlen(TEXT));
    struct delivery e = fixture_deliver(&f, "Inbox", TEXT);
    cr_expect(e.message_id > d.message_id && e.uid == 2 && e.modseq > d.modseq);
    fixture_close(&f);
}

Test(accounts, a_file_above_the_highest_id_is_never_overwritten)
{
    struct delivery d = fixture_deliver(&f, "Inbox", TEXT);
    struct layout_path stray = account_message_path(f.account, d.message_id + 5);
    close(open(stray.text, O_CREAT | O_WRONLY, 0660));
    fixture_reopen(&f);
    struct delivery e = fixture_deliver(&f, "Inbox", TEXT);
    cr_expect(e.message_id > d.message_id + 5);
    cr_expect(fixture_verify(&f) == 1, "the stray file is reported");
    fixture_discard(&f);
}

Test(accounts, the_lru_is_closed_when_there_are_too_many)
{
    f.config.open_accounts_max = 2;
    for (uint64_t id = 100; id < 110; id++) {
        struct account *a;
        cr_assert(account_open(&f.store, id, &a, &f.err), "%s", f.err.detail);
        account_release(a);
    }
    for (uint64_t id = 100; id < 110; id++) {
        struct account *a;
        cr_assert(account_open(&f.store, id, &a, &f.err), "%s", f.err.detail);
        account_release(a);
    }
    fixture_close(&f);
}

Test(accounts, an_account_is_removed_with_its_files)
{
    struct account *a;
    cr_assert(account_open(&f.store, 55, &a, &f.err));
    cr_expect(!account_remove(&f.store, 55, &f.err) && f.err.kind == ERR_STATE);
    account_release(a);
    cr_expect(account_remove(&f.store, 55, &f.err), "%s", f.err.detail);
    cr_expect(access(layout_account(f.settings.data, 55).text, F_OK) < 0);
    fixture_close(&f);
}

static void expunge_one(struct fixture *fx, struct delivery *d)
{
    *d = fixture_deliver(fx, "Inbox", TEXT);
    fixture_flag(fx, "Inbox", STORE_ADD, FLAG_DELETED, UIDS(fx, d->uid));
    cr_expect(fixture_expunge(fx, "Inbox").expunged.len == 1);
}

/* After a test that made texts that wait large. */
static void close_with_true_sizes(void)
{
    char sql[64];
    snprintf(sql, sizeof(sql), "UPDATE erase SET size = %zu", strlen(TEXT));
    fixture_sql(&f, sql);
    fixture_close(&f);
}

/* Spec 20 1.16: who deletes has room, though files stay for a while; the oldest not so long, when
 * they are too much. */
Test(accounts, expunging_makes_room_and_the_disk_does_not_fill)
{
    struct delivery d = {.quota_bytes = strlen(TEXT)}, more = d, later = d;
    cr_assert(fixture_try_deliver(&f, "Inbox", &d, TEXT));
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_DELETED, UIDS(&f, d.uid));
    cr_expect(fixture_expunge(&f, "Inbox").expunged.len == 1);
    cr_expect(fixture_try_deliver(&f, "Inbox", &more, TEXT), "%s", f.err.detail);
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_DELETED, UIDS(&f, more.uid));
    cr_expect(fixture_expunge(&f, "Inbox").expunged.len == 1);
    fixture_sql(&f, "UPDATE erase SET size = 40000000");
    fixture_sql(&f, "UPDATE erase SET expunged_s = expunged_s - 1 WHERE message_id ="
                    " (SELECT max(message_id) FROM erase)");
    fixture_reopen(&f);
    cr_expect(fixture_try_deliver(&f, "Inbox", &later, TEXT), "%s", f.err.detail);
    cr_assert(account_tend(f.account, &f.err), "%s", f.err.detail);
    cr_expect(!fixture_has_file(&f, more.message_id), "the oldest");
    cr_expect(fixture_has_file(&f, d.message_id));
    cr_assert(account_tend(f.account, &f.err), "%s", f.err.detail);
    cr_expect(fixture_has_file(&f, d.message_id), "no longer too much");
    close_with_true_sizes();
}

/* A quota above 64 MiB lets as much wait. */
Test(accounts, texts_up_to_the_quota_may_wait)
{
    struct delivery oldest, latest;
    expunge_one(&f, &oldest);
    expunge_one(&f, &latest);
    fixture_stop(&f);
    fixture_sql(&f, "UPDATE erase SET size = 40000000");
    fixture_sql(&f, "UPDATE erase SET expunged_s = expunged_s - 1 WHERE message_id ="
                    " (SELECT min(message_id) FROM erase)");
    f.config.quota_bytes = 80000000;
    fixture_start(&f);
    cr_assert(account_tend(f.account, &f.err), "%s", f.err.detail);
    cr_expect(fixture_has_file(&f, oldest.message_id), "just what the quota allows");
    f.config.quota_bytes--;
    cr_assert(account_tend(f.account, &f.err), "%s", f.err.detail);
    cr_expect(!fixture_has_file(&f, oldest.message_id), "a byte too much");
    cr_expect(fixture_has_file(&f, latest.message_id));
    close_with_true_sizes();
}

/* Nobody has to wait for the next time that the account is looked after. */
Test(accounts, too_much_that_waits_is_erased_soon)
{
    struct delivery d = fixture_deliver(&f, "Inbox", TEXT);
    fixture_stop(&f);
    fixture_sql(&f, "UPDATE entry SET size = 70000000");
    fixture_sql(&f, "UPDATE mailbox SET size = 70000000 WHERE name = 'Inbox'");
    fixture_start(&f);
    sleep(2); /* the thread looks into the account once at start: that must not be what erases */
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_DELETED, UIDS(&f, d.uid));
    cr_expect(fixture_expunge(&f, "Inbox").expunged.len == 1);
    for (int i = 0; i < 1000 && fixture_has_file(&f, d.message_id); i++)
        usleep(10000);
    cr_expect(!fixture_has_file(&f, d.message_id));
    fixture_close(&f);
}

/* Spec 20 1.9: sessions that still show a message can read it for a while. */
Test(accounts, expunged_messages_are_erased_after_the_grace_time)
{
    struct delivery d;
    uint64_t used;
    expunge_one(&f, &d);
    cr_assert(account_tend(f.account, &f.err));
    cr_expect(fixture_has_file(&f, d.message_id));
    cr_expect(account_used_bytes(f.account, &used, &f.err) && used == 0);
    f.config.erase_after_s = 0;
    cr_assert(account_tend(f.account, &f.err), "%s", f.err.detail);
    cr_expect(!fixture_has_file(&f, d.message_id));
    cr_expect(account_used_bytes(f.account, &used, &f.err) && used == 0);
    struct changes c = fixture_pull(&f, "Inbox", 2);
    cr_expect(c.vanished_count == 1 && c.vanished_uid[0] == d.uid);
    fixture_close(&f);
}

Test(accounts, pending_erasures_survive_a_restart_and_ids_are_not_reused)
{
    struct delivery d;
    expunge_one(&f, &d);
    f.config.erase_after_s = 0;
    fixture_reopen(&f);
    for (int i = 0; i < 600 && fixture_has_file(&f, d.message_id); i++)
        usleep(100 * 1000); /* the background does it at start */
    cr_expect(!fixture_has_file(&f, d.message_id));
    fixture_reopen(&f);
    cr_expect(fixture_deliver(&f, "Inbox", TEXT).message_id > d.message_id);
    fixture_close(&f);
}
