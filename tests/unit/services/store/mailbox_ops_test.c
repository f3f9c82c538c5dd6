#include "fixture.h"

static struct fixture f;

static void setup(void)
{
    fixture_open(&f);
}
TestSuite(mailbox_ops, .init = setup);

static bool create(const char *name, const char *special_use)
{
    struct mailbox_op op = {.name = str_from_cstr(name), .special_use = str_from_cstr(special_use)};
    return mailbox_create(f.account, STR_NULL, &op, &f.arena, &f.err);
}

static bool delete_(const char *name)
{
    struct mailbox_op op = {.name = str_from_cstr(name)};
    return mailbox_delete(f.account, STR_NULL, &op, &f.arena, &f.err);
}

static bool rename_(const char *from, const char *to)
{
    struct mailbox_op op = {.name = str_from_cstr(from), .to = str_from_cstr(to)};
    return mailbox_rename(f.account, STR_NULL, &op, &f.arena, &f.err);
}

static bool subscribe(const char *name, bool on)
{
    struct mailbox_op op = {.name = str_from_cstr(name), .subscribe = on};
    return mailbox_subscribe(f.account, &op, &f.arena, &f.err);
}

/* Spec 20 2.10. */
Test(mailbox_ops, create_makes_parents)
{
    struct mailbox_op op = {.name = STR("a/b/c")};
    cr_assert(mailbox_create(f.account, STR_NULL, &op, &f.arena, &f.err));
    cr_assert(op.created.len == 3);
    cr_expect(str_eq(op.created.items[0], STR("a")) && str_eq(op.created.items[2], STR("a/b/c")));
    cr_expect(!create("a/b", "") && f.err.kind == ERR_CONFLICT);
    cr_expect(!create("inbox", "") && f.err.kind == ERR_STATE);
    cr_expect(create("inbox/x", "") && fixture_has_mailbox(&f, "Inbox/x"));
    cr_expect(!create("..", "") && f.err.kind == ERR_SYNTAX);
    fixture_close(&f);
}

/* Rights are asked of a mailbox, and names move. */
Test(mailbox_ops, a_name_that_became_another_mailboxs_is_refused)
{
    cr_assert(create("asked", "") && create("other", ""));
    struct mailbox_op named = {.name = STR("asked")};
    struct mailbox_op made = {.name = STR("asked/new/x")};
    cr_assert(mailbox_subscribe(f.account, &named, &f.arena, &f.err));
    struct mailbox_op asked = {.name = STR("asked/y")}; /* for the id */
    cr_assert(mailbox_create(f.account, STR_NULL, &asked, &f.arena, &f.err));
    named.checked_id = made.checked_parent_id = asked.mailbox_id;
    struct mailbox_op moved = {.name = STR("asked"), .to = STR("new"), .checked_id = 12345};
    cr_expect(!mailbox_delete(f.account, STR_NULL, &named, &f.arena, &f.err));
    cr_expect(f.err.kind == ERR_NOT_FOUND, "delete: %s", f.err.detail);
    cr_expect(!mailbox_create(f.account, STR_NULL, &made, &f.arena, &f.err));
    cr_expect(f.err.kind == ERR_NOT_FOUND, "create: %s", f.err.detail);
    cr_expect(!mailbox_rename(f.account, STR_NULL, &moved, &f.arena, &f.err));
    cr_expect(f.err.kind == ERR_NOT_FOUND, "rename: %s", f.err.detail);
    made.name = STR("asked/y/z");
    cr_expect(mailbox_create(f.account, STR_NULL, &made, &f.arena, &f.err), "%s", f.err.detail);
    cr_expect(fixture_has_mailbox(&f, "asked") && !fixture_has_mailbox(&f, "new"));
    fixture_close(&f);
}

Test(mailbox_ops, create_is_idempotent_by_key)
{
    struct mailbox_op op = {.name = STR("a/b")}, again = op;
    cr_assert(mailbox_create(f.account, STR("0123456789abcdef"), &op, &f.arena, &f.err));
    cr_assert(mailbox_create(f.account, STR("0123456789abcdef"), &again, &f.arena, &f.err));
    cr_expect(again.modseq == op.modseq && again.created.len == 2);
    cr_expect(str_eq(again.created.items[1], STR("a/b")));
    fixture_close(&f);
}

Test(mailbox_ops, a_role_has_one_mailbox)
{
    cr_assert(create("x", "\\Sent"));
    cr_expect(str_is_empty(fixture_pull(&f, "Sent", 0).mailbox.special_use));
    cr_expect(str_eq(fixture_pull(&f, "x", 0).mailbox.special_use, STR("\\Sent")));
    cr_expect(!create("y", "\\All") && f.err.kind == ERR_SYNTAX);
    fixture_close(&f);
}

/* Spec 20 1.3. */
Test(mailbox_ops, a_name_never_gets_an_old_uidvalidity)
{
    cr_assert(create("a", ""));
    uint32_t first = fixture_pull(&f, "a", 0).mailbox.uidvalidity;
    cr_assert(delete_("a") && create("a", ""));
    cr_expect(fixture_pull(&f, "a", 0).mailbox.uidvalidity > first);
    cr_assert(rename_("Trash", "old") && rename_("Archive", "Trash"));
    cr_expect(fixture_pull(&f, "Trash", 0).mailbox.uidvalidity >
                  fixture_pull(&f, "old", 0).mailbox.uidvalidity,
              "RFC 9051 2.3.1.1");
    fixture_close(&f);
}

/* Spec 20 2.11. */
Test(mailbox_ops, delete_expunges_and_keeps_the_subscription)
{
    struct delivery d = fixture_deliver(&f, "a", TEXT);
    fixture_deliver(&f, "b/c", TEXT);
    cr_expect(delete_("a"));
    cr_expect(!fixture_has_mailbox(&f, "a"));
    cr_expect(fixture_has_file(&f, d.message_id), "for those who still show it");
    cr_expect(!delete_("b") && f.err.kind == ERR_CONFLICT);
    cr_expect(!delete_("INBOX") && f.err.kind == ERR_STATE);
    cr_expect(!delete_("nope") && f.err.kind == ERR_NOT_FOUND);
    cr_expect(subscribe("a", false), "it was still subscribed");
    fixture_close(&f);
}

/* Spec 20 2.12. */
Test(mailbox_ops, rename_takes_children_along)
{
    fixture_deliver(&f, "a/b/c", TEXT);
    uint32_t uidvalidity = fixture_pull(&f, "a/b/c", 0).mailbox.uidvalidity;
    cr_assert(rename_("a/b", "x/y"), "%s", f.err.detail);
    cr_expect(fixture_has_mailbox(&f, "x") && fixture_has_mailbox(&f, "x/y"));
    cr_expect(fixture_has_mailbox(&f, "a") && !fixture_has_mailbox(&f, "a/b"));
    struct changes c = fixture_pull(&f, "x/y/c", 0);
    cr_expect(c.count == 1 && c.uid[0] == 1 && c.mailbox.uidvalidity == uidvalidity);
    cr_expect(!rename_("nope", "z") && f.err.kind == ERR_NOT_FOUND);
    cr_expect(!rename_("a", "x/y") && f.err.kind == ERR_CONFLICT);
    cr_expect(!rename_("a", "inbox") && f.err.kind == ERR_STATE);
    fixture_close(&f);
}

Test(mailbox_ops, rename_into_the_own_subtree)
{
    fixture_deliver(&f, "k/l/z", TEXT);
    fixture_deliver(&f, "k/l", TEXT);
    cr_assert(rename_("k/l", "k/l/m"), "%s", f.err.detail);
    cr_expect(fixture_pull(&f, "k/l", 0).count == 0, "made anew");
    cr_expect(fixture_pull(&f, "k/l/m", 0).count == 1);
    cr_expect(fixture_pull(&f, "k/l/m/z", 0).count == 1);
    fixture_close(&f);
}

Test(mailbox_ops, rename_of_inbox_moves_its_messages)
{
    for (int i = 0; i < 5; i++)
        fixture_deliver(&f, "Inbox", TEXT);
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_DELETED, UIDS(&f, 1, 3, 4));
    fixture_expunge(&f, "Inbox");
    cr_assert(create("Inbox/child", "") && rename_("inbox", "old"));
    struct changes old = fixture_pull(&f, "old", 0), inbox = fixture_pull(&f, "Inbox", 0);
    cr_expect(old.count == 2 && old.uid[0] == 1 && old.uid[1] == 2);
    cr_expect(inbox.count == 0 && inbox.mailbox.uidnext == 6);
    cr_expect(fixture_has_mailbox(&f, "Inbox/child"));
    fixture_close(&f);
}

/* Spec 20 2.13. */
Test(mailbox_ops, subscriptions_are_names)
{
    cr_expect(subscribe("nope", true) && subscribe("nope", false));
    cr_expect(!subscribe("nope", false) && f.err.kind == ERR_NOT_FOUND);
    cr_expect(subscribe("Trash", false) && subscribe("Trash", false));
    fixture_close(&f);
}
