#include "common/db/group.h"
#include "tests/unit/support/remove_tree.h"

#include <criterion/criterion.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ADD, COUNT };

static const char *const migrations[] = {
    "CREATE TABLE item (name INTEGER PRIMARY KEY)",
};
static const char *const statements[] = {
    [ADD] = "INSERT INTO item VALUES (?)",
    [COUNT] = "SELECT count(*) FROM item",
};
static const struct db_schema schema = {migrations, ARRAY_LEN(migrations), statements,
                                        ARRAY_LEN(statements)};

static char directory[64];
static struct db *db;
static struct db_group *group;

static void setup(void)
{
    struct err err;
    char path[128];
    strcpy(directory, "/tmp/group-test-XXXXXX");
    cr_assert(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/test.db", directory);
    db = db_open(path, &schema, DB_READ_WRITE, 64, &err);
    cr_assert(db);
    group = db_group_new(db, 16);
}

static void teardown(void)
{
    db_group_free(group);
    db_close(db);
    remove_tree(directory);
}

TestSuite(group, .init = setup, .fini = teardown);

static bool add(struct db *d, void *ctx, struct err *err)
{
    struct db_query q = db_query(d, ADD);
    db_bind_u64(&q, *(uint64_t *)ctx);
    TRY(db_run(&q, err));
    db_group_sync_directory(group, directory);
    /* Odd multiples of 7 change something, and then find that they must not. */
    if (*(uint64_t *)ctx % 14 == 7)
        return err_set(err, ERR_STATE, "no sevens");
    return true;
}

static uint64_t count(void)
{
    struct err err;
    struct db_query q = db_query(db, COUNT);
    cr_assert(db_step(&q));
    uint64_t n = db_column_u64(&q, 0);
    cr_assert(db_done(&q, &err));
    return n;
}

#define THREADS 40
#define EACH 50

static atomic_uint failed;

static void *writer(void *arg)
{
    for (uint64_t i = 0; i < EACH; i++) {
        uint64_t value = (uint64_t)(uintptr_t)arg * EACH + i;
        struct err err;
        bool ok = db_group_run(group, add, &value, i % 2 ? DB_DURABLE : 0, &err);
        cr_assert_eq(ok, value % 14 != 7, "%d", (int)value);
        if (!ok) {
            cr_assert_eq(err.kind, ERR_STATE);
            failed++;
        }
    }
    return NULL;
}

Test(group, many_writers_share_commits_and_a_failure_takes_back_only_itself)
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, writer, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    uint64_t commits, changes;
    db_group_counts(group, &commits, &changes);
    cr_assert_eq(count(), THREADS * EACH - failed);
    cr_assert_eq(changes, THREADS * EACH - failed);
    cr_assert(failed > 0);
    cr_assert(commits < changes, "%d commits of %d changes", (int)commits, (int)changes);
}

static bool add_and_name_a_missing_directory(struct db *d, void *ctx, struct err *err)
{
    uint64_t value = 1;
    (void)ctx;
    TRY(add(d, &value, err));
    db_group_sync_directory(group, "/nonexistent/directory");
    return true;
}

Test(group, a_directory_that_cannot_be_synced_fails_the_commit)
{
    struct err err;
    cr_assert_not(db_group_run(group, add_and_name_a_missing_directory, NULL, DB_DURABLE, &err));
    cr_assert(strstr(err.detail, "/nonexistent/directory"), "%s", err.detail);
    cr_assert_eq(count(), 0);
}

Test(group, a_file_that_cannot_be_synced_fails_the_commit)
{
    struct err err;
    uint64_t name = 1;
    int pipe_fds[2];
    struct file_syncer *syncer = file_syncer_new(1, &err);
    struct file_sync sync;
    cr_assert(syncer && pipe(pipe_fds) == 0);
    file_sync_begin(syncer, &sync, pipe_fds[1]);
    cr_assert_not(db_group_run_with_file(group, add, &name, DB_DURABLE, &sync, &err));
    cr_assert(strstr(err.detail, "sync file"), "%s", err.detail);
    cr_assert_eq(count(), 0);
    file_syncer_free(syncer);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}
