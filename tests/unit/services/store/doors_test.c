#include "common/sys/file.h"
#include "common/base/clock.h"
#include "common/mail/structure.h"
#include "proto/delivery.pb-c.h"
#include "proto/directory.pb-c.h"
#include "proto/events.pb-c.h"
#include "proto/mailboxes.pb-c.h"
#include "proto/training.pb-c.h"
#include "proto/transfer.pb-c.h"
#include "services/store/acl.h"
#include "services/store/backup.h"
#include "services/store/backup_directory.h"
#include "services/store/delivery_door.h"
#include "services/store/directory_shares.h"
#include "services/store/directory_admin.h"
#include "services/store/mailboxes_door.h"
#include "services/store/maintenance_door.h"
#include "services/store/training_door.h"
#include "services/store/transfer_door.h"
#include "services/store/token.h"
#include "tests/unit/support/remove_tree.h"

#include <criterion/criterion.h>
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
static struct rpc_client *delivery, *mailboxes, *maintenance, *training, *transfer;
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

static void make_structure(struct str text)
{
    struct buf encoded;
    buf_init(&encoded, 1 << 16);
    cr_assert(structure_encode(structure_parse(text, &arena), &arena, &encoded, &err));
    structure = bytes(arena_copy(&arena, buf_str(&encoded)));
    buf_release(&encoded);
}

static struct rpc_client *connect_to(const char *door, const ProtobufCServiceDescriptor *descriptor)
{
    struct rpc_client *client =
        rpc_client_new(bus_at(settings_door_url(&settings, door, &arena)), descriptor, &err);
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
    snprintf(spool, sizeof(spool), "%s/data/spool/imap", directory);
    struct err err;
    cr_assert(directory_make(spool, 0770, &err));
    snprintf(spool, sizeof(spool), "%s/data/spool/smtp-in", directory);
    cr_assert(directory_make(spool, 0770, &err));
    settings = (struct settings){.hostname = STR("localhost"),
                                 .data = str_from_cstr(data),
                                 .run = str_from_cstr(directory),
                                 .drain_ms = 1000};
    arena_init(&arena, 16 << 20);
    service = (struct service){.name = "store", .metrics = metrics_new(), .settings = &settings};
    service.log = log_root(log_new(2, LOG_ERROR), "store");
    arena_init(&service.arena, 1 << 20);
    publisher =
        event_publisher_new(bus_at(settings_door_url(&settings, "events", &arena)), 0600, &err);
    cr_assert(publisher, "%s", err.detail);
    const struct store_events events = {.accounts = publisher};
    cr_assert(store_open(&store, &settings, &config, &service.log, service.metrics, &events, &err),
              "%s", err.detail);
    cr_assert(delivery_door_open(&store, &service, &err) &&
                  mailboxes_door_open(&store, &service, &err) &&
                  maintenance_door_open(&store, &service, &err) &&
                  transfer_door_open(&store, &service, &err) &&
                  training_door_open(&store, &service, &err),
              "%s", err.detail);
    make_account();
    make_structure(STR(TEXT));
    delivery = connect_to("delivery", &mailrail__delivery__descriptor);
    mailboxes = connect_to("mailboxes", &mailrail__mailboxes__descriptor);
    maintenance = connect_to("maintenance", &mailrail__maintenance__descriptor);
    training = connect_to("training", &mailrail__training__descriptor);
    transfer = connect_to("transfer", &mailrail__transfer__descriptor);
}

static void teardown(void)
{
    rpc_client_free(delivery);
    rpc_client_free(mailboxes);
    rpc_client_free(maintenance);
    rpc_client_free(training);
    rpc_client_free(transfer);
    store_close(&store);
    event_publisher_free(publisher);
    metrics_free(service.metrics);
    log_free(service.log.log);
    arena_release(&service.arena);
    arena_release(&arena);
    remove_tree(directory);
}

TestSuite(doors, .init = setup, .fini = teardown);

/* NULL with `err` set when the call failed. */
static void *call(struct rpc_client *client, const char *method, const void *request)
{
    struct rpc_context context = rpc_context_ms(1, 10000);
    ProtobufCMessage *reply;
    return rpc_call(client, &context, method, request, &arena, &reply, &err) ? reply : NULL;
}

static Mailrail__DeliverResult *deliver_text(struct str key, const char *spool, struct str content,
                                             const char *mailbox)
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
    request.content = bytes(content);
    request.file_size = strlen(TEXT);
    request.received_ms = 1700000000000;
    request.structure = structure;
    request.n_recipients = 1;
    request.recipients = recipients;
    Mailrail__DeliverReply *reply = call(delivery, "Deliver", &request);
    return reply ? reply->results[0] : NULL;
}

static Mailrail__DeliverResult *deliver_with(struct str key, const char *spool, const char *mailbox)
{
    return deliver_text(key, spool, STR(""), mailbox);
}

#define KEY STR("0123456789abcdef")

static Mailrail__Changes *pull(const char *name)
{
    Mailrail__PullRequest request = MAILRAIL__PULL_REQUEST__INIT;
    request.token = token;
    request.name = (char *)(uintptr_t)name;
    return call(mailboxes, "Pull", &request);
}

Test(doors, a_text_in_the_call_is_delivered_as_one_in_a_file)
{
    Mailrail__DeliverResult *result = deliver_text(KEY, "", STR(TEXT), "Inbox");
    cr_assert(result && !result->error, "%s", result ? result->error->detail : err.detail);
    cr_expect(pull("INBOX")->size[0] == strlen(TEXT) + 6);
    result = deliver_text(KEY, "", STR(TEXT), "Inbox");
    cr_expect(result && !result->error && pull("INBOX")->n_uid == 1, "the same key");
    write_spool("smtp-in/test-1");
    cr_expect(!deliver_text(STR("0123456789abcde1"), "smtp-in/test-1", STR(TEXT), "Inbox"));
    cr_expect_eq(err.kind, ERR_SYNTAX, "%s", err.detail);
    write_spool("imap/test-1");
    cr_expect(!deliver_with(STR("0123456789abcde2"), "imap/test-1", "Inbox"), "another's file");
    cr_expect_eq(err.kind, ERR_DENIED, "%s", err.detail);
    cr_expect_eq(pull("INBOX")->n_uid, 1);
}

Test(doors, a_delivery_is_seen_by_a_reader)
{
    write_spool("smtp-in/test-1");
    Mailrail__DeliverResult *result = deliver_with(KEY, "smtp-in/test-1", "Inbox");
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
}

#define LETTER                                                                                     \
    "From: =?utf-8?q?J=C3=B6?= <joe@example.org>, b@x\r\nTo: friends:a@x, b@x;\r\nCc: c@x\r\n"     \
    "Subject: [list] Re: Lunch (fwd)\r\nDate: Thu, 1 Jan 1970 00:01:00 +0000\r\n"                  \
    "Message-ID: <Me@x>\r\nReferences: <A@x> <b@x>\r\n\r\nhello\r\n"

/* The second message is gone. */
Test(doors, sort_keys_come_in_columns)
{
    make_structure(STR(LETTER));
    cr_assert(deliver_text(KEY, "", STR(TEXT), "Inbox"));
    uint64_t ids[] = {pull("INBOX")->id[0], 999};
    Mailrail__SortKeysRequest request = MAILRAIL__SORT_KEYS_REQUEST__INIT;
    request.token = token;
    request.id = ids;
    request.n_id = 2;
    request.keys = 255;
    Mailrail__SortKeysReply *keys = call(mailboxes, "SortKeys", &request);
    cr_assert(keys && keys->n_sent_s == 2 && keys->n_display_to == 2 && keys->n_message_id == 2);
    cr_expect(keys->sent_s[0] == 60 && keys->sent_s[1] == INT64_MIN);
    cr_expect_str_eq(keys->subject[0], "lunch");
    cr_expect_str_eq(keys->subject[1], "");
    cr_expect_str_eq(keys->from[0], "joe");
    cr_expect_str_eq(keys->to[0], "friends");
    cr_expect_str_eq(keys->cc[0], "c");
    cr_expect_str_eq(keys->display_from[0], "J\xc3\xb6");
    cr_expect_str_eq(keys->display_to[0], "friends");
    cr_expect(keys->is_reply[0] && !keys->is_reply[1]);
    cr_expect_str_eq(keys->message_id[0], "me@x");
    cr_assert(keys->n_reference == 2 && keys->reference_end[0] == 2 && keys->reference_end[1] == 2);
    cr_expect_str_eq(keys->reference[0], "a@x");

    request.keys = MAILRAIL__SORT_KEY__SORT_KEY_CC;
    keys = call(mailboxes, "SortKeys", &request);
    cr_assert(keys && keys->n_cc == 2 && keys->n_sent_s == 0 && keys->n_subject == 0);
    request.n_id = 20000;
    request.id = arena_new_array(&arena, 20000, uint64_t);
    cr_expect(!call(mailboxes, "SortKeys", &request) && err.kind == ERR_LIMIT);
}

Test(doors, what_a_peer_sends_is_checked)
{
    write_spool("smtp-in/test-1");
    cr_expect(!deliver_with(STR("short"), "smtp-in/test-1", "Inbox") && err.kind == ERR_SYNTAX);
    cr_expect(!deliver_with(KEY, "../directory.db", "Inbox") && err.kind == ERR_SYNTAX);
    cr_expect(!deliver_with(KEY, ".hidden", "Inbox") && err.kind == ERR_SYNTAX);
    Mailrail__DeliverResult *result = deliver_with(KEY, "smtp-in/none", "Inbox");
    cr_expect(result && result->error->kind == MAILRAIL__ERROR_KIND__ERROR_KIND_NOT_FOUND);
    result = deliver_with(KEY, "smtp-in/test-1", "a//b");
    cr_expect(result && result->error->kind == MAILRAIL__ERROR_KIND__ERROR_KIND_SYNTAX);
    account += 1000;
    result = deliver_with(KEY, "smtp-in/test-1", "Inbox");
    cr_expect(result && result->error->kind == MAILRAIL__ERROR_KIND__ERROR_KIND_NOT_FOUND);
    structure = bytes(STR("\xff\xff"));
    cr_expect(!deliver_with(KEY, "smtp-in/test-1", "Inbox") && err.kind == ERR_SYNTAX);
}

Test(doors, a_bad_token_opens_nothing)
{
    token = bytes(STR("not a token"));
    cr_expect(!pull("Inbox") && err.kind == ERR_DENIED);
}

Test(doors, a_change_brings_the_view_up_to_date)
{
    write_spool("smtp-in/test-1");
    cr_assert(deliver_with(KEY, "smtp-in/test-1", "Inbox"));
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
    write_spool("imap/test-1");
    item.spool_name = "imap/test-1";
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

/* ---- Mailboxes of others (RFC 4314) */

/* Another account, whose token it gives. */
static ProtobufCBinaryData make_friend(uint64_t *ret_id)
{
    struct directory_account a = {.name = STR("friend")};
    cr_assert(directory_add_account(&store, &a, STR("friend@example.org"), STR("correct horse"),
                                    ret_id, &err));
    cr_assert(directory_account(&store, *ret_id, &arena, &a, &err));
    struct token_session session = {.account_id = *ret_id,
                                    .credential_version = a.credential_version,
                                    .rights = TOKEN_MAILBOXES,
                                    .expires_ms = clock_wall_ms() + 60000};
    return bytes(token_seal(&store, &session, &arena));
}

static void grant(const char *mailbox, uint32_t rights)
{
    Mailrail__SetRightsRequest request = MAILRAIL__SET_RIGHTS_REQUEST__INIT;
    request.token = token;
    request.name = (char *)(uintptr_t)mailbox;
    request.identifier = "friend@example.org";
    request.rights = rights;
    cr_assert(call(mailboxes, "SetRights", &request), "%s", err.detail);
}

#define ALL_RIGHTS 2047u
#define REQUEST(name, init, ...)                                                                   \
    Mailrail__##name##Request name = init;                                                         \
    name.token = friend;                                                                           \
    name.owner = account;                                                                          \
    __VA_ARGS__

Test(doors, every_call_on_anothers_mailbox_needs_its_right)
{
    uint64_t id;
    uint32_t uids[] = {1};
    ProtobufCBinaryData friend = make_friend(&id);
    cr_assert(deliver_text(KEY, "", STR(TEXT), "Inbox"));
    Mailrail__Changes *c = pull("Inbox");
    uint64_t inbox = c->mailbox->id, message = c->id[0];
    Mailrail__AppendItem item = MAILRAIL__APPEND_ITEM__INIT;
    Mailrail__AppendItem *items[] = {&item};
    item.content = bytes(STR(TEXT));
    item.file_size = strlen(TEXT);
    item.structure = structure;
    REQUEST(Pull, MAILRAIL__PULL_REQUEST__INIT, Pull.mailbox_id = inbox);
    REQUEST(Messages, MAILRAIL__MESSAGES_REQUEST__INIT, Messages.mailbox_id = inbox;
            Messages.id = &message; Messages.n_id = 1);
    REQUEST(SortKeys, MAILRAIL__SORT_KEYS_REQUEST__INIT, SortKeys.mailbox_id = inbox;
            SortKeys.id = &message; SortKeys.n_id = 1);
    REQUEST(Create, MAILRAIL__CREATE_REQUEST__INIT, Create.name = "Inbox/sub");
    REQUEST(Delete, MAILRAIL__DELETE_REQUEST__INIT, Delete.name = "Inbox");
    REQUEST(Annotate, MAILRAIL__ANNOTATE_REQUEST__INIT, Annotate.mailbox = "Inbox");
    REQUEST(CheckAppend, MAILRAIL__CHECK_APPEND_REQUEST__INIT, CheckAppend.name = "Inbox");
    REQUEST(Append, MAILRAIL__APPEND_REQUEST__INIT, Append.name = "Inbox"; Append.items = items;
            Append.n_items = 1);
    REQUEST(StoreFlags, MAILRAIL__STORE_FLAGS_REQUEST__INIT, StoreFlags.mailbox_id = inbox;
            StoreFlags.uid = uids; StoreFlags.n_uid = 1; StoreFlags.flags = 1;
            StoreFlags.mode = MAILRAIL__STORE_MODE__STORE_MODE_ADD);
    REQUEST(Copy, MAILRAIL__COPY_REQUEST__INIT, Copy.mailbox_id = inbox; Copy.uid = uids;
            Copy.n_uid = 1; Copy.to = "Inbox");
    REQUEST(Expunge, MAILRAIL__EXPUNGE_REQUEST__INIT, Expunge.mailbox_id = inbox);
    REQUEST(GetRights, MAILRAIL__GET_RIGHTS_REQUEST__INIT, GetRights.name = "Inbox";
            GetRights.all = true);
    REQUEST(SetRights, MAILRAIL__SET_RIGHTS_REQUEST__INIT, SetRights.name = "Inbox";
            SetRights.identifier = "anyone");
    REQUEST(Quota, MAILRAIL__QUOTA_REQUEST__INIT, Quota.mailbox_id = inbox);
    const struct {
        const char *method;
        const void *request;
        uint32_t right;
    } table[] = {
        {"Pull", &Pull, MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_READ},
        {"Messages", &Messages, MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_READ},
        {"SortKeys", &SortKeys, MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_READ},
        {"Create", &Create, MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_CREATE},
        {"Delete", &Delete, MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_DELETE},
        {"Annotate", &Annotate, MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_WRITE},
        {"CheckAppend", &CheckAppend, MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_INSERT},
        {"Append", &Append, MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_INSERT},
        {"StoreFlags", &StoreFlags, MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_SEEN},
        {"Copy", &Copy, MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_READ},
        {"Move", &Copy, MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_DELETE_MESSAGES},
        {"Move", &Copy, MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_EXPUNGE},
        {"Expunge", &Expunge, MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_EXPUNGE},
        {"GetRights", &GetRights, MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_ADMINISTER},
        {"SetRights", &SetRights, MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_ADMINISTER},
        {"Quota", &Quota, MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_READ},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        grant("Inbox", 0);
        cr_expect(!call(mailboxes, table[i].method, table[i].request) && err.kind == ERR_NOT_FOUND,
                  "%s without rights: %s", table[i].method, err.detail);
        grant("Inbox", ALL_RIGHTS & ~table[i].right);
        cr_expect(!call(mailboxes, table[i].method, table[i].request) && err.kind == ERR_FORBIDDEN,
                  "%s without its right: %s", table[i].method, err.detail);
    }
    /* A message that is elsewhere is not read. */
    grant("Archive", ALL_RIGHTS);
    Messages.mailbox_id = pull("Archive")->mailbox->id;
    Mailrail__MessagesReply *none = call(mailboxes, "Messages", &Messages);
    cr_expect(none && none->n_rows == 0, "%s", err.detail);
    cr_expect(pull("Inbox")->n_uid == 1);
}

#define READ MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_READ
#define EXPUNGE MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_EXPUNGE

Test(doors, what_of_another_is_told_needs_the_right_to_it)
{
    uint64_t id;
    ProtobufCBinaryData friend = make_friend(&id);
    cr_assert(deliver_text(KEY, "", STR(TEXT), "Inbox"));
    uint64_t inbox = pull("Inbox")->mailbox->id;
    REQUEST(Expunge, MAILRAIL__EXPUNGE_REQUEST__INIT, Expunge.mailbox_id = inbox;
            Expunge.since_modseq = 1);
    grant("Inbox", ALL_RIGHTS & ~(uint32_t)READ);
    cr_expect(!call(mailboxes, "Expunge", &Expunge) && err.kind == ERR_FORBIDDEN, "changes");
    Expunge.since_modseq = 0;
    cr_expect(call(mailboxes, "Expunge", &Expunge), "%s", err.detail);
    grant("Inbox", ALL_RIGHTS & ~(uint32_t)EXPUNGE);
    cr_expect(!call(mailboxes, "Expunge", &Expunge) && err.kind == ERR_FORBIDDEN);

    /* What is hidden, and what is not there. */
    REQUEST(Pull, MAILRAIL__PULL_REQUEST__INIT, Pull.mailbox_id = inbox);
    grant("Inbox", 0);
    const uint64_t ids[] = {inbox, 123456};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        Pull.mailbox_id = ids[i];
        cr_expect(!call(mailboxes, "Pull", &Pull) && err.kind == ERR_NOT_FOUND, "mailbox %llu",
                  (unsigned long long)ids[i]);
    }

    /* Not how much room there is. */
    grant("Inbox", ALL_RIGHTS);
    config.quota_bytes = 5000;
    REQUEST(CheckAppend, MAILRAIL__CHECK_APPEND_REQUEST__INIT, CheckAppend.name = "Inbox");
    for (CheckAppend.size = 100; CheckAppend.size < 100000; CheckAppend.size += 99000) {
        Mailrail__CheckAppendReply *reply = call(mailboxes, "CheckAppend", &CheckAppend);
        cr_assert(reply, "%s", err.detail);
        cr_expect(reply->room == (CheckAppend.size == 100 ? UINT64_MAX : 0), "%llu",
                  (unsigned long long)reply->room);
    }
}

#define ANSWER "Subject: Re: hi\r\n\r\nx\r\n"

/* Appends an answer to TEXT. Is it \Seen? */
static uint32_t append_answer(ProtobufCBinaryData by)
{
    Mailrail__AppendItem item = MAILRAIL__APPEND_ITEM__INIT;
    Mailrail__AppendItem *items[] = {&item};
    Mailrail__AppendRequest request = MAILRAIL__APPEND_REQUEST__INIT;
    make_structure(STR(ANSWER));
    item.received_s = 1700000000;
    item.content = bytes(STR(ANSWER));
    item.file_size = strlen(ANSWER);
    item.structure = structure;
    request.token = by;
    request.owner = account;
    request.name = "Inbox";
    request.items = items;
    request.n_items = 1;
    cr_assert(call(mailboxes, "Append", &request), "%s", err.detail);
    Mailrail__Changes *c = pull("Inbox");
    return c->flags[c->n_flags - 1] & MAILRAIL__MESSAGE_FLAG__MESSAGE_FLAG_SEEN;
}

Test(doors, a_muted_conversation_is_not_told_to_others)
{
    uint64_t id;
    ProtobufCBinaryData friend = make_friend(&id);
    uint64_t message = deliver_text(KEY, "", STR(TEXT), "Inbox")->message_id;
    Mailrail__MarkThreadRequest mark = MAILRAIL__MARK_THREAD_REQUEST__INIT;
    mark.token = token;
    mark.id = &message;
    mark.n_id = 1;
    mark.on = true;
    cr_assert(call(mailboxes, "MarkThread", &mark), "%s", err.detail);
    grant("Inbox", ALL_RIGHTS);
    cr_expect(append_answer(token) != 0, "the owner's answer");
    cr_expect(append_answer(friend) == 0, "the answer of another");
}

static uint32_t one_uid[] = {1};

/* Replaces those of the first message of Inbox by so many with numbers from `first` on. */
static bool store_keywords(ProtobufCBinaryData by, unsigned first, unsigned count)
{
    char *words[128];
    Mailrail__StoreFlagsRequest request = MAILRAIL__STORE_FLAGS_REQUEST__INIT;
    for (unsigned i = 0; i < count; i++)
        words[i] = arena_cstr(&arena, arena_printf(&arena, "k%u", first + i));
    request.token = by;
    request.owner = account;
    request.mailbox_id = pull("Inbox")->mailbox->id;
    request.uid = one_uid;
    request.n_uid = 1;
    request.keywords = words;
    request.n_keywords = count;
    return call(mailboxes, "StoreFlags", &request) != NULL;
}

/* By APPEND and COPY as well as by STORE. */
Test(doors, others_leave_the_owner_room_for_keywords)
{
    uint64_t id;
    char *word[] = {"of-friend"};
    ProtobufCBinaryData friend = make_friend(&id);
    cr_assert(deliver_text(KEY, "", STR(TEXT), "Inbox"));
    grant("Inbox", ALL_RIGHTS);
    grant("Archive", ALL_RIGHTS);
    for (unsigned first = 0; first < 512; first += 128)
        cr_assert(store_keywords(friend, first, 128), "%s", err.detail);
    cr_expect(!store_keywords(friend, 512, 1) && err.kind == ERR_LIMIT);
    cr_expect(store_keywords(friend, 511, 1), "one that is there: %s", err.detail);

    Mailrail__AppendItem item = MAILRAIL__APPEND_ITEM__INIT;
    Mailrail__AppendItem *items[] = {&item};
    item.content = bytes(STR(TEXT));
    item.file_size = strlen(TEXT);
    item.structure = structure;
    item.keywords = word;
    item.n_keywords = 1;
    REQUEST(Append, MAILRAIL__APPEND_REQUEST__INIT, Append.name = "Inbox"; Append.items = items;
            Append.n_items = 1);
    cr_expect(!call(mailboxes, "Append", &Append) && err.kind == ERR_LIMIT, "append");
    Append.name = "Archive";
    cr_assert(call(mailboxes, "Append", &Append), "%s", err.detail);
    REQUEST(Copy, MAILRAIL__COPY_REQUEST__INIT, Copy.mailbox_id = pull("Archive")->mailbox->id;
            Copy.uid = one_uid; Copy.n_uid = 1; Copy.to = "Inbox"; Copy.to_owner = account);
    cr_expect(!call(mailboxes, "Copy", &Copy) && err.kind == ERR_LIMIT, "copy");

    Append.owner = Copy.owner = id;
    cr_assert(call(mailboxes, "Append", &Append), "%s", err.detail);
    ProtobufCBinaryData own = token;
    token = friend;
    Copy.mailbox_id = pull("Archive")->mailbox->id;
    token = own;
    cr_expect(!call(mailboxes, "Copy", &Copy) && err.kind == ERR_LIMIT, "copy from an own mailbox");
    for (unsigned first = 512; first < 1024; first += 128)
        cr_expect(store_keywords(own, first, 128), "the owner: %s", err.detail);
}

/* One with this name and so many bytes; removed when there are none. */
static bool annotate_inbox(ProtobufCBinaryData by, const char *name, size_t size)
{
    Mailrail__Annotation item = MAILRAIL__ANNOTATION__INIT;
    Mailrail__Annotation *items[] = {&item};
    Mailrail__AnnotateRequest request = MAILRAIL__ANNOTATE_REQUEST__INIT;
    item.name = (char *)(uintptr_t)name;
    item.value = (ProtobufCBinaryData){size, arena_alloc(&arena, size + 1)};
    memset(item.value.data, 'x', size);
    item.removed = size == 0;
    request.token = by;
    request.owner = account;
    request.mailbox = "Inbox";
    request.annotations = items;
    request.n_annotations = 1;
    return call(mailboxes, "Annotate", &request) != NULL;
}

Test(doors, others_leave_the_owner_room_for_annotations)
{
    uint64_t id;
    ProtobufCBinaryData friend = make_friend(&id);
    grant("Inbox", ALL_RIGHTS);
    cr_expect(annotate_inbox(friend, "/shared/a", 400000), "%s", err.detail);
    cr_expect(!annotate_inbox(friend, "/shared/b", 200000) && err.kind == ERR_STATE);
    cr_expect(annotate_inbox(token, "/shared/b", 200000), "the owner: %s", err.detail);
    cr_expect(!annotate_inbox(friend, "/shared/c", 1) && err.kind == ERR_STATE);
    cr_expect(annotate_inbox(friend, "/shared/b", 100000), "less: %s", err.detail);
    cr_expect(annotate_inbox(friend, "/shared/a", 0), "less: %s", err.detail);

    for (int i = 0; i < 499; i++) {
        char name[32];
        snprintf(name, sizeof(name), "/shared/n%d", i);
        cr_assert(annotate_inbox(friend, name, 1), "%d: %s", i, err.detail);
    }
    cr_expect(!annotate_inbox(friend, "/shared/more", 1) && err.kind == ERR_STATE);
    cr_expect(annotate_inbox(friend, "/shared/n0", 2), "no more of them: %s", err.detail);
    cr_expect(annotate_inbox(token, "/shared/more", 1), "the owner: %s", err.detail);
}

static void create_own(const char *name)
{
    Mailrail__CreateRequest request = MAILRAIL__CREATE_REQUEST__INIT;
    request.token = token;
    request.name = (char *)(uintptr_t)name;
    cr_assert(call(mailboxes, "Create", &request), "%s", err.detail);
}

/* As a name that one may not make at all (RFC 4314 6). */
Test(doors, a_name_that_is_taken_by_what_is_hidden_is_refused_as_any_other)
{
    uint64_t id;
    ProtobufCBinaryData friend = make_friend(&id);
    grant("Archive", ALL_RIGHTS);
    create_own("Archive/hidden");
    create_own("Archive/seen");
    grant("Archive/hidden", 0);
    REQUEST(Create, MAILRAIL__CREATE_REQUEST__INIT, Create.name = "top");
    REQUEST(Rename, MAILRAIL__RENAME_REQUEST__INIT, Rename.from = "Archive/seen");
    static const char *const names[] = {"top", "Archive/hidden", "Archive/hidden/x"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        Create.name = Rename.to = (char *)(uintptr_t)names[i];
        cr_expect(!call(mailboxes, "Create", &Create) && err.kind == ERR_NOT_FOUND &&
                      err.reply[0] == 0,
                  "create %s: %s", names[i], err.reply);
        cr_expect(!call(mailboxes, "Rename", &Rename) && err.kind == ERR_NOT_FOUND &&
                      err.reply[0] == 0,
                  "rename to %s: %s", names[i], err.reply);
    }
    Create.name = "Archive/seen";
    cr_expect(!call(mailboxes, "Create", &Create) && err.kind == ERR_CONFLICT);
    grant("Archive/hidden", MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_LOOKUP);
    Rename.to = "Archive/hidden";
    cr_expect(!call(mailboxes, "Rename", &Rename) && err.kind == ERR_CONFLICT);
}

static bool set_rights_of(const char *identifier, uint32_t rights)
{
    Mailrail__SetRightsRequest request = MAILRAIL__SET_RIGHTS_REQUEST__INIT;
    request.token = token;
    request.name = "Inbox";
    request.identifier = (char *)(uintptr_t)identifier;
    request.rights = rights;
    return call(mailboxes, "SetRights", &request) != NULL;
}

/* What has to tell, that nobody is called so, tells it seldom. */
Test(doors, who_is_nobody_is_told_where_it_must_be)
{
    Mailrail__GetRightsRequest list = MAILRAIL__GET_RIGHTS_REQUEST__INIT;
    list.token = token;
    list.name = "Inbox";
    list.all = true;
    list.identifier = "nobody@example.org";
    Mailrail__GetRightsReply *reply = call(mailboxes, "GetRights", &list);
    cr_expect(reply && !reply->identifier_is_owner && reply->n_entries == 1, "%s", err.detail);
    cr_expect(set_rights_of("nobody@example.org", 0), "%s", err.detail);
    cr_expect(set_rights_of("-nobody", 0), "%s", err.detail);
    for (int i = 0; i < 100; i++) {
        cr_assert(!set_rights_of("nobody@example.org", READ) && err.kind == ERR_STATE);
        cr_assert(strstr(err.reply, "nobody here") != NULL, "%s", err.reply);
    }
    unsigned refused = 0;
    for (int i = 0; i < 10; i++)
        refused += !set_rights_of("nobody@example.org", READ) && strstr(err.reply, "[LIMIT]");
    cr_expect(refused > 0, "%s", err.reply);
    reply = call(mailboxes, "GetRights", &list);
    cr_expect(reply && reply->n_entries == 1, "nothing is kept");
}

static size_t mailboxes_listed(ProtobufCBinaryData by)
{
    Mailrail__ListRequest request = MAILRAIL__LIST_REQUEST__INIT;
    request.token = by;
    request.others = true;
    Mailrail__ListReply *reply = call(mailboxes, "List", &request);
    cr_assert(reply, "%s", err.detail);
    return reply->n_mailboxes;
}

/* Also what was shared before, in an account that shares something else with the same reader. */
Test(doors, anyone_can_be_forbidden)
{
    uint64_t id;
    ProtobufCBinaryData friend = make_friend(&id);
    REQUEST(Pull, MAILRAIL__PULL_REQUEST__INIT, Pull.name = "Inbox");
    size_t own = mailboxes_listed(friend);
    cr_assert(set_rights_of("anyone", ALL_RIGHTS), "%s", err.detail);
    cr_expect(call(mailboxes, "Pull", &Pull) && mailboxes_listed(friend) == own + 1);
    config.forbid_anyone = true;
    for (int i = 0; i < 2; i++) {
        cr_expect(!call(mailboxes, "Pull", &Pull) && err.kind == ERR_NOT_FOUND, "%d", i);
        cr_expect(mailboxes_listed(friend) == own + (size_t)i);
        grant("Archive", READ | MAILRAIL__MAILBOX_RIGHT__MAILBOX_RIGHT_LOOKUP);
    }
    cr_expect(!set_rights_of("anyone", READ) && err.kind == ERR_FORBIDDEN);
    cr_expect(set_rights_of("-anyone", READ), "to deny: %s", err.detail);
    cr_expect(set_rights_of("anyone", 0), "to take away: %s", err.detail);
    config.forbid_anyone = false;
    cr_expect(!call(mailboxes, "Pull", &Pull) && err.kind == ERR_NOT_FOUND);
}

/* Each change of the index is a new snapshot of the directory. */
Test(doors, who_shares_again_and_again_changes_the_index_seldom)
{
    uint64_t id;
    make_friend(&id);
    unsigned left = 0;
    for (int i = 0; i < 200; i++) {
        bool is_there;
        grant("Inbox", READ);
        cr_assert(directory_has_share(&store, account, id, &is_there, &err) && is_there);
        grant("Inbox", 0);
        cr_assert(directory_has_share(&store, account, id, &is_there, &err));
        left += is_there;
    }
    cr_expect(left > 0);
}

/* Else those who share with all could crowd them out. */
Test(doors, who_shares_with_one_comes_before_who_shares_with_all)
{
    uint64_t id, *owners;
    size_t count;
    make_friend(&id);
    for (int i = 0; i < 3; i++) {
        struct directory_account a = {.name = arena_printf(&arena, "owner%d", i)};
        struct str address = arena_printf(&arena, "owner%d@example.org", i);
        uint64_t owner;
        cr_assert(directory_add_account(&store, &a, address, STR_NULL, &owner, &err), "%s",
                  err.detail);
        if (i < 2)
            cr_assert(directory_set_share(&store, owner, ACL_ANYONE, true, &err));
        if (i > 0)
            cr_assert(directory_set_share(&store, owner, id, true, &err));
    }
    cr_assert(directory_owners(&store, id, 10, &arena, &owners, &count, &err));
    cr_expect(count == 3 && owners[0] == id + 2 && owners[1] == id + 3 && owners[2] == id + 1);
    cr_assert(directory_owners(&store, id, 2, &arena, &owners, &count, &err));
    cr_expect(count == 2 && owners[1] == id + 3);
}

/* The database of the one account, as a backup with this directory has it. */
static struct db *copy_account(struct backup_directory *d, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    cr_assert(db_copy(layout_account_db(settings.data, account).text, path, &err), "%s",
              err.detail);
    struct db *copy = db_open(path, &account_schema, DB_READ_WRITE, 1024, &err);
    cr_assert(copy && backup_directory_fit_rights(d, account, copy, &err), "%s", err.detail);
    return copy;
}

static size_t accounts_in(struct db *db)
{
    struct acl_accounts accounts;
    cr_assert(acl_accounts_read(db, &accounts, &err));
    size_t count = accounts.list.len;
    acl_accounts_release(&accounts);
    db_close(db);
    return count;
}

Test(doors, a_backup_has_no_rights_of_accounts_that_it_lacks)
{
    uint64_t id;
    char to[80];
    struct backup_directory d;
    snprintf(to, sizeof(to), "%s/before", directory);
    cr_assert(directory_make(to, 0770, &err));
    cr_assert(backup_directory_copy(&d, settings.data, str_from_cstr(to), &err), "%s", err.detail);
    make_friend(&id);
    grant("Inbox", ALL_RIGHTS);
    cr_expect(accounts_in(copy_account(&d, "before.db")) == 0);
    backup_directory_close(&d);
}

Test(doors, a_backup_finds_rights_that_were_given_while_it_ran)
{
    uint64_t id;
    char to[80];
    struct backup_directory d;
    snprintf(to, sizeof(to), "%s/after", directory);
    cr_assert(directory_make(to, 0770, &err));
    make_friend(&id);
    cr_assert(backup_directory_copy(&d, settings.data, str_from_cstr(to), &err), "%s", err.detail);
    grant("Inbox", ALL_RIGHTS);
    cr_expect(accounts_in(copy_account(&d, "after.db")) == 1);
    struct snapshot *s = snapshot_load(d.db, &err);
    cr_assert(s && s->rows.shares.len == 1, "the index has it");
    cr_expect(s->rows.shares.items[0].owner_id == account &&
              s->rows.shares.items[0].reader_id == id);
    snapshot_free(s);
    backup_directory_close(&d);
}

static bool backup_ends(uint64_t job, int wait_ms)
{
    struct job_state state = {.is_ended = false};
    for (int waited = 0; !state.is_ended && waited < wait_ms; waited += 10) {
        usleep(10000);
        cr_assert(jobs_watch(store.jobs, job, 0, &arena, &state, &err), "%s", err.detail);
    }
    cr_expect(state.errors == 0 && state.failure.len == 0);
    return state.is_ended;
}

/* Who erases would take files of which the copied index knows, before they are linked. */
Test(doors, a_backup_and_the_eraser_wait_for_each_other)
{
    uint64_t job;
    struct account *erasing;
    struct str to = arena_printf(&arena, "%s/kept", directory);
    struct job_request request = {.name = "backup", .run = job_backup, .destination = to};
    cr_assert(deliver_text(KEY, "", STR(TEXT), "Inbox"));
    cr_assert(account_open(&store, account, &erasing, &err), "%s", err.detail);
    pthread_mutex_lock(&erasing->erase_lock);
    cr_assert(jobs_start(store.jobs, &request, &job, &err), "%s", err.detail);
    cr_expect(!backup_ends(job, 500));
    struct layout_path copy = layout_account_db(to, account);
    cr_expect(access(copy.text, F_OK) != 0, "the index is not copied either");
    pthread_mutex_unlock(&erasing->erase_lock);
    account_release(erasing);
    cr_expect(backup_ends(job, 10000));
    cr_expect(access(copy.text, F_OK) == 0);
}

Test(doors, too_many_messages_for_another_account_are_told_as_such)
{
    uint64_t id;
    static uint32_t uids[10001];
    ProtobufCBinaryData friend = make_friend(&id);
    grant("Inbox", ALL_RIGHTS);
    for (uint32_t i = 0; i < ARRAY_LEN(uids); i++)
        uids[i] = i + 1;
    REQUEST(Copy, MAILRAIL__COPY_REQUEST__INIT, Copy.mailbox_id = pull("Inbox")->mailbox->id;
            Copy.uid = uids; Copy.n_uid = ARRAY_LEN(uids); Copy.to = "Inbox";
            Copy.key = bytes(KEY));
    cr_expect(!call(mailboxes, "Copy", &Copy) && err.kind == ERR_STATE);
    cr_expect(strstr(err.reply, "[LIMIT]") != NULL, "%s", err.reply);
}

Test(doors, a_move_between_accounts_is_done_once)
{
    uint64_t id;
    uint32_t uids[] = {1};
    ProtobufCBinaryData friend = make_friend(&id);
    cr_assert(deliver_text(KEY, "", STR(TEXT), "Inbox"));
    grant("Inbox", ALL_RIGHTS);
    REQUEST(Copy, MAILRAIL__COPY_REQUEST__INIT, Copy.mailbox_id = pull("Inbox")->mailbox->id;
            Copy.uid = uids; Copy.n_uid = 1; Copy.to = "Inbox"; Copy.key = bytes(KEY));
    for (int i = 0; i < 2; i++) {
        Mailrail__CopyReply *reply = call(mailboxes, "Move", &Copy);
        cr_assert(reply && reply->n_uid == 1 && reply->n_source_uid == 1, "%s", err.detail);
        cr_expect(pull("Inbox")->n_uid == 0);
    }
    token = friend;
    Mailrail__Changes *c = pull("Inbox");
    cr_expect(c && c->n_uid == 1, "%s", err.detail);
}

Test(doors, verification_goes_from_account_to_account)
{
    write_spool("smtp-in/test-1");
    Mailrail__DeliverResult *result = deliver_with(KEY, "smtp-in/test-1", "Inbox");
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
    cr_expect(reply && reply->n_findings == 0 && strcmp(reply->checked, "queue and files") == 0);
    request.after = "nonsense";
    cr_expect(!call(maintenance, "Verify", &request) && err.kind == ERR_SYNTAX);
}

/* ---- Events */

static sem_t arrived, connected, to_train;
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
    struct event_subscriber *s = event_subscriber_new(
        bus_at(settings_door_url(&settings, "events", &arena)), &handler, &err);
    cr_assert(s);
    snprintf(topic, sizeof(topic), "account/%d/", (int)account);
    event_subscribe(s, topic);
    sem_wait(&connected);
    /* Events may be lost until the subscription arrived: deliver until one comes. */
    struct timespec soon;
    uint64_t modseq = 0;
    for (int i = 0; i < 50; i++) {
        char spool[32], key[17];
        snprintf(spool, sizeof(spool), "smtp-in/test-%d", i);
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

/* ---- Conversations */

Test(doors, a_conversation_is_read_and_muted)
{
    uint64_t id = deliver_text(KEY, "", STR(TEXT), "Inbox")->message_id;
    Mailrail__MarkThreadRequest mark = MAILRAIL__MARK_THREAD_REQUEST__INIT;
    mark.token = token;
    mark.id = &id;
    mark.n_id = 1;
    mark.on = true;
    Mailrail__MarkThreadReply *marked = call(mailboxes, "MarkThread", &mark);
    cr_assert(marked && marked->changed == 1, "%s", err.detail);
    Mailrail__ThreadRequest request = MAILRAIL__THREAD_REQUEST__INIT;
    request.token = token;
    request.thread_id = id;
    Mailrail__ThreadReply *reply = call(mailboxes, "Thread", &request);
    cr_assert(reply && reply->n_members == 1, "%s", err.detail);
    cr_expect(reply->members[0]->muted && reply->members[0]->collapsed);
    cr_expect(reply->members[0]->id == id && reply->members[0]->uid == 1);
    mark.mark = (Mailrail__ThreadMark)2;
    cr_expect(!call(mailboxes, "MarkThread", &mark) && err.kind == ERR_SYNTAX, "%s", err.detail);
}

/* ---- Training */

static Mailrail__TrainingRows *pull_training(uint64_t acknowledge, bool from_start)
{
    Mailrail__TrainingPull request = MAILRAIL__TRAINING_PULL__INIT;
    request.account_id = account;
    request.acknowledge = acknowledge;
    request.from_start = from_start;
    return call(training, "Pull", &request);
}

static void on_training(void *user, struct str topic, struct str payload)
{
    (void)user, (void)topic;
    Mailrail__TrainingChanged *event =
        mailrail__training_changed__unpack(NULL, payload.len, (const uint8_t *)payload.ptr);
    if (event && event->account_id == account)
        sem_post(&to_train);
    mailrail__training_changed__free_unpacked(event, NULL);
}

Test(doors, what_is_to_be_learnt_is_pulled)
{
    struct event_handler handler = {.event = on_training, .reconnected = on_connected};
    sem_init(&to_train, 0, 0);
    sem_init(&connected, 0, 0);
    struct event_subscriber *s = event_subscriber_new(
        bus_at(settings_door_url(&settings, "events", &arena)), &handler, &err);
    cr_assert(s);
    event_subscribe(s, "training/");
    sem_wait(&connected);
    cr_expect(!pull_training(0, false) && err.kind == ERR_STATE, "%s", err.detail);
    Mailrail__TrainingRows *rows = pull_training(0, true);
    cr_assert(rows && rows->n_rows == 0 && rows->acknowledged == 0, "%s", err.detail);
    /* Events may be lost until the subscription arrived: deliver until one comes. */
    struct timespec soon;
    int delivered = 0;
    do {
        char key[17];
        snprintf(key, sizeof(key), "%016d", delivered++);
        cr_assert(deliver_text(str_from_cstr(key), "", STR(TEXT), "Archive"));
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_sec += 1;
    } while (sem_timedwait(&to_train, &soon) != 0 && delivered < 50);
    rows = pull_training(0, false);
    cr_assert(rows && rows->n_rows == (size_t)delivered, "%s", err.detail);
    cr_expect_eq(rows->rows[0]->from, MAILRAIL__TRAINED_AS__TRAINED_AS_NOTHING);
    cr_expect_eq(rows->rows[0]->to, MAILRAIL__TRAINED_AS__TRAINED_AS_NOT_JUNK);
    uint64_t last = rows->rows[rows->n_rows - 1]->sequence;
    cr_expect(pull_training(last, false)->n_rows == 0);
    cr_expect(!pull_training(last + 1, false) && err.kind == ERR_STATE, "%s", err.detail);
    account++;
    cr_expect(!pull_training(0, true) && err.kind == ERR_NOT_FOUND, "%s", err.detail);
    event_subscriber_free(s);
}

/* ---- Transfer */

static Mailrail__ImportKey import_key(void)
{
    static char name[] = "you";
    Mailrail__ImportKey import = MAILRAIL__IMPORT_KEY__INIT;
    import.account = name;
    import.key = bytes(KEY);
    return import;
}

static Mailrail__ImportItem import_item(const char *mailbox)
{
    Mailrail__ImportItem item = MAILRAIL__IMPORT_ITEM__INIT;
    item.mailbox = (char *)(uintptr_t)mailbox;
    item.content = bytes(STR(TEXT));
    item.size = strlen(TEXT);
    item.structure = structure;
    item.received_s = 1700000000;
    return item;
}

static Mailrail__ImportState *import_add(Mailrail__ImportItem *item)
{
    static Mailrail__ImportItem *items[1];
    static Mailrail__ImportKey import;
    Mailrail__ImportAdd request = MAILRAIL__IMPORT_ADD__INIT;
    import = import_key();
    items[0] = item;
    request.import = &import;
    request.sequence = 1;
    request.items = items;
    request.n_items = 1;
    return call(transfer, "Add", &request);
}

Test(doors, an_import_appears_at_its_commit)
{
    Mailrail__ImportKey import = import_key();
    Mailrail__ImportBegin begin = MAILRAIL__IMPORT_BEGIN__INIT;
    Mailrail__ImportCommit commit = MAILRAIL__IMPORT_COMMIT__INIT;
    Mailrail__ImportItem item = import_item("inbox");
    begin.import = commit.import = &import;
    commit.messages = 1;
    cr_assert(!call(transfer, "Commit", &commit) && err.kind == ERR_NOT_FOUND);
    Mailrail__ImportState *state = call(transfer, "Begin", &begin);
    cr_assert(state && state->messages == 0 && !state->committed, "%s", err.detail);
    state = import_add(&item);
    cr_assert(state && state->messages == 1 && state->bytes == strlen(TEXT), "%s", err.detail);
    cr_expect_eq(pull("INBOX")->n_uid, 0);
    Mailrail__ImportResult *result = call(transfer, "Commit", &commit);
    cr_assert(result && result->messages == 1 && result->n_created == 0, "%s", err.detail);
    cr_expect_eq(pull("INBOX")->n_uid, 1);
    cr_assert(!call(transfer, "Abort", &import) && err.kind == ERR_STATE);
}

Test(doors, bad_imports_are_refused)
{
    static char bad_name[] = "/x", unknown[] = "nobody", bad_keyword[] = "a b";
    char *keywords[] = {bad_keyword};
    Mailrail__ImportKey import = import_key();
    Mailrail__ImportBegin begin = MAILRAIL__IMPORT_BEGIN__INIT;
    cr_assert(!call(transfer, "Begin", &begin) && err.kind == ERR_NOT_FOUND, "no account");
    begin.import = &import;
    import.key.len = 3;
    cr_assert(!call(transfer, "Begin", &begin) && err.kind == ERR_SYNTAX, "a short key");
    import = import_key();
    import.account = unknown;
    cr_assert(!call(transfer, "Begin", &begin) && err.kind == ERR_NOT_FOUND);
    import = import_key();
    cr_assert(call(transfer, "Begin", &begin));
    Mailrail__ImportItem item = import_item(bad_name);
    cr_expect(!import_add(&item) && err.kind == ERR_SYNTAX, "%s", err.detail);
    item = import_item("Inbox");
    item.size++;
    cr_expect(!import_add(&item) && err.kind == ERR_SYNTAX, "%s", err.detail);
    item = import_item("Inbox");
    item.structure = bytes(STR("\x0anonsense"));
    cr_expect(!import_add(&item) && err.kind == ERR_SYNTAX, "%s", err.detail);
    item = import_item("Inbox");
    item.flags = 1u << 20;
    cr_expect(!import_add(&item) && err.kind == ERR_SYNTAX, "%s", err.detail);
    item = import_item("Inbox");
    item.n_keywords = 1;
    item.keywords = keywords;
    cr_expect(!import_add(&item) && err.kind == ERR_SYNTAX, "%s", err.detail);
    cr_assert(call(transfer, "Abort", &import));
}

Test(doors, an_export_reads_everything)
{
    static char name[] = "you";
    cr_assert(deliver_text(KEY, "", STR(TEXT), "Inbox"));
    Mailrail__ExportMailboxes list = MAILRAIL__EXPORT_MAILBOXES__INIT;
    list.account = name;
    Mailrail__ListReply *boxes = call(transfer, "Mailboxes", &list);
    cr_assert(boxes && boxes->n_mailboxes == 6, "%s", err.detail);
    Mailrail__ExportEntries entries = MAILRAIL__EXPORT_ENTRIES__INIT;
    entries.account = name;
    entries.mailbox_id = pull("INBOX")->mailbox->id;
    Mailrail__Changes *rows = call(transfer, "Entries", &entries);
    cr_assert(rows && rows->n_id == 1, "%s", err.detail);
    Mailrail__ExportMessages messages = MAILRAIL__EXPORT_MESSAGES__INIT;
    messages.account = name;
    messages.n_id = 1;
    messages.id = rows->id;
    Mailrail__ExportMessagesReply *reply = call(transfer, "Messages", &messages);
    cr_assert(reply && reply->n_messages == 1, "%s", err.detail);
    cr_expect(reply->messages[0]->found && reply->messages[0]->prefix.len == 6);
    cr_expect_eq(reply->messages[0]->content.len, strlen(TEXT));
    Mailrail__ExportText text = MAILRAIL__EXPORT_TEXT__INIT;
    text.account = name;
    text.id = rows->id[0];
    text.offset = 6;
    Mailrail__ExportTextReply *part = call(transfer, "Text", &text);
    cr_assert(part && part->bytes.len == strlen(TEXT) - 6, "%s", err.detail);
    text.id = 999;
    cr_expect(!call(transfer, "Text", &text) && err.kind == ERR_NOT_FOUND);
}
