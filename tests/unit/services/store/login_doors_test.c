#include "proto/auth.pb-c.h"
#include "proto/directory.pb-c.h"
#include "proto/events.pb-c.h"
#include "common/sys/tls_public_key.h"
#include "services/store/accounts.h"
#include "services/store/auth_door.h"
#include "services/store/directory_door.h"
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
 * The doors `directory` and `auth` over the bus: an administrator adds what users then log in with.
 */

static char run[] = "/tmp/mailrail-login-XXXXXX";
static char data[64];
static struct settings settings;
static struct store_config config = {
    .open_accounts_max = 16, .account_idle_s = 300, .auth_workers = 2, .password_checks = 1};
static struct service service;
static struct store store;
static struct arena arena;
static struct err err;
static struct rpc_client *admin, *auth;

static struct rpc_client *connect_to(const char *door, const ProtobufCServiceDescriptor *descriptor)
{
    struct rpc_client *client =
        rpc_client_new(bus_at(settings_door_url(&settings, door, &arena)), descriptor, &err);
    cr_assert(client);
    for (int i = 0; i < 500 && !rpc_client_is_connected(client); i++)
        usleep(10000);
    return client;
}

static void setup(void)
{
    cr_assert(mkdtemp(run));
    snprintf(data, sizeof(data), "%s/data", run);
    cr_assert(mkdir(data, 0770) == 0);
    settings = (struct settings){.hostname = STR("mail.example.org"),
                                 .data = str_from_cstr(data),
                                 .run = str_from_cstr(run),
                                 .drain_ms = 1000};
    arena_init(&arena, 16 << 20);
    service = (struct service){.name = "store", .metrics = metrics_new(), .settings = &settings};
    service.log = log_root(log_new(2, LOG_ERROR), "store");
    arena_init(&service.arena, 1 << 20);
    const struct store_events events = {
        .notices = event_publisher_new(bus_at(settings_door_url(&settings, "notices", &arena)),
                                       0600, &err)};
    cr_assert(store_open(&store, &settings, &config, &service.log, service.metrics, &events, &err),
              "%s", err.detail);
    cr_assert(auth_door_open(&store, &service, &err) && directory_door_open(&store, &service, &err),
              "%s", err.detail);
    admin = connect_to("directory", &mailrail__directory__descriptor);
    auth = connect_to("auth", &mailrail__auth__descriptor);
}

static void teardown(void)
{
    struct event_publisher *events = store.events.notices;
    rpc_client_free(admin);
    rpc_client_free(auth);
    store_close(&store);
    event_publisher_free(events);
    metrics_free(service.metrics);
    log_free(service.log.log);
    arena_release(&service.arena);
    arena_release(&arena);
    remove_tree(run);
}

TestSuite(login_doors, .init = setup, .fini = teardown);

/* NULL with `err` set when the call failed. */
static void *call(struct rpc_client *client, const char *method, const void *request)
{
    struct rpc_context context = rpc_context_ms(1, 20000);
    ProtobufCMessage *reply;
    return rpc_call(client, &context, method, request, &arena, &reply, &err) ? reply : NULL;
}

static char *writable(const char *text)
{
    return arena_cstr(&arena, str_from_cstr(text));
}

static Mailrail__Account *add_user(const char *name, const char *password)
{
    Mailrail__Account account = MAILRAIL__ACCOUNT__INIT;
    Mailrail__AccountAddRequest request = MAILRAIL__ACCOUNT_ADD_REQUEST__INIT;
    char *capabilities[] = {"IDLE", "MOVE"};
    account.name = writable(name);
    account.capabilities_disabled = capabilities;
    account.n_capabilities_disabled = 2;
    request.account = &account;
    request.address = arena_cstr(&arena, arena_printf(&arena, "%s@m\u00f6x.example", name));
    request.password = writable(password);
    return call(admin, "AccountAdd", &request);
}

static void add_domain(void)
{
    Mailrail__Domain domain = MAILRAIL__DOMAIN__INIT;
    char *separators[] = {"+"};
    domain.name = writable("M\u00f6x.Example");
    domain.separators = separators;
    domain.n_separators = 1;
    cr_assert(call(admin, "DomainAdd", &domain), "%s", err.detail);
}

static Mailrail__AuthStepReply *log_in(const char *login, const char *password)
{
    Mailrail__AuthStepRequest request = MAILRAIL__AUTH_STEP_REQUEST__INIT;
    Mailrail__Peer peer = MAILRAIL__PEER__INIT;
    struct str response = arena_printf(&arena, "%c%s%c%s", 0, login, 0, password);
    peer.protocol = writable("imap");
    peer.remote_ip = writable("192.0.2.7");
    request.mechanism = writable("PLAIN");
    request.response = (ProtobufCBinaryData){response.len, (uint8_t *)response.ptr};
    request.has_response = true;
    request.peer = &peer;
    return call(auth, "Step", &request);
}

Test(login_doors, what_is_added_is_listed)
{
    add_domain();
    cr_assert(add_user("ann", "correct horse"), "%s", err.detail);
    Mailrail__AddressEntry entry = MAILRAIL__ADDRESS_ENTRY__INIT;
    entry.address = writable("@m\u00f6x.example");
    entry.account = writable("ann");
    entry.mailbox = writable("Rest");
    cr_assert(call(admin, "AddressAdd", &entry), "%s", err.detail);

    Mailrail__Empty empty = MAILRAIL__EMPTY__INIT;
    Mailrail__DomainListReply *domains = call(admin, "DomainList", &empty);
    cr_assert_eq(domains->n_domains, 1);
    cr_assert_str_eq(domains->domains[0]->name, "xn--mx-fka.example");
    cr_assert_str_eq(domains->domains[0]->separators[0], "+");
    Mailrail__AccountListRequest all = MAILRAIL__ACCOUNT_LIST_REQUEST__INIT;
    Mailrail__AccountListReply *accounts = call(admin, "AccountList", &all);
    cr_assert_eq(accounts->n_accounts, 1);
    cr_assert_str_eq(accounts->accounts[0]->name, "ann");
    cr_assert_eq(accounts->accounts[0]->max_outgoing_per_day, 1000);
    cr_assert_eq(accounts->accounts[0]->n_capabilities_disabled, 2);
    Mailrail__AddressListRequest filter = MAILRAIL__ADDRESS_LIST_REQUEST__INIT;
    filter.domain = writable("m\u00f6x.example");
    Mailrail__AddressListReply *addresses = call(admin, "AddressList", &filter);
    cr_assert_eq(addresses->n_addresses, 2);
    cr_assert_str_eq(addresses->addresses[0]->address, "@xn--mx-fka.example");
    cr_assert_str_eq(addresses->addresses[0]->mailbox, "Rest");
    cr_assert_str_eq(addresses->addresses[1]->address, "ann@xn--mx-fka.example");
    filter.account = writable("nobody");
    cr_assert(!call(admin, "AddressList", &filter));
    cr_assert_eq(err.kind, ERR_NOT_FOUND);
}

/* The account as AccountList has it. */
static Mailrail__Account *find_user(const char *name)
{
    Mailrail__AccountListRequest request = MAILRAIL__ACCOUNT_LIST_REQUEST__INIT;
    request.account = writable(name);
    Mailrail__AccountListReply *reply = call(admin, "AccountList", &request);
    cr_assert(reply, "%s", err.detail);
    cr_assert_eq(reply->n_accounts, 1);
    cr_assert_str_eq(reply->accounts[0]->name, name);
    return reply->accounts[0];
}

Test(login_doors, what_is_set_is_listed)
{
    add_domain();
    cr_assert(add_user("bob", "correct horse"), "%s", err.detail);
    cr_assert(add_user("ann", "correct horse"), "%s", err.detail);
    char *capabilities[] = {"UTF8=ACCEPT"};
    Mailrail__Account settings_of_ann = MAILRAIL__ACCOUNT__INIT;
    settings_of_ann.id = 1; /* bob's: not looked at */
    settings_of_ann.name = writable("ann");
    settings_of_ann.description = writable("Ann, s\u00e4les");
    settings_of_ann.login_disabled = writable("call 100");
    settings_of_ann.quota_bytes = -1;
    settings_of_ann.max_outgoing_per_day = 5000;
    settings_of_ann.capabilities_disabled = capabilities;
    settings_of_ann.n_capabilities_disabled = 1;
    settings_of_ann.no_cram_md5 = true;
    cr_assert(call(admin, "AccountSet", &settings_of_ann), "%s", err.detail);

    const Mailrail__Account *ann = find_user("ann");
    cr_assert_eq(ann->id, 2);
    cr_assert_str_eq(ann->description, "Ann, s\u00e4les");
    cr_assert_str_eq(ann->login_disabled, "call 100");
    cr_assert_eq(ann->quota_bytes, -1);
    cr_assert_eq(ann->max_outgoing_per_day, 5000);
    cr_assert_eq(ann->max_new_recipients_per_day, 200, "0 is the default");
    cr_assert_eq(ann->n_capabilities_disabled, 1);
    cr_assert_str_eq(ann->capabilities_disabled[0], "UTF8=ACCEPT");
    cr_assert(ann->no_cram_md5);
    const Mailrail__Account *bob = find_user("bob");
    cr_assert_str_eq(bob->login_disabled, "");
    cr_assert_eq(bob->n_capabilities_disabled, 2);

    settings_of_ann.name = writable("nobody");
    cr_assert(!call(admin, "AccountSet", &settings_of_ann));
    cr_assert_eq(err.kind, ERR_NOT_FOUND);
    Mailrail__AccountListRequest nobody = MAILRAIL__ACCOUNT_LIST_REQUEST__INIT;
    nobody.account = writable("nobody");
    cr_assert(!call(admin, "AccountList", &nobody));
    cr_assert_eq(err.kind, ERR_NOT_FOUND);
}

Test(login_doors, errors_cross_the_bus_with_their_kind)
{
    add_domain();
    Mailrail__Domain domain = MAILRAIL__DOMAIN__INIT;
    domain.name = writable("xn--mx-fka.example");
    cr_assert(!call(admin, "DomainAdd", &domain));
    cr_assert_eq(err.kind, ERR_CONFLICT);
    cr_assert(!add_user("ann", "short"));
    cr_assert_eq(err.kind, ERR_LIMIT);
    Mailrail__AccountAddRequest nothing = MAILRAIL__ACCOUNT_ADD_REQUEST__INIT;
    cr_assert(!call(admin, "AccountAdd", &nothing));
    cr_assert_eq(err.kind, ERR_SYNTAX);
}

Test(login_doors, a_login_gives_a_session_that_can_be_renewed_until_the_password_changes)
{
    add_domain();
    Mailrail__Account *ann = add_user("ann", "correct horse");
    Mailrail__AuthStepReply *reply = log_in("ANN+x@m\u00f6x.example", "correct horse");
    cr_assert(reply, "%s", err.detail);
    cr_assert_eq(reply->outcome, MAILRAIL__AUTH_OUTCOME__AUTH_OUTCOME_SUCCESS, "%s", reply->text);
    cr_assert_eq(reply->session->account_id, ann->id);
    cr_assert_str_eq(reply->session->login, "ann@xn--mx-fka.example");
    cr_assert_eq(reply->session->n_capabilities_disabled, 2);

    Mailrail__AuthRenewRequest renew = MAILRAIL__AUTH_RENEW_REQUEST__INIT;
    renew.token = reply->session->token;
    Mailrail__AuthRenewReply *renewed = call(auth, "Renew", &renew);
    cr_assert(renewed, "%s", err.detail);
    cr_assert_str_eq(renewed->session->account, "ann");

    Mailrail__PasswordSetRequest password = MAILRAIL__PASSWORD_SET_REQUEST__INIT;
    password.account = writable("ann");
    password.password = writable("another horse");
    cr_assert(call(admin, "PasswordSet", &password), "%s", err.detail);
    cr_assert(!call(auth, "Renew", &renew));
    cr_assert_eq(err.kind, ERR_DENIED);
    reply = log_in("ann@m\u00f6x.example", "correct horse");
    cr_assert_eq(reply->outcome, MAILRAIL__AUTH_OUTCOME__AUTH_OUTCOME_FAILURE);
    cr_assert_eq(reply->failure, MAILRAIL__AUTH_FAILURE__AUTH_FAILURE_CREDENTIALS);
    cr_assert(reply->counts);
}

static void bar(const char *name, const char *why)
{
    Mailrail__Account account = MAILRAIL__ACCOUNT__INIT;
    account.name = writable(name);
    account.login_disabled = writable(why);
    cr_assert(call(admin, "AccountSet", &account), "%s", err.detail);
}

Test(login_doors, a_barred_account_hears_why_and_sessions_end_at_renewal)
{
    add_domain();
    cr_assert(add_user("ann", "correct horse"), "%s", err.detail);
    Mailrail__AuthStepReply *before = log_in("ann@m\u00f6x.example", "correct horse");
    Mailrail__AuthRenewRequest renew = MAILRAIL__AUTH_RENEW_REQUEST__INIT;
    renew.token = before->session->token;
    bar("ann", "call 100");

    Mailrail__AuthStepReply *reply = log_in("ann@m\u00f6x.example", "correct horse");
    cr_assert_eq(reply->outcome, MAILRAIL__AUTH_OUTCOME__AUTH_OUTCOME_FAILURE);
    cr_assert_eq(reply->failure, MAILRAIL__AUTH_FAILURE__AUTH_FAILURE_DISABLED);
    cr_assert_str_eq(reply->text, "call 100");
    reply = log_in("ann@m\u00f6x.example", "wrong horse");
    cr_assert_eq(reply->failure, MAILRAIL__AUTH_FAILURE__AUTH_FAILURE_CREDENTIALS);
    struct token_session session;
    struct str token = str_make(renew.token.data, renew.token.len);
    cr_assert(token_check(&store, token, 0, &session, &err), "the session stands: %s", err.detail);
    cr_assert(!call(auth, "Renew", &renew));
    cr_assert_eq(err.kind, ERR_DENIED);
    cr_assert_str_eq(err.reply, "call 100");

    bar("ann", "");
    cr_assert(call(auth, "Renew", &renew), "%s", err.detail);
    reply = log_in("ann@m\u00f6x.example", "correct horse");
    cr_assert_eq(reply->outcome, MAILRAIL__AUTH_OUTCOME__AUTH_OUTCOME_SUCCESS, "%s", reply->text);
}

/* ---- Keys of TLS clients */

/* PEM of a certificate of its own. */
static char *make_certificate(void)
{
    struct str chain = arena_printf(&arena, "%s/client.pem", data);
    struct str key = arena_printf(&arena, "%s/client.key", data);
    char text[8192];
    cr_assert(tls_make_self_signed(STR("client"), chain, key, &err), "%s", err.detail);
    FILE *file = fopen(arena_cstr(&arena, chain), "r");
    cr_assert(file);
    size_t len = fread(text, 1, sizeof(text), file);
    fclose(file);
    return arena_cstr(&arena, str_make(text, len));
}

static ProtobufCBinaryData fingerprint_of(const char *pem)
{
    struct tls_public_key key;
    cr_assert(tls_public_key_of_pem(str_from_cstr(pem), &key, &err), "%s", err.detail);
    struct str copy = arena_copy(&arena, str_make(key.fingerprint, TLS_FINGERPRINT_SIZE));
    return (ProtobufCBinaryData){copy.len, (uint8_t *)copy.ptr};
}

static Mailrail__TlsKey *add_key(const char *account, char *pem)
{
    Mailrail__TlsKey settings_of_key = MAILRAIL__TLS_KEY__INIT;
    Mailrail__TlsKeyAddRequest request = MAILRAIL__TLS_KEY_ADD_REQUEST__INIT;
    settings_of_key.account = writable(account);
    request.key = &settings_of_key;
    request.certificate = pem;
    return call(admin, "TlsKeyAdd", &request);
}

static Mailrail__TlsKeyListReply *list_keys(const char *account)
{
    Mailrail__TlsKeyListRequest request = MAILRAIL__TLS_KEY_LIST_REQUEST__INIT;
    request.account = writable(account);
    return call(admin, "TlsKeyList", &request);
}

static Mailrail__FindKeyReply *find_key(ProtobufCBinaryData fingerprint)
{
    Mailrail__FindKeyRequest request = MAILRAIL__FIND_KEY_REQUEST__INIT;
    request.client_key = fingerprint;
    Mailrail__FindKeyReply *reply = call(auth, "FindKey", &request);
    cr_assert(reply, "%s", err.detail);
    return reply;
}

static Mailrail__AuthStepReply *log_in_by_key(ProtobufCBinaryData fingerprint)
{
    Mailrail__AuthStepRequest request = MAILRAIL__AUTH_STEP_REQUEST__INIT;
    request.mechanism = writable("EXTERNAL");
    request.has_response = true;
    request.client_key = fingerprint;
    return call(auth, "Step", &request);
}

Test(login_doors, keys_are_added_listed_set_and_removed)
{
    add_domain();
    cr_assert(add_user("ann", "correct horse") && add_user("bob", "correct horse"));
    char *pem = make_certificate();
    ProtobufCBinaryData fingerprint = fingerprint_of(pem);
    cr_assert_not(find_key(fingerprint)->known);

    const Mailrail__TlsKey *added = add_key("ann", pem);
    cr_assert(added, "%s", err.detail);
    cr_assert_str_eq(added->account, "ann");
    cr_assert_str_eq(added->login, "ann@xn--mx-fka.example");
    cr_assert_eq(strlen(added->fingerprint), 43);
    cr_assert(!add_key("bob", pem));
    cr_assert_eq(err.kind, ERR_CONFLICT);

    cr_assert_eq(list_keys("")->n_keys, 1);
    cr_assert_eq(list_keys("bob")->n_keys, 0);
    cr_assert(!list_keys("nobody"));
    cr_assert_eq(err.kind, ERR_NOT_FOUND);
    Mailrail__TlsKey *listed = list_keys("ann")->keys[0];
    cr_assert_str_eq(listed->fingerprint, added->fingerprint);
    cr_assert_str_eq(listed->name, "client");
    cr_assert_str_eq(listed->algorithm, "ecdsa-256");
    cr_assert(find_key(fingerprint)->known && find_key(fingerprint)->imap_preauth);
    cr_assert_eq(find_key(fingerprint)->n_capabilities_disabled, 2);

    listed->name = writable("the laptop");
    listed->no_imap_preauth = true;
    cr_assert(call(admin, "TlsKeySet", listed), "%s", err.detail);
    cr_assert_str_eq(list_keys("ann")->keys[0]->name, "the laptop");
    cr_assert(find_key(fingerprint)->known && !find_key(fingerprint)->imap_preauth);

    Mailrail__AuthStepReply *reply = log_in_by_key(fingerprint);
    cr_assert(reply && reply->session, "%s", err.detail);
    cr_assert_str_eq(reply->session->account, "ann");

    Mailrail__TlsKeyName name = MAILRAIL__TLS_KEY_NAME__INIT;
    name.fingerprint = listed->fingerprint;
    cr_assert(call(admin, "TlsKeyRemove", &name), "%s", err.detail);
    cr_assert(!call(admin, "TlsKeyRemove", &name));
    cr_assert_eq(err.kind, ERR_NOT_FOUND);
    cr_assert_not(find_key(fingerprint)->known);
    cr_assert_eq(log_in_by_key(fingerprint)->outcome, MAILRAIL__AUTH_OUTCOME__AUTH_OUTCOME_FAILURE);
}

Test(login_doors, a_removed_account_takes_its_keys_along)
{
    add_domain();
    cr_assert(add_user("ann", "") && add_user("bob", ""));
    char *pem = make_certificate();
    cr_assert(add_key("ann", pem), "%s", err.detail);
    Mailrail__AuthStepReply *reply = log_in_by_key(fingerprint_of(pem));
    struct token_session session;
    struct str token = str_make(reply->session->token.data, reply->session->token.len);
    cr_assert(token_check(&store, token, 0, &session, &err), "%s", err.detail);

    Mailrail__AccountName name = MAILRAIL__ACCOUNT_NAME__INIT;
    name.name = writable("ann");
    cr_assert(call(admin, "AccountRemove", &name), "%s", err.detail);
    cr_assert_not(token_check(&store, token, 0, &session, &err));
    cr_assert_not(find_key(fingerprint_of(pem))->known);
    cr_assert(add_key("bob", pem), "%s", err.detail);
    cr_assert_str_eq(log_in_by_key(fingerprint_of(pem))->session->account, "bob");
}

static void count_event(void *user, struct str topic, struct str payload UNUSED)
{
    if (str_eq(topic, STR("directory")))
        sem_post(user);
}

Test(login_doors, changes_are_announced)
{
    sem_t events;
    sem_init(&events, 0, 0);
    struct event_handler handler = {.event = count_event, .user = &events};
    struct event_subscriber *subscriber = event_subscriber_new(
        bus_at(settings_door_url(&settings, "notices", &arena)), &handler, &err);
    event_subscribe(subscriber, "directory");
    usleep(300000); /* subscribing has no acknowledgement */
    add_domain();
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    cr_assert_eq(sem_timedwait(&events, &until), 0, "no event came");
    cr_assert(add_user("ann", "correct horse"), "%s", err.detail);
    cr_assert_eq(sem_timedwait(&events, &until), 0, "no event of a new account came");
    bar("ann", "call 100");
    cr_assert_eq(sem_timedwait(&events, &until), 0, "no event of changed settings came");
    event_subscriber_free(subscriber);
    sem_destroy(&events);
}

static atomic_int failed, succeeded;

static void count_login(void *user, struct str topic UNUSED, struct str payload)
{
    Mailrail__LoginEnded *event =
        mailrail__login_ended__unpack(NULL, payload.len, (const uint8_t *)payload.ptr);
    cr_assert(event && strcmp(event->remote_ip, "192.0.2.7") == 0);
    atomic_fetch_add(event->succeeded ? &succeeded : &failed, 1);
    mailrail__login_ended__free_unpacked(event, NULL);
    sem_post(user);
}

Test(login_doors, failed_logins_are_announced_and_the_success_that_forgives_them)
{
    sem_t events;
    sem_init(&events, 0, 0);
    struct event_handler handler = {.event = count_login, .user = &events};
    struct event_subscriber *subscriber = event_subscriber_new(
        bus_at(settings_door_url(&settings, "notices", &arena)), &handler, &err);
    event_subscribe(subscriber, "login");
    usleep(300000); /* subscribing has no acknowledgement */
    add_domain();
    cr_assert(add_user("ann", "correct horse"));
    cr_assert(log_in("ann@m\u00f6x.example", "correct horse")); /* nothing to forgive */
    cr_assert(log_in("ann@m\u00f6x.example", "wrong horse"));
    cr_assert(log_in("nobody@m\u00f6x.example", "wrong horse"));
    cr_assert(log_in("ann@m\u00f6x.example", "correct horse"));
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    for (int i = 0; i < 3; i++)
        cr_assert_eq(sem_timedwait(&events, &until), 0, "event %d did not come", i);
    cr_assert_eq(atomic_load(&failed), 2);
    cr_assert_eq(atomic_load(&succeeded), 1);
    event_subscriber_free(subscriber);
    sem_destroy(&events);
}

Test(login_doors, a_removed_account_is_gone_with_its_mail)
{
    add_domain();
    Mailrail__Account *ann = add_user("ann", "correct horse");
    Mailrail__AuthStepReply *reply = log_in("ann@m\u00f6x.example", "correct horse");
    struct account *account;
    struct stat st;
    struct layout_path path = layout_account(settings.data, ann->id);
    cr_assert(account_open(&store, ann->id, &account, &err), "%s", err.detail);
    cr_assert_eq(stat(path.text, &st), 0);

    Mailrail__AccountName name = MAILRAIL__ACCOUNT_NAME__INIT;
    name.name = writable("ann");
    cr_assert(call(admin, "AccountRemove", &name), "%s", err.detail);
    struct token_session session;
    struct str token = str_make(reply->session->token.data, reply->session->token.len);
    cr_assert(!token_check(&store, token, 0, &session, &err), "sessions end at once");
    cr_assert_eq(stat(path.text, &st), 0, "somebody still uses it");
    account_release(account);
    for (int i = 0; i < 1000 && stat(path.text, &st) == 0; i++)
        usleep(10000);
    cr_assert_neq(stat(path.text, &st), 0, "erased in the background");
    cr_assert(!account_open(&store, ann->id, &account, &err), "not brought back to life");
    cr_assert_eq(err.kind, ERR_NOT_FOUND);
    cr_assert_neq(stat(path.text, &st), 0);
    cr_assert(add_user("ann", "correct horse")->id > ann->id, "ids are never used again");
}
