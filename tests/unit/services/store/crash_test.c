#include "fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

/*
 * kill -9 in the middle of deliveries: what was acknowledged is there exactly once, and the account
 * is consistent without anybody repairing it. A child process delivers from four threads and writes
 * the key number of each acknowledged delivery into a pipe.
 */

#define ROUNDS 12
#define THREADS 4
#define DELIVERIES 8 /* more each round are acknowledged before the kill */

static struct fixture f;
static int acknowledged;
static int round_number;

struct sender {
    unsigned number;
    struct new_message message;
};

static void *deliver_until_killed(void *user)
{
    const struct sender *me = user;
    for (uint32_t n = 0;; n++) {
        struct arena arena;
        struct err err;
        char key[17];
        uint32_t number = (uint32_t)round_number << 24 | me->number << 20 | n;
        arena_init(&arena, 1 << 20);
        snprintf(key, sizeof(key), "%016x", number);
        struct delivery d = {.key = str_make(key, 16),
                             .mailbox = STR("Inbox"),
                             .message = me->message,
                             .quota_bytes = INT64_MAX};
        d.message.prefix = arena_printf(&arena, "X-Key: %s\r\n", key);
        if (deliver(f.account, &d, &arena, &err) &&
            write(acknowledged, &number, sizeof(number)) != sizeof(number))
            return NULL;
        arena_release(&arena);
    }
}

static void run_child(void)
{
    static struct sender senders[THREADS];
    pthread_t threads[THREADS];
    fixture_start(&f);
    for (unsigned i = 0; i < THREADS; i++)
        senders[i] = (struct sender){.number = i, .message = fixture_message(&f, STR(TEXT))};
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, deliver_until_killed, &senders[i]);
    pause();
}

/* How many messages have this key in their prefix. */
static int64_t count_key(uint32_t number)
{
    char sql[128];
    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM message WHERE CAST(prefix AS TEXT) LIKE 'X-Key: %016x%%'",
             number);
    return fixture_number(&f, sql);
}

static bool read_number(int from, uint32_t *ret)
{
    return read(from, ret, sizeof(*ret)) == sizeof(*ret);
}

Test(crash, acknowledged_deliveries_are_there_once)
{
    fixture_open(&f);
    fixture_stop(&f);
    for (round_number = 1; round_number <= ROUNDS; round_number++) {
        int ends[2];
        cr_assert(pipe(ends) == 0);
        pid_t child = fork();
        if (child == 0) {
            close(ends[0]);
            acknowledged = ends[1];
            run_child();
        }
        close(ends[1]);
        uint32_t numbers[DELIVERIES * ROUNDS], last;
        size_t count = DELIVERIES * (size_t)round_number;
        for (size_t i = 0; i < count; i++)
            cr_assert(read_number(ends[0], &numbers[i]), "the child failed");
        kill(child, SIGKILL);
        cr_assert(waitpid(child, NULL, 0) == child);
        fixture_start(&f);
        cr_assert(fixture_verify(&f) == 0, "after round %d", round_number);
        for (size_t i = 0; i < count; i++)
            cr_assert(count_key(numbers[i]) == 1, "delivery %x", numbers[i]);
        while (read_number(ends[0], &last))
            cr_assert(count_key(last) == 1, "delivery %x", last);
        close(ends[0]);
        fixture_stop(&f);
        arena_reset(&f.arena);
    }
    fixture_start(&f);
    fixture_close(&f);
}
