#include "proto/auth.pb-c.h"
#include "proto/directory.pb-c.h"
#include "proto/events.pb-c.h"
#include "services/store/accounts.h"
#include "services/store/auth_door.h"
#include "services/store/directory_door.h"
#include "services/store/token.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <semaphore.h>
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
        rpc_client_new(settings_door_url(&settings, door, &arena), descriptor, &err);
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
    struct event_publisher *events =
        event_publisher_new(settings_door_url(&settings, "events", &arena), 0600, &err);
    cr_assert(store_open(&store, &settings, &config, &service.log, service.metrics, events, &err),
              "%s", err.detail);
    cr_assert(auth_door_open(&store, &service, &err) && directory_door_open(&store, &service, &err),
              "%s", err.detail);
    admin = connect_to("directory", &mailrail__directory__descriptor);
    auth = connect_to("auth", &mailrail__auth__descriptor);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void teardown(void)
{
    struct event_publisher *events = store.events;
    rpc_client_free(admin);
    rpc_client_free(auth);
    store_close(&store);
    event_publisher_free(events);
    metrics_free(service.metrics);
    log_free(service.log.log);
    arena_release(&service.arena);
    arena_release(&arena);
    nftw(run, remove_one, 16, FTW_DEPTH | FTW_PHYS);
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
    Mailrail__AccountListReply *accounts = call(admin, "AccountList", &empty);
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
    struct event_subscriber *subscriber =
        event_subscriber_new(settings_door_url(&settings, "events", &arena), &handler, &err);
    event_subscribe(subscriber, "directory");
    usleep(300000); /* subscribing has no acknowledgement */
    add_domain();
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    cr_assert_eq(sem_timedwait(&events, &until), 0, "no event came");
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
