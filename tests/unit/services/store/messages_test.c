#include "fixture.h"

#include "services/store/sort_keys.h"

static struct fixture f;

static void setup(void)
{
    fixture_open(&f);
}
TestSuite(messages, .init = setup);

static void deliver_some(const char *mailbox, int count)
{
    while (count-- > 0)
        fixture_deliver(&f, mailbox, TEXT);
}

/* ---- STORE, spec 20 2.24 */

Test(messages, store_gives_one_modseq_and_leaves_the_unchanged_alone)
{
    deliver_some("Inbox", 3);
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_SEEN, UIDS(&f, 1));
    struct changes before = fixture_pull(&f, "Inbox", 0);
    struct store_flags op = fixture_flag(&f, "Inbox", STORE_ADD, FLAG_SEEN, UIDS(&f, 1, 2, 3, 9));
    struct changes after = fixture_pull(&f, "Inbox", 0);
    cr_expect(after.modseq[0] == before.modseq[0]);
    cr_expect(after.modseq[1] == op.modseq && after.modseq[2] == op.modseq);
    cr_expect(after.mailbox.unseen == 0 && after.mailbox.modseq == op.modseq);
    op = fixture_flag(&f, "Inbox", STORE_ADD, FLAG_SEEN, UIDS(&f, 1, 2, 3));
    cr_expect(op.modseq == after.mailbox.modseq, "nothing changed, no new modseq");
    fixture_close(&f);
}

Test(messages, store_with_deleted_counts)
{
    deliver_some("Inbox", 1);
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_DELETED, UIDS(&f, 1));
    struct mailbox m = fixture_pull(&f, "Inbox", 0).mailbox;
    cr_expect(m.total == 0 && m.deleted == 1 && m.unseen == 1 && m.unread == 0);
    fixture_close(&f);
}

Test(messages, keywords_of_a_mailbox_only_grow)
{
    struct str abc[] = {STR("abc")};
    deliver_some("Inbox", 2);
    struct store_flags op = {.mailbox_id = fixture_pull(&f, "Inbox", 0).mailbox.id,
                             .mode = STORE_ADD,
                             .keywords = {abc, 1},
                             .uids = UIDS(&f, 2)};
    cr_assert(store_flags(f.account, STR_NULL, &op, &f.arena, &f.err));
    struct changes c = fixture_pull(&f, "Inbox", 0);
    cr_expect(c.keyword_end[0] == 0 && c.keyword_end[1] == 1 && c.keyword_index[0] == 0);
    op.mode = STORE_REMOVE;
    cr_assert(store_flags(f.account, STR_NULL, &op, &f.arena, &f.err));
    c = fixture_pull(&f, "Inbox", 0);
    cr_expect(c.keyword_count == 0 && str_eq(c.mailbox.keywords, STR("abc")));
    fixture_close(&f);
}

Test(messages, unchanged_since_leaves_later_ones_alone)
{
    deliver_some("Inbox", 2);
    struct changes c = fixture_pull(&f, "Inbox", 0);
    struct store_flags op = {.mailbox_id = c.mailbox.id,
                             .mode = STORE_ADD,
                             .flags = FLAG_SEEN,
                             .has_unchanged_since = true,
                             .unchanged_since = c.modseq[0],
                             .uids = UIDS(&f, 1, 2)};
    cr_assert(store_flags(f.account, STR_NULL, &op, &f.arena, &f.err));
    cr_expect(op.modified.len == 1 && op.modified.items[0] == 2);
    c = fixture_pull(&f, "Inbox", 0);
    cr_expect(c.flags[0] == FLAG_SEEN && c.flags[1] == 0);
    op.unchanged_since = 0; /* never passes */
    cr_assert(store_flags(f.account, STR_NULL, &op, &f.arena, &f.err));
    cr_expect(op.modified.len == 2);
    fixture_close(&f);
}

/* Many messages in a row are changed by one statement: as if each had been changed alone. */
Test(messages, store_over_a_range_does_what_it_does_to_each)
{
    deliver_some("Inbox", 12);
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_DELETED, UIDS(&f, 5));
    fixture_expunge(&f, "Inbox");
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_SEEN | FLAG_FLAGGED, UIDS(&f, 2, 9));
    struct changes before = fixture_pull(&f, "Inbox", 0);
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_ANSWERED, UIDS(&f, 3)); /* beyond `before` */
    struct store_flags op = {.mailbox_id = before.mailbox.id,
                             .mode = STORE_ADD,
                             .flags = FLAG_SEEN,
                             .has_unchanged_since = true,
                             .unchanged_since = before.mailbox.modseq,
                             .uids = UIDS(&f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12)};
    cr_assert(store_flags(f.account, STR_NULL, &op, &f.arena, &f.err), "%s", f.err.detail);
    cr_assert(op.modified.len == 1 && op.modified.items[0] == 3);
    struct changes after = fixture_pull(&f, "Inbox", 0);
    cr_assert_eq(after.count, 11);
    for (size_t i = 0; i < after.count; i++) {
        uint32_t uid = after.uid[i];
        bool is_asked = uid != 3 && uid != 11, had_it = before.flags[i] & FLAG_SEEN;
        uint32_t others = uid == 2 || uid == 9 ? FLAG_FLAGGED : uid == 3 ? FLAG_ANSWERED : 0;
        cr_expect_eq(after.flags[i], (is_asked ? FLAG_SEEN : 0) | others, "UID %u", uid);
        cr_expect_eq(after.modseq[i] == op.modseq, is_asked && !had_it, "UID %u", uid);
    }
    cr_expect_eq(after.mailbox.unseen, 2);
    fixture_flag(&f, "Inbox", STORE_REMOVE, FLAG_SEEN, UIDS(&f, 6, 7, 8, 9));
    after = fixture_pull(&f, "Inbox", op.modseq);
    cr_expect(after.count == 4 && after.uid[0] == 6 && after.flags[3] == FLAG_FLAGGED);
    cr_expect_eq(after.mailbox.unseen, 6);
    fixture_close(&f);
}

/* Of many the rows are not read one by one: as if each had been changed alone. */
Test(messages, store_to_very_many_does_what_it_does_to_each)
{
    static uint32_t uids[1100]; /* most are gone */
    static const uint32_t sets[] = {FLAG_SEEN, FLAG_DELETED, FLAG_SEEN | FLAG_DELETED, FLAG_FLAGGED,
                                    FLAG_JUNK};
    deliver_some("Inbox", 12);
    for (uint32_t uid = 1; uid <= ARRAY_LEN(uids); uid++)
        uids[uid - 1] = uid;
    for (unsigned i = 0; i < 2 * ARRAY_LEN(sets); i++) {
        enum store_mode mode = i % 2 == 0 ? STORE_ADD : STORE_REMOVE;
        fixture_flag(&f, "Inbox", STORE_REPLACE, 0, UIDS(&f, 1, 5, 9));
        fixture_flag(&f, "Inbox", STORE_REPLACE, FLAG_SEEN | FLAG_FLAGGED, UIDS(&f, 2, 6, 10));
        fixture_flag(&f, "Inbox", STORE_REPLACE, FLAG_DELETED | FLAG_JUNK, UIDS(&f, 3, 7, 11));
        fixture_flag(&f, "Inbox", STORE_REPLACE, FLAG_SEEN | FLAG_DELETED, UIDS(&f, 4, 8, 12));
        struct changes before = fixture_pull(&f, "Inbox", 0);
        struct store_flags op =
            fixture_flag(&f, "Inbox", mode, sets[i / 2], (struct uids){uids, ARRAY_LEN(uids)});
        struct changes after = fixture_pull(&f, "Inbox", 0);
        struct changes news = fixture_pull(&f, "Inbox", before.mailbox.modseq);
        int64_t deleted = 0, unseen = 0, unread = 0;
        size_t changed = 0;
        for (size_t k = 0; k < after.count; k++) {
            uint32_t flags =
                mode == STORE_ADD ? before.flags[k] | sets[i / 2] : before.flags[k] & ~sets[i / 2];
            bool is_changed = flags != before.flags[k];
            cr_expect_eq(after.flags[k], flags);
            cr_expect_eq(after.modseq[k], is_changed ? op.modseq : before.modseq[k]);
            if (is_changed)
                cr_expect_eq(news.uid[changed++], after.uid[k]);
            deleted += (flags & FLAG_DELETED) != 0;
            unseen += (flags & FLAG_SEEN) == 0;
            unread += (flags & (FLAG_SEEN | FLAG_DELETED)) == 0;
        }
        cr_expect(changed > 0 && news.count == changed);
        cr_expect(after.mailbox.deleted == deleted && after.mailbox.total == 12 - deleted);
        cr_expect(after.mailbox.unseen == unseen && after.mailbox.unread == unread);
        cr_expect_eq(after.mailbox.size, before.mailbox.size);
        op = fixture_flag(&f, "Inbox", mode, sets[i / 2], op.uids);
        cr_expect_eq(op.modseq, after.mailbox.modseq, "nothing changed, no new modseq");
    }
    fixture_close(&f);
}

static struct store_flags store_knowing(struct changes known, uint64_t since_modseq, struct str key)
{
    struct store_flags op = {.mailbox_id = known.mailbox.id,
                             .mode = STORE_ADD,
                             .flags = FLAG_SEEN,
                             .since_modseq = since_modseq,
                             .uids = UIDS(&f, 1, 2, 3)};
    cr_assert(store_flags(f.account, key, &op, &f.arena, &f.err), "%s", f.err.detail);
    return op;
}

Test(messages, what_a_store_did_can_be_derived_by_who_knew_the_mailbox)
{
    struct str key = STR("0123456789abcdef");
    deliver_some("Inbox", 3);
    struct changes before = fixture_pull(&f, "Inbox", 0);
    struct store_flags op = store_knowing(before, before.mailbox.modseq, key);
    struct changes after = fixture_pull(&f, "Inbox", 0);
    cr_assert(op.is_derived);
    cr_expect(op.added == FLAG_SEEN && op.removed == 0);
    cr_expect(op.mailbox.modseq == op.modseq && op.modseq == after.mailbox.modseq);
    cr_expect(op.mailbox.unseen == 0);
    cr_expect(!store_knowing(before, before.mailbox.modseq, key).is_derived, "made before");
    cr_expect(!store_knowing(before, before.mailbox.modseq, STR_NULL).is_derived, "others");
    cr_expect(!store_knowing(before, 0, STR_NULL).is_derived, "nothing known");
    op = (struct store_flags){.mailbox_id = before.mailbox.id,
                              .mode = STORE_REPLACE,
                              .since_modseq = after.mailbox.modseq,
                              .uids = UIDS(&f, 1)};
    cr_assert(store_flags(f.account, STR_NULL, &op, &f.arena, &f.err));
    cr_expect(!op.is_derived, "keywords may have gone too");
    fixture_close(&f);
}

Test(messages, a_repeated_store_gives_the_first_result)
{
    deliver_some("Inbox", 2);
    struct changes c = fixture_pull(&f, "Inbox", 0);
    struct store_flags op = {.mailbox_id = c.mailbox.id,
                             .mode = STORE_ADD,
                             .flags = FLAG_SEEN,
                             .has_unchanged_since = true,
                             .unchanged_since = c.modseq[0],
                             .uids = UIDS(&f, 1, 2)};
    struct store_flags again = op;
    cr_assert(store_flags(f.account, STR("0123456789abcdef"), &op, &f.arena, &f.err));
    cr_assert(store_flags(f.account, STR("0123456789abcdef"), &again, &f.arena, &f.err));
    cr_expect(again.modseq == op.modseq && again.modified.len == 1);
    struct expunge other = {.mailbox_id = c.mailbox.id};
    cr_expect(!expunge(f.account, STR("0123456789abcdef"), &other, &f.arena, &f.err));
    cr_expect(f.err.kind == ERR_CONFLICT, "the key was another call's");
    fixture_close(&f);
}

/* ---- EXPUNGE, spec 20 2.19 */

Test(messages, expunge_takes_what_the_session_knows)
{
    deliver_some("Inbox", 3);
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_DELETED, UIDS(&f, 2, 3));
    struct changes before = fixture_pull(&f, "Inbox", 0);
    struct expunge op = {.mailbox_id = before.mailbox.id, .below_uid = 3};
    cr_assert(expunge(f.account, STR_NULL, &op, &f.arena, &f.err));
    cr_expect(op.expunged.len == 1 && op.expunged.items[0] == 2);
    struct changes c = fixture_pull(&f, "Inbox", before.mailbox.modseq);
    cr_expect(c.count == 0 && c.vanished_count == 1 && c.vanished_uid[0] == 2);
    cr_expect(c.vanished_modseq[0] == op.modseq && c.mailbox.deleted == 1);
    op = (struct expunge){.mailbox_id = before.mailbox.id, .only = true, .uids = UIDS(&f, 1)};
    cr_assert(expunge(f.account, STR_NULL, &op, &f.arena, &f.err));
    cr_expect(op.expunged.len == 0 && op.modseq == c.mailbox.modseq);
    fixture_close(&f);
}

/* ---- COPY and MOVE, spec 20 1.12 and 2.25 */

Test(messages, copy_is_a_new_message_and_leaves_the_source_alone)
{
    struct copy op;
    struct stat st;
    deliver_some("Inbox", 4);
    struct changes before = fixture_pull(&f, "Inbox", 0);
    cr_assert(fixture_copy(&f, "Inbox", "Trash", false, UIDS(&f, 3, 4, 9), &op), "%s",
              f.err.detail);
    cr_expect(op.source.len == 2 && op.source.items[0] == 3 && op.copied.items[1] == 2);
    struct changes after = fixture_pull(&f, "Inbox", 0), trash = fixture_pull(&f, "Trash", 0);
    cr_expect(after.mailbox.modseq == before.mailbox.modseq);
    cr_expect(trash.count == 2 && trash.id[0] != before.id[2] && trash.size[0] == before.size[2]);
    cr_expect(trash.flags[0] == FLAG_NOTJUNK, "Trash is neither junk nor neutral");
    cr_expect(stat(account_message_path(f.account, trash.id[0]).text, &st) == 0);
    cr_expect(!fixture_copy(&f, "Inbox", "Inbox", false, UIDS(&f, 3), &op) &&
              f.err.kind == ERR_CONFLICT);
    cr_expect(!fixture_copy(&f, "Inbox", "nope", false, UIDS(&f, 3), &op) &&
              f.err.kind == ERR_NOT_FOUND);
    fixture_close(&f);
}

/* Of the message's row, but for those in which a copy differs, in the order of the table. */
static int copied_columns(char names[64][64])
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    int count = 0;
    cr_assert(sqlite3_open(layout_account_db(f.settings.data, FIXTURE_ACCOUNT).text, &db) == 0);
    cr_assert(sqlite3_prepare_v2(db,
                                 "SELECT name FROM pragma_table_info('message') WHERE name NOT IN"
                                 " ('id', 'mailbox_id', 'uid', 'parents', 'missing_link')",
                                 -1, &stmt, NULL) == SQLITE_OK);
    for (; sqlite3_step(stmt) == SQLITE_ROW && count < 64; count++)
        snprintf(names[count], 64, "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return count;
}

/* Whatever there is as if it came from a stranger by SMTP, and whatever will be there. */
Test(messages, a_copy_has_all_that_is_known_of_its_message)
{
    char names[64][64], sql[512];
    struct copy op;
    deliver_some("Inbox", 1);
    int count = copied_columns(names);
    cr_assert(count > 40 && count < 64);
    for (int i = 0; i < count; i++) {
        snprintf(sql, sizeof(sql), "UPDATE message SET %s = %d WHERE ifnull(%s, 0) = 0", names[i],
                 1000 + i, names[i]);
        fixture_sql(&f, sql);
    }
    fixture_sql(&f, "INSERT OR REPLACE INTO recipient SELECT id, 'd', 'l', 'o', 7 FROM message");
    cr_assert(fixture_copy(&f, "Inbox", "Trash", false, UIDS(&f, 1), &op), "%s", f.err.detail);
    for (int i = 0; i < count; i++) {
        snprintf(sql, sizeof(sql), "SELECT count(*) - count(DISTINCT %s) FROM message", names[i]);
        cr_expect(fixture_number(&f, sql) == 1, "%s", names[i]);
    }
    cr_expect(fixture_number(&f, "SELECT count(*) FROM recipient WHERE org_domain = 'o'") == 2);
    fixture_discard(&f);
}

#define MANY 150 /* that several portions of links make */

static struct uids deliver_many(void)
{
    deliver_some("Inbox", MANY);
    struct uids uids = uids_new(&f.arena, MANY);
    for (uint32_t uid = 1; uid <= MANY; uid++)
        uids.items[uids.len++] = uid;
    return uids;
}

Test(messages, of_many_copies_each_has_the_file_of_its_message)
{
    struct copy op;
    struct uids uids = deliver_many();
    cr_assert(fixture_copy(&f, "Inbox", "Trash", false, uids, &op), "%s", f.err.detail);
    struct changes inbox = fixture_pull(&f, "Inbox", 0), trash = fixture_pull(&f, "Trash", 0);
    cr_assert(trash.count == MANY);
    for (size_t i = 0; i < MANY; i++) {
        struct stat a, b;
        cr_assert(stat(account_message_path(f.account, inbox.id[i]).text, &a) == 0);
        cr_assert(stat(account_message_path(f.account, trash.id[i]).text, &b) == 0);
        cr_expect(a.st_ino == b.st_ino, "%zu", i);
    }
    fixture_close(&f);
}

Test(messages, when_one_file_of_many_cannot_be_copied_nothing_is)
{
    struct copy op;
    struct uids uids = deliver_many();
    struct changes inbox = fixture_pull(&f, "Inbox", 0);
    uint64_t lost[] = {inbox.id[MANY - 1], inbox.id[70]};
    for (size_t i = 0; i < ARRAY_LEN(lost); i++) {
        struct layout_path path = account_message_path(f.account, lost[i]);
        cr_assert(rename(path.text, arena_printf(&f.arena, "%s/away", f.data).ptr) == 0);
        cr_expect(!fixture_copy(&f, "Inbox", "Trash", false, uids, &op));
        cr_expect(strstr(f.err.detail, path.text) != NULL, "%s", f.err.detail);
        cr_expect(fixture_pull(&f, "Trash", 0).count == 0);
        cr_assert(rename(arena_printf(&f.arena, "%s/away", f.data).ptr, path.text) == 0);
        cr_expect(fixture_verify(&f) == 0, "no file is left without a row");
    }
    cr_expect(fixture_copy(&f, "Inbox", "Trash", false, uids, &op), "%s", f.err.detail);
    fixture_close(&f);
}

Test(messages, copy_counts_against_the_quota_and_move_does_not)
{
    deliver_some("Inbox", 2);
    struct copy op = {.mailbox_id = fixture_pull(&f, "Inbox", 0).mailbox.id,
                      .to = STR("Trash"),
                      .uids = UIDS(&f, 1, 2),
                      .quota_bytes = 3 * strlen(TEXT)};
    struct copy move = op;
    cr_expect(!copy_messages(f.account, STR_NULL, &op, &f.arena, &f.err) &&
              f.err.kind == ERR_LIMIT);
    cr_expect(fixture_pull(&f, "Trash", 0).count == 0, "all or nothing");
    cr_expect(fixture_verify(&f) == 0);
    move.move = true;
    move.quota_bytes = 1;
    cr_expect(copy_messages(f.account, STR_NULL, &move, &f.arena, &f.err));
    fixture_close(&f);
}

Test(messages, move_keeps_the_message_and_leaves_a_tombstone)
{
    struct copy op;
    deliver_some("Inbox", 2);
    struct changes before = fixture_pull(&f, "Inbox", 0);
    cr_assert(fixture_copy(&f, "Inbox", "Archive", true, UIDS(&f, 1), &op));
    struct changes source = fixture_pull(&f, "Inbox", before.mailbox.modseq);
    struct changes target = fixture_pull(&f, "Archive", 0);
    cr_expect(source.vanished_count == 1 && source.vanished_uid[0] == 1 && source.count == 0);
    cr_expect(source.mailbox.total == 1 && source.vanished_modseq[0] == target.modseq[0]);
    cr_expect(target.id[0] == before.id[0] && target.uid[0] == 1);
    cr_expect(target.flags[0] == FLAG_NOTJUNK);
    cr_assert(fixture_copy(&f, "Archive", "Inbox", true, UIDS(&f, 1), &op));
    struct changes back = fixture_pull(&f, "Inbox", 0);
    cr_expect(back.uid[1] == 3 && back.id[1] == before.id[0] && back.flags[1] == 0);
    fixture_close(&f);
}

Test(messages, keywords_follow_by_name)
{
    struct str ab[] = {STR("a"), STR("b")}, b[] = {STR("b")};
    struct delivery d = {.message = {.keywords = {ab, 2}}}, e = {.message = {.keywords = {b, 1}}};
    struct copy op;
    cr_assert(fixture_try_deliver(&f, "Inbox", &d, TEXT));
    cr_assert(fixture_try_deliver(&f, "Trash", &e, TEXT));
    cr_assert(fixture_copy(&f, "Inbox", "Trash", true, UIDS(&f, 1), &op));
    struct changes c = fixture_pull(&f, "Trash", 0);
    cr_expect(str_eq(c.mailbox.keywords, STR("b a")));
    cr_expect(c.keyword_end[1] == 3 && c.keyword_index[1] == 0 && c.keyword_index[2] == 1);
    fixture_close(&f);
}

/* ---- APPEND */

Test(messages, append_is_all_or_nothing)
{
    struct new_message items[2] = {fixture_message(&f, STR(TEXT)), fixture_message(&f, STR(TEXT))};
    struct append op = {.mailbox = STR("INBOX"), .messages = items, .count = 2, .quota_bytes = 60};
    cr_expect(!append(f.account, STR_NULL, &op, &f.arena, &f.err) && f.err.kind == ERR_LIMIT);
    cr_expect(fixture_pull(&f, "Inbox", 0).count == 0);
    op.quota_bytes = INT64_MAX;
    cr_assert(append(f.account, STR_NULL, &op, &f.arena, &f.err), "%s", f.err.detail);
    cr_expect(op.uids.len == 2 && op.uids.items[1] == 2);
    struct changes c = fixture_pull(&f, "Inbox", 0);
    cr_expect(c.modseq[0] == c.modseq[1] && c.modseq[0] == op.modseq);
    cr_expect(op.uidvalidity == c.mailbox.uidvalidity);
    op.mailbox = STR("nobox");
    cr_expect(!append(f.account, STR_NULL, &op, &f.arena, &f.err) && f.err.kind == ERR_NOT_FOUND);
    fixture_close(&f);
}

/* RFC 8508. */
Test(messages, append_replaces)
{
    deliver_some("Inbox", 3);
    struct new_message item = fixture_message(&f, STR(TEXT));
    struct append op = {.mailbox = STR("Inbox"),
                        .messages = &item,
                        .count = 1,
                        .quota_bytes = INT64_MAX,
                        .view_mailbox_id = fixture_pull(&f, "Inbox", 0).mailbox.id,
                        .replace_uid = 2};
    cr_assert(append(f.account, STR_NULL, &op, &f.arena, &f.err), "%s", f.err.detail);
    struct changes c = fixture_pull(&f, "Inbox", 0);
    cr_expect(c.count == 3 && c.uid[1] == 3 && c.uid[2] == 4);
    struct new_message other = fixture_message(&f, STR(TEXT));
    op.messages = &other;
    cr_expect(!append(f.account, STR_NULL, &op, &f.arena, &f.err) && f.err.kind == ERR_STATE);
    op.replace_uid = 1;
    op.mailbox = STR("Drafts");
    cr_assert(append(f.account, STR_NULL, &op, &f.arena, &f.err));
    cr_expect(fixture_pull(&f, "Inbox", 0).count == 2);
    fixture_close(&f);
}

/* Spec 20 1.10, 1.15. */
Test(messages, recipients_of_sent_messages_are_known_until_they_are_expunged)
{
    fixture_deliver(&f, "Sent", "To: a@x.example, b@x.example\r\nCc: c@y.example\r\n\r\n");
    fixture_deliver(&f, "Inbox", "To: d@x.example\r\n\r\n");
    cr_expect(fixture_number(&f, "SELECT count(*) FROM recipient") == 3);
    fixture_flag(&f, "Sent", STORE_ADD, FLAG_DELETED, UIDS(&f, 1));
    fixture_expunge(&f, "Sent");
    cr_expect(fixture_number(&f, "SELECT count(*) FROM recipient") == 0);
    fixture_close(&f);
}

/* ---- Views */

Test(messages, changes_come_in_chunks)
{
    deliver_some("Inbox", 5);
    uint64_t id = fixture_pull(&f, "Inbox", 0).mailbox.id;
    struct changes c;
    struct changes_request r = {.mailbox_id = id, .limit = 2};
    cr_assert(changes_read(f.account, &r, &f.arena, &c, &f.err));
    cr_expect(c.count == 2 && c.more && c.last_uid == 2);
    r.from_uid = 2;
    cr_assert(changes_read(f.account, &r, &f.arena, &c, &f.err));
    cr_expect(c.count == 2 && c.more && c.last_uid == 4 && c.uid[0] == 3);
    r.from_uid = 4;
    cr_assert(changes_read(f.account, &r, &f.arena, &c, &f.err));
    cr_expect(c.count == 1 && !c.more);
    r = (struct changes_request){.mailbox_id = 999};
    cr_assert(changes_read(f.account, &r, &f.arena, &c, &f.err));
    cr_expect(c.gone);
    fixture_close(&f);
}

Test(messages, what_vanished_alone_and_how_far_back_it_is_known)
{
    deliver_some("Inbox", 3);
    struct changes c = fixture_pull(&f, "Inbox", 0);
    struct changes_request r = {
        .mailbox_id = c.mailbox.id, .since_modseq = c.mailbox.modseq, .expunged_only = true};
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_DELETED, UIDS(&f, 2));
    fixture_expunge(&f, "Inbox");
    cr_assert(changes_read(f.account, &r, &f.arena, &c, &f.err));
    cr_expect(c.count == 0 && !c.more && c.purged_modseq == 0);
    cr_assert(c.vanished_count == 1 && c.vanished_uid[0] == 2);
    cr_expect(c.vanished_modseq[0] == c.mailbox.modseq);
    cr_assert(db_exec(f.account->db, "UPDATE account SET purged_modseq = 5", &f.err));
    r.since_modseq = c.mailbox.modseq;
    cr_assert(changes_read(f.account, &r, &f.arena, &c, &f.err));
    cr_expect(c.vanished_count == 0 && c.purged_modseq == 5);
    fixture_close(&f);
}

Test(messages, changes_since_are_only_those)
{
    deliver_some("Inbox", 5);
    uint64_t since = fixture_pull(&f, "Inbox", 0).mailbox.modseq;
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_FLAGGED, UIDS(&f, 4));
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_FLAGGED, UIDS(&f, 2));
    struct changes c = fixture_pull(&f, "Inbox", since);
    cr_expect(c.count == 2 && c.uid[0] == 2 && c.uid[1] == 4, "in UID order");
    c = fixture_pull(&f, "Inbox", c.mailbox.modseq);
    cr_expect(c.count == 0 && c.mailbox.total == 5);
    fixture_close(&f);
}

/* It is sorted as one that says nothing, and told of. */
Test(messages, sort_keys_of_a_damaged_message_are_empty)
{
    struct db *db;
    struct sort_keys keys;
    uint64_t ids[3];
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        ids[i] = fixture_deliver(&f, "Inbox", TEXT).message_id;
    fixture_sql(&f, "UPDATE message SET structure = x'ffffff00' WHERE uid = 2");
    cr_assert(account_read_begin(f.account, &db, &f.err));
    cr_assert(sort_keys_read(db, ids, ARRAY_LEN(ids), 255, &f.arena, &keys, &f.err));
    account_read_end(f.account, db);
    cr_expect_str_eq(keys.subject[0], keys.subject[2]);
    cr_expect(keys.subject[0][0] != '\0' && keys.subject[1][0] == '\0');
    cr_expect(keys.damaged == 1 && keys.damaged_id == ids[1]);
    fixture_discard(&f);
}
