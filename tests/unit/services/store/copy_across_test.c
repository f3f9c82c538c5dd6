#include "fixture.h"

#include "services/store/backup_cut.h"
#include "services/store/copy_across.h"
#include "services/store/leaving.h"

#include <signal.h>
#include <sys/wait.h>

/*
 * Moves between two accounts: a message is in one of them, whatever ends the process.
 */

#define OTHER (FIXTURE_ACCOUNT + 1)
#define MESSAGES 40

static struct fixture f;
static struct account *other;

static void open_other(void)
{
    cr_assert(account_open(&f.store, OTHER, &other, &f.err), "%s", f.err.detail);
}

static void setup(void)
{
    fixture_open(&f);
    open_other();
}

static void teardown(void)
{
    account_release(other);
    fixture_close(&f);
}
TestSuite(copy_across, .init = setup, .fini = teardown);

static struct copy move_of(struct account *from, struct uids uids)
{
    struct changes c;
    struct changes_request r = {.name = STR("Inbox")};
    cr_assert(changes_read(from, &r, &f.arena, &c, &f.err), "%s", f.err.detail);
    return (struct copy){.mailbox_id = c.mailbox.id,
                         .to = STR("Inbox"),
                         .move = true,
                         .uids = uids,
                         .quota_bytes = INT64_MAX};
}

static size_t messages_in(struct account *account)
{
    struct changes c;
    struct changes_request r = {.name = STR("Inbox")};
    cr_assert(changes_read(account, &r, &f.arena, &c, &f.err), "%s", f.err.detail);
    return c.mailbox.total + c.mailbox.deleted;
}

static struct copy move(struct account *from, struct account *to, const char *key, struct uids uids)
{
    struct copy op = move_of(from, uids);
    cr_assert(copy_across(from, to, str_from_cstr(key), &op, &f.arena, &f.err), "%s", f.err.detail);
    return op;
}

Test(copy_across, what_moves_is_there_and_no_longer_here)
{
    for (int i = 0; i < 3; i++)
        fixture_deliver(&f, "Inbox", TEXT);
    struct copy op = move(f.account, other, "0123456789abcdef", UIDS(&f, 1, 3, 9));
    cr_expect(op.source.len == 2 && op.copied.len == 2);
    cr_expect_eq(messages_in(f.account), 1);
    cr_expect_eq(messages_in(other), 2);
    cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM leaving"), 0);
}

Test(copy_across, a_repeated_move_says_what_the_first_did)
{
    fixture_deliver(&f, "Inbox", TEXT);
    struct copy first = move(f.account, other, "0123456789abcdef", UIDS(&f, 1));
    struct copy again = move(f.account, other, "0123456789abcdef", UIDS(&f, 1));
    cr_expect(again.source.len == 1 && again.source.items[0] == 1);
    cr_expect(again.copied.len == 1 && again.copied.items[0] == first.copied.items[0]);
    cr_expect_eq(messages_in(other), 1);
}

Test(copy_across, a_move_needs_a_key)
{
    fixture_deliver(&f, "Inbox", TEXT);
    struct copy op = move_of(f.account, UIDS(&f, 1));
    cr_expect(!copy_across(f.account, other, STR_NULL, &op, &f.arena, &f.err));
    cr_expect_eq(f.err.kind, ERR_SYNTAX);
    cr_expect_eq(messages_in(f.account), 1);
}

/* The halves of a move that is killed before the copies, and after them. */
static void move_half(const char *key, uint32_t uid, bool copies)
{
    struct copy op = move_of(f.account, UIDS(&f, uid));
    struct leaving leaving = {.key = str_from_cstr(key),
                              .to_account_id = OTHER,
                              .mailbox_id = op.mailbox_id,
                              .uids = op.uids};
    op.move = false;
    cr_assert(leaving_note(f.account, &leaving, &f.err), "%s", f.err.detail);
    cr_assert(!copies || copy_across(f.account, other, leaving.key, &op, &f.arena, &f.err), "%s",
              f.err.detail);
}

static void reopen(void)
{
    account_release(other);
    fixture_reopen(&f);
    open_other();
}

Test(copy_across, what_has_arrived_leaves_when_the_account_is_opened)
{
    fixture_deliver(&f, "Inbox", TEXT);
    fixture_deliver(&f, "Inbox", TEXT);
    move_half("arrived-arrived-", 1, true);
    move_half("never-copied----", 2, false);
    reopen();
    struct changes c = fixture_pull(&f, "Inbox", 0);
    cr_expect_eq(c.mailbox.total, 1);
    cr_expect_eq(fixture_number(&f, "SELECT uid FROM entry"), 2);
    cr_expect_eq(messages_in(other), 1);
    cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM leaving"), 0);
}

/* Such as after a full disk: without the process having ended. */
Test(copy_across, the_next_move_ends_what_the_last_left)
{
    fixture_deliver(&f, "Inbox", TEXT);
    fixture_deliver(&f, "Inbox", TEXT);
    move_half("arrived-arrived-", 1, true);
    struct copy op = move(f.account, other, "0123456789abcdef", UIDS(&f, 1, 2));
    cr_expect(op.source.len == 1 && op.source.items[0] == 2);
    cr_expect_eq(messages_in(f.account), 0);
    cr_expect_eq(messages_in(other), 2);
}

Test(copy_across, what_does_not_fit_there_stays_here)
{
    fixture_deliver(&f, "Inbox", TEXT);
    struct copy op = move_of(f.account, UIDS(&f, 1));
    op.quota_bytes = 1;
    cr_expect(!copy_across(f.account, other, STR("0123456789abcdef"), &op, &f.arena, &f.err));
    cr_expect_eq(f.err.kind, ERR_LIMIT);
    cr_expect_eq(messages_in(f.account), 1);
    cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM leaving"), 0);
}

Test(copy_across, a_lost_text_is_damage_and_leaves_nothing_there)
{
    struct findings findings;
    fixture_deliver(&f, "Inbox", TEXT);
    struct delivery lost = fixture_deliver(&f, "Inbox", TEXT);
    struct layout_path path = account_message_path(f.account, lost.message_id);
    struct layout_path aside = path;
    strcat(aside.text, ".aside");
    cr_assert_eq(rename(path.text, aside.text), 0);
    struct copy op = move_of(f.account, UIDS(&f, 1, 2));
    cr_expect(!copy_across(f.account, other, STR("0123456789abcdef"), &op, &f.arena, &f.err));
    cr_expect_eq(f.err.kind, ERR_CORRUPT);
    cr_assert_eq(rename(aside.text, path.text), 0);
    cr_expect_eq(messages_in(f.account), 2);
    cr_expect_eq(messages_in(other), 0);
    findings_init(&findings, &f.arena);
    cr_expect(verify_account(other, &findings, &f.err) && findings.lines.len == 0);
    findings_release(&findings);
}

/* While the other account cannot be read nothing is known: the message stays, and so does the note.
 */
Test(copy_across, a_note_waits_for_an_account_that_cannot_be_read)
{
    fixture_deliver(&f, "Inbox", TEXT);
    move_half("arrived-arrived-", 1, true);
    account_release(other);
    fixture_stop(&f);
    struct layout_path path = layout_account_db(f.settings.data, OTHER);
    struct layout_path aside = path;
    strcat(aside.text, ".aside");
    cr_assert(rename(path.text, aside.text) == 0 && mkdir(path.text, 0700) == 0);
    fixture_start(&f);
    cr_expect_eq(messages_in(f.account), 1);
    cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM leaving"), 1);
    cr_assert(rmdir(path.text) == 0 && rename(aside.text, path.text) == 0);
    cr_assert(account_tend(f.account, &f.err), "%s", f.err.detail);
    open_other();
    cr_expect_eq(messages_in(f.account), 0);
    cr_expect_eq(messages_in(other), 1);
}

/* ---- Beside a backup */

static void copy_to_backup(uint64_t account)
{
    backup_cut_copy_begin(f.store.backup_cut, account);
    backup_cut_copy_end(f.store.backup_cut);
}

static void expect_refused(struct account *from, struct account *to)
{
    struct copy op = move_of(from, UIDS(&f, 1));
    cr_expect(!copy_across(from, to, STR("refused-refused-"), &op, &f.arena, &f.err));
    cr_expect(f.err.kind == ERR_STATE &&
              str_starts_with(str_from_cstr(f.err.reply), STR("[INUSE]")));
    op.move = false;
    cr_expect(copy_across(from, to, STR_NULL, &op, &f.arena, &f.err), "a copy may");
}

Test(copy_across, nothing_moves_from_one_side_of_a_backup_to_the_other)
{
    static const uint64_t both[] = {FIXTURE_ACCOUNT, OTHER};
    f.store.backup_cut = backup_cut_new();
    for (int i = 0; i < 3; i++)
        fixture_deliver(&f, "Inbox", TEXT);
    backup_cut_open(f.store.backup_cut, both, 2);
    move(f.account, other, "neither-is-copied", UIDS(&f, 1));
    copy_to_backup(FIXTURE_ACCOUNT);
    expect_refused(other, f.account);
    expect_refused(f.account, other);
    copy_to_backup(OTHER);
    move(f.account, other, "both-are-copied-", UIDS(&f, 2));
    backup_cut_close(f.store.backup_cut);
    move(f.account, other, "nothing-is-copied", UIDS(&f, 3));
    backup_cut_free(f.store.backup_cut);
    f.store.backup_cut = NULL;
}

/* ---- kill -9 */

#define ROUNDS 16

static void move_until_killed(unsigned round)
{
    fixture_start(&f);
    open_other();
    for (unsigned n = 0;; n++) {
        char key[17];
        snprintf(key, sizeof(key), "%08x%08x", round, n);
        struct account *from = n % 2 == 0 ? f.account : other;
        struct changes c;
        struct changes_request r = {.name = STR("Inbox")};
        cr_assert(changes_read(from, &r, &f.arena, &c, &f.err));
        move(from, from == other ? f.account : other, key, (struct uids){c.uid, c.count});
    }
}

static void kill_in_a_move(unsigned round)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        move_until_killed(round);
        _exit(0);
    }
    cr_assert(child > 0);
    usleep(100000 + round * 7919);
    kill(child, SIGKILL);
    int status;
    cr_assert(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
}

Test(copy_across, a_killed_move_leaves_each_message_in_one_account)
{
    for (int i = 0; i < MESSAGES; i++)
        fixture_deliver(&f, "Inbox", TEXT);
    for (unsigned round = 0; round < ROUNDS; round++) {
        account_release(other);
        fixture_stop(&f);
        kill_in_a_move(round);
        fixture_start(&f);
        open_other();
        cr_expect_eq(messages_in(f.account) + messages_in(other), MESSAGES, "round %u: %zu and %zu",
                     round, messages_in(f.account), messages_in(other));
    }
}
