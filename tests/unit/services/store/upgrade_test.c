#include "fixture.h"

#include "services/store/annotations.h"
#include "services/store/upgrade.h"

static struct fixture f;

static void setup(void)
{
    fixture_open(&f);
}
TestSuite(upgrade, .init = setup);

static uint64_t deliver_one(const char *headers)
{
    char text[1024];
    struct delivery d = {.message = {.received_s = 1700000000}};
    snprintf(text, sizeof(text), "%s\r\nbody\r\n", headers);
    cr_assert(fixture_try_deliver(&f, "Inbox", &d, text), "%s", f.err.detail);
    return d.message_id;
}

static int64_t thread_of(uint64_t id)
{
    char sql[128];
    snprintf(sql, sizeof(sql), "SELECT thread_id FROM message WHERE id = %d", (int)id);
    return fixture_number(&f, sql);
}

static int64_t version_of(enum upgrade_kind kind)
{
    char sql[128];
    snprintf(sql, sizeof(sql), "SELECT version FROM upgrade WHERE kind = %d", kind);
    return fixture_number(&f, sql);
}

static void run(enum upgrade_kind kind, bool again)
{
    cr_assert(upgrade_run(f.account, kind, again, NULL, &f.err), "%s", f.err.detail);
}

/* What an account of an older parser has. */
#define OLD_STRUCTURES                                                                             \
    "UPDATE message SET preview = 'old', structure = x'';"                                         \
    "UPDATE upgrade SET version = 1, at = 0 WHERE kind = 1"
/* And of a time before threads. */
#define NO_THREADS                                                                                 \
    "UPDATE message SET thread_id = 0, parents = NULL, message_id = NULL, message_id_hash = NULL," \
    " subject_base = NULL, subject_hash = NULL; UPDATE upgrade SET version = 0 WHERE kind = 2"

Test(upgrade, old_structures_are_parsed_again)
{
    for (int i = 0; i < 3; i++)
        fixture_deliver(&f, "Inbox", TEXT);
    int64_t bytes = fixture_number(&f, "SELECT sum(length(structure)) FROM message");
    fixture_sql(&f, OLD_STRUCTURES);
    fixture_reopen(&f);
    run(UPGRADE_STRUCTURE, false);
    cr_expect(fixture_number(&f, "SELECT sum(length(structure)) FROM message") == bytes);
    cr_expect(fixture_number(&f, "SELECT count(*) FROM message WHERE preview = 'old'") == 0);
    cr_expect(version_of(UPGRADE_STRUCTURE) == STRUCTURE_VERSION);
    fixture_close(&f);
}

Test(upgrade, a_new_account_has_nothing_old)
{
    cr_expect(version_of(UPGRADE_STRUCTURE) == STRUCTURE_VERSION);
    fixture_close(&f);
}

/* Steps of the schema, taken back: each newer one belongs here. */
#define BEFORE_PLACES                                                                              \
    "CREATE TABLE former (mailbox_id INTEGER NOT NULL, uid INTEGER NOT NULL, id INTEGER NOT NULL," \
    " modseq INTEGER NOT NULL, createseq INTEGER NOT NULL, flags INTEGER NOT NULL, keywords BLOB," \
    " size INTEGER NOT NULL, prefix_size INTEGER NOT NULL, received_s INTEGER NOT NULL,"           \
    " saved_s INTEGER, zone INTEGER NOT NULL, PRIMARY KEY (mailbox_id, uid)) WITHOUT ROWID;"       \
    "INSERT INTO former SELECT mailbox_id, uid, id, modseq, createseq, flags, keywords, size,"     \
    " prefix_size, received_s, saved_s, zone FROM entry;"                                          \
    "DROP TABLE entry; ALTER TABLE former RENAME TO entry;"
#define BEFORE_LEAVING BEFORE_PLACES "DROP TABLE leaving;"
#define BEFORE_MESSAGES_MODSEQ BEFORE_LEAVING "ALTER TABLE mailbox DROP COLUMN messages_modseq;"

static void take_back(const char *steps, int count)
{
    char sql[2048];
    int64_t schema = fixture_number(&f, "PRAGMA user_version");
    snprintf(sql, sizeof(sql), "%s PRAGMA user_version = %d", steps, (int)schema - count);
    fixture_stop(&f);
    fixture_sql(&f, sql);
    fixture_start(&f);
    cr_expect_eq(fixture_number(&f, "PRAGMA user_version"), schema);
}

Test(upgrade, a_mailbox_of_an_earlier_version_has_the_modseq_of_its_messages)
{
    fixture_deliver(&f, "Inbox", TEXT);
    take_back(BEFORE_MESSAGES_MODSEQ, 3);
    cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM mailbox WHERE messages_modseq <> modseq"),
                 0);
    struct annotation one = {.name = STR("/shared/comment"), .value = STR("x")};
    struct annotate op = {.mailbox = STR("Inbox"), .items = &one, .count = 1};
    cr_assert(annotate(f.account, STR_NULL, &op, &f.arena, &f.err), "%s", f.err.detail);
    cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM mailbox WHERE messages_modseq < modseq"),
                 1);
    fixture_deliver(&f, "Inbox", TEXT);
    cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM mailbox WHERE messages_modseq < modseq"),
                 0);
    fixture_close(&f);
}

#define ALL_COLUMNS                                                                                \
    "SELECT sum(mailbox_id * 3 + uid * 5 + id * 7 + modseq * 11 + createseq * 13 + flags * 17"     \
    " + ifnull(length(keywords), 1) * 19 + size * 23 + prefix_size * 29 + received_s * 31"         \
    " + ifnull(saved_s, 2) * 37 + zone * 41) FROM entry"

Test(upgrade, messages_of_an_earlier_version_are_where_they_were)
{
    struct copy copied;
    for (int i = 0; i < 5; i++)
        fixture_deliver(&f, "Inbox", TEXT);
    cr_assert(fixture_copy(&f, "Inbox", "Archive", false, UIDS(&f, 2, 4), &copied));
    fixture_flag(&f, "Archive", STORE_ADD, FLAG_SEEN | FLAG_DELETED, UIDS(&f, 2));
    int64_t sum = fixture_number(&f, ALL_COLUMNS);
    take_back(BEFORE_PLACES, 1);
    cr_expect_eq(fixture_number(&f, ALL_COLUMNS), sum);
    struct changes c = fixture_pull(&f, "Archive", 0);
    cr_expect(c.count == 2 && c.uid[0] == 1 && c.uid[1] == 2);
    cr_expect_eq(fixture_expunge(&f, "Archive").expunged.len, 1);
    fixture_close(&f);
}

/* A step is whole or not at all, and the next one goes on behind it. */
Test(upgrade, it_goes_on_where_it_was)
{
    for (int i = 0; i < 4; i++)
        fixture_deliver(&f, "Inbox", TEXT);
    fixture_sql(&f, OLD_STRUCTURES);
    fixture_sql(&f, "UPDATE upgrade SET at = (SELECT min(id) + 1 FROM message) WHERE kind = 1");
    fixture_reopen(&f);
    run(UPGRADE_STRUCTURE, false);
    cr_expect(fixture_number(&f, "SELECT count(*) FROM message WHERE preview = 'old'") == 2);
    run(UPGRADE_STRUCTURE, true);
    cr_expect(fixture_number(&f, "SELECT count(*) FROM message WHERE preview = 'old'") == 0);
    fixture_close(&f);
}

Test(upgrade, a_file_that_is_gone_keeps_nobody_from_the_rest)
{
    struct delivery lost = fixture_deliver(&f, "Inbox", TEXT);
    fixture_deliver(&f, "Inbox", TEXT);
    cr_assert(unlink(account_message_path(f.account, lost.message_id).text) == 0);
    fixture_sql(&f, "UPDATE message SET preview = 'old'");
    run(UPGRADE_STRUCTURE, true);
    cr_expect(fixture_number(&f, "SELECT count(*) FROM message WHERE preview = 'old'") == 1);
    fixture_discard(&f);
}

/* Spec 20 1.22: usable at once, deliveries work, later every message has a thread. */
Test(upgrade, threads_are_found_in_an_account_without)
{
    uint64_t m0 = deliver_one("Message-ID: <m0@x>\r\nSubject: test\r\n");
    uint64_t m1 = deliver_one("Message-ID: <m1@x>\r\nReferences: <m0@x>\r\nSubject: Re: test\r\n");
    uint64_t alone = deliver_one("Message-ID: <m2@x>\r\nSubject: other\r\n");
    uint64_t reply = deliver_one("Subject: Re: test\r\n");
    fixture_sql(&f, NO_THREADS);
    fixture_reopen(&f);
    uint64_t late =
        deliver_one("Message-ID: <m3@x>\r\nReferences: <m1@x>\r\nSubject: re: test\r\n");
    run(UPGRADE_THREADS, false);
    cr_expect(thread_of(m0) == (int64_t)m0 && thread_of(m1) == (int64_t)m0);
    cr_expect(thread_of(alone) == (int64_t)alone);
    cr_expect(thread_of(reply) == (int64_t)m0);
    cr_expect(thread_of(late) == (int64_t)m0, "it came while there were no threads");
    cr_expect(version_of(UPGRADE_THREADS) == UPGRADE_THREADS_DONE);
    fixture_close(&f);
}

/* Spec 20 1.18: parents that came later, and circles. */
Test(upgrade, parents_may_come_after_their_children)
{
    uint64_t m2 = deliver_one("Message-ID: <m2@x>\r\nReferences: <m1@x>\r\nSubject: Re: t\r\n");
    uint64_t m1 = deliver_one("Message-ID: <m1@x>\r\nReferences: <m0@x>\r\nSubject: Re: t\r\n");
    uint64_t m0 = deliver_one("Message-ID: <m0@x>\r\nSubject: t\r\n");
    cr_expect(thread_of(m2) == (int64_t)m2, "at delivery nothing was known of it");
    run(UPGRADE_THREADS, true);
    cr_expect(thread_of(m0) == (int64_t)m0);
    cr_expect(thread_of(m1) == (int64_t)m0);
    cr_expect(thread_of(m2) == (int64_t)m0);
    cr_expect(fixture_number(&f, "SELECT sum(missing_link) FROM message") == 0);
    fixture_close(&f);
}

Test(upgrade, circles_have_a_root)
{
    uint64_t c1 = deliver_one("Message-ID: <c1@x>\r\nReferences: <c2@x>\r\nSubject: t\r\n");
    uint64_t c2 = deliver_one("Message-ID: <c2@x>\r\nReferences: <c3@x>\r\nSubject: t\r\n");
    uint64_t c3 = deliver_one("Message-ID: <c3@x>\r\nReferences: <c1@x>\r\nSubject: t\r\n");
    uint64_t twice = deliver_one("Message-ID: <c1@x>\r\nReferences: <c2@x>\r\nSubject: t\r\n");
    run(UPGRADE_THREADS, true);
    cr_expect(thread_of(c1) == (int64_t)c1 && thread_of(c2) == (int64_t)c1 &&
              thread_of(c3) == (int64_t)c1 && thread_of(twice) == (int64_t)c1);
    cr_expect(fixture_number(&f, "SELECT missing_link FROM message ORDER BY id LIMIT 1") == 1);
    fixture_close(&f);
}

/* As at delivery, so that a repair of what is right changes nothing. */
Test(upgrade, the_same_threads_come_again)
{
    deliver_one("Message-ID: <m0@x>\r\nSubject: test\r\n");
    deliver_one("Message-ID: <m0@x>\r\nSubject: test\r\n");
    deliver_one("Subject: Re: test\r\n");
    deliver_one("Message-ID: <m1@x>\r\nReferences: <m0@x> <gone@x>\r\nSubject: Re: test\r\n");
    deliver_one("Message-ID: <m2@x>\r\nReferences: <m1@x>\r\nSubject: Re: test\r\n");
    fixture_sql(&f,
                "CREATE TABLE before AS SELECT id, thread_id, parents, missing_link FROM message");
    run(UPGRADE_THREADS, true);
    cr_expect(fixture_number(&f, "SELECT count(*) FROM before JOIN message USING (id, thread_id)"
                                 " WHERE before.parents IS message.parents"
                                 " AND before.missing_link = message.missing_link") == 5);
    fixture_sql(&f, "DROP TABLE before");
    fixture_close(&f);
}
