/*
 * Messages through the queue alone: N threads enqueue one message after the other, each waiting
 * until it is durable; one deliverer leases and finishes them. The database lies in DIR (what
 * the disk takes for a sync decides).
 *
 *     bench-queue DIR [THREADS [MESSAGES]]
 */
#include "services/store/queue.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/sys/file.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct store store;
static struct settings settings;
static struct store_config config = {
    .queue_retry_ms = 450000, .queue_max_attempts = 8, .queue_connections_per_domain = 5};
static unsigned long messages = 5000;
static atomic_ulong started;
static char text[4096];

static void enqueue_one(unsigned long number)
{
    struct err err;
    uint64_t id;
    char key[32];
    const struct queue_address to = {STR("joe"), STR("far.example")};
    snprintf(key, sizeof(key), "%lu-%ld", number, (long)getpid());
    const struct queue_enqueue request = {
        .key = str_from_cstr(key),
        .text = {.content = str_make(text, sizeof(text)), .size = sizeof(text)},
        .message = {.account_id = 1,
                    .account = STR("ann"),
                    .mail_from = {STR("ann"), STR("example.org")},
                    .prefix = STR("Received: here\r\n")},
        .recipients = &to,
        .recipient_count = 1,
        .limits = {UINT32_MAX, UINT32_MAX},
    };
    if (!queue_enqueue(store.queue, &request, clock_wall_ms(), &id, &err))
        BUG("%s", err.detail);
}

static void *submit(void *arg)
{
    (void)arg;
    for (unsigned long n; (n = atomic_fetch_add(&started, 1)) < messages;)
        enqueue_one(n);
    return NULL;
}

static size_t deliver_some(struct arena *arena)
{
    struct err err;
    struct queue_lease_reply leased;
    struct queue_result results[1000];
    const struct queue_lease_request request = {
        .deliverer = STR("bench"), .max_messages = 500, .max_domains = 10, .lease_ms = 60000};
    arena_reset(arena);
    if (!queue_lease(store.queue, &request, clock_wall_ms(), arena, &leased, &err))
        BUG("%s", err.detail);
    if (leased.count > 0 && !queue_confirm(store.queue, leased.messages[0].lease, &err))
        BUG("%s", err.detail);
    for (size_t i = 0; i < leased.count; i++)
        results[i] = (struct queue_result){
            .hold = {leased.messages[i].queue_id, leased.messages[i].lease, false},
            .outcome = QUEUE_DELIVERED};
    if (leased.count > 0 &&
        !queue_finish(store.queue, results, leased.count, clock_wall_ms(), &err))
        BUG("%s", err.detail);
    return leased.count;
}

static void open_store(const char *directory)
{
    struct err err;
    char spool[1024];
    settings.data = str_from_cstr(directory);
    snprintf(spool, sizeof(spool), "%s/spool", directory);
    memset(text, 'x', sizeof(text));
    store = (struct store){.settings = &settings, .config = &config};
    store.log = log_root(log_new(2, LOG_ERROR), "bench");
    if (!directory_make(spool, 0700, &err) || !queue_open(&store, &err))
        BUG("%s", err.detail);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench-queue DIR [THREADS [MESSAGES]]\n");
        return 2;
    }
    unsigned long threads = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    messages = argc > 3 ? strtoul(argv[3], NULL, 10) : messages;
    open_store(argv[1]);
    struct arena arena;
    arena_init(&arena, 64 << 20);
    pthread_t *thread = xcalloc(threads, sizeof(*thread));
    int64_t begin_us = clock_monotonic_us();
    for (unsigned long i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, submit, NULL) != 0)
            BUG("no thread");
    for (unsigned long done = 0; done < messages;) {
        done += deliver_some(&arena);
        usleep(4000);
    }
    for (unsigned long i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    double seconds = (double)(clock_monotonic_us() - begin_us) / 1e6;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("%lu messages, %lu threads: %.0f a second, %.3f ms of CPU each\n", messages, threads,
           (double)messages / seconds, cpu * 1000 / (double)messages);
    queue_close(store.queue);
    arena_release(&arena);
    free(thread);
    return 0;
}
