#include "services/store/queue.h"

#include "common/base/clock.h"
#include "common/sys/file.h"
#include "services/store/queue_backoff.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A queue in a directory of its own, and a clock that the test turns. */
struct fixture {
    char data[64];
    struct settings settings;
    struct store_config config;
    struct store store;
    struct arena arena;
    int64_t now_ms;
    unsigned spooled;
};

#define MINUTE 60000LL
#define HOUR (60 * MINUTE)

static void open_queue(struct fixture *f)
{
    struct err err;
    f->store = (struct store){.settings = &f->settings, .config = &f->config};
    f->store.log = log_root(log_new(2, LOG_ERROR), "test");
    cr_assert(queue_open(&f->store, &err), "%s", err.detail);
}

static void close_queue(struct fixture *f)
{
    queue_close(f->store.queue);
    log_free(f->store.log.log);
}

static void setup(struct fixture *f)
{
    struct err err;
    *f = (struct fixture){.now_ms = clock_wall_ms()};
    strcpy(f->data, "/tmp/mailrail-queue-test-XXXXXX");
    cr_assert(mkdtemp(f->data));
    f->settings.data = str_from_cstr(f->data);
    f->config.queue_retry_ms = 450000;
    f->config.queue_max_attempts = 8;
    f->config.queue_connections_per_domain = 2;
    arena_init(&f->arena, 64 << 20);
    char spool[128];
    snprintf(spool, sizeof(spool), "%s/spool", f->data);
    cr_assert(directory_make(spool, 0700, &err));
    open_queue(f);
}

static void teardown(struct fixture *f)
{
    char command[128];
    close_queue(f);
    arena_release(&f->arena);
    snprintf(command, sizeof(command), "rm -rf %s", f->data);
    cr_assert(system(command) == 0);
}

/* "a@x b@y" to addresses. */
static size_t split_addresses(struct str text, struct queue_address *to)
{
    size_t count = 0;
    while (text.len > 0) {
        struct str one;
        str_cut(text, ' ', &one, &text);
        str_cut(one, '@', &to[count].localpart, &to[count].domain);
        count++;
    }
    return count;
}

static struct queue_enqueue make_request(struct fixture *f, const char *key,
                                         struct queue_address *to, const char *recipients)
{
    static char name[32];
    char path[128];
    snprintf(name, sizeof(name), "test-%u", f->spooled++);
    snprintf(path, sizeof(path), "%s/spool/%s", f->data, name);
    FILE *file = fopen(path, "w");
    cr_assert(file);
    fputs("hello\r\n", file);
    fclose(file);
    return (struct queue_enqueue){
        .key = str_from_cstr(key),
        .spool_name = str_from_cstr(name),
        .message = {.account_id = 7,
                    .account = STR("jane"),
                    .mail_from = {STR("jane"), STR("home.example")},
                    .file_size = 7,
                    .prefix = STR("Received: x\r\n"),
                    .message_id = STR("<1@home.example>"),
                    .subject = STR("hello")},
        .recipients = to,
        .recipient_count = split_addresses(str_from_cstr(recipients), to),
        .limits = {1000, 200},
    };
}

static bool try_enqueue(struct fixture *f, const char *key, const char *recipients,
                        struct queue_limits limits, uint64_t *ret_id, struct err *err)
{
    struct queue_address to[1200];
    struct queue_enqueue request = make_request(f, key, to, recipients);
    request.limits = limits;
    return queue_enqueue(f->store.queue, &request, f->now_ms, ret_id, err);
}

static uint64_t enqueue(struct fixture *f, const char *key, const char *recipients)
{
    struct err err;
    uint64_t id = 0;
    cr_assert(try_enqueue(f, key, recipients, (struct queue_limits){1000, 200}, &id, &err),
              "%s: %s", key, err.detail);
    return id;
}

static struct queue_lease_reply lease_as(struct fixture *f, const char *deliverer, unsigned max)
{
    struct err err;
    struct queue_lease_reply reply;
    const struct queue_lease_request request = {.deliverer = str_from_cstr(deliverer),
                                                .max_messages = max,
                                                .max_domains = 10,
                                                .lease_ms = 60000};
    cr_assert(queue_lease(f->store.queue, &request, f->now_ms, &f->arena, &reply, &err), "%s",
              err.detail);
    return reply;
}

static struct queue_lease_reply lease(struct fixture *f)
{
    return lease_as(f, "one", 100);
}

/* Reports one outcome; true when it was used. */
static bool finish(struct fixture *f, const struct queue_leased *m, enum queue_outcome outcome)
{
    struct err err;
    struct queue_result result = {.hold = {m->queue_id, m->lease, false}, .outcome = outcome};
    result.error = STR("mx: 451 later");
    result.dialed = STR("mx.far.example 192.0.2.1\n");
    cr_assert(queue_finish(f->store.queue, &result, 1, f->now_ms, &err), "%s", err.detail);
    return !result.hold.lost;
}

static uint64_t count_all(struct fixture *f)
{
    struct err err;
    struct queue_entry *entries;
    size_t count;
    uint64_t total;
    struct queue_filter all = {.all = true};
    cr_assert(queue_list(f->store.queue, &all, 1000, 0, &f->arena, &entries, &count, &total, &err));
    return total;
}

static bool file_exists(struct fixture *f, uint64_t base_id)
{
    struct stat st;
    return stat(layout_queue_message(f->settings.data, base_id).text, &st) == 0;
}

static void sweep(struct fixture *f)
{
    struct err err;
    cr_assert(queue_sweep(f->store.queue, f->now_ms, &err), "%s", err.detail);
}

Test(queue, a_message_comes_in_goes_out_and_leaves_nothing)
{
    struct fixture f;
    setup(&f);
    uint64_t id = enqueue(&f, "k1", "joe@far.example");
    struct queue_lease_reply reply = lease(&f);
    cr_assert_eq(reply.count, 1);
    const struct queue_leased *m = &reply.messages[0];
    cr_expect_eq(m->queue_id, id);
    cr_expect_eq(m->attempt, 1);
    cr_expect_eq(m->lane, 1);
    cr_expect(str_eq(m->recipient.domain, STR("far.example")));
    cr_expect(str_eq(m->submission->prefix, STR("Received: x\r\n")));
    cr_expect(str_eq(m->submission->message_id, STR("<1@home.example>")));
    cr_expect(file_exists(&f, m->base_id));
    cr_expect_eq(lease(&f).count, 0, "leased once");
    cr_expect(finish(&f, m, QUEUE_DELIVERED));
    cr_expect_eq(count_all(&f), 0);
    sweep(&f);
    cr_expect_not(file_exists(&f, m->base_id));
    teardown(&f);
}

Test(queue, the_file_stays_until_the_last_recipient)
{
    struct fixture f;
    setup(&f);
    enqueue(&f, "k1", "a@far.example b@near.example");
    struct queue_lease_reply reply = lease(&f);
    cr_assert_eq(reply.count, 2);
    cr_expect(finish(&f, &reply.messages[0], QUEUE_DELIVERED));
    sweep(&f);
    cr_expect(file_exists(&f, reply.messages[0].base_id));
    cr_expect(finish(&f, &reply.messages[1], QUEUE_PERMANENT));
    sweep(&f);
    cr_expect_not(file_exists(&f, reply.messages[0].base_id));
    teardown(&f);
}

Test(queue, enqueue_is_idempotent_by_key)
{
    struct fixture f;
    setup(&f);
    uint64_t id = enqueue(&f, "k1", "a@x.example b@x.example");
    cr_expect_eq(enqueue(&f, "k1", "a@x.example b@x.example"), id);
    cr_expect_eq(count_all(&f), 2);
    struct queue_lease_reply reply = lease(&f);
    for (size_t i = 0; i < reply.count; i++)
        finish(&f, &reply.messages[i], QUEUE_DELIVERED);
    cr_expect_eq(enqueue(&f, "k1", "a@x.example b@x.example"), id, "also after the delivery");
    cr_expect_eq(count_all(&f), 0);
    teardown(&f);
}

/* Spec 10 C2, the table of attempts. */
Test(queue, attempts_follow_the_back_off_table)
{
    static const struct {
        unsigned attempt;
        double minutes; /* after queueing */
    } rows[] = {{1, 0},     {2, 7.5},   {3, 22.5},  {4, 52.5},
                {5, 112.5}, {6, 232.5}, {7, 472.5}, {8, 952.5}};
    struct fixture f;
    setup(&f);
    enqueue(&f, "k1", "joe@far.example");
    int64_t queued_ms = f.now_ms;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct queue_lease_reply reply = lease(&f);
        cr_assert_eq(reply.count, 1, "attempt %u", rows[i].attempt);
        struct queue_leased *m = &reply.messages[0];
        double minutes = (double)(f.now_ms - queued_ms) / (double)MINUTE;
        cr_expect_eq(m->attempt, rows[i].attempt);
        cr_expect(minutes >= rows[i].minutes * 0.985 && minutes <= rows[i].minutes * 1.015,
                  "attempt %u after %g minutes", m->attempt, minutes);
        cr_expect_eq(m->notify_delay, m->attempt == 5);
        double planned = (double)(m->last_attempt_planned_ms - queued_ms) / (double)MINUTE;
        cr_expect(m->attempt == 8 || (planned > 952.5 * 0.985 && planned < 952.5 * 1.015),
                  "attempt %u: the last one is planned after %g minutes", m->attempt, planned);
        cr_expect(finish(&f, m, QUEUE_TEMPORARY));
        if (m->attempt == 8)
            break;
        struct queue_lease_reply early = lease(&f);
        cr_expect_eq(early.count, 0);
        cr_expect_eq(early.next_due_ms, m->next_attempt_ms);
        f.now_ms = m->next_attempt_ms - 1;
        cr_expect_eq(lease(&f).count, 0, "a millisecond early");
        f.now_ms = m->next_attempt_ms;
    }
    cr_expect_eq(count_all(&f), 0, "gone after the last attempt");
    teardown(&f);
}

Test(queue, dialed_addresses_are_remembered)
{
    struct fixture f;
    setup(&f);
    enqueue(&f, "k1", "joe@far.example");
    for (int i = 0; i < 2; i++) {
        struct queue_lease_reply reply = lease(&f);
        cr_assert(finish(&f, &reply.messages[0], QUEUE_TEMPORARY));
        f.now_ms = reply.messages[0].next_attempt_ms;
    }
    struct str dialed = lease(&f).messages[0].dialed;
    cr_expect(str_eq(dialed, STR("mx.far.example 192.0.2.1\nmx.far.example 192.0.2.1\n")), "%.*s",
              STR_ARG(dialed));
    teardown(&f);
}

Test(queue, results_count_once_and_only_for_the_holder)
{
    struct fixture f;
    setup(&f);
    enqueue(&f, "k1", "joe@far.example");
    struct queue_leased first = lease(&f).messages[0];
    cr_expect(finish(&f, &first, QUEUE_TEMPORARY));
    cr_expect(finish(&f, &first, QUEUE_TEMPORARY), "repeated");
    f.now_ms = first.next_attempt_ms;
    struct queue_leased second = lease(&f).messages[0];
    cr_expect_eq(second.attempt, 2);
    cr_expect_not(finish(&f, &first, QUEUE_DELIVERED), "an older lease");
    cr_expect_eq(count_all(&f), 1);
    cr_expect(finish(&f, &second, QUEUE_DELIVERED));
    cr_expect(finish(&f, &second, QUEUE_DELIVERED), "repeated");
    teardown(&f);
}

Test(queue, released_messages_are_due_and_the_attempt_not_counted)
{
    struct fixture f;
    setup(&f);
    enqueue(&f, "k1", "joe@far.example");
    struct queue_leased first = lease(&f).messages[0];
    cr_expect(finish(&f, &first, QUEUE_RELEASED));
    cr_expect(finish(&f, &first, QUEUE_RELEASED), "repeated");
    struct queue_lease_reply again = lease(&f);
    cr_assert_eq(again.count, 1);
    cr_expect_eq(again.messages[0].attempt, 1);
    teardown(&f);
}

Test(queue, leases_run_out_and_can_be_extended)
{
    struct fixture f;
    struct err err;
    setup(&f);
    f.config.queue_retry_ms = 1000;
    enqueue(&f, "k1", "joe@far.example");
    struct queue_leased m = lease(&f).messages[0];
    struct queue_hold hold = {m.queue_id, m.lease, false};
    f.now_ms += 50000;
    cr_assert(queue_extend(f.store.queue, &hold, 1, f.now_ms + 60000, &err));
    cr_expect_not(hold.lost);
    f.now_ms += 50000;
    struct queue_lease_reply none = lease_as(&f, "two", 10);
    cr_expect_eq(none.count, 0, "extended");
    cr_expect_eq(none.next_due_ms, f.now_ms + 10000, "asks again when it runs out");
    f.now_ms += 10000;
    struct queue_lease_reply reply = lease_as(&f, "two", 10);
    cr_assert_eq(reply.count, 1);
    cr_expect_eq(reply.messages[0].attempt, 2, "the attempt was counted");
    cr_assert(queue_extend(f.store.queue, &hold, 1, f.now_ms + 60000, &err));
    cr_expect(hold.lost);
    teardown(&f);
}

Test(queue, a_late_result_is_used_while_nobody_else_has_the_message)
{
    struct fixture f;
    setup(&f);
    enqueue(&f, "k1", "joe@far.example");
    struct queue_leased m = lease(&f).messages[0];
    f.now_ms += 70000;
    lease_as(&f, "two", 10); /* returns the lease, and finds that the message is not due */
    cr_expect(finish(&f, &m, QUEUE_DELIVERED));
    cr_expect_eq(count_all(&f), 0);
    teardown(&f);
}

/* Spec 10 C3. */
Test(queue, recipients_of_one_domain_travel_together)
{
    struct fixture f;
    setup(&f);
    enqueue(&f, "k1", "a@x.example b@y.example c@x.example");
    struct queue_lease_reply reply = lease_as(&f, "one", 1);
    cr_assert_eq(reply.count, 2, "a whole group, also above max_messages");
    cr_expect_eq(reply.messages[0].lane, reply.messages[1].lane);
    cr_expect(reply.messages[0].submission == reply.messages[1].submission);
    cr_expect_eq(lease(&f).count, 1);
    teardown(&f);
}

Test(queue, lanes_bound_a_domain_over_all_deliverers)
{
    struct fixture f;
    char key[16];
    setup(&f);
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        enqueue(&f, key, "joe@far.example");
    }
    enqueue(&f, "other", "joe@near.example");
    struct queue_lease_reply first = lease_as(&f, "one", 1);
    cr_expect_eq(first.messages[0].lane, 1);
    struct queue_lease_reply second = lease_as(&f, "two", 4);
    cr_assert_eq(second.count, 4);
    for (size_t i = 0; i < second.count; i++)
        cr_expect_eq(second.messages[i].lane, 2, "the first lane is not its own");
    cr_expect(first.more && second.more);
    struct queue_lease_reply third = lease_as(&f, "three", 100);
    cr_assert_eq(third.count, 1, "no lane is left in far.example");
    cr_expect(str_eq(third.messages[0].recipient.domain, STR("near.example")));
    cr_expect(finish(&f, &first.messages[0], QUEUE_DELIVERED));
    third = lease_as(&f, "three", 3);
    cr_assert_eq(third.count, 3);
    cr_expect_eq(third.messages[0].lane, 1);
    teardown(&f);
}

Test(queue, only_so_many_domains_at_once)
{
    struct fixture f;
    char key[16], to[32];
    setup(&f);
    for (int i = 0; i < 12; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        snprintf(to, sizeof(to), "joe@d%d.example", i);
        enqueue(&f, key, to);
    }
    struct queue_lease_reply first = lease(&f), second = lease(&f);
    cr_expect(first.count == 10 && first.more);
    cr_expect(second.count == 2 && !second.more);
    teardown(&f);
}

/* Spec 10 B10. */
Test(queue, outgoing_limits)
{
    static const struct {
        const char *name, *to;
        int64_t at_minutes;
        bool accepted;
    } rows[] = {
        {"b is the first new one", "b@x.example", 0, true},
        {"c is the second", "c@x.example", 0, true},
        {"d would be the third", "d@x.example", 0, false},
        {"b is known", "b@x.example", 1, true},
        {"c is known", "c@x.example", 1, true},
        {"four in all", "b@x.example", 2, false},
        {"a day after the first two", "d@x.example", 24 * 60 + 1, true},
        {"b is not new after a day", "b@x.example", 24 * 60 + 1, true},
    };
    struct fixture f;
    setup(&f);
    int64_t start_ms = f.now_ms;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {0};
        uint64_t id;
        char key[16];
        snprintf(key, sizeof(key), "k%zu", i);
        f.now_ms = start_ms + rows[i].at_minutes * MINUTE;
        bool ok = try_enqueue(&f, key, rows[i].to, (struct queue_limits){4, 2}, &id, &err);
        cr_expect_eq(ok, rows[i].accepted, "%s: %s", rows[i].name, err.detail);
        if (!ok) {
            cr_expect_eq(err.kind, ERR_LIMIT, "%s", rows[i].name);
            cr_expect(strstr(err.reply, "_per_day"), "%s: %s", rows[i].name, err.reply);
        }
    }
    teardown(&f);
}

Test(queue, a_refused_submission_leaves_nothing)
{
    struct fixture f;
    struct err err;
    struct queue_address to[8];
    uint64_t id;
    setup(&f);
    cr_expect_not(
        try_enqueue(&f, "k1", "a@x.example b@x.example", (struct queue_limits){1, 1}, &id, &err));
    struct queue_enqueue request = make_request(&f, "k2", to, "a@x.example");
    request.spool_name = STR("test-none");
    cr_expect_not(queue_enqueue(f.store.queue, &request, f.now_ms, &id, &err));
    cr_expect_eq(err.kind, ERR_NOT_FOUND, "%s", err.detail);
    request = make_request(&f, "k3", to, "a@x.example");
    request.message.file_size = 8;
    cr_expect_not(queue_enqueue(f.store.queue, &request, f.now_ms, &id, &err));
    request = make_request(&f, "k4", to, "a@x.example");
    request.spool_name = STR("../queue.db");
    cr_expect_not(queue_enqueue(f.store.queue, &request, f.now_ms, &id, &err));
    cr_expect_eq(count_all(&f), 0);
    cr_expect_eq(lease(&f).count, 0);
    teardown(&f);
}

Test(queue, future_release_waits)
{
    struct fixture f;
    struct err err;
    struct queue_address to[8];
    uint64_t id;
    setup(&f);
    struct queue_enqueue request = make_request(&f, "k1", to, "a@x.example");
    request.hold_until_ms = f.now_ms + HOUR;
    cr_assert(queue_enqueue(f.store.queue, &request, f.now_ms, &id, &err));
    struct queue_lease_reply reply = lease(&f);
    cr_expect_eq(reply.count, 0);
    cr_expect_eq(reply.next_due_ms, f.now_ms + HOUR);
    f.now_ms += HOUR;
    cr_expect_eq(lease(&f).count, 1);
    teardown(&f);
}

/* The process dies between two instructions: what was acknowledged is there, the rest is not. */
Test(queue, survives_the_end_of_its_process)
{
    struct fixture f;
    setup(&f);
    close_queue(&f);
    pid_t child = fork();
    if (child == 0) {
        open_queue(&f);
        enqueue(&f, "k1", "a@x.example b@y.example");
        lease_as(&f, "one", 1);
        _exit(0);
    }
    int status;
    cr_assert(waitpid(child, &status, 0) == child && status == 0);
    open_queue(&f);
    f.spooled = 10;
    cr_expect_eq(count_all(&f), 2);
    cr_expect_eq(lease(&f).count, 1, "the other one is still leased");
    f.now_ms += HOUR;
    cr_expect_eq(lease(&f).count, 2);
    cr_expect_eq(enqueue(&f, "k1", "a@x.example b@y.example"), 1, "the key is known");
    teardown(&f);
}

/* A transaction that did not come to its end leaves a file, whose name is used again. */
Test(queue, a_leftover_file_is_replaced)
{
    struct fixture f;
    struct err err;
    setup(&f);
    cr_assert(
        file_replace(layout_queue_message(f.settings.data, 1).text, STR("left over"), 0600, &err));
    enqueue(&f, "k1", "a@x.example");
    struct str text;
    cr_assert(file_read(layout_queue_message(f.settings.data, 1).text, 100, &f.arena, &text, &err));
    cr_expect(str_eq(text, STR("hello\r\n")), "%.*s", STR_ARG(text));
    teardown(&f);
}

Test(queue, the_operator_lists_reschedules_holds_and_drops)
{
    struct fixture f;
    struct err err;
    uint64_t changed;
    setup(&f);
    uint64_t id = enqueue(&f, "k1", "a@x.example b@y.example");
    struct queue_filter nothing = {0}, all = {.all = true}, x = {.recipient_contains = STR("@x.")};
    struct queue_filter by_id = {.ids = &id, .id_count = 1};

    struct queue_entry *entries;
    size_t count;
    uint64_t total;
    cr_assert(queue_list(f.store.queue, &all, 1, 0, &f.arena, &entries, &count, &total, &err));
    cr_expect(count == 1 && total == 2);
    cr_expect(str_eq(entries[0].recipient, STR("a@x.example")));
    cr_expect_eq(entries[0].size, 20);
    cr_assert(queue_list(f.store.queue, &all, 10, entries[0].queue_id, &f.arena, &entries, &count,
                         &total, &err));
    cr_expect(count == 1 && str_eq(entries[0].recipient, STR("b@y.example")));
    cr_assert(queue_list(f.store.queue, &by_id, 10, 0, &f.arena, &entries, &count, &total, &err));
    cr_expect_eq(total, 1);

    cr_assert(queue_drop(f.store.queue, &nothing, &changed, &err));
    cr_expect_eq(changed, 0, "an empty filter is not everything");
    cr_assert(queue_set_held(f.store.queue, &x, true, &changed, &err));
    cr_expect_eq(changed, 1);
    cr_expect_eq(lease(&f).count, 1, "the held one stays");
    cr_assert(queue_set_held(f.store.queue, &by_id, false, &changed, &err));
    cr_assert(queue_schedule(f.store.queue, &all, f.now_ms + HOUR, &changed, &err));
    cr_expect_eq(changed, 1, "the leased one keeps its time");
    cr_expect_eq(lease(&f).count, 0);
    f.now_ms += HOUR;
    cr_expect_eq(lease(&f).count, 2);
    cr_assert(queue_drop(f.store.queue, &all, &changed, &err));
    cr_expect_eq(changed, 2);
    cr_expect_eq(count_all(&f), 0);
    sweep(&f);
    cr_expect_not(file_exists(&f, 1));
    teardown(&f);
}
