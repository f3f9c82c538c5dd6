#include "fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

static struct fixture f;

static void setup(void)
{
    fixture_open(&f);
}
TestSuite(deliver, .init = setup);

/* Those of messages, not those that wait for one. */
static size_t count_files(struct fixture *fx)
{
    char command[128];
    size_t count = 0;
    snprintf(command, sizeof(command), "find %s/accounts/%d/msg -type f 2>/dev/null | wc -l",
             fx->data, FIXTURE_ACCOUNT);
    pthread_rwlock_wrlock(&fx->account->files_lock);
    ready_files_drop(fx->account);
    FILE *p = popen(command, "r");
    cr_assert(p && fscanf(p, "%zu", &count) == 1);
    pclose(p);
    pthread_rwlock_unlock(&fx->account->files_lock);
    return count;
}

Test(deliver, size_is_prefix_and_file)
{
    struct delivery d = {.message = {.prefix = STR("Received: x\r\n")}};
    cr_assert(fixture_try_deliver(&f, "Inbox", &d, TEXT), "%s", f.err.detail);
    struct changes c = fixture_pull(&f, "Inbox", 0);
    cr_assert(c.count == 1);
    cr_expect(c.size[0] == strlen(TEXT) + 13 && c.prefix_size[0] == 13 && c.uid[0] == 1);
    cr_expect(c.id[0] == d.message_id && c.modseq[0] == d.modseq && c.createseq[0] == d.modseq);
    cr_expect(c.mailbox.total == 1 && c.mailbox.unread == 1 && c.mailbox.unseen == 1);
    cr_expect(c.received_s[0] == 1700000000 && c.saved_s[0] > 1700000000);
    fixture_close(&f);
}

Test(deliver, a_missing_mailbox_is_made_with_its_parents_and_subscribed)
{
    fixture_deliver(&f, "Lists/foo", TEXT);
    cr_expect(fixture_has_mailbox(&f, "Lists") && fixture_has_mailbox(&f, "Lists/foo"));
    struct mailbox_op op = {.name = STR("Lists/foo")};
    cr_expect(mailbox_subscribe(f.account, &op, &f.arena, &f.err));
    cr_expect(mailbox_delete(f.account, STR_NULL, &op, &f.arena, &f.err), "%s", f.err.detail);
    fixture_close(&f);
}

Test(deliver, a_repeated_call_delivers_once)
{
    struct delivery first = {.key = STR("0123456789\0bcdef")}, again = first, other = first;
    cr_assert(fixture_try_deliver(&f, "Inbox", &first, TEXT));
    cr_assert(fixture_try_deliver(&f, "Inbox", &again, TEXT));
    cr_expect(again.uid == first.uid && again.message_id == first.message_id &&
              again.modseq == first.modseq);
    struct origin origin = {.rcpt_localpart = STR("b"), .rcpt_domain = STR("example.org")};
    other.message.origin = &origin;
    cr_assert(fixture_try_deliver(&f, "Inbox", &other, TEXT));
    cr_expect(other.uid == 2, "another recipient is another delivery");
    cr_expect(count_files(&f) == 2);
    fixture_close(&f);
}

/* Spec 20 1.16, 1.7. */
Test(deliver, over_quota_leaves_nothing_behind)
{
    struct delivery fits = {.quota_bytes = strlen(TEXT)}, over = fits;
    cr_expect(fixture_try_deliver(&f, "Inbox", &fits, TEXT), "exactly filling it is allowed");
    cr_expect(!fixture_try_deliver(&f, "Inbox", &over, TEXT) && f.err.kind == ERR_LIMIT);
    cr_expect(count_files(&f) == 1);
    fixture_close(&f);
}

Test(deliver, a_database_failure_leaves_no_file)
{
    fixture_sql(&f, "CREATE TRIGGER full BEFORE INSERT ON entry BEGIN"
                    " SELECT RAISE(ABORT, 'no'); END");
    struct delivery d = {.uid = 0};
    cr_expect(!fixture_try_deliver(&f, "Inbox", &d, TEXT));
    cr_expect(count_files(&f) == 0);
    fixture_sql(&f, "DROP TRIGGER full");
    fixture_deliver(&f, "Inbox", TEXT);
    fixture_close(&f);
}

/* As on a full disk: the write-ahead log cannot grow for a while. */
Test(deliver, a_disk_that_takes_no_more_is_a_temporary_failure)
{
    struct rlimit limit;
    size_t delivered = 0;
    cr_assert(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    signal(SIGXFSZ, SIG_IGN);
    fixture_deliver(&f, "Inbox", TEXT);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 200000;
    cr_assert(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    struct delivery d = {.uid = 0};
    while (delivered < 1000 && fixture_try_deliver(&f, "Inbox", &d, TEXT))
        delivered++;
    cr_expect(delivered < 1000 && f.err.kind == ERR_TEMPORARY, "%s", f.err.detail);
    cr_expect(count_files(&f) == delivered + 1);
    limit.rlim_cur = before;
    cr_assert(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    fixture_deliver(&f, "Inbox", TEXT);
    fixture_close(&f);
}

Test(deliver, bad_requests_are_refused)
{
    struct delivery d = {.uid = 0};
    cr_expect(!fixture_try_deliver(&f, "a//b", &d, TEXT) && f.err.kind == ERR_SYNTAX);
    d = (struct delivery){
        .mailbox = STR("Inbox"), .quota_bytes = 1000, .message = fixture_message(&f, STR(TEXT))};
    d.message.text = (struct message_text){.spool_name = STR("none"), .size = sizeof(TEXT) - 1};
    cr_expect(!deliver(f.account, &d, &f.arena, &f.err) && f.err.kind == ERR_NOT_FOUND, "%s",
              f.err.detail);
    d.message.text.spool_name = fixture_spool(&f, STR("another size"));
    cr_expect(!deliver(f.account, &d, &f.arena, &f.err) && f.err.kind == ERR_SYNTAX);
    fixture_close(&f);
}

Test(deliver, one_file_for_two_accounts_is_linked)
{
    struct account *other;
    struct stat st;
    struct delivery d = {.uid = 0};
    cr_assert(fixture_try_deliver(&f, "Inbox", &d, TEXT));
    cr_assert(account_open(&f.store, 8, &other, &f.err));
    struct delivery e = d;
    cr_assert(deliver(other, &e, &f.arena, &f.err));
    cr_expect(stat(account_message_path(other, e.message_id).text, &st) == 0 && st.st_nlink == 3);
    cr_expect(unlink(account_message_path(other, e.message_id).text) == 0);
    cr_expect(fixture_has_file(&f, d.message_id));
    account_release(other);
    fixture_close(&f);
}

Test(deliver, flags_and_keywords_are_kept)
{
    struct str words[] = {STR("work")};
    struct delivery d = {.message = {.flags = FLAG_SEEN, .keywords = {words, 1}}};
    cr_assert(fixture_try_deliver(&f, "Inbox", &d, TEXT));
    struct changes c = fixture_pull(&f, "Inbox", 0);
    cr_expect(c.flags[0] == FLAG_SEEN && c.mailbox.unseen == 0);
    cr_expect(c.keyword_count == 1 && c.keyword_end[0] == 1 && c.keyword_index[0] == 0);
    cr_expect(str_eq(c.mailbox.keywords, STR("work")));
    fixture_close(&f);
}

Test(deliver, masks_of_the_sender)
{
    struct origin origin = {.remote_ip = STR("192.0.2.77"), .tls_version = 1};
    struct delivery d = {.message = {.origin = &origin}};
    cr_assert(fixture_try_deliver(&f, "Inbox", &d, TEXT));
    cr_expect(fixture_number(&f, "SELECT count(*) FROM message WHERE tls_version = 1"
                                 " AND masked_ip1 = '192.0.2.77' AND masked_ip2 = '192.0.2.64'"
                                 " AND masked_ip3 = '192.0.0.0' AND hello IS NULL") == 1);
    fixture_close(&f);
}

/* Spec 20 1.3: it must not wrap. */
Test(deliver, a_mailbox_whose_uids_are_used_up_takes_no_more)
{
    fixture_sql(&f, "UPDATE mailbox SET uidnext = 4294967294 WHERE name = 'Inbox'");
    struct delivery d = fixture_deliver(&f, "Inbox", TEXT), over = {.uid = 0};
    cr_expect(d.uid == 4294967294);
    cr_expect(!fixture_try_deliver(&f, "Inbox", &over, TEXT) && f.err.kind == ERR_LIMIT);
    cr_expect(fixture_pull(&f, "Inbox", 0).mailbox.uidnext == 4294967295);
    fixture_close(&f);
}

/* Many at once: each gets its own UID, and nothing is lost. */
struct worker {
    struct fixture *f;
    struct arena arena;
    struct delivery deliveries[20];
    size_t failed;
};

static void *deliver_many(void *user)
{
    struct worker *w = user;
    struct err err;
    for (size_t i = 0; i < 20; i++)
        w->failed += !deliver(w->f->account, &w->deliveries[i], &w->arena, &err);
    return NULL;
}

Test(deliver, concurrent_deliveries_share_commits)
{
    pthread_t threads[8];
    struct worker *workers = calloc(8, sizeof(*workers));
    struct new_message message = fixture_message(&f, STR(TEXT));
    for (size_t t = 0; t < 8; t++) {
        workers[t].f = &f;
        arena_init(&workers[t].arena, 1 << 22);
        for (size_t i = 0; i < 20; i++)
            workers[t].deliveries[i] = (struct delivery){
                .mailbox = STR("Inbox"), .message = message, .quota_bytes = INT64_MAX};
    }
    for (size_t t = 0; t < 8; t++)
        pthread_create(&threads[t], NULL, deliver_many, &workers[t]);
    for (int i = 0; i < 5; i++)
        cr_expect(fixture_verify(&f) == 0, "the check sees no delivery half done");
    for (size_t t = 0; t < 8; t++) {
        pthread_join(threads[t], NULL);
        cr_expect(workers[t].failed == 0);
        arena_release(&workers[t].arena);
    }
    struct changes c = fixture_pull(&f, "Inbox", 0);
    cr_assert(c.count == 160 && c.uid[159] == 160);
    for (size_t i = 1; i < c.count; i++)
        cr_assert(c.modseq[i] > c.modseq[i - 1], "later UIDs have later modseqs");
    uint64_t commits, changes;
    db_group_counts(f.account->group, &commits, &changes);
    cr_expect(commits < changes, "%d commits of %d changes", (int)commits, (int)changes);
    free(workers);
    fixture_close(&f);
}
