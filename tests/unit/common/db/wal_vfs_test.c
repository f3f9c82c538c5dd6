#include "common/db/wal_vfs.h"
#include "tests/unit/support/remove_tree.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Below the VFS: SQLite's default one, watched and made to fail */

static unsigned log_writes;   /* calls that wrote to a log */
static unsigned fail_in;      /* so many of them from now the disk is full; 0: it is not */
static sqlite3_vfs watching;  /* the default VFS with another xOpen */
static sqlite3_vfs *real_vfs; /* the default VFS */
static sqlite3_io_methods watched_log;
static int (*real_write)(sqlite3_file *, const void *, int, sqlite3_int64);

static int watched_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 at)
{
    log_writes++;
    if (fail_in > 0 && --fail_in == 0) {
        fail_in = 1; /* and stays full */
        return SQLITE_FULL;
    }
    return real_write(file, bytes, size, at);
}

static int watched_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret)
{
    (void)vfs;
    int rc = real_vfs->xOpen(real_vfs, name, file, flags, ret);
    if (rc == SQLITE_OK && (flags & SQLITE_OPEN_WAL)) {
        watched_log = *file->pMethods;
        real_write = watched_log.xWrite;
        watched_log.xWrite = watched_write;
        file->pMethods = &watched_log;
    }
    return rc;
}

static void make_vfs(void)
{
    real_vfs = sqlite3_vfs_find(NULL);
    watching = *real_vfs;
    watching.zName = "watching";
    watching.xOpen = watched_open;
    cr_assert_eq(sqlite3_vfs_register(&watching, 0), SQLITE_OK);
    cr_assert_eq(wal_vfs_register("tested", "watching"), SQLITE_OK);
}

/* ---- Databases */

static char path[64];

static void setup(void)
{
    strcpy(path, "/tmp/wal-test-XXXXXX");
    cr_assert(mkdtemp(path));
    strcat(path, "/test.db");
    make_vfs();
}

static void teardown(void)
{
    *strrchr(path, '/') = '\0';
    remove_tree(path);
}

TestSuite(wal_vfs, .init = setup, .fini = teardown);

static int run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static void must(sqlite3 *db, const char *sql)
{
    int rc = run(db, sql);
    cr_assert_eq(rc, SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
}

static sqlite3 *open_db(void)
{
    sqlite3 *db;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    cr_assert_eq(sqlite3_open_v2(path, &db, flags, "tested"), SQLITE_OK);
    must(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0");
    return db;
}

static sqlite3 *new_db(void)
{
    sqlite3 *db = open_db();
    must(db, "CREATE TABLE item (id INTEGER PRIMARY KEY, data BLOB)");
    return db;
}

/* One row fills a page. */
static void add_such(sqlite3 *db, int count, const char *data)
{
    char sql[160];
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<%d)"
             " INSERT INTO item (data) SELECT %s FROM n",
             count, data);
    must(db, sql);
}

static void add_rows(sqlite3 *db, int count)
{
    add_such(db, count, "randomblob(3000)");
}

static int number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt;
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_step(stmt), SQLITE_ROW, "%s: %s", sql, sqlite3_errmsg(db));
    int value = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static int rows(sqlite3 *db)
{
    return number(db, "SELECT count(*) FROM item WHERE length(data)=3000");
}

static bool is_sound(sqlite3 *db)
{
    return number(db, "SELECT integrity_check='ok' FROM pragma_integrity_check") == 1;
}

Test(wal_vfs, a_small_transaction_is_one_write_and_others_see_it)
{
    sqlite3 *a = new_db(), *b = open_db();
    add_rows(a, 1);
    log_writes = 0;
    add_rows(a, 8);
    cr_assert_eq(log_writes, 1, "%u writes", log_writes);
    cr_assert_eq(rows(b), 9);
    must(b, "DELETE FROM item WHERE id=1");
    cr_assert_eq(rows(a), 8);
    sqlite3_close(a);
    sqlite3_close(b);
}

Test(wal_vfs, a_transaction_larger_than_the_cache_reads_what_it_wrote)
{
    sqlite3 *a = new_db(), *b = open_db();
    must(a, "PRAGMA cache_size=10; BEGIN");
    log_writes = 0;
    add_rows(a, 300);
    cr_assert_eq(rows(a), 300);
    cr_assert_eq(rows(b), 0);
    must(a, "UPDATE item SET data=randomblob(2999) WHERE id%2=0; COMMIT");
    cr_assert_lt(log_writes, 600, "%u writes", log_writes); /* two for each frame without it */
    cr_assert_eq(rows(b), 150);
    cr_assert(is_sound(a) && is_sound(b));
    must(b, "PRAGMA wal_checkpoint(TRUNCATE)");
    cr_assert_eq(rows(a), 150);
    sqlite3_close(a);
    sqlite3_close(b);
}

Test(wal_vfs, what_was_taken_back_is_not_written_over_the_changes_of_others)
{
    sqlite3 *a = new_db(), *b = open_db();
    must(a, "PRAGMA cache_size=10");
    for (int i = 1; i <= 20; i++) { /* so that what is kept at the end has many lengths */
        must(b, "PRAGMA wal_checkpoint(RESTART)"); /* else ROLLBACK reads the log: that writes it */
        must(a, "BEGIN");
        add_such(a, 20 + i, "zeroblob(3000)");
        must(a, "ROLLBACK");
        add_rows(b, 30);
        add_rows(a, 1);
        cr_assert_eq(rows(a), i * 31);
        cr_assert_eq(number(a, "SELECT count(*) FROM item WHERE data=zeroblob(3000)"), 0);
    }
    cr_assert(is_sound(a) && is_sound(b));
    sqlite3_close(a);
    sqlite3_close(b);
}

Test(wal_vfs, a_savepoint_of_a_large_transaction_can_be_undone)
{
    sqlite3 *a = new_db();
    must(a, "PRAGMA cache_size=10; BEGIN");
    add_rows(a, 25);
    must(a, "SAVEPOINT s");
    add_rows(a, 40);
    must(a, "ROLLBACK TO s; RELEASE s");
    add_rows(a, 3);
    must(a, "COMMIT");
    cr_assert_eq(rows(a), 28);
    cr_assert(is_sound(a));
    sqlite3_close(a);
}

Test(wal_vfs, a_full_disk_fails_the_commit_and_nothing_else)
{
    sqlite3 *a = new_db(), *b = open_db();
    add_rows(a, 5);
    for (unsigned n = 1; n <= 4; n++) {
        fail_in = n;
        char sql[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<100)"
                     " INSERT INTO item (data) SELECT randomblob(3000) FROM n";
        cr_assert_eq(run(a, sql), SQLITE_FULL);
        cr_assert_eq(rows(b), 4 + (int)n);
        fail_in = 0;
        add_rows(a, 1);
        cr_assert_eq(rows(b), 5 + (int)n);
    }
    cr_assert(is_sound(a) && is_sound(b));
    sqlite3_close(a);
    sqlite3_close(b);
}

static long log_size(void)
{
    char name[80];
    struct stat st;
    snprintf(name, sizeof(name), "%s-wal", path);
    cr_assert_eq(stat(name, &st), 0);
    return (long)st.st_size;
}

Test(wal_vfs, a_log_grows_by_steps)
{
    sqlite3 *a = new_db();
    unsigned sizes = 0;
    long size = log_size();
    cr_assert_eq(size, 64 << 10);
    for (int i = 0; i < 700; i++) {
        add_rows(a, 1);
        sizes += log_size() != size;
        size = log_size();
    }
    cr_assert_eq(size % (1 << 20), 0, "%ld", size);
    cr_assert_leq(sizes, 4 + (unsigned)(size >> 20), "%u sizes", sizes);
    cr_assert_eq(rows(a), 700);
    must(a, "PRAGMA wal_checkpoint(TRUNCATE)");
    add_rows(a, 1);
    cr_assert_eq(log_size(), 64 << 10, "from the start again");
    sqlite3_close(a);
}

Test(wal_vfs, growing_leaves_the_frames_of_other_connections_alone)
{
    sqlite3 *a = new_db(), *b = open_db();
    for (int i = 0; i < 200; i++) {
        add_rows(i % 3 == 0 ? a : b, 1 + i % 5);
        cr_assert_eq(rows(a), rows(b));
    }
    sqlite3 *c = open_db();
    cr_assert_eq(rows(c), 40 * 15);
    cr_assert(is_sound(c));
    sqlite3_close(c);
    sqlite3_close(a);
    sqlite3_close(b);
}

Test(wal_vfs, a_disk_that_is_full_while_a_log_grows_loses_nothing)
{
    sqlite3 *a = new_db();
    int added = 0;
    for (; log_size() == 64 << 10; added++) {
        fail_in = 2; /* the first is the commit's */
        add_rows(a, 1);
        fail_in = 0;
    }
    cr_assert_neq(log_size() % (64 << 10), 0, "it did not grow");
    add_rows(a, 1);
    cr_assert_eq(rows(a), added + 1);
    cr_assert(is_sound(a));
    sqlite3_close(a);
}

Test(wal_vfs, what_a_killed_process_has_committed_is_there)
{
    sqlite3 *a = new_db();
    sqlite3_close(a);
    pid_t child = fork();
    if (child == 0) {
        sqlite3 *db = open_db();
        add_rows(db, 40);
        must(db, "BEGIN");
        add_rows(db, 40);
        kill(getpid(), SIGKILL);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    a = open_db();
    cr_assert_eq(rows(a), 40);
    cr_assert(is_sound(a));
    sqlite3_close(a);
}
