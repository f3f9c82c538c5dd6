/*
 * What opening a view of a large mailbox costs store: reading the rows, and packing the reply.
 *
 *     bench-store_pull [MESSAGES]
 *
 * Prints CPU time of both, for everything and for 100 changed messages, and the size of the reply.
 */
#include "common/base/bug.h"
#include "services/store/account.h"
#include "services/store/changes.h"
#include "services/store/mailboxes_reply.h"
#include "tests/unit/support/remove_tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static char data[] = "/tmp/mailrail-bench-XXXXXX";
static struct settings settings;
static struct store_config config = {
    .open_accounts_max = 16, .account_idle_s = 300, .erase_after_s = 3600};
static struct store store;
static struct account *account;

static void check(bool ok, const char *what)
{
    if (!ok)
        BUG("%s failed", what);
}

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Rows as deliveries make them, without the files. */
static void fill(unsigned messages)
{
    char sql[1024];
    sqlite3 *db;
    struct err err;
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u)"
             " INSERT INTO entry SELECT 1 << 32 | i, i, i + 2, i + 2, i %% 4, NULL, 4096 + i %% "
             "999, 300,"
             " 1700000000 + i, 1700000000 + i, 1440 FROM n;"
             "UPDATE mailbox SET total = %u, uidnext = %u, modseq = %u WHERE id = 1",
             messages, messages, messages + 1, messages + 2);
    check(sqlite3_open(layout_account_db(settings.data, 1).text, &db) == SQLITE_OK, "open");
    check(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "fill");
    sqlite3_close(db);
    account_release(account);
    accounts_close(store.accounts);
    check(accounts_open(&store, &err) && account_open(&store, 1, &account, &err), "reopen");
}

static void measure(const char *name, uint64_t since)
{
    struct arena arena;
    struct err err;
    struct changes changes;
    struct changes_request request = {.mailbox_id = 1, .since_modseq = since};
    Mailrail__Changes reply = MAILRAIL__CHANGES__INIT;
    arena_init(&arena, 256 << 20);
    double start = cpu_ms();
    check(changes_read(account, &request, &arena, &changes, &err), "changes_read");
    double read = cpu_ms();
    check(reply_changes(&changes, &arena, &reply, &err), "reply_changes");
    size_t size = mailrail__changes__get_packed_size(&reply);
    uint8_t *bytes = xmalloc(size);
    mailrail__changes__pack(&reply, bytes);
    double packed = cpu_ms();
    mailrail__changes__free_unpacked(mailrail__changes__unpack(NULL, size, bytes), NULL);
    printf("%-10s %6zu messages: read %6.2f ms, pack %5.2f ms, unpack %5.2f ms, %zu bytes\n", name,
           changes.count, read - start, packed - read, cpu_ms() - packed, size);
    free(bytes);
    arena_release(&arena);
}

int main(int argc, char **argv)
{
    unsigned messages = argc > 1 ? (unsigned)atoi(argv[1]) : 100000;
    struct err err;
    check(mkdtemp(data) != NULL, "mkdtemp");
    settings.data = str_from_cstr(data);
    store = (struct store){.settings = &settings,
                           .config = &config,
                           .log = log_root(log_new(STDERR_FILENO, LOG_ERROR), "bench")};
    check(accounts_open(&store, &err) && account_open(&store, 1, &account, &err), "open");
    fill(messages);
    for (int i = 0; i < 3; i++)
        measure("everything", 0);
    measure("changes", messages - 98);
    account_release(account);
    accounts_close(store.accounts);
    remove_tree(data);
    return 0;
}
