#include "services/store/queue.h"

#include "common/base/clock.h"
#include "common/sys/file.h"
#include "services/store/queue_backoff.h"
#include "services/store/queue_sql.h"
#include "services/store/verify.h"
#include "tests/unit/support/remove_tree.h"

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
    snprintf(spool, sizeof(spool), "%s/spool/submission", f->data);
    cr_assert(directory_make(spool, 0700, &err));
    open_queue(f);
}

static void teardown(struct fixture *f)
{
    close_queue(f);
    arena_release(&f->arena);
    remove_tree(f->data);
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
    snprintf(name, sizeof(name), "submission/test-%u", f->spooled++);
    snprintf(path, sizeof(path), "%s/spool/%s", f->data, name);
    FILE *file = fopen(path, "w");
    cr_assert(file);
    fputs("hello\r\n", file);
    fclose(file);
    return (struct queue_enqueue){
        .key = str_from_cstr(key),
        .text = {.spool_name = str_from_cstr(name), .size = 7},
        .message = {.account_id = 7,
                    .account = STR("jane"),
                    .mail_from = {STR("jane"), STR("home.example")},
                    .prefix = STR("Received: x\r\n"),
                    .message_id = STR("<1@home.example>"),
                    .subject = STR("hello")},
        .recipients = to,
        .recipient_count = split_addresses(str_from_cstr(recipients), to),
        .limits = {1000, 200},
    };
}

/* The same without a file. */
static struct queue_enqueue make_small_request(struct fixture *f, const char *key,
                                               struct queue_address *to, const char *recipients,
                                               struct str content)
{
    struct queue_enqueue request = make_request(f, key, to, recipients);
    request.text.spool_name = STR("");
    request.text.content = content;
    request.text.size = content.len;
    return request;
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

static uint64_t enqueue_small(struct fixture *f, const char *key, const char *recipients,
                              struct str content)
{
    struct err err;
    struct queue_address to[8];
    uint64_t id = 0;
    struct queue_enqueue request = make_small_request(f, key, to, recipients, content);
    cr_assert(queue_enqueue(f->store.queue, &request, f->now_ms, &id, &err), "%s: %s", key,
              err.detail);
    return id;
}

/* A lease whose deliverer never hears of it. */
static struct queue_lease_reply lease_unheard(struct fixture *f, const char *deliverer,
                                              unsigned max)
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

static struct queue_lease_reply lease_as(struct fixture *f, const char *deliverer, unsigned max)
{
    struct err err;
    struct queue_lease_reply reply = lease_unheard(f, deliverer, max);
    for (unsigned times = 0; reply.count > 0 && times < 2; times++)
        cr_assert(queue_confirm(f->store.queue, reply.messages[0].lease, &err), "%s", err.detail);
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

static struct queue_stored *list_stored(struct fixture *f, size_t *ret_count)
{
    struct err err;
    struct queue_stored *stored;
    cr_assert(queue_list_stored(f->store.queue, 0, 100, &f->arena, &stored, ret_count, &err));
    return stored;
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

/* ---- Small messages: rows instead of files */

Test(queue, a_small_message_needs_no_file)
{
    struct fixture f;
    setup(&f);
    enqueue_small(&f, "k1", "joe@far.example", STR("a\0small one\r\n"));
    struct queue_lease_reply reply = lease(&f);
    cr_assert_eq(reply.count, 1);
    const struct queue_leased *m = &reply.messages[0];
    cr_expect(str_eq(m->content, STR("a\0small one\r\n")));
    cr_expect_eq(m->submission->file_size, m->content.len);
    cr_expect_not(file_exists(&f, m->base_id));
    cr_expect(finish(&f, m, QUEUE_TEMPORARY));
    f.now_ms += HOUR;
    reply = lease(&f);
    cr_assert_eq(reply.count, 1);
    cr_expect(str_eq(reply.messages[0].content, STR("a\0small one\r\n")), "again");
    cr_expect(finish(&f, &reply.messages[0], QUEUE_DELIVERED));
    size_t count;
    list_stored(&f, &count);
    cr_expect_eq(count, 0);
    teardown(&f);
}

Test(queue, the_content_goes_with_each_group_until_the_last_recipient)
{
    struct fixture f;
    size_t count;
    setup(&f);
    enqueue_small(&f, "k1", "a@far.example b@far.example c@near.example", STR("text\r\n"));
    enqueue(&f, "k2", "d@other.example");
    struct queue_lease_reply reply = lease(&f);
    cr_assert_eq(reply.count, 4);
    for (size_t i = 0; i < reply.count; i++) {
        const struct queue_leased *m = &reply.messages[i];
        bool has =
            str_eq(m->recipient.localpart, STR("a")) || str_eq(m->recipient.localpart, STR("c"));
        cr_expect_eq(m->content.len, has ? 6 : 0, "%.*s", STR_ARG(m->recipient.localpart));
    }
    for (size_t i = 0; i < reply.count; i++) {
        const struct queue_stored *stored = list_stored(&f, &count);
        cr_expect(count > 0 && (stored[0].base_id != 1 || stored[0].has_content));
        finish(&f, &reply.messages[i], i % 2 ? QUEUE_DELIVERED : QUEUE_PERMANENT);
    }
    list_stored(&f, &count);
    cr_expect_eq(count, 0);
    teardown(&f);
}

Test(queue, exactly_one_text_of_the_size_that_was_announced)
{
    static char bytes[MESSAGE_CONTENT_MAX + 1];
    static const struct {
        const char *name;
        bool has_file;
        size_t content, announced;
        bool accepted;
    } rows[] = {
        {"empty", false, 0, 0, true},
        {"one byte", false, 1, 1, true},
        {"below the limit", false, 65535, 65535, true},
        {"at the limit", false, 65536, 65536, true},
        {"above the limit", false, 65537, 65537, false},
        {"shorter than announced", false, 6, 7, false},
        {"none", false, 0, 7, false},
        {"longer than announced", false, 8, 7, false},
        {"a file", true, 0, 7, true},
        {"both", true, 7, 7, false},
    };
    struct fixture f;
    setup(&f);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7 + i / 251);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err;
        struct queue_address to[8];
        uint64_t id;
        struct str content = str_make(bytes, rows[i].content);
        struct queue_enqueue request = make_request(&f, rows[i].name, to, "a@x.example");
        if (!rows[i].has_file)
            request.text.spool_name = STR("");
        request.text.content = content;
        request.text.size = rows[i].announced;
        bool ok = queue_enqueue(f.store.queue, &request, f.now_ms, &id, &err);
        cr_expect_eq(ok, rows[i].accepted, "%s: %s", rows[i].name, err.detail);
        struct queue_lease_reply reply = lease(&f);
        cr_expect_eq(reply.count, rows[i].accepted, "%s", rows[i].name);
        if (!ok) {
            cr_expect_eq(err.kind, ERR_SYNTAX, "%s", rows[i].name);
            continue;
        }
        cr_expect(str_eq(reply.messages[0].content, content), "%s", rows[i].name);
        cr_expect_eq(str_is_null(reply.messages[0].content), rows[i].has_file, "%s", rows[i].name);
        finish(&f, &reply.messages[0], QUEUE_DELIVERED);
    }
    teardown(&f);
}

/* A reply must fit into a message of the bus. */
Test(queue, a_lease_carries_only_so_much_text)
{
    static char bytes[MESSAGE_CONTENT_MAX];
    struct fixture f;
    size_t leased = 0;
    setup(&f);
    for (int i = 0; i < 160; i++) {
        char key[16], to[32];
        snprintf(key, sizeof(key), "k%d", i);
        snprintf(to, sizeof(to), "a@x%d.example", i % 4);
        enqueue_small(&f, key, to, str_make(bytes, sizeof(bytes)));
    }
    struct queue_lease_reply reply = lease_as(&f, "one", 500);
    cr_expect_eq(reply.count, 128, "8 MiB");
    cr_expect(reply.more);
    leased += reply.count;
    arena_reset(&f.arena);
    reply = lease_as(&f, "one", 500);
    cr_expect_not(reply.more);
    cr_expect_eq(leased + reply.count, 160);
    teardown(&f);
}

/* The same for a structure, which can be as large as the text. */
Test(queue, a_lease_carries_only_so_much_structure)
{
    static char bytes[3 << 20];
    struct fixture f;
    setup(&f);
    for (int i = 0; i < 5; i++) {
        char key[16];
        struct err err;
        uint64_t id;
        struct queue_address to[8];
        snprintf(key, sizeof(key), "k%d", i);
        struct queue_enqueue request =
            make_small_request(&f, key, to, "a@x.example b@x.example", STR("x"));
        request.message.structure = str_make(bytes, sizeof(bytes));
        cr_assert(queue_enqueue(f.store.queue, &request, f.now_ms, &id, &err), "%s", err.detail);
    }
    struct queue_lease_reply reply = lease_as(&f, "one", 500);
    cr_expect_eq(reply.count, 2 * 3, "three groups pass 8 MiB");
    cr_expect(reply.more);
    cr_expect_eq(reply.messages[0].submission, reply.messages[1].submission, "one for a group");
    cr_expect_neq(reply.messages[1].submission, reply.messages[2].submission);
    teardown(&f);
}

static off_t size_of(struct fixture *f, const char *name)
{
    char path[128];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", f->data, name);
    cr_assert_eq(stat(path, &st), 0);
    return st.st_size;
}

/* What leaves makes room for what comes. */
Test(queue, the_database_does_not_grow_with_what_passed_through)
{
    static char bytes[MESSAGE_CONTENT_MAX];
    struct fixture f;
    setup(&f);
    for (int i = 0; i < 300; i++) { /* 19 MB */
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        enqueue_small(&f, key, "a@x.example", str_make(bytes, sizeof(bytes)));
        struct queue_lease_reply reply = lease(&f);
        cr_assert_eq(reply.count, 1);
        cr_assert(finish(&f, &reply.messages[0], QUEUE_DELIVERED));
        arena_reset(&f.arena);
    }
    cr_expect_lt(size_of(&f, "queue.db"), 1 << 20);
    cr_expect_lt(size_of(&f, "queue.db-wal"), 6 << 20);
    teardown(&f);
}

static size_t verify(struct fixture *f, enum finding_kind kind)
{
    struct err err;
    struct findings findings;
    findings_init(&findings, &f->arena);
    cr_assert(verify_queue(&f->store, &findings, &err), "%s", err.detail);
    size_t count = findings.count[kind];
    cr_expect_eq(findings.lines.len, count, "%.*s",
                 STR_ARG(findings.lines.len > 0 ? findings.lines.items[0] : STR("")));
    findings_release(&findings);
    return count;
}

static void change_rows(struct fixture *f, const char *sql)
{
    struct err err;
    char path[128];
    close_queue(f);
    snprintf(path, sizeof(path), "%s/queue.db", f->data);
    struct db *db = db_open(path, &queue_schema, DB_READ_WRITE, 1024, &err);
    cr_assert(db && db_exec(db, sql, &err), "%s", err.detail);
    db_close(db);
    open_queue(f);
}

Test(queue, verification_finds_a_text_that_is_missing_wrong_or_twice)
{
    struct fixture f;
    struct err err;
    setup(&f);
    enqueue(&f, "k1", "a@x.example b@x.example");
    enqueue_small(&f, "k2", "a@x.example b@x.example", STR("small\r\n"));
    const char *file = layout_queue_message(f.settings.data, 1).text;
    cr_expect_eq(verify(&f, FINDING_QUEUE), 0);
    cr_assert(file_replace(file, STR("hello you\r\n"), 0600, &err));
    cr_expect_eq(verify(&f, FINDING_QUEUE), 1);
    cr_assert_eq(unlink(file), 0);
    cr_expect_eq(verify(&f, FINDING_QUEUE), 1);
    cr_assert(file_replace(file, STR("hello\r\n"), 0600, &err));
    change_rows(&f, "UPDATE content SET bytes=x'00'");
    cr_expect_eq(verify(&f, FINDING_QUEUE), 1);
    change_rows(&f, "DELETE FROM content");
    cr_expect_eq(verify(&f, FINDING_QUEUE), 1);
    change_rows(&f, "INSERT INTO content VALUES(1, x'68656c6c6f0d0a'), (2, x'68656c6c6f0d0a')");
    cr_expect_eq(verify(&f, FINDING_QUEUE), 1);
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

Test(queue, postponed_messages_come_back_soon_and_the_attempt_is_not_counted)
{
    static const int64_t pauses_s[] = {1, 2, 4, 8, 16, 32, 32, 32};
    struct fixture f;
    setup(&f);
    enqueue(&f, "k1", "a@x.example");
    for (size_t i = 0; i < ARRAY_LEN(pauses_s); i++) {
        struct queue_lease_reply reply = lease(&f);
        cr_assert_eq(reply.count, 1, "row %zu", i);
        cr_expect_eq(reply.messages[0].attempt, 1, "row %zu", i);
        cr_expect(finish(&f, &reply.messages[0], QUEUE_POSTPONED));
        f.now_ms += pauses_s[i] * 1000 - 1;
        reply = lease(&f);
        cr_expect_eq(reply.count, 0, "row %zu", i);
        cr_expect_eq(reply.next_due_ms, f.now_ms + 1, "row %zu", i);
        f.now_ms++;
    }
    struct queue_lease_reply reply = lease(&f);
    cr_expect(finish(&f, &reply.messages[0], QUEUE_TEMPORARY));
    f.now_ms += HOUR;
    reply = lease(&f);
    cr_expect_eq(reply.messages[0].attempt, 2, "an attempt counts");
    cr_expect(finish(&f, &reply.messages[0], QUEUE_POSTPONED));
    f.now_ms += 1000;
    cr_expect_eq(lease(&f).count, 1, "and the pauses begin anew");
    teardown(&f);
}

/* A message that never gets anywhere does not stay for ever, nor leave unheard: what comes behind
 * the last attempt is for the deliverer to tell the sender of. */
Test(queue, what_is_postponed_for_long_is_an_attempt)
{
    struct fixture f;
    unsigned counted = 0;
    setup(&f);
    enqueue(&f, "k1", "a@x.example");
    for (unsigned i = 0; i < 9 * (QUEUE_POSTPONED_MAX + 1); i++) {
        struct queue_lease_reply reply = lease(&f);
        cr_assert_eq(reply.count, 1);
        counted = reply.messages[0].attempt;
        if (counted > reply.messages[0].max_attempts)
            break;
        cr_assert_eq(counted, i / (QUEUE_POSTPONED_MAX + 1) + 1);
        cr_expect(finish(&f, &reply.messages[0], QUEUE_POSTPONED));
        f.now_ms += 17 * HOUR; /* the longest pause, and its random part */
    }
    cr_expect_eq(counted, 9);
    cr_expect_eq(count_all(&f), 1);
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

Test(queue, a_lease_that_its_deliverer_did_not_hear_of_is_no_attempt)
{
    struct fixture f;
    setup(&f);
    enqueue(&f, "k1", "joe@far.example ann@far.example");
    for (unsigned times = 0; times < 10; times++) {
        struct queue_lease_reply lost = lease_unheard(&f, "one", 10);
        cr_assert_eq(lost.count, 2, "time %u", times);
        cr_expect_eq(lost.messages[0].attempt, 1, "time %u", times);
        close_queue(&f);
        open_queue(&f);
        f.now_ms += 60000 - 1;
        cr_expect_eq(lease_unheard(&f, "two", 10).count, 0, "not before it runs out");
        f.now_ms++;
    }
    struct queue_lease_reply heard = lease_as(&f, "two", 10);
    cr_assert_eq(heard.count, 2, "due at once, and not as if an attempt had failed");
    f.now_ms += 60000;
    cr_expect_eq(lease(&f).count, 0, "due as after an attempt");
    f.now_ms += 8 * MINUTE;
    struct queue_lease_reply again = lease(&f);
    cr_assert_eq(again.count, 2);
    cr_expect_eq(again.messages[0].attempt, 2, "that one counted");
    teardown(&f);
}

Test(queue, what_was_given_back_unconfirmed_is_no_attempt)
{
    struct fixture f;
    setup(&f);
    enqueue(&f, "k1", "joe@far.example");
    struct queue_leased first = lease_unheard(&f, "one", 10).messages[0];
    cr_expect(finish(&f, &first, QUEUE_RELEASED));
    f.now_ms += 60000; /* when the lease would have run out: it is not taken back twice */
    struct queue_lease_reply again = lease(&f);
    cr_assert_eq(again.count, 1);
    cr_expect_eq(again.messages[0].attempt, 1);
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
        const char *refusal; /* NULL: accepted */
    } rows[] = {
        {"b is the first new one", "b@x.example", 0, NULL},
        {"c is the second", "c@x.example", 0, NULL},
        {"d would be the third", "d@x.example", 0,
         "more than 2 first-time recipients in 24 hours; administrators: mailrail account set NAME "
         "--new-recipients-per-day N"},
        {"b is known", "b@x.example", 1, NULL},
        {"c is known", "c@x.example", 1, NULL},
        {"four in all", "b@x.example", 2,
         "more than 4 recipients in 24 hours; administrators: mailrail account set NAME "
         "--outgoing-per-day N"},
        {"a day after the first two", "d@x.example", 24 * 60 + 1, NULL},
        {"b is not new after a day", "b@x.example", 24 * 60 + 1, NULL},
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
        cr_expect_eq(ok, !rows[i].refusal, "%s: %s", rows[i].name, err.detail);
        if (!ok) {
            cr_expect_eq(err.kind, ERR_LIMIT, "%s", rows[i].name);
            cr_expect_str_eq(err.reply, rows[i].refusal, "%s", rows[i].name);
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
    request.text.spool_name = STR("submission/none");
    cr_expect_not(queue_enqueue(f.store.queue, &request, f.now_ms, &id, &err));
    cr_expect_eq(err.kind, ERR_NOT_FOUND, "%s", err.detail);
    request = make_request(&f, "k3", to, "a@x.example");
    request.text.size = 8;
    cr_expect_not(queue_enqueue(f.store.queue, &request, f.now_ms, &id, &err));
    request = make_request(&f, "k4", to, "a@x.example");
    request.text.spool_name = STR("../queue.db");
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

static void expect_length(struct fixture *f, int64_t all, int64_t due, const char *when)
{
    struct err err;
    struct queue_length length;
    cr_assert(queue_count_due(f->store.queue, f->now_ms, &length, &err), "%s", err.detail);
    cr_expect(length.all == all && length.due == due, "%s: %d, %d due", when, (int)length.all,
              (int)length.due);
}

Test(queue, its_length_is_counted)
{
    struct fixture f;
    struct err err;
    uint64_t changed;
    setup(&f);
    expect_length(&f, 0, 0, "empty");
    enqueue(&f, "k1", "a@x.example b@x.example c@y.example");
    uint64_t id = enqueue(&f, "k2", "d@z.example");
    expect_length(&f, 4, 4, "new");
    struct queue_filter by_id = {.ids = &id, .id_count = 1}, x = {.recipient_contains = STR("@x.")};
    cr_assert(queue_schedule(f.store.queue, &by_id, f.now_ms + HOUR, &changed, &err));
    expect_length(&f, 4, 3, "one is for later");
    cr_assert(queue_set_held(f.store.queue, &x, true, &changed, &err));
    expect_length(&f, 4, 1, "two are held");
    struct queue_lease_reply reply = lease(&f);
    expect_length(&f, 4, 0, "one is being tried");
    cr_assert(finish(&f, &reply.messages[0], QUEUE_DELIVERED));
    cr_assert(queue_set_held(f.store.queue, &x, false, &changed, &err));
    f.now_ms += 2 * HOUR;
    expect_length(&f, 3, 3, "all are due");
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
        enqueue_small(&f, "k2", "c@z.example", STR("small\r\n"));
        _exit(0);
    }
    int status;
    cr_assert(waitpid(child, &status, 0) == child && status == 0);
    open_queue(&f);
    f.spooled = 10;
    cr_expect_eq(count_all(&f), 3);
    struct queue_lease_reply reply = lease(&f);
    cr_expect_eq(reply.count, 2, "the first one is still leased");
    cr_expect(str_eq(reply.messages[1].content, STR("small\r\n")));
    f.now_ms += HOUR;
    cr_expect_eq(lease(&f).count, 3);
    cr_expect_eq(enqueue(&f, "k1", "a@x.example b@y.example"), 1, "the key is known");
    teardown(&f);
}

/* A file of a submission that did not come to its commit: whoever killed us, killed us then. */
static void leave_file(struct fixture *f, uint64_t base_id)
{
    struct err err;
    cr_assert(file_replace(layout_queue_message(f->settings.data, base_id).text, STR("left over"),
                           0600, &err));
}

Test(queue, files_that_no_commit_followed_are_removed_at_the_start)
{
    struct fixture f;
    setup(&f);
    enqueue(&f, "k1", "a@x.example");
    close_queue(&f);
    leave_file(&f, 2);    /* its id is one of those that were reserved */
    leave_file(&f, 1500); /* more were being reserved */
    open_queue(&f);
    cr_expect(file_exists(&f, 1));
    cr_expect_not(file_exists(&f, 2));
    cr_expect_not(file_exists(&f, 1500));
    cr_expect_eq(count_all(&f), 1);
    teardown(&f);
}

Test(queue, ids_are_never_used_again)
{
    struct fixture f;
    struct err err;
    uint64_t id;
    setup(&f);
    cr_assert_eq(enqueue(&f, "k1", "a@x.example b@x.example"), 1, "and 2");
    cr_assert_eq(queue_last_id(f.store.queue), 1);
    struct queue_address to[1];
    struct queue_enqueue lost = make_request(&f, "k2", to, "c@x.example");
    lost.text.spool_name = STR("submission/nothing");
    cr_assert_not(queue_enqueue(f.store.queue, &lost, f.now_ms, &id, &err));
    id = enqueue(&f, "k3", "c@x.example");
    cr_expect_gt(id, 2);
    cr_expect_gt(queue_last_id(f.store.queue), 1);
    for (unsigned i = 0; i < 3; i++) {
        struct queue_lease_reply reply = lease(&f);
        for (size_t m = 0; m < reply.count; m++)
            finish(&f, &reply.messages[m], QUEUE_DELIVERED);
        close_queue(&f);
        open_queue(&f);
        char key[8];
        snprintf(key, sizeof(key), "again%u", i);
        uint64_t next = enqueue_small(&f, key, "a@x.example", STR("small\r\n"));
        cr_expect_gt(next, id);
        id = next;
    }
    teardown(&f);
}

Test(queue, more_ids_than_are_reserved_at_once)
{
    struct fixture f;
    setup(&f);
    uint64_t expected = 1;
    for (unsigned i = 0; i < 7; i++) {
        char key[8], recipients[16 * 300] = "";
        snprintf(key, sizeof(key), "k%u", i);
        for (unsigned r = 0; r < 300; r++)
            snprintf(recipients + strlen(recipients), 16, "%sr%u@x.example", r > 0 ? " " : "", r);
        struct err err;
        uint64_t id;
        cr_assert(try_enqueue(&f, key, recipients, (struct queue_limits){10000, 10000}, &id, &err));
        cr_expect_eq(id, expected);
        expected += 300;
    }
    cr_expect_eq(count_all(&f), 2100);
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
