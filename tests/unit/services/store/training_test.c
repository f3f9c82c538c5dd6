#include "fixture.h"

/* Spec 20 1.14: what the junk filter is to learn. */

static struct fixture f;
static struct filter filter;

static void setup(void)
{
    fixture_open(&f);
}

static void teardown(void)
{
    fixture_close(&f);
}

TestSuite(training, .init = setup, .fini = teardown);

static struct training_pull pull(uint64_t acknowledge)
{
    struct training_pull op = {.acknowledge = acknowledge, .limit = TRAINING_ROWS_MAX};
    cr_assert(training_pull(f.account, &op, &f.arena, &f.err), "%s", f.err.detail);
    return op;
}

static void expect_row(const struct training_pull *op, size_t i, uint64_t message_id,
                       enum trained_as from, enum trained_as to)
{
    cr_assert(i < op->len, "no row %zu", i);
    const struct training_row *row = &op->rows[i];
    cr_expect(row->message_id == message_id && row->from == from && row->to == to,
              "row %zu: message %d from %d to %d", i, (int)row->message_id, (int)row->from,
              (int)row->to);
}

Test(training, flags_say_as_what_a_message_is_known)
{
    static const struct {
        uint32_t flags;
        enum trained_as want;
    } rows[] = {
        {0, TRAINED_AS_NOTHING},
        {FLAG_SEEN | FLAG_JUNK, TRAINED_AS_JUNK},
        {FLAG_NOTJUNK | FLAG_DELETED, TRAINED_AS_NOT_JUNK},
        {FLAG_JUNK | FLAG_NOTJUNK, TRAINED_AS_NOTHING},
        {FLAG_PHISHING, TRAINED_AS_NOTHING},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_eq(training_of(rows[i].flags), rows[i].want, "flags %u", rows[i].flags);
}

Test(training, nothing_is_written_while_nobody_reads)
{
    fixture_deliver(&f, "Archive", TEXT);
    struct training_pull op = {.limit = 10};
    cr_expect(!training_pull(f.account, &op, &f.arena, &f.err));
    cr_expect_eq(f.err.kind, ERR_STATE, "%s", f.err.detail);
    cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM training"), 0);
}

Test(training, a_start_names_all_that_is_flagged)
{
    fixture_deliver(&f, "Inbox", TEXT);
    uint64_t ham = fixture_deliver(&f, "Archive", TEXT).message_id;
    uint64_t spam = fixture_deliver(&f, "Junk", TEXT).message_id;
    struct training_pull op = {.from_start = true, .limit = TRAINING_ROWS_MAX};
    cr_assert(training_pull(f.account, &op, &f.arena, &f.err), "%s", f.err.detail);
    cr_expect_eq(op.len, 2);
    expect_row(&op, 0, ham, TRAINED_AS_NOTHING, TRAINED_AS_NOT_JUNK);
    expect_row(&op, 1, spam, TRAINED_AS_NOTHING, TRAINED_AS_JUNK);
}

/* "+FLAGS ($Junk), then -FLAGS ($Junk) +$NotJunk, then expunge", with a reader that keeps up. */
Test(training, what_was_learnt_is_unlearnt)
{
    filter_start(&f, &filter);
    uint64_t id = fixture_deliver(&f, "Inbox", TEXT).message_id;
    cr_expect_eq(pull(0).len, 0, "Inbox is neutral");
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_JUNK, UIDS(&f, 1));
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_JUNK, UIDS(&f, 1));
    struct training_pull op = pull(0);
    cr_assert_eq(op.len, 1, "once, not twice");
    expect_row(&op, 0, id, TRAINED_AS_NOTHING, TRAINED_AS_JUNK);
    fixture_flag(&f, "Inbox", STORE_REPLACE, FLAG_NOTJUNK | FLAG_DELETED, UIDS(&f, 1));
    op = pull(op.rows[0].sequence);
    expect_row(&op, 0, id, TRAINED_AS_JUNK, TRAINED_AS_NOT_JUNK);
    fixture_expunge(&f, "Inbox");
    op = pull(op.rows[0].sequence);
    expect_row(&op, 0, id, TRAINED_AS_NOT_JUNK, TRAINED_AS_NOTHING);
    cr_expect_eq(pull(op.rows[0].sequence).len, 0);
}

Test(training, what_nobody_saw_is_one_row_or_none)
{
    filter_start(&f, &filter);
    uint64_t id = fixture_deliver(&f, "Archive", TEXT).message_id;
    struct copy moved;
    cr_assert(fixture_copy(&f, "Archive", "Junk", true, UIDS(&f, 1), &moved));
    struct training_pull op = {.limit = 0};
    cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM training"), 1);
    cr_assert(fixture_copy(&f, "Junk", "Inbox", true, UIDS(&f, 1), &moved));
    cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM training"), 0);
    cr_assert(fixture_copy(&f, "Inbox", "Junk", true, UIDS(&f, 1), &moved));
    op = pull(0);
    cr_expect_eq(op.len, 1);
    expect_row(&op, 0, id, TRAINED_AS_NOTHING, TRAINED_AS_JUNK);
}

Test(training, rows_that_were_given_out_stay_until_acknowledged)
{
    filter_start(&f, &filter);
    uint64_t id = fixture_deliver(&f, "Junk", TEXT).message_id;
    uint64_t first = pull(0).rows[0].sequence;
    fixture_flag(&f, "Junk", STORE_REMOVE, FLAG_JUNK, UIDS(&f, 1));
    fixture_flag(&f, "Junk", STORE_ADD, FLAG_NOTJUNK, UIDS(&f, 1));
    fixture_reopen(&f);
    struct training_pull op = pull(0);
    cr_assert_eq(op.len, 2);
    cr_expect_eq(op.rows[0].sequence, first);
    expect_row(&op, 0, id, TRAINED_AS_NOTHING, TRAINED_AS_JUNK);
    expect_row(&op, 1, id, TRAINED_AS_JUNK, TRAINED_AS_NOT_JUNK);
    op = pull(first);
    cr_assert_eq(op.len, 1);
    expect_row(&op, 0, id, TRAINED_AS_JUNK, TRAINED_AS_NOT_JUNK);
    op = (struct training_pull){.acknowledge = 0, .limit = 10};
    cr_expect(!training_pull(f.account, &op, &f.arena, &f.err) && f.err.kind == ERR_STATE,
              "what was acknowledged is gone");
}

Test(training, numbers_are_never_used_again)
{
    filter_start(&f, &filter);
    fixture_deliver(&f, "Junk", TEXT);
    uint64_t first = pull(0).rows[0].sequence;
    pull(first);
    filter_start(&f, &filter);
    cr_expect(filter.applied > first);
    filter_catch_up(&f, &filter, 1);
    filter_check(&f, &filter);
}

static void tend(void)
{
    f.config.erase_after_s = 0;
    cr_assert(account_tend(f.account, &f.err), "%s", f.err.detail);
    f.config.erase_after_s = 3600;
}

Test(training, a_text_waits_until_it_is_unlearnt)
{
    filter_start(&f, &filter);
    uint64_t id = fixture_deliver(&f, "Junk", TEXT).message_id;
    filter_catch_up(&f, &filter, 10);
    struct mailbox_op op = {.name = STR("Junk")};
    cr_assert(mailbox_delete(f.account, STR_NULL, &op, &f.arena, &f.err), "%s", f.err.detail);
    tend();
    cr_expect(fixture_has_file(&f, id));
    cr_expect(fixture_verify(&f) == 0);
    filter_catch_up(&f, &filter, 10);
    filter_check(&f, &filter);
    tend();
    cr_expect(!fixture_has_file(&f, id));
}

/* The disk would fill. */
Test(training, a_reader_is_given_up_when_too_much_waits_for_it)
{
    struct training_pull op = {.limit = 10};
    filter_start(&f, &filter);
    uint64_t id = fixture_deliver(&f, "Junk", TEXT).message_id;
    filter_catch_up(&f, &filter, 10);
    struct mailbox_op delete = {.name = STR("Junk")};
    cr_assert(mailbox_delete(f.account, STR_NULL, &delete, &f.arena, &f.err), "%s", f.err.detail);
    fixture_sql(&f, "UPDATE erase SET size = 70000000");
    fixture_reopen(&f);
    cr_assert(account_tend(f.account, &f.err), "%s", f.err.detail);
    cr_expect(!fixture_has_file(&f, id));
    cr_expect(!filter_pull(&f, &filter, &op) && f.err.kind == ERR_STATE);
    filter_start(&f, &filter);
}

Test(training, a_reader_that_stays_away_is_given_up)
{
    filter_start(&f, &filter);
    uint64_t id = fixture_deliver(&f, "Junk", TEXT).message_id;
    fixture_deliver(&f, "Archive", TEXT);
    filter_catch_up(&f, &filter, 10);
    fixture_flag(&f, "Junk", STORE_ADD, FLAG_DELETED, UIDS(&f, 1));
    fixture_expunge(&f, "Junk");
    fixture_sql(&f, "UPDATE erase SET expunged_s = expunged_s - 8 * 86400");
    tend();
    cr_expect(!fixture_has_file(&f, id));
    struct training_pull op = {.acknowledge = filter.applied, .limit = 10};
    cr_expect(!training_pull(f.account, &op, &f.arena, &f.err) && f.err.kind == ERR_STATE);
    filter_start(&f, &filter);
    filter_check(&f, &filter);
}

Test(training, many_flags_in_a_row)
{
    filter_start(&f, &filter);
    uint32_t uids[20];
    for (uint32_t i = 0; i < 20; i++) {
        fixture_deliver(&f, "Inbox", TEXT);
        uids[i] = i + 1;
    }
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_JUNK, fixture_uids(&f, uids, 20));
    filter_catch_up(&f, &filter, 7);
    filter_check(&f, &filter);
    cr_expect_eq(filter.rows, 20);
    fixture_flag(&f, "Inbox", STORE_REMOVE, FLAG_JUNK, fixture_uids(&f, uids + 5, 10));
    filter_catch_up(&f, &filter, 7);
    filter_check(&f, &filter);
    cr_expect_eq(filter.rows, 30);
}

Test(training, verification_sees_rows_that_lie)
{
    filter_start(&f, &filter);
    fixture_deliver(&f, "Junk", TEXT);
    cr_expect_eq(fixture_verify(&f), 0);
    fixture_sql(&f, "UPDATE training SET to_state = 2");
    cr_expect_eq(fixture_verify(&f), 1);
    fixture_sql(&f, "UPDATE training SET to_state = 1");
}
