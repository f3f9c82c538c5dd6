#include "services/store/verify.h"

#include "common/base/bug.h"
#include "services/store/acl.h"
#include "services/store/directory_shares.h"
#include "services/store/mailbox_name.h"
#include "services/store/thread.h"
#include "services/store/verify_files.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void findings_init(struct findings *f, struct arena *arena)
{
    *f = (struct findings){.arena = arena};
}

void findings_release(struct findings *f)
{
    array_release(&f->lines);
    array_release(&f->warnings);
    array_release(&f->moved);
}

/* What the reader of a finding is to do, by kind. Commands are those of `mailrail`. */
static const char *const remedies[FINDING_KINDS] = {
    [FINDING_COUNT] = "see recalculate",
    [FINDING_SEQUENCE] = "see fix-uid-metadata",
    [FINDING_MODSEQ] = "see bump-uidvalidity",
    [FINDING_TOMBSTONE] = "see reassign-uids",
    [FINDING_MAILBOX] = "rename it in a mail program, and back",
    [FINDING_ROW] = "no command repairs this: see restore",
    [FINDING_THREAD] = "see reassign-threads",
    [FINDING_TRAINING] = "mark it as junk or not junk in a mail program",
    [FINDING_USE] = "see recalculate",
    [FINDING_STRUCTURE] = "see reparse",
    [FINDING_SHARE] = "see recalculate",
    [FINDING_FILE_MISSING] = "its text is lost, unless a backup has it: see restore; "
                             "remove-lost takes it out of its mailbox",
    [FINDING_FILE_SIZE] = "see fix-message-sizes",
    [FINDING_FILE_STRAY] = "verifydata --fix moves it",
    [FINDING_QUEUE] = "no command repairs this; its sender may have to send it again",
    [FINDING_DAMAGE] = "no command repairs this: see restore",
};

void findings_add(struct findings *f, enum finding_kind kind, const char *format, ...)
{
    char line[512];
    if (f->count[kind]++ >= FINDINGS_PER_KIND)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    array_push(&f->lines, arena_printf(f->arena, "%s (%s)", line, remedies[kind]));
}

void findings_warn(struct findings *f, const char *format, ...)
{
    char line[512];
    if (f->warnings.len == FINDINGS_PER_KIND)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    array_push(&f->warnings, arena_copy(f->arena, str_from_cstr(line)));
}

/* ---- Entries and tombstones */

static bool verify_entries(struct db *db, struct findings *f, struct err *err)
{
    /* In the order of the columns of VERIFY_ENTRIES. */
    static const struct {
        enum finding_kind kind;
        const char *text;
    } checks[] = {
        {FINDING_SEQUENCE, "UID is not below uidnext"},
        {FINDING_MODSEQ, "modseq is above that of its mailbox"},
        {FINDING_MODSEQ, "createseq is 0 or above modseq"},
        {FINDING_ROW, "has no message row"},
        {FINDING_ROW, "message row names another place"},
        {FINDING_ROW, "is both in a mailbox and to be erased"},
        {FINDING_FILE_SIZE, "prefix has another size than recorded"},
        {FINDING_THREAD, "thread id is 0"},
    };
    struct db_query q = db_query(db, VERIFY_ENTRIES);
    while (db_step(&q)) {
        if (db_column_is_null(&q, 0))
            findings_add(f, FINDING_ROW, "message %" PRIu64 " is in a mailbox that does not exist",
                         db_column_u64(&q, 2));
        for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
            if (db_column_u64(&q, 3 + (int)i) != 0)
                findings_add(f, checks[i].kind,
                             "mailbox %.*s: UID %" PRIu64 " (message %" PRIu64 "): %s",
                             STR_ARG(db_column_str(&q, 0)), db_column_u64(&q, 1),
                             db_column_u64(&q, 2), checks[i].text);
        }
    }
    return db_done(&q, err);
}

static bool verify_vanished(struct db *db, struct findings *f, struct err *err)
{
    struct db_query q = db_query(db, VERIFY_VANISHED);
    while (db_step(&q))
        findings_add(f, FINDING_TOMBSTONE, "mailbox %.*s: tombstone of UID %" PRIu64 " is wrong",
                     STR_ARG(db_column_str(&q, 0)), db_column_u64(&q, 1));
    return db_done(&q, err);
}

/* ---- Mailboxes */

static void compare_count(struct findings *f, const struct mailbox *m, const char *what,
                          int64_t stored, int64_t right)
{
    if (stored != right)
        findings_add(f, FINDING_COUNT, "mailbox %.*s: %s is %" PRId64 ", should be %" PRId64 "",
                     STR_ARG(m->name), what, stored, right);
}

static void compare_counts(struct findings *f, const struct mailbox *stored,
                           const struct mailbox *right)
{
    compare_count(f, stored, "total", stored->total, right->total);
    compare_count(f, stored, "deleted", stored->deleted, right->deleted);
    compare_count(f, stored, "unread", stored->unread, right->unread);
    compare_count(f, stored, "unseen", stored->unseen, right->unseen);
    compare_count(f, stored, "size", stored->size, right->size);
}

bool verify_count_mailbox(struct db *db, const struct mailbox *m, struct mailbox *ret,
                          struct err *err)
{
    *ret = (struct mailbox){0};
    struct db_query q = db_query(db, VERIFY_COUNTS);
    db_bind_u64(&q, m->id);
    if (db_step(&q)) {
        ret->total = db_column_i64(&q, 0);
        ret->deleted = db_column_i64(&q, 1);
        ret->unread = db_column_i64(&q, 2);
        ret->unseen = db_column_i64(&q, 3);
        ret->size = db_column_i64(&q, 4);
    }
    return db_done(&q, err);
}

static bool verify_counts(struct db *db, struct findings *f, struct err *err)
{
    struct mailbox_list list;
    struct mailbox right;
    TRY(mailbox_list(db, f->arena, &list, err));
    bool ok = true;
    for (size_t i = 0; ok && i < list.mailboxes.len; i++) {
        const struct mailbox *m = &list.mailboxes.items[i];
        ok = verify_count_mailbox(db, m, &right, err);
        if (ok)
            compare_counts(f, m, &right);
    }
    mailbox_list_release(&list);
    return ok;
}

static bool verify_mailboxes(struct db *db, struct findings *f, struct err *err)
{
    struct db_query q = db_query(db, VERIFY_MAILBOXES);
    while (db_step(&q)) {
        struct str name = db_column_str(&q, 0);
        struct str parent = db_column_str(&q, 3);
        if (db_column_u64(&q, 1) != 0)
            findings_add(f, FINDING_SEQUENCE, "mailbox %.*s: UIDVALIDITY is not below the next",
                         STR_ARG(name));
        if (db_column_u64(&q, 2) != 0)
            findings_add(f, FINDING_MODSEQ, "mailbox %.*s: createseq is 0 or above modseq",
                         STR_ARG(name));
        if (!str_eq(mailbox_name_parent(name), parent))
            findings_add(f, FINDING_MAILBOX, "mailbox %.*s: its parent is \"%.*s\"", STR_ARG(name),
                         STR_ARG(parent));
    }
    return db_done(&q, err);
}

static void verify_sum(struct findings *f, const char *unit, int64_t used, int64_t right)
{
    if (used != right)
        findings_add(f, FINDING_USE, "the account uses %" PRId64 " %s, should be %" PRId64 "", used,
                     unit, right);
}

/* The sum over the mailboxes is what the quota is checked against. */
static bool verify_use(struct account *account, struct db *db, struct findings *f, struct err *err)
{
    struct db_query q = db_query(db, ACCOUNT_HIGHEST);
    bool any = db_step(&q);
    int64_t bytes = any ? db_column_i64(&q, 2) : 0;
    int64_t messages = any ? db_column_i64(&q, 3) : 0;
    verify_sum(f, "bytes", atomic_load(&account->used), bytes);
    verify_sum(f, "messages", atomic_load(&account->messages), messages);
    return db_done(&q, err);
}

/* ---- Threads */

/* The rest of the list is the own list of the nearest ancestor that there is, as far as both go
 * (they are cut at THREAD_PARENTS_MAX). */
static bool verify_parents(struct db *db, uint64_t id, uint64_t thread_id, struct str parents,
                           struct findings *f, struct err *err)
{
    bool found = false;
    for (size_t i = 0; !found && i < parents.len / 8; i++) {
        struct db_query q = db_query(db, VERIFY_THREAD);
        db_bind_u64(&q, thread_parent_at(parents, i));
        found = db_step(&q);
        if (found) {
            struct str rest = str_skip(parents, 8 * (i + 1)), own = db_column_str(&q, 1);
            size_t common = rest.len < own.len ? rest.len : own.len;
            if (db_column_u64(&q, 0) != thread_id ||
                !str_eq(str_slice(rest, 0, common), str_slice(own, 0, common)))
                findings_add(f, FINDING_THREAD, "message %" PRIu64 ": not in line with its parent",
                             id);
        }
        TRY(db_done(&q, err));
    }
    return true;
}

static bool verify_thread(struct db *db, struct db_query *row, struct findings *f, struct err *err)
{
    uint64_t id = db_column_u64(row, 0);
    struct str parents = db_column_str(row, 2);
    for (size_t i = 0; i < parents.len / 8; i++) {
        if (thread_parent_at(parents, i) == id)
            findings_add(f, FINDING_THREAD, "message %" PRIu64 " is its own ancestor", id);
    }
    return verify_parents(db, id, db_column_u64(row, 1), parents, f, err);
}

static bool verify_threads(struct account *account, struct db *db, struct findings *f,
                           struct err *err)
{
    struct err failure = {.kind = ERR_NONE};
    if (atomic_load(&account->threads_pending)) /* they are being assigned */
        return true;
    struct db_query q = db_query(db, VERIFY_PARENTS);
    while (failure.kind == ERR_NONE && db_step(&q)) {
        if (!verify_thread(db, &q, f, &failure))
            BUG_ON(failure.kind == ERR_NONE);
    }
    TRY(db_done(&q, err));
    if (failure.kind != ERR_NONE)
        *err = failure;
    return failure.kind == ERR_NONE;
}

static bool verify_training(struct db *db, struct findings *f, struct err *err)
{
    struct db_query q = db_query(db, VERIFY_TRAINING);
    while (db_step(&q))
        findings_add(f, FINDING_TRAINING,
                     "message %" PRIu64 ": the junk filter will know it as what it is not",
                     db_column_u64(&q, 0));
    return db_done(&q, err);
}

/* ---- Rights */

static bool verify_reader(struct account *account, const struct acl_account *a, struct findings *f,
                          struct err *err)
{
    uint64_t version;
    bool found = false;
    if (a->id != ACL_ANYONE &&
        !directory_credential_version(account->store, a->id, &version, err)) {
        if (err->kind != ERR_NOT_FOUND)
            return false;
        findings_warn(f, "account %" PRIu64 " has rights here, and is gone (see recalculate)",
                      a->id);
        return true;
    }
    TRY(directory_has_share(account->store, account->id, a->id, &found, err));
    if (a->is_reader && !found)
        findings_add(f, FINDING_SHARE,
                     "the directory does not know that account %" PRIu64 " has rights here", a->id);
    return true;
}

static bool verify_readers(struct account *account, struct db *db, struct findings *f,
                           struct err *err)
{
    struct acl_accounts accounts;
    TRY(acl_accounts_read(db, &accounts, err));
    bool ok = true;
    for (size_t i = 0; ok && i < accounts.list.len; i++)
        ok = verify_reader(account, &accounts.list.items[i], f, err);
    acl_accounts_release(&accounts);
    return ok;
}

static bool verify_acl(struct account *account, struct db *db, struct findings *f, struct err *err)
{
    struct db_query q = db_query(db, VERIFY_ACL);
    while (db_step(&q))
        findings_add(f, FINDING_SHARE,
                     "rights of %.*s to mailbox %" PRIu64 ", which does not exist",
                     STR_ARG(db_column_str(&q, 0)), db_column_u64(&q, 1));
    TRY(db_done(&q, err));
    return !account->store->directory /* tests have none */ || verify_readers(account, db, f, err);
}

static bool verify_snapshot(struct account *account, struct db *db, struct findings *f,
                            struct err *err)
{
    return verify_mailboxes(db, f, err) && verify_counts(db, f, err) &&
           verify_entries(db, f, err) && verify_vanished(db, f, err) &&
           verify_threads(account, db, f, err) && verify_training(db, f, err) &&
           verify_acl(account, db, f, err) && verify_use(account, db, f, err) &&
           verify_files(account, db, f, err);
}

bool verify_account(struct account *account, struct findings *f, struct err *err)
{
    struct db *db;
    pthread_rwlock_wrlock(&account->files_lock);
    ready_files_drop(account);
    bool ok = account_read_begin(account, &db, err);
    if (ok) {
        ok = verify_snapshot(account, db, f, err);
        account_read_end(account, db);
    }
    pthread_rwlock_unlock(&account->files_lock);
    return ok && verify_structures(account, f, err);
}
