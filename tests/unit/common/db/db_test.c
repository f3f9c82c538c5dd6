#include "common/db/db.h"
#include "tests/unit/support/remove_tree.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ADD, FIND, COUNT, ADD_RENAMED };

static const char *const migrations[] = {
    "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL)",
    "ALTER TABLE item ADD COLUMN data BLOB",
};
static const char *const statements[] = {
    [ADD] = "INSERT INTO item (name, data) VALUES (?, ?)",
    [FIND] = "SELECT id, data FROM item WHERE name=?",
    [COUNT] = "SELECT count(*) FROM item",
    [ADD_RENAMED] = "INSERT INTO item (name, id, data) VALUES (?, ?, ?)",
};

static struct db_schema schema_at(size_t version)
{
    return (struct db_schema){migrations, version, statements, ARRAY_LEN(statements)};
}

static char path[64];

static void setup(void)
{
    strcpy(path, "/tmp/db-test-XXXXXX");
    cr_assert(mkdtemp(path));
    strcat(path, "/test.db");
}

static void teardown(void)
{
    *strrchr(path, '/') = '\0';
    remove_tree(path);
}

TestSuite(db, .init = setup, .fini = teardown);

static bool add(struct db *db, const char *name, struct str data, struct err *err)
{
    struct db_query q = db_query(db, ADD);
    db_bind_str(&q, str_from_cstr(name));
    db_bind_blob(&q, data);
    return db_run(&q, err);
}

static uint64_t count(struct db *db)
{
    struct err err;
    struct db_query q = db_query(db, COUNT);
    cr_assert(db_step(&q));
    uint64_t n = db_column_u64(&q, 0);
    cr_assert(db_done(&q, &err));
    return n;
}

Test(db, rows_come_back_as_they_were_bound)
{
    struct err err;
    struct db_schema s = schema_at(2);
    struct db *db = db_open(path, &s, DB_READ_WRITE, 64, &err);
    cr_assert(db && db_is_new(db));
    cr_assert(add(db, "null", STR_NULL, &err));
    cr_assert(add(db, "empty", STR(""), &err));
    cr_assert(add(db, "bytes", STR("a\0b"), &err));
    static const struct {
        const char *name;
        struct str want;
        bool is_null;
    } rows[] = {
        {"null", {NULL, 0}, true},
        {"empty", STR_INIT(""), false},
        {"bytes", STR_INIT("a\0b"), false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct db_query q = db_query(db, FIND);
        db_bind_str(&q, str_from_cstr(rows[i].name));
        cr_assert(db_step(&q), "%s", rows[i].name);
        cr_assert(str_eq(db_column_str(&q, 1), rows[i].want), "%s", rows[i].name);
        cr_assert_eq(db_column_is_null(&q, 1), rows[i].is_null, "%s", rows[i].name);
        cr_assert_not(db_step(&q));
        cr_assert(db_done(&q, &err));
    }
    db_close(db);
}

/* Of the same table, as when a message is copied. */
Test(db, a_row_is_bound_to_another_statement_as_it_is)
{
    struct err err;
    struct db_schema s = schema_at(2);
    struct db *db = db_open(path, &s, DB_READ_WRITE, 64, &err);
    static const struct str values[] = {{NULL, 0}, STR_INIT(""), STR_INIT("a\0b")};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        cr_assert(add(db, "original", values[i], &err));
        struct db_query from = db_query(db, FIND);
        db_bind_str(&from, STR("original"));
        cr_assert(db_step(&from));
        struct db_query to = db_query(db, ADD_RENAMED);
        db_bind_str(&to, STR("copy"));
        db_bind_u64(&to, 1000 + i);
        db_bind_columns(&to, &from, 1);
        cr_assert(db_run(&to, &err), "%s", err.detail);
        cr_assert(str_eq(db_column_str(&from, 1), values[i]), "the row stays where it is");
        cr_assert(db_done(&from, &err));
        from = db_query(db, FIND);
        db_bind_str(&from, STR("copy"));
        cr_assert(db_step(&from) && db_column_u64(&from, 0) == 1000 + i);
        cr_expect(str_eq(db_column_str(&from, 1), values[i]));
        cr_expect(db_column_is_null(&from, 1) == str_is_null(values[i]));
        cr_assert(db_done(&from, &err));
        cr_assert(db_exec(db, "DELETE FROM item", &err));
    }
    db_close(db);
}

Test(db, an_older_schema_is_moved_forward_and_a_newer_one_refused)
{
    struct err err;
    struct db_schema v1 = schema_at(1), v2 = schema_at(2);
    v1.statement_count = 0;
    db_close(db_open(path, &v1, DB_READ_WRITE, 64, &err));
    struct db *db = db_open(path, &v2, DB_READ_WRITE, 64, &err);
    cr_assert(db);
    cr_assert_not(db_is_new(db));
    cr_assert(add(db, "a", STR("x"), &err));
    db_close(db);
    cr_assert_null(db_open(path, &v1, DB_READ_WRITE, 64, &err));
    cr_assert_eq(err.kind, ERR_CORRUPT);
    cr_assert(strstr(err.detail, "newer release"), "%s", err.detail);
}

Test(db, failures_have_the_kind_that_says_what_to_do)
{
    struct err err;
    struct db_schema s = schema_at(2);
    struct db *db = db_open(path, &s, DB_READ_WRITE, 64, &err);
    cr_assert(add(db, "a", STR_NULL, &err));
    cr_assert_not(add(db, "a", STR_NULL, &err));
    cr_assert_eq(err.kind, ERR_CONFLICT);
    cr_assert_eq(count(db), 1);
    db_close(db);

    FILE *f = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is no database ", f);
    fclose(f);
    cr_assert_null(db_open(path, &s, DB_READ_WRITE, 64, &err));
    cr_assert_eq(err.kind, ERR_CORRUPT);
    cr_assert(strstr(err.detail, path), "%s", err.detail);

    cr_assert_null(db_open("/nonexistent/dir/x.db", &s, DB_READ_WRITE, 64, &err));
    cr_assert(strstr(err.detail, "/nonexistent/dir/x.db"), "%s", err.detail);
}

Test(db, a_savepoint_can_be_undone_alone)
{
    struct err err;
    struct db_schema s = schema_at(2);
    struct db *db = db_open(path, &s, DB_READ_WRITE, 64, &err);
    cr_assert(db_begin(db, false, &err));
    cr_assert(add(db, "kept", STR_NULL, &err));
    cr_assert(db_savepoint(db, &err));
    cr_assert(add(db, "undone", STR_NULL, &err));
    db_savepoint_undo(db);
    cr_assert(db_in_transaction(db));
    cr_assert(db_commit(db, &err));
    cr_assert_eq(count(db), 1);
    db_close(db);
}

/* So much that SQLite writes before the commit, which never comes. */
static void write_and_die(void)
{
    sqlite3 *handle;
    if (sqlite3_open(path, &handle) == SQLITE_OK &&
        sqlite3_exec(handle,
                     "PRAGMA cache_size=1; BEGIN; CREATE TABLE half (x);"
                     "INSERT INTO half VALUES (randomblob(1000000))",
                     NULL, NULL, NULL) == SQLITE_OK)
        raise(SIGKILL);
    _exit(1);
}

static int64_t cache_size(struct db *db)
{
    sqlite3_stmt *stmt = NULL;
    cr_assert_eq(sqlite3_prepare_v2(db_handle(db), "PRAGMA cache_size", -1, &stmt, NULL),
                 SQLITE_OK);
    cr_assert_eq(sqlite3_step(stmt), SQLITE_ROW);
    int64_t size = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return size;
}

Test(db, the_cache_is_wide_until_the_transaction_ends)
{
    struct err err;
    struct db_schema schema = schema_at(2);
    struct db *db = db_open(path, &schema, DB_READ_WRITE, 64, &err);
    cr_assert(db);
    for (int commit = 0; commit <= 1; commit++) {
        cr_assert(db_begin(db, true, &err) && db_widen_cache(db, 1024, &err));
        cr_assert(db_widen_cache(db, 32, &err), "less than there is changes nothing");
        cr_assert(add(db, "one", STR("1"), &err));
        cr_assert_eq(cache_size(db), -1024);
        if (commit)
            cr_assert(db_commit(db, &err));
        else
            db_rollback(db);
        cr_assert_eq(cache_size(db), -64);
        cr_assert_eq(count(db), (uint64_t)commit);
    }
    db_close(db);
}

Test(db, what_a_killed_process_left_half_made_waits_for_a_writer)
{
    struct err err;
    int status;
    struct db_schema s = schema_at(2);
    pid_t child = fork();
    if (child == 0)
        write_and_die();
    cr_assert(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    cr_assert_null(db_open(path, &s, DB_READ_ONLY, 64, &err));
    cr_assert_eq(err.kind, ERR_STATE, "%s", err.detail);
    struct db *writer = db_open(path, &s, DB_READ_WRITE, 64, &err);
    cr_assert(writer && db_is_new(writer), "%s", err.detail);
    struct db *reader = db_open(path, &s, DB_READ_ONLY, 64, &err);
    cr_assert(reader, "%s", err.detail);
    cr_assert_eq(count(reader), 0);
    db_close(reader);
    db_close(writer);
}
