/*
 * What a durable delivery costs inside store, beside a bare loop that does the same to the disk.
 *
 *     bench-store_commit [MESSAGES] [DIRECTORY]
 *
 * Both write and sync a 4 KiB file, link it into place, sync the directory and commit rows with
 * synchronous FULL; store's row is a whole message with its indexes. With 1, 10 and 50 threads, on
 * one account and on 100. Prints messages a second, CPU time (user and system) per message, and how
 * long a message took: the median, the slowest of a hundred, the slowest (which waited for a
 * checkpoint of the write-ahead log).
 */
#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/mail/structure.h"
#include "common/service/spool.h"
#include "services/store/account.h"
#include "services/store/deliver.h"
#include "tests/unit/support/remove_tree.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACCOUNTS_MAX 100
#define THREADS_MAX 50
#define MESSAGE_SIZE 4096
#define WARM_UP 500

static char data[64] = "/tmp/mailrail-bench-XXXXXX";
static struct settings settings;
static struct store_config config = {
    .open_accounts_max = 256, .account_idle_s = 300, .erase_after_s = 3600};
static struct store store;
static char text[MESSAGE_SIZE];
static struct str structure_bytes;
static atomic_int left;
static unsigned account_count;
static atomic_uint serial;
static int64_t *durations_us;
static atomic_uint duration_count;

static struct {
    pthread_mutex_t lock;
    sqlite3 *db;
    sqlite3_stmt *insert;
} bare[ACCOUNTS_MAX];

static void check(bool ok, const char *what)
{
    if (!ok)
        BUG("%s failed", what);
}

/* ---- Ours */

static void deliver_one(unsigned n, struct arena *arena)
{
    struct err err;
    struct account *account;
    char key[17];
    snprintf(key, sizeof(key), "%016x", n);
    struct delivery d = {
        .key = str_make(key, 16),
        .mailbox = STR("Inbox"),
        .message = {.text = {.content = str_make(text, sizeof(text)), .size = sizeof(text)},
                    .prefix = STR("Return-Path: <sender@example.org>\r\n"),
                    .structure_bytes = structure_bytes,
                    .received_s = 1700000000,
                    .zone = ENTRY_ZONE_UTC},
        .quota_bytes = INT64_MAX};
    check(message_decode(&d.message, arena, &err), "structure");
    check(account_open(&store, 1 + n % account_count, &account, &err), "open");
    check(deliver(account, &d, arena, &err), "deliver");
    account_release(account);
    arena_reset(arena);
}

static void remember(int64_t start_us)
{
    durations_us[atomic_fetch_add(&duration_count, 1)] = clock_monotonic_us() - start_us;
}

static void *deliver_all(void *user)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    while (atomic_fetch_sub((atomic_int *)user, 1) > 0) {
        int64_t start_us = clock_monotonic_us();
        deliver_one(atomic_fetch_add(&serial, 1), &arena);
        remember(start_us);
    }
    arena_release(&arena);
    return NULL;
}

/* ---- Bare */

static void open_bare(unsigned i)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/bare/%u", data, i);
    check(mkdir(path, 0700) == 0, "mkdir");
    snprintf(path, sizeof(path), "%s/bare/%u/db", data, i);
    pthread_mutex_init(&bare[i].lock, NULL);
    check(sqlite3_open(path, &bare[i].db) == SQLITE_OK, "sqlite3_open");
    check(sqlite3_exec(bare[i].db,
                       "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                       "CREATE TABLE m (id INTEGER PRIMARY KEY, size)",
                       NULL, NULL, NULL) == SQLITE_OK,
          "schema");
    check(sqlite3_prepare_v2(bare[i].db, "INSERT INTO m (size) VALUES (4096)", -1, &bare[i].insert,
                             NULL) == SQLITE_OK,
          "prepare");
}

static void write_one(unsigned n)
{
    char temporary[128], final[128], directory[128];
    unsigned i = n % account_count;
    snprintf(temporary, sizeof(temporary), "%s/bare/tmp%u", data, n);
    snprintf(directory, sizeof(directory), "%s/bare/%u", data, i);
    snprintf(final, sizeof(final), "%s/bare/%u/%u", data, i, n);
    int fd = open(temporary, O_CREAT | O_WRONLY | O_EXCL | O_CLOEXEC, 0600);
    check(fd >= 0 && write(fd, text, sizeof(text)) == sizeof(text) && fsync(fd) == 0, "write");
    close(fd);
    check(rename(temporary, final) == 0, "rename");
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check(fd >= 0 && fsync(fd) == 0, "sync directory");
    close(fd);
    pthread_mutex_lock(&bare[i].lock);
    check(sqlite3_step(bare[i].insert) == SQLITE_DONE, "insert");
    sqlite3_reset(bare[i].insert);
    pthread_mutex_unlock(&bare[i].lock);
}

static void *write_all(void *user)
{
    while (atomic_fetch_sub((atomic_int *)user, 1) > 0) {
        int64_t start_us = clock_monotonic_us();
        write_one(atomic_fetch_add(&serial, 1));
        remember(start_us);
    }
    return NULL;
}

/* ---- Measuring */

static double cpu_ms(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e3 +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e3;
}

static int compare_durations(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static double percentile_ms(int count, int percent)
{
    return (double)durations_us[(count - 1) * percent / 100] / 1e3;
}

static void measure(const char *name, void *(*run)(void *), unsigned threads, int messages)
{
    pthread_t ids[THREADS_MAX];
    atomic_store(&left, messages);
    atomic_store(&duration_count, 0);
    double cpu = cpu_ms();
    int64_t start = clock_monotonic_us();
    for (unsigned i = 0; i < threads; i++)
        check(pthread_create(&ids[i], NULL, run, &left) == 0, "pthread_create");
    for (unsigned i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    double seconds = (double)(clock_monotonic_us() - start) / 1e6;
    double cpu_each = (cpu_ms() - cpu) / messages;
    qsort(durations_us, (size_t)messages, sizeof(*durations_us), compare_durations);
    printf("%-6s %3u account(s) %3u threads: %7.0f/s  %.3f ms CPU  took %.1f, %.1f, %.1f ms\n",
           name, account_count, threads, messages / seconds, cpu_each, percentile_ms(messages, 50),
           percentile_ms(messages, 99), percentile_ms(messages, 100));
    fflush(stdout);
}

static void prepare(void)
{
    struct err err;
    struct arena arena;
    struct buf encoded;
    char path[128];
    int at = snprintf(text, sizeof(text),
                      "From: Sender <sender@example.org>\r\nTo: you@example.com\r\n"
                      "Subject: measuring\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
                      "Message-ID: <1@example.org>\r\n\r\n");
    for (; at < MESSAGE_SIZE; at++)
        text[at] = at % 78 == 76 ? '\r' : at % 78 == 77 ? '\n' : 'x';
    arena_init(&arena, 1 << 20);
    buf_init(&encoded, 1 << 20);
    check(structure_encode(structure_parse(str_make(text, sizeof(text)), &arena), &arena, &encoded,
                           &err),
          "structure");
    structure_bytes = buf_str(&encoded); /* kept until the end */
    arena_release(&arena);
    settings.data = str_from_cstr(data);
    snprintf(path, sizeof(path), "%s/spool", data);
    check(mkdir(path, 0700) == 0, "mkdir");
    snprintf(path, sizeof(path), "%s/bare", data);
    check(mkdir(path, 0700) == 0, "mkdir");
    for (unsigned i = 0; i < ACCOUNTS_MAX; i++)
        open_bare(i);
    store = (struct store){.settings = &settings,
                           .config = &config,
                           .log = log_root(log_new(STDERR_FILENO, LOG_WARN), "bench")};
    check(accounts_open(&store, &err), "accounts");
}

int main(int argc, char **argv)
{
    static const unsigned threads[] = {1, 10, 50}, accounts[] = {1, 100};
    int messages = argc > 1 ? atoi(argv[1]) : 3000;
    if (argc > 2)
        snprintf(data, sizeof(data), "%s/mailrail-bench-XXXXXX", argv[2]);
    check(messages > 0 && mkdtemp(data) != NULL, "mkdtemp");
    durations_us = xcalloc((size_t)messages + WARM_UP, sizeof(*durations_us));
    prepare();
    for (size_t a = 0; a < ARRAY_LEN(accounts); a++) {
        account_count = accounts[a];
        measure("warm", deliver_all, 10, WARM_UP); /* opens the accounts */
        for (size_t t = 0; t < ARRAY_LEN(threads); t++) {
            measure("bare", write_all, threads[t], messages);
            measure("store", deliver_all, threads[t], messages);
        }
    }
    accounts_close(store.accounts);
    free(durations_us);
    remove_tree(data);
    return 0;
}
