#include "services/store/change_log.h"
#include "tests/unit/services/store/fixture.h"

static struct change_log changes;
static struct arena arena;
static struct uids uids;

static void setup(void)
{
    change_log_init(&changes);
    arena_init(&arena, 1 << 20);
}

static void teardown(void)
{
    change_log_release(&changes);
    arena_release(&arena);
}

TestSuite(change_log, .init = setup, .fini = teardown);

Test(change_log, before_it_begins_nothing_is_known)
{
    change_log_add(&changes, 1, 1, 10);
    cr_expect_not(change_log_uids(&changes, 1, 9, &arena, &uids));
}

Test(change_log, uids_of_one_mailbox_ascend_and_come_once)
{
    changes.complete_above = 4;
    change_log_add(&changes, 1, 9, 5);
    change_log_add(&changes, 1, 3, 6);
    change_log_add(&changes, 2, 4, 6);
    change_log_add(&changes, 1, 9, 7);
    cr_assert(change_log_uids(&changes, 1, 4, &arena, &uids));
    cr_expect(uids.len == 2 && uids.items[0] == 3 && uids.items[1] == 9);
    cr_assert(change_log_uids(&changes, 1, 6, &arena, &uids));
    cr_expect(uids.len == 1 && uids.items[0] == 9);
    cr_assert(change_log_uids(&changes, 1, 7, &arena, &uids));
    cr_expect(uids.len == 0);
    cr_expect_not(change_log_uids(&changes, 1, 3, &arena, &uids), "it began later");
}

Test(change_log, what_is_too_old_is_forgotten_and_that_is_known)
{
    changes.complete_above = 0;
    for (uint32_t i = 1; i <= CHANGE_LOG_MAX + 1; i++)
        change_log_add(&changes, 1, i, i / 2 + 1); /* two with each modseq */
    uint64_t above = changes.complete_above;
    cr_assert(above > 0 && above < CHANGE_LOG_MAX);
    cr_expect_not(change_log_uids(&changes, 1, above - 1, &arena, &uids));
    cr_assert(change_log_uids(&changes, 1, above, &arena, &uids));
    for (uint32_t uid = 1; uid <= CHANGE_LOG_MAX + 1; uid++) {
        bool is_there = uids.len > 0 && uid >= uids.items[0];
        cr_expect_eq(is_there, uid / 2 + 1 > above, "UID %u", uid);
    }
}

Test(change_log, it_can_forget_what_is_too_much)
{
    change_log_forget(&changes, 3);
    cr_expect_eq(changes.complete_above, UINT64_MAX, "it knew nothing");
    changes.complete_above = 4;
    change_log_forget(&changes, 5);
    cr_expect_not(change_log_uids(&changes, 1, 4, &arena, &uids));
    for (uint32_t i = 6; i < 9; i++)
        change_log_add(&changes, 1, i, i);
    change_log_forget(&changes, 7);
    cr_expect_not(change_log_uids(&changes, 1, 6, &arena, &uids));
    cr_assert(change_log_uids(&changes, 1, 7, &arena, &uids));
    cr_expect(uids.len == 1 && uids.items[0] == 8);
}

/* The same is answered from the log and from the table. */
Test(change_log, a_reopened_account_scans_and_says_the_same)
{
    struct fixture f;
    fixture_open(&f);
    for (int i = 0; i < 6; i++)
        fixture_deliver(&f, "Inbox", TEXT);
    uint64_t since = fixture_pull(&f, "Inbox", 0).mailbox.modseq;
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_FLAGGED, UIDS(&f, 2, 5));
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_DELETED, UIDS(&f, 5));
    fixture_deliver(&f, "Inbox", TEXT);
    for (int round = 0; round < 2; round++) {
        struct changes c = fixture_pull(&f, "Inbox", since);
        cr_assert_eq(c.count, 3);
        cr_expect(c.uid[0] == 2 && c.uid[1] == 5 && c.uid[2] == 7 && !c.more);
        struct changes_request r = {.mailbox_id = c.mailbox.id, .since_modseq = since, .limit = 2};
        cr_assert(changes_read(f.account, &r, &f.arena, &c, &f.err));
        cr_expect(c.count == 2 && c.more && c.last_uid == 5);
        r.from_uid = 5;
        cr_assert(changes_read(f.account, &r, &f.arena, &c, &f.err));
        cr_expect(c.count == 1 && !c.more && c.uid[0] == 7);
        fixture_reopen(&f);
    }
    fixture_close(&f);
}

/* Doubles the messages of Inbox until there are `count`. */
static void fill_inbox(struct fixture *f, size_t count)
{
    struct copy op;
    for (struct changes c = fixture_pull(f, "Inbox", 0); c.count < count;
         c = fixture_pull(f, "Inbox", 0)) {
        struct uids uids = {c.uid, c.count};
        cr_assert(fixture_copy(f, "Inbox", "Trash", false, uids, &op), "%s", f->err.detail);
        cr_assert(fixture_copy(f, "Trash", "Inbox", true, op.copied, &op), "%s", f->err.detail);
    }
}

/* What one change of very many messages leaves, asked for before, after and between others. */
Test(change_log, a_change_of_more_than_it_keeps_is_told_whole)
{
    struct fixture f;
    fixture_open(&f);
    for (int i = 0; i < 70; i++)
        fixture_deliver(&f, "Inbox", TEXT);
    fill_inbox(&f, CHANGE_LOG_MAX + 1);
    struct changes all = fixture_pull(&f, "Inbox", 0);
    struct uids uids = {all.uid, all.count};
    uint64_t before = all.mailbox.modseq;
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_FLAGGED, UIDS(&f, all.uid[1], all.uid[3]));
    uint64_t between = fixture_pull(&f, "Inbox", before).mailbox.modseq;
    uint64_t many = fixture_flag(&f, "Inbox", STORE_ADD, FLAG_FLAGGED, uids).modseq;
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_SEEN, UIDS(&f, all.uid[5]));
    cr_expect_eq(fixture_flag(&f, "Inbox", STORE_ADD, FLAG_FLAGGED, uids).modseq, many + 1,
                 "nothing changed");
    for (int round = 0; round < 2; round++) {
        struct changes c = fixture_pull(&f, "Inbox", before);
        cr_expect(c.count == all.count && !c.more);
        c = fixture_pull(&f, "Inbox", between);
        cr_expect(c.count == all.count - 2 && c.uid[0] == all.uid[0] && c.uid[1] == all.uid[2]);
        c = fixture_pull(&f, "Inbox", many);
        cr_expect(c.count == 1 && c.uid[0] == all.uid[5]);
        fixture_reopen(&f);
    }
    fixture_close(&f);
}
