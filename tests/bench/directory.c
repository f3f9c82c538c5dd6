/*
 * What the directory costs: resolving an address, opening a token, and a login by PLAIN, the first
 * time and when its password is remembered; with many accounts.
 *
 *     bench-directory [ACCOUNTS]
 */
#include "common/base/bug.h"
#include "common/base/clock.h"
#include "services/store/auth.h"
#include "services/store/directory_admin.h"
#include "services/store/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char data[] = "/tmp/mailrail-bench-XXXXXX";
static struct settings settings;
static struct store_config config = {.password_checks = 2};
static struct store store;
static struct arena arena;
static struct err err;

static void check(bool ok)
{
    if (!ok)
        BUG("%s", err.detail);
}

static void fill(unsigned accounts)
{
    struct domain_settings domain = {.name = STR("example.org")};
    check(directory_add_domain(&store, &domain, &err));
    for (unsigned i = 0; i < accounts; i++) {
        char name[32], address[64];
        snprintf(name, sizeof(name), "user%u", i);
        snprintf(address, sizeof(address), "user%u@example.org", i);
        struct directory_account account = {.name = str_from_cstr(name)};
        uint64_t id;
        check(directory_add_account(&store, &account, str_from_cstr(address),
                                    i == 0 ? STR("correct horse") : STR_NULL, &id, &err));
    }
}

static struct str log_in(void)
{
    struct auth_step step = {.sasl = {.mechanism = STR("PLAIN"),
                                      .response = STR("\0user0@example.org\0correct horse"),
                                      .has_response = true},
                             .deadline_ms = clock_monotonic_ms() + 10000};
    struct auth_reply reply;
    arena_reset(&arena);
    check(auth_take_step(&store, &step, &arena, &reply, &err));
    BUG_ON(reply.outcome != SASL_SUCCESS);
    return reply.token;
}

static void report(const char *what, int64_t from_us, unsigned times)
{
    printf("%-40s %10.2f us\n", what, (double)(clock_monotonic_us() - from_us) / times);
}

static void measure(unsigned accounts)
{
    struct resolved_address to;
    struct token_session session;
    unsigned times = 100000;
    int64_t from_us = clock_monotonic_us();
    check(directory_resolve(&store, STR("user1"), STR("example.org"), &arena, &to, &err));
    report("first lookup after a change", from_us, 1);
    from_us = clock_monotonic_us();
    for (unsigned i = 0; i < times; i++) {
        char name[32];
        snprintf(name, sizeof(name), "User%u", i % accounts);
        arena_reset(&arena);
        check(
            directory_resolve(&store, str_from_cstr(name), STR("example.org"), &arena, &to, &err));
        BUG_ON(to.class != ADDRESS_ACCOUNT);
    }
    report("resolving an address", from_us, times);
    from_us = clock_monotonic_us();
    log_in();
    report("first login", from_us, 1);
    from_us = clock_monotonic_us();
    for (unsigned i = 0; i < times; i++)
        log_in();
    report("login with a remembered password", from_us, times);
    struct str token = log_in();
    from_us = clock_monotonic_us();
    for (unsigned i = 0; i < times; i++)
        check(token_check(&store, token, TOKEN_MAILBOXES, &session, &err));
    report("checking a token", from_us, times);
}

int main(int argc, char **argv)
{
    unsigned accounts = argc > 1 ? (unsigned)atoi(argv[1]) : 10000;
    BUG_ON(!mkdtemp(data) || accounts == 0);
    settings = (struct settings){.hostname = STR("localhost"), .data = str_from_cstr(data)};
    store = (struct store){.settings = &settings, .config = &config};
    arena_init(&arena, 1 << 20);
    token_open(&store);
    check(directory_open(&store, &err) && auth_open(&store, &err));
    fill(accounts);
    measure(accounts);
    auth_close(store.auth);
    directory_close(store.directory);
    arena_release(&arena);
    unlink(layout_directory_db(settings.data).text);
    rmdir(data);
    return 0;
}
