#include "common/base/clock.h"
#include "common/mail/structure.h"
#include "proto/delivery.pb-c.h"
#include "proto/directory.pb-c.h"
#include "proto/events.pb-c.h"
#include "proto/mailboxes.pb-c.h"
#include "services/store/delivery_door.h"
#include "services/store/directory_admin.h"
#include "services/store/mailboxes_door.h"
#include "services/store/maintenance_door.h"
#include "services/store/token.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/*
 * The doors over the bus, as other services see them: contracts, bounds on what peers send, events.
 */

static char directory[] = "/tmp/mailrail-doors-XXXXXX";
static char data[64];
static struct settings settings;
static struct store_config config = {.open_accounts_max = 16,
                                     .account_idle_s = 300,
                                     .erase_after_s = 3600,
                                     .delivery_workers = 4,
                                     .mailboxes_workers = 4,
                                     .password_checks = 1};
static struct service service;
static struct store store;
static struct event_publisher *publisher;
static struct arena arena;
static struct err err;
static struct rpc_client *delivery, *mailboxes, *maintenance;
static uint64_t account;
static ProtobufCBinaryData token, structure;

#define TEXT "From: a@example.org\r\nSubject: hi\r\n\r\nhello\r\n"

static ProtobufCBinaryData bytes(struct str s)
{
    return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.ptr};
}

static void write_spool(const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/spool/%s", data, name);
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(TEXT, file) >= 0 && fclose(file) == 0);
}

static void make_account(void)
{
    struct directory_account a = {.name = STR("you")};
    struct domain_settings domain = {.name = STR("example.org")};
    cr_assert(directory_add_domain(&store, &domain, &err), "%s", err.detail);
    cr_assert(directory_add_account(&store, &a, STR("you@example.org"), STR("correct horse"),
                                    &account, &err),
              "%s", err.detail);
    cr_assert(directory_account(&store, account, &arena, &a, &err));
    struct token_session session = {.account_id = account,
                                    .credential_version = a.credential_version,
                                    .rights = TOKEN_MAILBOXES,
                                    .expires_ms = clock_wall_ms() + 60000};
    token = bytes(token_seal(&store, &session, &arena));
}

static void make_structure(void)
{
    struct buf encoded;
    buf_init(&encoded, 1 << 16);
    cr_assert(structure_encode(structure_parse(STR(TEXT), &arena), &arena, &encoded, &err));
    structure = bytes(arena_copy(&arena, buf_str(&encoded)));
    buf_release(&encoded);
}

static struct rpc_client *connect_to(const char *door, const ProtobufCServiceDescriptor *descriptor)
{
    struct rpc_client *client =
        rpc_client_new(settings_door_url(&settings, door, &arena), descriptor, &err);
    cr_assert(client);
    for (int i = 0; i < 200 && !rpc_client_is_connected(client); i++)
        usleep(10000);
    return client;
}

static void setup(void)
{
    char spool[80];
    cr_assert(mkdtemp(directory));
    snprintf(data, sizeof(data), "%s/data", directory);
    snprintf(spool, sizeof(spool), "%s/data/spool", directory);
    cr_assert(mkdir(data, 0770) == 0 && mkdir(spool, 0770) == 0);
    settings = (struct settings){.hostname = STR("localhost"),
                                 .data = str_from_cstr(data),
                                 .run = str_from_cstr(directory),
                                 .drain_ms = 1000};
    arena_init(&arena, 16 << 20);
    service = (struct service){.name = "store", .metrics = metrics_new(), .settings = &settings};
    service.log = log_root(log_new(2, LOG_ERROR), "store");
    arena_init(&service.arena, 1 << 20);
    publisher = event_publisher_new(settings_door_url(&settings, "events", &arena), 0600, &err);
    cr_assert(publisher, "%s", err.detail);
    cr_assert(
        store_open(&store, &settings, &config, &service.log, service.metrics, publisher, &err),
        "%s", err.detail);
    cr_assert(delivery_door_open(&store, &service, &err) &&
                  mailboxes_door_open(&store, &service, &err) &&
                  maintenance_door_open(&store, &service, &err),
              "%s", err.detail);
    make_account();
    make_structure();
    delivery = connect_to("delivery", &mailrail__delivery__descriptor);
    mailboxes = connect_to("mailboxes", &mailrail__mailboxes__descriptor);
    maintenance = connect_to("maintenance", &mailrail__maintenance__descriptor);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void teardown(void)
{
    rpc_client_free(delivery);
    rpc_client_free(mailboxes);
    rpc_client_free(maintenance);
    store_close(&store);
    event_publisher_free(publisher);
    metrics_free(service.metrics);
    log_free(service.log.log);
    arena_release(&service.arena);
    arena_release(&arena);
    nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TestSuite(doors, .init = setup, .fini = teardown);

/* NULL with `err` set when the call failed. */
static void *call(struct rpc_client *client, const char *method, const void *request)
{
    struct rpc_context context = rpc_context_ms(1, 10000);
    ProtobufCMessage *reply;
    return rpc_call(client, &context, method, request, &arena, &reply, &err) ? reply : NULL;
}

static Mailrail__DeliverResult *deliver_with(struct str key, const char *spool, const char *mailbox)
{
    static Mailrail__Recipient recipient;
    static Mailrail__Recipient *recipients[1] = {&recipient};
    Mailrail__DeliverRequest request = MAILRAIL__DELIVER_REQUEST__INIT;
    mailrail__recipient__init(&recipient);
    recipient.account_id = account;
    recipient.mailbox = (char *)(uintptr_t)mailbox;
    recipient.prefix = bytes(STR("X: y\r\n"));
    request.key = bytes(key);
    request.spool_name = (char *)(uintptr_t)spool;
    request.file_size = strlen(TEXT);
    request.received_ms = 1700000000000;
    request.structure = structure;
    request.n_recipients = 1;
    request.recipients = recipients;
    Mailrail__DeliverReply *reply = call(delivery, "Deliver", &request);
    return reply ? reply->results[0] : NULL;
}

#define KEY STR("0123456789abcdef")

static Mailrail__Changes *pull(const char *name)
{
    Mailrail__PullRequest request = MAILRAIL__PULL_REQUEST__INIT;
    request.token = token;
    request.name = (char *)(uintptr_t)name;
    return call(mailboxes, "Pull", &request);
}

Test(doors, a_delivery_is_seen_by_a_reader)
{
    write_spool("test-1");
    Mailrail__DeliverResult *result = deliver_with(KEY, "test-1", "Inbox");
    cr_assert(result && !result->error, "%s", result ? result->error->detail : err.detail);
    Mailrail__Changes *c = pull("INBOX");
    cr_assert(c && c->n_uid == 1 && c->uid[0] == result->uid && c->id[0] == result->message_id);
    cr_expect(c->size[0] == strlen(TEXT) + 6 && c->mailbox->total == 1);
    cr_expect(c->n_received_zone == 0 && c->n_keyword_end == 0);

    Mailrail__MessagesRequest request = MAILRAIL__MESSAGES_REQUEST__INIT;
    request.token = token;
    request.mailbox_id = c->mailbox->id;
    request.n_id = 1;
    request.id = c->id;
    request.prefix = request.structure = true;
    Mailrail__MessagesReply *messages = call(mailboxes, "Messages", &request);
    cr_assert(messages && messages->n_rows == 1);
    cr_expect(messages->rows[0]->prefix.len == 6);
    cr_expect(messages->rows[0]->structure.len == structure.len);
    cr_expect(strcmp(messages->rows[0]->preview, "hello\n") == 0, "%s", messages->rows[0]->preview);
}

Test(doors, what_a_peer_sends_is_checked)
{
    write_spool("test-1");
    cr_expect(!deliver_with(STR("short"), "test-1", "Inbox") && err.kind == ERR_SYNTAX);
    cr_expect(!deliver_with(KEY, "../directory.db", "Inbox") && err.kind == ERR_SYNTAX);
    cr_expect(!deliver_with(KEY, ".hidden", "Inbox") && err.kind == ERR_SYNTAX);
    Mailrail__DeliverResult *result = deliver_with(KEY, "none", "Inbox");
    cr_expect(result && result->error->kind == MAILRAIL__ERROR_KIND__ERROR_KIND_NOT_FOUND);
    result = deliver_with(KEY, "test-1", "a//b");
    cr_expect(result && result->error->kind == MAILRAIL__ERROR_KIND__ERROR_KIND_SYNTAX);
    account += 1000;
    result = deliver_with(KEY, "test-1", "Inbox");
    cr_expect(result && result->error->kind == MAILRAIL__ERROR_KIND__ERROR_KIND_NOT_FOUND);
    structure = bytes(STR("\xff\xff"));
    cr_expect(!deliver_with(KEY, "test-1", "Inbox") && err.kind == ERR_SYNTAX);
}

Test(doors, a_bad_token_opens_nothing)
{
    token = bytes(STR("not a token"));
    cr_expect(!pull("Inbox") && err.kind == ERR_DENIED);
}

Test(doors, a_change_brings_the_view_up_to_date)
{
    write_spool("test-1");
    cr_assert(deliver_with(KEY, "test-1", "Inbox"));
    Mailrail__Changes *c = pull("Inbox");
    uint32_t uids[] = {1}, descending[] = {2, 1};
    Mailrail__StoreFlagsRequest request = MAILRAIL__STORE_FLAGS_REQUEST__INIT;
    request.token = token;
    request.mailbox_id = c->mailbox->id;
    request.since_modseq = c->modseq_seen;
    request.mode = MAILRAIL__STORE_MODE__STORE_MODE_ADD;
    request.flags = MAILRAIL__MESSAGE_FLAG__MESSAGE_FLAG_SEEN;
    request.n_uid = 1;
    request.uid = uids;
    Mailrail__StoreFlagsReply *reply = call(mailboxes, "StoreFlags", &request);
    cr_assert(reply && reply->changes && reply->changes->n_uid == 1, "%s", err.detail);
    cr_expect(reply->changes->flags[0] == 1 && reply->changes->mailbox->unseen == 0);
    cr_expect(reply->changes->modseq_seen == reply->modseq);

    request.n_uid = 2;
    request.uid = descending;
    cr_expect(!call(mailboxes, "StoreFlags", &request) && err.kind == ERR_SYNTAX);
    request.n_uid = 1;
    request.flags = 4096;
    cr_expect(!call(mailboxes, "StoreFlags", &request) && err.kind == ERR_SYNTAX);
    request.flags = 1;
    request.mode = (Mailrail__StoreMode)7;
    cr_expect(!call(mailboxes, "StoreFlags", &request) && err.kind == ERR_SYNTAX);
}

Test(doors, append_and_list)
{
    Mailrail__AppendItem item = MAILRAIL__APPEND_ITEM__INIT;
    Mailrail__AppendItem *items[] = {&item};
    Mailrail__AppendRequest request = MAILRAIL__APPEND_REQUEST__INIT;
    char *keywords[] = {"Work"};
    write_spool("test-1");
    item.spool_name = "test-1";
    item.file_size = strlen(TEXT);
    item.structure = structure;
    item.received_s = 1600000000;
    item.received_zone_minutes = -90;
    item.n_keywords = 1;
    item.keywords = keywords;
    request.token = token;
    request.key = bytes(KEY);
    request.name = "Sent";
    request.n_items = 1;
    request.items = items;
    Mailrail__AppendReply *reply = call(mailboxes, "Append", &request);
    cr_assert(reply && reply->n_uid == 1, "%s", err.detail);
    Mailrail__Changes *c = pull("Sent");
    cr_expect(c->received_s[0] == 1600000000 && c->received_zone[0] == 1350);
    cr_expect(c->n_keyword_index == 1 && strcmp(c->mailbox->keywords[0], "work") == 0);

    Mailrail__ListRequest list = MAILRAIL__LIST_REQUEST__INIT;
    list.token = token;
    Mailrail__ListReply *all = call(mailboxes, "List", &list);
    cr_assert(all && all->n_mailboxes == 6 && all->n_subscriptions == 6);
    cr_expect(strcmp(all->mailboxes[0]->name, "Archive") == 0 && all->modseq == reply->modseq);

    Mailrail__CheckAppendRequest check = MAILRAIL__CHECK_APPEND_REQUEST__INIT;
    check.token = token;
    check.name = "nope";
    cr_expect(!call(mailboxes, "CheckAppend", &check) && err.kind == ERR_NOT_FOUND);
}

Test(doors, verification_goes_from_account_to_account)
{
    write_spool("test-1");
    Mailrail__DeliverResult *result = deliver_with(KEY, "test-1", "Inbox");
    Mailrail__VerifyRequest request = MAILRAIL__VERIFY_REQUEST__INIT;
    Mailrail__VerifyReply *reply = call(maintenance, "Verify", &request);
    cr_assert(reply && reply->n_findings == 0 && strcmp(reply->checked, "account you") == 0);
    char path[128];
    snprintf(path, sizeof(path), "%s/accounts/%d/msg/0/%d", data, (int)account,
             (int)result->message_id);
    cr_assert(unlink(path) == 0);
    reply = call(maintenance, "Verify", &request);
    cr_expect(reply && reply->n_findings == 1);
    request.after = reply->next;
    while ((reply = call(maintenance, "Verify", &request)) && reply->next[0])
        request.after = reply->next;
    cr_expect(reply && reply->n_findings == 0 && strcmp(reply->checked, "queue") == 0);
    request.after = "nonsense";
    cr_expect(!call(maintenance, "Verify", &request) && err.kind == ERR_SYNTAX);
}

/* ---- Events */

static sem_t arrived, connected;
static atomic_uint_fast64_t event_modseq;

static void on_event(void *user, struct str topic, struct str payload)
{
    (void)user, (void)topic;
    Mailrail__AccountChanged *event =
        mailrail__account_changed__unpack(NULL, payload.len, (const uint8_t *)payload.ptr);
    atomic_store(&event_modseq, event && event->account_id == account ? event->modseq : 0);
    mailrail__account_changed__free_unpacked(event, NULL);
    sem_post(&arrived);
}

static void on_connected(void *user)
{
    (void)user;
    sem_post(&connected);
}

Test(doors, a_delivery_nudges_who_listens)
{
    struct event_handler handler = {.event = on_event, .reconnected = on_connected};
    char topic[64];
    sem_init(&arrived, 0, 0);
    sem_init(&connected, 0, 0);
    struct event_subscriber *s =
        event_subscriber_new(settings_door_url(&settings, "events", &arena), &handler, &err);
    cr_assert(s);
    snprintf(topic, sizeof(topic), "account/%d/", (int)account);
    event_subscribe(s, topic);
    sem_wait(&connected);
    /* Events may be lost until the subscription arrived: deliver until one comes. */
    struct timespec soon;
    uint64_t modseq = 0;
    for (int i = 0; i < 50; i++) {
        char spool[32], key[17];
        snprintf(spool, sizeof(spool), "test-%d", i);
        snprintf(key, sizeof(key), "%016d", i);
        write_spool(spool);
        modseq = deliver_with(str_from_cstr(key), spool, "Inbox")->modseq;
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_sec += 1;
        if (sem_timedwait(&arrived, &soon) == 0)
            break;
    }
    cr_expect(atomic_load(&event_modseq) == modseq);
    event_subscriber_free(s);
}
