#include "common/sys/file_sync.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct file_syncer *syncer;
static struct err err;

static void setup(void)
{
    syncer = file_syncer_new(1, &err);
    cr_assert(syncer, "%s", err.detail);
}

static void teardown(void)
{
    file_syncer_free(syncer);
}

TestSuite(file_sync, .init = setup, .fini = teardown);

static int open_file(void)
{
    char path[] = "/tmp/mailrail-sync-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && unlink(path) == 0);
    cr_assert_eq(write(fd, "text", 4), 4);
    return fd;
}

static void sync_and_wait(struct file_syncer *by)
{
    struct file_sync syncs[50];
    int fds[50];
    for (int i = 0; i < 50; i++) {
        fds[i] = open_file();
        file_sync_begin(by, &syncs[i], fds[i]);
    }
    for (int i = 49; i >= 0; i--) { /* the last ones before the thread comes to them */
        cr_assert(file_sync_end(&syncs[i], &err), "%s", err.detail);
        cr_assert(file_sync_end(&syncs[i], &err), "a second time");
        close(fds[i]);
    }
}

Test(file_sync, each_ends_once_whoever_did_it)
{
    sync_and_wait(syncer);
}

Test(file_sync, needs_no_thread)
{
    sync_and_wait(NULL);
}

Test(file_sync, several_threads_share_the_work)
{
    struct file_syncer *several = file_syncer_new(FILE_SYNC_THREADS_MAX, &err);
    cr_assert(several, "%s", err.detail);
    sync_and_wait(several);
    file_syncer_free(several);
}

Test(file_sync, a_file_that_cannot_be_synced_is_an_error_each_time)
{
    struct file_syncer *syncers[] = {syncer, NULL};
    struct file_sync sync;
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    for (size_t i = 0; i < ARRAY_LEN(syncers); i++) {
        file_sync_begin(syncers[i], &sync, fds[1]);
        cr_assert_not(file_sync_end(&sync, &err));
        cr_expect(strstr(err.detail, "sync file"), "%s", err.detail);
        cr_expect_not(file_sync_end(&sync, &err));
    }
    close(fds[0]);
    close(fds[1]);
}

Test(file_sync, one_that_is_dropped_is_not_touched_again)
{
    for (int i = 0; i < 100; i++) {
        struct file_sync sync;
        int fd = open_file();
        file_sync_begin(i % 2 ? syncer : NULL, &sync, fd);
        file_sync_drop(&sync);
        close(fd);
        memset(&sync, 0xff, sizeof(sync));
    }
}

Test(file_sync, one_that_never_began_is_over)
{
    struct file_sync sync = {.fd = -1};
    cr_expect(file_sync_end(&sync, &err));
    file_sync_drop(&sync);
}

static void *sync_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        struct file_sync sync;
        struct err failure;
        int fd = open_file();
        file_sync_begin(syncer, &sync, fd);
        cr_assert(file_sync_end(&sync, &failure));
        close(fd);
    }
    return NULL;
}

Test(file_sync, threads_share_it)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, sync_many, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}
