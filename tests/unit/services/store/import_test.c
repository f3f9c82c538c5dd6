#include "fixture.h"

#include "services/store/export.h"
#include "services/store/import.h"
#include "services/store/mailbox_ops.h"

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

/*
 * Imports: nothing is seen before the commit, everything after; nothing is lost or done twice by
 * repeating, aborting and kill -9.
 */

static struct fixture f;
static const struct str key = STR_INIT("0123456789abcdef");
static const struct str other_key = STR_INIT("fedcba9876543210");

static void setup(void)
{
    fixture_open(&f);
}

static void teardown(void)
{
    fixture_close(&f);
}

TestSuite(import, .init = setup, .fini = teardown);

static struct import_item item(const char *mailbox, const char *text, int64_t received_s)
{
    f.texts = 1; /* as content */
    struct new_message m = fixture_message(&f, str_from_cstr(text));
    return (struct import_item){.mailbox = str_from_cstr(mailbox),
                                .text = m.text,
                                .structure_bytes = m.structure_bytes,
                                .received_s = received_s};
}

static struct import_state begin(void)
{
    struct import_state state;
    cr_assert(import_begin(f.account, key, &f.arena, &state, &f.err), "%s", f.err.detail);
    return state;
}

static bool try_add(uint64_t sequence, const struct import_item *items, size_t count,
                    struct import_state *ret)
{
    struct import_add op = {.sequence = sequence,
                            .items = items,
                            .count = count,
                            .position = sequence * 100,
                            .quota_bytes = 10000};
    return import_add(f.account, key, &op, ret, &f.err);
}

static struct import_state add(uint64_t sequence, struct import_item i)
{
    struct import_state state;
    cr_assert(try_add(sequence, &i, 1, &state), "%s", f.err.detail);
    return state;
}

static bool try_commit(uint64_t messages, struct import_commit *op)
{
    static const struct str empty[] = {STR_INIT("Empty")};
    *op = (struct import_commit){
        .messages = messages, .mailboxes = empty, .mailbox_count = 1, .quota_bytes = 10000};
    return import_commit(f.account, key, op, &f.arena, &f.err);
}

/* Files and directories below accounts/N/import/. */
static bool has_staging(void)
{
    return access(import_path(f.account, key).text, F_OK) == 0;
}

Test(import, all_appears_at_the_commit_with_one_modseq)
{
    struct import_commit done;
    struct str work[] = {STR("work")};
    struct import_item first = item("Old/Letters", TEXT, 1600000002);
    first.flags = FLAG_SEEN | FLAG_ANSWERED;
    first.keywords = (struct keywords){work, 1};
    cr_assert_eq(begin().messages, 0);
    add(1, first);
    struct import_state state = add(2, item("Old/Letters", TEXT, 1600000001));
    cr_assert(state.messages == 2 && state.position == 200 && state.bytes == 2 * strlen(TEXT));
    add(3, item("Inbox", TEXT, 1600000003));
    cr_assert(!fixture_has_mailbox(&f, "Old"));
    cr_assert_eq(fixture_pull(&f, "Inbox", 0).count, 0);
    cr_assert(try_commit(3, &done), "%s", f.err.detail);
    cr_assert(done.created.len == 3 && done.modseq > 0, "%zu", done.created.len);

    struct changes c = fixture_pull(&f, "Old/Letters", 0);
    cr_assert_eq(c.count, 2);
    cr_assert(c.received_s[0] == 1600000001 && c.received_s[1] == 1600000002, "in their order");
    cr_assert_eq(c.flags[1], FLAG_SEEN | FLAG_ANSWERED | FLAG_NOTJUNK, "by the rules: %x",
                 c.flags[1]);
    cr_assert(c.keyword_count == 1 && str_eq(c.mailbox.keywords, work[0]));
    cr_assert(c.modseq[0] == done.modseq && c.modseq[1] == done.modseq);
    cr_assert(fixture_pull(&f, "Inbox", 0).modseq[0] == done.modseq);
    cr_assert(fixture_has_mailbox(&f, "Old") && fixture_has_mailbox(&f, "Empty"));
    cr_assert_eq(fixture_number(&f, "SELECT count(*) FROM subscription WHERE name='Old/Letters'"),
                 1);
    cr_assert(!has_staging());
}

/* Each with the date of the one before the other, as a file that was written backwards. */
Test(import, parents_may_come_after_their_answers)
{
    static const char *const texts[] = {
        "Message-ID: <m3@x>\r\nReferences: <m2@x>\r\nSubject: Re: t\r\n\r\n",
        "Message-ID: <m2@x>\r\nReferences: <m1@x>\r\nSubject: Re: t\r\n\r\n",
        "Message-ID: <m1@x>\r\nReferences: <m0@x>\r\nSubject: Re: t\r\n\r\n",
        "Message-ID: <m0@x>\r\nSubject: t\r\n\r\n",
        "Message-ID: <a@x>\r\nReferences: <old@x>\r\nSubject: Re: old\r\n\r\n",
        "Message-ID: <b@x>\r\nReferences: <gone@x>\r\nSubject: Re: gone\r\n\r\n",
    };
    struct import_commit done;
    struct delivery d = {.message = {.received_s = 1}};
    cr_assert(fixture_try_deliver(&f, "Inbox", &d, "Message-ID: <old@x>\r\nSubject: old\r\n\r\n"));
    begin();
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        add(i + 1, item(i % 2 ? "Inbox" : "Other", texts[i], 1600000000 + (int64_t)i));
    cr_assert(try_commit(ARRAY_LEN(texts), &done), "%s", f.err.detail);
    cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM message WHERE thread_id ="
                                    " (SELECT id FROM message WHERE message_id = 'm0@x')"),
                 4);
    cr_expect_eq(fixture_number(&f, "SELECT length(parents) / 8 FROM message"
                                    " WHERE message_id = 'm3@x'"),
                 3);
    cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM message m JOIN message o"
                                    " ON m.thread_id = o.id WHERE m.message_id = 'a@x'"
                                    " AND o.message_id = 'old@x'"),
                 1);
    cr_expect_eq(fixture_number(&f, "SELECT sum(missing_link) FROM message"), 1, "of b");
    cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM unthreaded"), 0);
}

Test(import, repeating_does_nothing_twice)
{
    struct import_commit done;
    begin();
    add(1, item("Inbox", TEXT, 1));
    cr_assert_eq(add(1, item("Inbox", TEXT, 1)).messages, 1);
    struct import_item two[] = {item("Inbox", TEXT, 1), item("Inbox", TEXT, 2)};
    struct import_state state;
    cr_assert(try_add(1, two, 2, &state), "overlapping: %s", f.err.detail);
    cr_assert_eq(state.messages, 2);
    cr_assert_eq(begin().messages, 2);
    cr_assert(try_commit(2, &done), "%s", f.err.detail);
    uint64_t modseq = done.modseq;
    cr_assert(try_commit(2, &done) && done.modseq == modseq && done.messages == 2);
    cr_assert_eq(fixture_pull(&f, "Inbox", 0).count, 2);
    state = begin();
    cr_assert(state.is_committed && state.messages == 2 && !has_staging());
    cr_assert(!import_abort(f.account, key, &f.arena, &f.err) && f.err.kind == ERR_STATE);
}

Test(import, an_abort_leaves_no_trace)
{
    begin();
    add(1, item("New", TEXT, 1));
    cr_assert(has_staging());
    cr_assert(import_abort(f.account, key, &f.arena, &f.err), "%s", f.err.detail);
    cr_assert(!has_staging() && !fixture_has_mailbox(&f, "New"));
    cr_assert(import_abort(f.account, key, &f.arena, &f.err), "repeated");
    struct import_state state;
    struct import_item one = item("New", TEXT, 1);
    cr_assert(!try_add(2, &one, 1, &state) && f.err.kind == ERR_NOT_FOUND);
    struct import_commit done;
    cr_assert(!try_commit(1, &done) && f.err.kind == ERR_NOT_FOUND);
}

static int64_t count_from(const char *condition)
{
    char sql[256];
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM message WHERE %s", condition);
    return fixture_number(&f, sql);
}

#define FROM_JOE "mail_from_localpart = 'joe' AND mail_from_domain = 'far.example'"
#define FROM_NOBODY "mail_from_localpart IS NULL AND mail_from_domain IS NULL"

Test(import, the_sender_of_the_envelope_is_kept)
{
    struct import_commit done;
    struct import_item first = item("Inbox", TEXT, 1);
    first.mail_from = (struct address){STR("joe"), STR("far.example")};
    begin();
    add(1, first);
    add(2, item("Inbox", TEXT, 2));
    cr_assert(try_commit(2, &done), "%s", f.err.detail);
    cr_expect_eq(count_from(FROM_JOE " AND received_s = 1"), 1);
    cr_expect_eq(count_from(FROM_NOBODY " AND received_s = 2"), 1);
    cr_expect_eq(count_from("hello IS NULL AND rcpt_domain IS NULL AND tls_version = 0"), 2);
}

/* As it was before the sender was kept. */
static void make_staging_older(void)
{
    char path[LAYOUT_PATH_MAX + 16];
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/staging.db", import_path(f.account, key).text);
    cr_assert(sqlite3_open(path, &db) == SQLITE_OK);
    cr_assert(sqlite3_exec(db,
                           "ALTER TABLE item DROP COLUMN mail_from_localpart;"
                           "ALTER TABLE item DROP COLUMN mail_from_domain; PRAGMA user_version = 1",
                           NULL, NULL, NULL) == SQLITE_OK,
              "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

Test(import, what_an_earlier_version_began_goes_on)
{
    struct import_commit done;
    begin();
    add(1, item("Inbox", TEXT, 1));
    make_staging_older();
    cr_assert_eq(begin().messages, 1);
    struct import_item second = item("Inbox", TEXT, 2);
    second.mail_from = (struct address){STR("joe"), STR("far.example")};
    add(2, second);
    cr_assert(try_commit(2, &done), "%s", f.err.detail);
    cr_expect_eq(count_from(FROM_NOBODY " AND received_s = 1"), 1);
    cr_expect_eq(count_from(FROM_JOE " AND received_s = 2"), 1);
}

Test(import, it_goes_on_after_a_restart)
{
    begin();
    add(1, item("Inbox", TEXT, 1));
    fixture_reopen(&f);
    struct import_state state = begin();
    cr_assert(state.messages == 1 && state.position == 100);
    add(2, item("Inbox", TEXT, 2));
    fixture_reopen(&f);
    struct import_commit done;
    cr_assert(try_commit(2, &done), "%s", f.err.detail);
    cr_assert_eq(fixture_pull(&f, "Inbox", 0).count, 2);
}

Test(import, wrong_numbers_are_refused)
{
    struct import_state state;
    struct import_commit done;
    struct import_item one = item("Inbox", TEXT, 1);
    begin();
    cr_assert(!try_add(2, &one, 1, &state) && f.err.kind == ERR_STATE);
    add(1, one);
    cr_assert(!try_commit(2, &done) && f.err.kind == ERR_STATE);
    cr_assert(!try_commit(0, &done) && f.err.kind == ERR_STATE);
    cr_assert(import_abort(f.account, key, &f.arena, &f.err));
}

Test(import, an_add_that_fails_leaves_nothing)
{
    struct import_state state;
    struct import_item two[] = {item("Inbox", TEXT, 1), item("Inbox", TEXT, 2)};
    two[1].text = (struct message_text){.size = 100000}; /* which did not come */
    struct import_add op = {.sequence = 1, .items = two, .count = 2, .quota_bytes = 1000000};
    char path[LAYOUT_PATH_MAX + 8];
    begin();
    snprintf(path, sizeof(path), "%s/1", import_path(f.account, key).text);
    cr_assert(!import_add(f.account, key, &op, &state, &f.err) && f.err.kind == ERR_NOT_FOUND);
    cr_expect(access(path, F_OK) != 0);
    add(1, two[0]);
    cr_expect(access(path, F_OK) == 0);
    op.sequence = 2;
    cr_assert(!import_add(f.account, key, &op, &state, &f.err));
    cr_expect(access(path, F_OK) == 0, "of an earlier call");
    struct import_commit done;
    cr_assert(try_commit(1, &done), "%s", f.err.detail);
}

Test(import, the_quota_refuses_all_of_it)
{
    struct import_state state;
    struct import_item one = item("Inbox", TEXT, 1);
    struct import_add op = {.sequence = 1, .items = &one, .count = 1, .quota_bytes = 10};
    begin();
    cr_assert(!import_add(f.account, key, &op, &state, &f.err) && f.err.kind == ERR_LIMIT);
    add(1, one);
    add(2, item("New", TEXT, 2));
    struct import_commit done = {.messages = 2, .quota_bytes = strlen(TEXT) + 1};
    cr_assert(!import_commit(f.account, key, &done, &f.arena, &f.err) && f.err.kind == ERR_LIMIT);
    cr_assert(!fixture_has_mailbox(&f, "New"));
    cr_assert_eq(fixture_pull(&f, "Inbox", 0).count, 0);
    cr_assert(fixture_verify(&f) == 0 && has_staging());
    cr_assert(try_commit(2, &done), "with a larger one: %s", f.err.detail);
}

Test(import, answers_find_their_thread_though_they_come_first)
{
    struct import_commit done;
    begin();
    add(1, item("Sent", "Message-ID: <b@x>\r\nReferences: <a@x>\r\nSubject: Re: s\r\n\r\n", 20));
    add(2, item("Inbox", "Message-ID: <a@x>\r\nSubject: s\r\n\r\n", 10));
    cr_assert(try_commit(2, &done), "%s", f.err.detail);
    cr_assert_eq(fixture_number(&f, "SELECT count(DISTINCT thread_id) FROM message"), 1);
}

Test(import, recipients_of_sent_mail_are_known)
{
    struct import_commit done;
    begin();
    add(1, item("Sent", "To: friend@example.net\r\n\r\n", 20));
    cr_assert(try_commit(1, &done), "%s", f.err.detail);
    cr_assert_eq(fixture_number(&f, "SELECT count(*) FROM recipient WHERE domain='example.net'"),
                 1);
}

Test(import, large_texts_come_in_parts)
{
    size_t size = 200000;
    char *text = malloc(size + 1);
    memset(text, 'x', size);
    memcpy(text, "A: b\r\n\r\n", 8);
    text[size] = '\0';
    struct import_item large = item("Inbox", "A: b\r\n\r\n", 1);
    large.text = (struct message_text){.size = size};
    struct import_state state;
    struct import_add op = {.sequence = 1, .items = &large, .count = 1, .quota_bytes = 1000000};
    begin();
    cr_assert(!import_add(f.account, key, &op, &state, &f.err) && f.err.kind == ERR_NOT_FOUND);
    for (int round = 0; round < 2; round++) {
        cr_assert(import_add_text(f.account, key, 1, 0, str_make(text, 120000), &f.err));
        if (round == 0)
            cr_assert(!try_add(1, &large, 1, &state) && f.err.kind == ERR_LIMIT, "the quota");
    }
    cr_assert(import_add_text(f.account, key, 1, 120000, str_make(text + 120000, 80000), &f.err));
    cr_assert(import_add(f.account, key, &op, &state, &f.err), "%s", f.err.detail);
    cr_assert(import_add_text(f.account, key, 1, 0, STR("late"), &f.err), "passed over");
    struct import_commit done = {.messages = 1, .quota_bytes = 1000000};
    cr_assert(import_commit(f.account, key, &done, &f.arena, &f.err), "%s", f.err.detail);

    struct export_message m;
    size_t count;
    uint64_t id = fixture_pull(&f, "Inbox", 0).id[0];
    cr_assert(export_messages(f.account, &id, 1, &f.arena, &m, &count, &f.err));
    cr_assert(count == 1 && m.is_found && m.file_size == size && m.content.len == 0);
    struct str part;
    cr_assert(export_text(f.account, id, 150000, &f.arena, &part, &f.err));
    cr_assert(part.len == 50000 && memcmp(part.ptr, text + 150000, 50000) == 0);
    cr_assert(export_text(f.account, id, size, &f.arena, &part, &f.err) && part.len == 0);
    free(text);
}

Test(import, what_nobody_continues_is_dropped_after_a_day)
{
    begin();
    add(1, item("Inbox", TEXT, 1));
    cr_assert(account_tend(f.account, &f.err) && has_staging());
    struct timeval past[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    cr_assert(utimes(import_path(f.account, key).text, past) == 0);
    cr_assert(account_tend(f.account, &f.err), "%s", f.err.detail);
    cr_assert(!has_staging());
}

Test(import, too_many_at_a_time_are_refused)
{
    struct import_state state;
    char name[17];
    for (int i = 0; i < IMPORTS_MAX; i++) {
        snprintf(name, sizeof(name), "%016d", i);
        cr_assert(import_begin(f.account, str_make(name, 16), &f.arena, &state, &f.err));
    }
    cr_assert(!import_begin(f.account, other_key, &f.arena, &state, &f.err) &&
              f.err.kind == ERR_LIMIT);
}

Test(import, exports_say_what_is_missing)
{
    struct delivery d = fixture_deliver(&f, "Inbox", TEXT);
    struct export_message m[2];
    size_t count;
    uint64_t ids[] = {d.message_id, d.message_id + 1000};
    cr_assert(export_messages(f.account, ids, 2, &f.arena, m, &count, &f.err));
    cr_assert(count == 2 && m[0].is_found && !m[1].is_found);
    cr_assert(str_eq(m[0].content, STR(TEXT)) && m[0].error.len == 0);
    char path[LAYOUT_PATH_MAX + 8];
    snprintf(path, sizeof(path), "%s.away", account_message_path(f.account, d.message_id).text);
    cr_assert(rename(account_message_path(f.account, d.message_id).text, path) == 0);
    cr_assert(export_messages(f.account, ids, 1, &f.arena, m, &count, &f.err));
    cr_assert(m[0].is_found && m[0].error.len > 0);
    cr_assert(rename(path, account_message_path(f.account, d.message_id).text) == 0);
}

/* ---- Settings of a restore */

static struct import_commit restore_settings(struct import_settings settings)
{
    struct import_commit done = {.quota_bytes = 10000, .is_restore = true, .settings = settings};
    begin();
    cr_assert(import_commit(f.account, key, &done, &f.arena, &f.err), "%s", f.err.detail);
    return done;
}

static struct str special_use_of(const char *mailbox)
{
    return fixture_pull(&f, mailbox, 0).mailbox.special_use;
}

Test(import, special_uses_come_back_unless_somebody_has_them)
{
    struct mailbox_op drop = {.name = STR("Trash")};
    struct mailbox_op other = {.name = STR("Bin"), .special_use = STR("\\Junk")};
    cr_assert(mailbox_delete(f.account, STR_NULL, &drop, &f.arena, &f.err));
    cr_assert(mailbox_create(f.account, STR_NULL, &other, &f.arena, &f.err));
    const struct import_special_use uses[] = {
        {.mailbox = STR("Trash"), .special_use = STR("\\Trash")},
        {.mailbox = STR("Junk"), .special_use = STR("\\Junk")},
        {.mailbox = STR("Sent"), .special_use = STR("\\Sent")},
    };
    struct import_settings settings = {.special_uses = uses, .special_use_count = 3};
    for (int repeated = 0; repeated < 2; repeated++) {
        struct import_commit done = restore_settings(settings);
        cr_expect(str_eq(special_use_of("Trash"), STR("\\Trash")));
        cr_expect(str_is_empty(special_use_of("Junk")));
        cr_expect(str_eq(special_use_of("Bin"), STR("\\Junk")));
        cr_assert_eq(done.settings.refused_count, 1);
        cr_expect(str_eq(done.settings.refused[0].mailbox, STR("Junk")) &&
                  str_eq(done.settings.refused[0].holder, STR("Bin")));
    }
}

Test(import, a_mailbox_keeps_the_use_that_it_has)
{
    struct mailbox_op drop = {.name = STR("Sent")};
    cr_assert(mailbox_delete(f.account, STR_NULL, &drop, &f.arena, &f.err));
    const struct import_special_use use = {.mailbox = STR("Trash"), .special_use = STR("\\Sent")};
    struct import_settings settings = {.special_uses = &use, .special_use_count = 1};
    struct import_commit done = restore_settings(settings);
    cr_expect(str_eq(special_use_of("Trash"), STR("\\Trash")));
    cr_expect(done.settings.refused_count == 1 && done.settings.refused[0].holder.len == 0);
}

Test(import, messages_are_marked_by_the_use_that_comes_back)
{
    struct mailbox_op drop = {.name = STR("Junk")};
    cr_assert(mailbox_delete(f.account, STR_NULL, &drop, &f.arena, &f.err));
    const struct import_special_use use = {.mailbox = STR("Bad"), .special_use = STR("\\Junk")};
    begin();
    add(1, item("Bad", TEXT, 1));
    struct import_commit done = {.messages = 1,
                                 .quota_bytes = 10000,
                                 .is_restore = true,
                                 .settings = {.special_uses = &use, .special_use_count = 1}};
    cr_assert(import_commit(f.account, key, &done, &f.arena, &f.err), "%s", f.err.detail);
    cr_expect(fixture_pull(&f, "Bad", 0).flags[0] & FLAG_JUNK);
}

static int64_t count_annotations(const char *condition)
{
    char sql[256];
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM annotation WHERE %s", condition);
    return fixture_number(&f, sql);
}

static void annotate_inbox(const char *name, struct str value)
{
    struct annotation one = {.name = str_from_cstr(name), .value = value};
    struct annotate op = {.mailbox = STR("Inbox"), .items = &one, .count = 1};
    cr_assert(annotate(f.account, STR_NULL, &op, &f.arena, &f.err), "%s", f.err.detail);
}

Test(import, annotations_come_back_where_there_are_none)
{
    const struct annotation from[] = {
        {.mailbox = STR("Inbox"), .name = STR("/private/comment"), .value = STR("of the backup")},
        {.mailbox = STR("Inbox"), .name = STR("/private/removed"), .value = STR("of the backup")},
        {.mailbox = STR("New/One"), .name = STR("/shared/x"), .value = STR(""), .binary = true},
        {.mailbox = STR(""), .name = STR("/private/comment"), .value = STR("of the backup")},
    };
    annotate_inbox("/private/comment", STR("mine"));
    annotate_inbox("/private/removed", STR("mine"));
    annotate_inbox("/private/removed", STR_NULL);
    struct import_settings settings = {.annotations = from, .annotation_count = ARRAY_LEN(from)};
    struct import_commit done = restore_settings(settings);
    cr_expect_eq(done.settings.annotations_left, 0);
    cr_expect_eq(count_annotations("value = CAST('mine' AS BLOB)"), 1);
    cr_expect_eq(count_annotations("name = '/private/removed' AND value IS NOT NULL"), 1);
    cr_expect_eq(count_annotations("mailbox_id = 0 AND length(value) = 13"), 1);
    cr_expect_eq(count_annotations("mailbox_id = (SELECT id FROM mailbox WHERE name = 'New/One')"
                                   " AND binary = 1 AND length(value) = 0"),
                 1);
    cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM annotation WHERE modseq >"
                                    " (SELECT max(modseq) FROM (SELECT modseq FROM mailbox"
                                    " UNION SELECT modseq FROM account))"),
                 0);
    cr_expect_eq(fixture_verify(&f), 0);
}

Test(import, annotations_without_room_are_counted)
{
    static char large[ANNOTATIONS_BYTES_MAX - 100];
    memset(large, 'x', sizeof(large));
    annotate_inbox("/private/large", str_make(large, sizeof(large)));
    const struct annotation from[] = {
        {.mailbox = STR("Inbox"), .name = STR("/private/large"), .value = STR("smaller")},
        {.mailbox = STR("Inbox"), .name = STR("/private/more"), .value = str_make(large, 100)},
        {.mailbox = STR("Inbox"), .name = STR("/private/small"), .value = STR("x")},
    };
    struct import_settings settings = {.annotations = from, .annotation_count = ARRAY_LEN(from)};
    struct import_commit done = restore_settings(settings);
    cr_expect_eq(done.settings.annotations_left, 1);
    cr_expect_eq(count_annotations("name = '/private/small'"), 1);
    done = restore_settings(settings);
    cr_expect_eq(done.settings.annotations_left, 1, "the same when it is repeated");
}

Test(import, subscriptions_come_back_and_nothing_else_is_subscribed)
{
    static const struct str mailboxes[] = {STR_INIT("Quiet/One"), STR_INIT("Loud")};
    static const struct str names[] = {STR_INIT("Loud"), STR_INIT("Gone"), STR_INIT("Inbox")};
    struct import_commit done = {.mailboxes = mailboxes,
                                 .mailbox_count = 2,
                                 .quota_bytes = 10000,
                                 .is_restore = true,
                                 .settings = {.subscriptions = names, .subscription_count = 3}};
    begin();
    cr_assert(import_commit(f.account, key, &done, &f.arena, &f.err), "%s", f.err.detail);
    cr_expect(fixture_has_mailbox(&f, "Quiet/One") && !fixture_has_mailbox(&f, "Gone"));
    cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM subscription WHERE name IN"
                                    " ('Loud', 'Gone', 'Inbox')"),
                 3);
    cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM subscription WHERE name LIKE 'Quiet%'"),
                 0);
}

/* ---- kill -9 */

#define CRASH_MESSAGES 60

/* Goes on until it is done or killed; says how far it got. */
static void import_until_killed(int progress)
{
    fixture_start(&f);
    struct import_state state = begin();
    for (uint64_t n = state.messages + 1; !state.is_committed && n <= CRASH_MESSAGES; n++) {
        struct import_item one = item(n % 2 ? "Inbox" : "New/One", TEXT, (int64_t)n);
        cr_assert(try_add(n, &one, 1, &state));
        cr_assert(write(progress, &n, sizeof(n)) == sizeof(n));
    }
    struct import_commit done;
    cr_assert(try_commit(CRASH_MESSAGES, &done), "%s", f.err.detail);
    pause();
}

Test(import, kill_in_the_middle_loses_and_doubles_nothing)
{
    uint64_t said = 0, number = 0;
    size_t kills_before_the_end = 0;
    bool is_committed = false;
    fixture_stop(&f);
    for (unsigned round = 0; !is_committed; round++) {
        int ends[2];
        cr_assert(round < 500 && pipe(ends) == 0);
        pid_t child = fork();
        if (child == 0) {
            close(ends[0]);
            import_until_killed(ends[1]);
        }
        close(ends[1]);
        usleep(round * 1700); /* longer each time: sooner or later it gets through */
        kill(child, SIGKILL);
        cr_assert(waitpid(child, NULL, 0) == child);
        while (read(ends[0], &number, sizeof(number)) == sizeof(number))
            said = number > said ? number : said;
        close(ends[0]);
        fixture_start(&f);
        struct import_state state = begin();
        is_committed = state.is_committed;
        kills_before_the_end += !is_committed;
        cr_assert_geq(state.messages, said, "round %u: %d were acknowledged, %d are there", round,
                      (int)said, (int)state.messages);
        cr_assert_eq(fixture_pull(&f, "Inbox", 0).count, is_committed ? CRASH_MESSAGES / 2 : 0);
        cr_assert_eq(fixture_has_mailbox(&f, "New/One"), is_committed);
        cr_assert(fixture_verify(&f) == 0, "after round %u", round);
        fixture_stop(&f);
        arena_reset(&f.arena);
    }
    cr_expect(kills_before_the_end > 0);
    fixture_start(&f);
    cr_expect(!has_staging());
}

/* The commit alone, cut off at many places. */
Test(import, kill_in_the_commit_shows_all_or_nothing)
{
    static struct import_item items[200];
    bool is_committed = false;
    struct import_state state;
    size_t kills_before_the_end = 0;
    for (size_t i = 0; i < ARRAY_LEN(items); i++)
        items[i] = item(i % 2 ? "Inbox" : "New/One", "A: b\r\n\r\n", (int64_t)i + 1);
    begin();
    cr_assert(try_add(1, items, ARRAY_LEN(items), &state), "%s", f.err.detail);
    fixture_stop(&f);
    for (unsigned round = 0; !is_committed; round++) {
        cr_assert(round < 500);
        pid_t child = fork();
        if (child == 0) {
            struct import_commit done;
            fixture_start(&f);
            cr_assert(try_commit(ARRAY_LEN(items), &done), "%s", f.err.detail);
            pause();
        }
        usleep(round * 1500);
        kill(child, SIGKILL);
        cr_assert(waitpid(child, NULL, 0) == child);
        fixture_start(&f);
        is_committed = begin().is_committed;
        kills_before_the_end += !is_committed;
        cr_assert_eq(fixture_pull(&f, "Inbox", 0).count, is_committed ? ARRAY_LEN(items) / 2 : 0);
        cr_assert_eq(fixture_has_mailbox(&f, "New"), is_committed);
        cr_assert(fixture_verify(&f) == 0, "after round %u", round);
        fixture_stop(&f);
    }
    cr_expect(kills_before_the_end > 0);
    fixture_start(&f);
    cr_expect(!has_staging());
}
