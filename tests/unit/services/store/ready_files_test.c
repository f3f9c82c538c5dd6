#include "tests/unit/services/store/fixture.h"

static struct fixture f;

static void setup(void)
{
    fixture_open(&f);
}

TestSuite(ready_files, .init = setup);

static size_t ready_count(void)
{
    pthread_mutex_lock(&f.account->ready.lock);
    size_t count = f.account->ready.ids.len;
    pthread_mutex_unlock(&f.account->ready.lock);
    return count;
}

/* Delivers until some are made; each second message comes with its content, and asks. */
static void make_some(void)
{
    for (int i = 0; i < 4; i++)
        fixture_deliver(&f, "Inbox", TEXT);
    for (int i = 0; ready_count() == 0; i++) {
        cr_assert_lt(i, 30000, "none is made");
        usleep(1000);
    }
}

static struct delivery deliver_content(void)
{
    f.texts |= 1;
    return fixture_deliver(&f, "Inbox", TEXT);
}

Test(ready_files, the_first_message_asks_for_none)
{
    deliver_content();
    cr_expect_eq(f.account->ready.batch, 2);
    cr_expect_not(f.account->ready.is_asked_for);
    fixture_close(&f);
}

Test(ready_files, a_delivery_takes_one_and_writes_its_text)
{
    make_some();
    uint64_t expected = array_last(&f.account->ready.ids);
    cr_expect(fixture_has_file(&f, expected));
    struct delivery d = deliver_content();
    cr_expect_eq(d.message_id, expected);
    struct str text;
    cr_assert(file_read(account_message_path(f.account, d.message_id).text, 1000, &f.arena, &text,
                        &f.err));
    cr_expect(str_eq(text, STR(TEXT)));
    fixture_close(&f);
}

Test(ready_files, a_busy_account_gets_more_and_no_id_is_given_twice)
{
    uint64_t ids[300];
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        ids[i] = fixture_deliver(&f, "Inbox", TEXT).message_id;
        for (size_t j = 0; j < i; j++)
            cr_assert_neq(ids[i], ids[j]);
    }
    cr_expect_gt(f.account->ready.batch, 4);
    fixture_close(&f);
}

Test(ready_files, a_change_that_fails_gives_its_file_up)
{
    make_some();
    uint64_t id = array_last(&f.account->ready.ids);
    struct delivery d = {.quota_bytes = 1};
    f.texts |= 1;
    cr_assert_not(fixture_try_deliver(&f, "Inbox", &d, TEXT));
    cr_expect_eq(f.err.kind, ERR_LIMIT);
    cr_expect_not(fixture_has_file(&f, id));
    fixture_close(&f);
}

Test(ready_files, closing_and_verifying_remove_them)
{
    make_some();
    uint64_t id = array_last(&f.account->ready.ids);
    cr_expect_eq(fixture_verify(&f), 0);
    cr_expect_not(fixture_has_file(&f, id));
    make_some();
    id = array_last(&f.account->ready.ids);
    fixture_reopen(&f);
    cr_expect_not(fixture_has_file(&f, id));
    fixture_close(&f);
}
