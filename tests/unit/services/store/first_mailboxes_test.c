#include "fixture.h"

#include "services/store/mailbox.h"

#define OTHER_ACCOUNT 8

static struct fixture f;

static void setup(void)
{
    fixture_open(&f);
}

static void teardown(void)
{
    fixture_close(&f);
}

TestSuite(first_mailboxes, .init = setup, .fini = teardown);

static bool has(struct account *account, const char *name, const char *special_use)
{
    struct mailbox m;
    struct db *db;
    cr_assert(account_read_begin(account, &db, &f.err), "%s", f.err.detail);
    bool found = mailbox_by_name(db, str_from_cstr(name), &f.arena, &m, &f.err);
    account_read_end(account, db);
    return found && str_eq(m.special_use, str_from_cstr(special_use));
}

Test(first_mailboxes, are_those_of_the_configuration_and_what_they_stand_below)
{
    struct str further[] = {STR("Lists/C"), STR("Lists")};
    struct account *account;
    f.config.mailbox_archive = STR("Mail/Old/Archive"); /* before the role of what it is below */
    f.config.mailbox_sent = STR("Mail");
    f.config.mailboxes = (struct str_list){further, ARRAY_LEN(further)};
    cr_assert(account_open(&f.store, OTHER_ACCOUNT, &account, &f.err), "%s", f.err.detail);
    cr_expect(has(account, "Inbox", ""));
    cr_expect(has(account, "Mail", "\\Sent"));
    cr_expect(has(account, "Mail/Old", ""));
    cr_expect(has(account, "Mail/Old/Archive", "\\Archive"));
    cr_expect(has(account, "Lists", "") && has(account, "Lists/C", ""));
    cr_expect_not(has(account, "Junk", "\\Junk"), "an empty name is none");
    account_release(account);
}

Test(first_mailboxes, are_the_usual_ones_when_none_is_named)
{
    cr_expect(has(f.account, "Archive", "\\Archive") && has(f.account, "Drafts", "\\Drafts"));
    cr_expect(has(f.account, "Junk", "\\Junk") && has(f.account, "Sent", "\\Sent"));
    cr_expect(has(f.account, "Trash", "\\Trash") && has(f.account, "Inbox", ""));
}
