#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "common/sys/file.h"
#include "common/mail/structure.h"
#include "services/store/account.h"
#include "services/store/append.h"
#include "services/store/changes.h"
#include "services/store/copy.h"
#include "services/store/deliver.h"
#include "services/store/erase.h"
#include "services/store/expunge.h"
#include "services/store/mailbox_ops.h"
#include "services/store/message_files.h"
#include "services/store/store_flags.h"
#include "services/store/training.h"
#include "services/store/verify.h"
#include "tests/unit/support/remove_tree.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * One account on a temporary directory, without directory and bus. fixture_close runs the
 * consistency check and fails the test when it finds anything.
 */
struct fixture {
    char data[64];
    struct settings settings;
    struct store_config config;
    struct log *log;
    struct store store;
    struct account *account;
    struct arena arena;
    struct err err;
    unsigned spooled;
    unsigned texts;
};

#define FIXTURE_ACCOUNT 7

static inline void fixture_start(struct fixture *f)
{
    f->log = log_new(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_ERROR);
    f->store = (struct store){
        .settings = &f->settings, .config = &f->config, .log = log_root(f->log, "store")};
    cr_assert(accounts_open(&f->store, &f->err), "%s", f->err.detail);
    f->store.file_maker = file_maker_start(&f->store, &f->err);
    f->store.batch_syncer = file_syncer_new(FILE_SYNC_THREADS_MAX, &f->err);
    cr_assert(f->store.file_maker && f->store.batch_syncer, "%s", f->err.detail);
    cr_assert(account_open(&f->store, FIXTURE_ACCOUNT, &f->account, &f->err), "%s", f->err.detail);
}

static inline void fixture_stop(struct fixture *f)
{
    account_release(f->account);
    f->account = NULL;
    file_maker_stop(f->store.file_maker);
    accounts_close(f->store.accounts);
    file_syncer_free(f->store.batch_syncer);
    log_free(f->log);
}

static inline void fixture_open(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    strcpy(f->data, "/tmp/mailrail-test-XXXXXX");
    cr_assert(mkdtemp(f->data) != NULL);
    f->settings.data = str_from_cstr(f->data);
    f->config = (struct store_config){
        .open_accounts_max = 16, .account_idle_s = 300, .erase_after_s = 3600};
    char spool[80];
    snprintf(spool, sizeof(spool), "%s/spool/imap", f->data);
    cr_assert(directory_make(spool, 0770, &f->err));
    arena_init(&f->arena, 64 << 20);
    fixture_start(f);
}

static inline void fixture_reopen(struct fixture *f)
{
    fixture_stop(f);
    fixture_start(f);
}

static inline size_t fixture_verify(struct fixture *f)
{
    struct findings findings;
    findings_init(&findings, &f->arena);
    cr_assert(verify_account(f->account, &findings, &f->err), "%s", f->err.detail);
    for (size_t i = 0; i < findings.lines.len; i++)
        fprintf(stderr, "finding: %.*s\n", STR_ARG(findings.lines.items[i]));
    size_t count = findings.lines.len;
    findings_release(&findings);
    return count;
}

static inline void fixture_discard(struct fixture *f)
{
    fixture_stop(f);
    arena_release(&f->arena);
    remove_tree(f->data);
}

static inline void fixture_close(struct fixture *f)
{
    cr_expect(fixture_verify(f) == 0, "the account is inconsistent");
    fixture_discard(f);
}

/* ---- Messages */

/* Writes the text as a new spool file; its name is in arena. */
static inline struct str fixture_spool(struct fixture *f, struct str text)
{
    char path[128];
    struct str name = arena_printf(&f->arena, "imap/test-%u-%d", f->spooled++, (int)getpid());
    snprintf(path, sizeof(path), "%s/spool/%.*s", f->data, STR_ARG(name));
    FILE *file = fopen(path, "w");
    cr_assert(file && fwrite(text.ptr, 1, text.len, file) == text.len && fclose(file) == 0);
    return name;
}

/* By turns a spool file and content. */
static inline struct message_text fixture_text(struct fixture *f, struct str text)
{
    struct message_text t = {.size = text.len};
    if (f->texts++ % 2 == 0)
        t.spool_name = fixture_spool(f, text);
    else
        t.content = arena_copy(&f->arena, text);
    return t;
}

static inline struct new_message fixture_message(struct fixture *f, struct str text)
{
    struct buf encoded;
    buf_init(&encoded, 1 << 20);
    const struct structure *s = structure_parse(text, &f->arena);
    cr_assert(structure_encode(s, &f->arena, &encoded, &f->err), "%s", f->err.detail);
    struct new_message m = {.text = fixture_text(f, text),
                            .structure_bytes = arena_copy(&f->arena, buf_str(&encoded)),
                            .received_s = 1700000000,
                            .zone = ENTRY_ZONE_UTC};
    buf_release(&encoded);
    cr_assert(message_decode(&m, &f->arena, &f->err), "%s", f->err.detail);
    return m;
}

static inline bool fixture_try_deliver(struct fixture *f, const char *mailbox, struct delivery *d,
                                       const char *text)
{
    struct str bytes = str_from_cstr(text);
    struct new_message given = d->message;
    d->message = fixture_message(f, bytes);
    d->message.prefix = given.prefix;
    d->message.flags = given.flags;
    d->message.keywords = given.keywords;
    d->message.origin = given.origin;
    if (given.received_s != 0)
        d->message.received_s = given.received_s;
    d->mailbox = str_from_cstr(mailbox);
    if (d->quota_bytes == 0)
        d->quota_bytes = INT64_MAX;
    return deliver(f->account, d, &f->arena, &f->err);
}

#define TEXT "From: a@example.org\r\nSubject: hi\r\n\r\nhello\r\n"

static inline struct delivery fixture_deliver(struct fixture *f, const char *mailbox,
                                              const char *text)
{
    struct delivery d = {.mailbox_id = 0};
    cr_assert(fixture_try_deliver(f, mailbox, &d, text), "%s", f->err.detail);
    return d;
}

static inline bool fixture_has_file(struct fixture *f, uint64_t id)
{
    return access(account_message_path(f->account, id).text, F_OK) == 0;
}

/* The one number that a query on the account's database gives. */
static inline int64_t fixture_number(struct fixture *f, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    struct layout_path path = layout_account_db(f->settings.data, FIXTURE_ACCOUNT);
    cr_assert(sqlite3_open(path.text, &db) == SQLITE_OK);
    cr_assert(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    cr_assert(sqlite3_step(stmt) == SQLITE_ROW, "%s", sql);
    int64_t number = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return number;
}

/* Damages or changes the account's database. */
static inline void fixture_sql(struct fixture *f, const char *sql)
{
    sqlite3 *db;
    struct layout_path path = layout_account_db(f->settings.data, FIXTURE_ACCOUNT);
    cr_assert(sqlite3_open(path.text, &db) == SQLITE_OK);
    cr_assert(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql,
              sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* ---- Mailboxes and their messages */

static inline struct changes fixture_pull(struct fixture *f, const char *name, uint64_t since)
{
    struct changes c;
    struct changes_request r = {.name = str_from_cstr(name), .since_modseq = since};
    cr_assert(changes_read(f->account, &r, &f->arena, &c, &f->err), "%s: %s", name, f->err.detail);
    return c;
}

static inline bool fixture_has_mailbox(struct fixture *f, const char *name)
{
    struct changes c;
    struct changes_request r = {.name = str_from_cstr(name)};
    return changes_read(f->account, &r, &f->arena, &c, &f->err);
}

static inline struct uids fixture_uids(struct fixture *f, const uint32_t *uids, size_t count)
{
    struct uids list = uids_new(&f->arena, count);
    memcpy(list.items, uids, count * sizeof(*uids));
    list.len = count;
    return list;
}

#define UIDS(f, ...)                                                                               \
    fixture_uids((f), (const uint32_t[]){__VA_ARGS__},                                             \
                 sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static inline struct store_flags fixture_flag(struct fixture *f, const char *mailbox,
                                              enum store_mode mode, uint32_t flags,
                                              struct uids uids)
{
    struct store_flags op = {.mailbox_id = fixture_pull(f, mailbox, 0).mailbox.id,
                             .mode = mode,
                             .flags = flags,
                             .uids = uids};
    cr_assert(store_flags(f->account, STR_NULL, &op, &f->arena, &f->err), "%s", f->err.detail);
    return op;
}

static inline struct expunge fixture_expunge(struct fixture *f, const char *mailbox)
{
    struct expunge op = {.mailbox_id = fixture_pull(f, mailbox, 0).mailbox.id};
    cr_assert(expunge(f->account, STR_NULL, &op, &f->arena, &f->err), "%s", f->err.detail);
    return op;
}

static inline bool fixture_copy(struct fixture *f, const char *from, const char *to, bool move,
                                struct uids uids, struct copy *ret)
{
    *ret = (struct copy){.mailbox_id = fixture_pull(f, from, 0).mailbox.id,
                         .to = str_from_cstr(to),
                         .move = move,
                         .uids = uids,
                         .quota_bytes = INT64_MAX};
    return copy_messages(f->account, STR_NULL, ret, &f->arena, &f->err);
}

/* ---- A junk filter that knows messages, not words */

#define FILTER_MESSAGES_MAX 8192

struct filter {
    uint64_t applied; /* the last row */
    enum trained_as known[FILTER_MESSAGES_MAX];
    size_t rows;
};

/* Applies what it did not apply yet; each row must begin at what is known. */
static inline void filter_apply(struct filter *filter, const struct training_pull *op)
{
    for (size_t i = 0; i < op->len; i++) {
        const struct training_row *row = &op->rows[i];
        if (row->sequence <= filter->applied)
            continue;
        cr_assert(row->message_id < FILTER_MESSAGES_MAX);
        cr_assert(filter->known[row->message_id] == row->from && row->from != row->to,
                  "row %d of message %d", (int)row->sequence, (int)row->message_id);
        filter->known[row->message_id] = row->to;
        filter->applied = row->sequence;
        filter->rows++;
    }
}

static inline bool filter_pull(struct fixture *f, struct filter *filter, struct training_pull *op)
{
    *op = (struct training_pull){.acknowledge = filter->applied, .limit = op->limit};
    return training_pull(f->account, op, &f->arena, &f->err);
}

static inline void filter_start(struct fixture *f, struct filter *filter)
{
    struct training_pull op = {.from_start = true, .limit = TRAINING_ROWS_MAX};
    cr_assert(training_pull(f->account, &op, &f->arena, &f->err), "%s", f->err.detail);
    *filter = (struct filter){.applied = op.acknowledged};
    filter_apply(filter, &op);
}

/* Until there are no more rows, and these are acknowledged. */
static inline void filter_catch_up(struct fixture *f, struct filter *filter, size_t limit)
{
    struct training_pull op = {.limit = limit};
    do {
        cr_assert(filter_pull(f, filter, &op), "%s", f->err.detail);
        cr_assert(op.len <= limit);
        filter_apply(filter, &op);
    } while (op.len > 0);
}

/* Whether what the filter knows is what the flags say. */
static inline void filter_check(struct fixture *f, const struct filter *filter)
{
    struct db *db;
    static enum trained_as right[FILTER_MESSAGES_MAX];
    memset(right, 0, sizeof(right));
    cr_assert(account_read_begin(f->account, &db, &f->err));
    for (int64_t mailbox = 1; mailbox < 1000; mailbox++) {
        struct entry e;
        struct db_query q = db_query(db, ENTRY_ALL);
        db_bind_i64(&q, mailbox);
        while (db_step(&q)) {
            entry_read(&q, &e);
            right[e.id] = training_of(e.flags);
        }
        cr_assert(db_done(&q, &f->err));
    }
    account_read_end(f->account, db);
    for (size_t id = 0; id < FILTER_MESSAGES_MAX; id++)
        cr_assert(filter->known[id] == right[id], "message %zu: %d, should be %d", id,
                  (int)filter->known[id], (int)right[id]);
}

#endif
