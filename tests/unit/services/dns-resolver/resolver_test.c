#include "services/dns-resolver/resolver.h"

#include "common/base/clock.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* A resolver whose one name server hears everything and never answers. */
static int silent_server;
static struct resolver *resolver;

static void setup(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    silent_server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(silent_server, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(getsockname(silent_server, (struct sockaddr *)&address, &size), 0);
    char stub[64];
    snprintf(stub, sizeof(stub), ".=127.0.0.1@%u", (unsigned)ntohs(address.sin_port));
    struct str stubs[] = {str_from_cstr(stub)};
    struct dns_resolver_config config = {.stub_zones = {stubs, 1}, .cache_kib = 1024};
    struct err err;
    resolver = resolver_new(&config, &err);
    cr_assert_not_null(resolver, "%s", err.detail);
}

static void teardown(void)
{
    resolver_free(resolver);
    close(silent_server);
}

TestSuite(resolver, .init = setup, .fini = teardown);

static enum lookup_status ask_for(int64_t timeout_ms)
{
    enum lookup_status status = LOOKUP_OK;
    struct arena arena;
    arena_init(&arena, 65536);
    struct lookup_answer answer = {0};
    struct err err;
    if (resolver_lookup(resolver, STR("mail.example."), DNS_MX, clock_monotonic_ms() + timeout_ms,
                        &arena, &answer, &err))
        status = answer.status;
    arena_release(&arena);
    return status;
}

static void *ask(void *ret_status)
{
    *(enum lookup_status *)ret_status = ask_for(300);
    return NULL;
}

static void *ask_patiently(void *ret_status)
{
    *(enum lookup_status *)ret_status = ask_for(60000);
    return NULL;
}

Test(resolver, equal_questions_at_the_same_time_are_one_and_end_at_their_deadline)
{
    pthread_t threads[10];
    enum lookup_status status[ARRAY_LEN(threads)] = {0};
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_create(&threads[i], NULL, ask, &status[i]);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], NULL);
        cr_assert_eq(status[i], LOOKUP_TIMEOUT, "thread %zu", i);
    }
    size_t in_flight;
    uint64_t asked;
    resolver_counts(resolver, &in_flight, &asked);
    cr_assert_eq(asked, 1);
    cr_assert_eq(in_flight, 1, "it goes on for the cache");
}

Test(resolver, at_the_end_nobody_waits_for_long)
{
    pthread_t thread;
    enum lookup_status status = LOOKUP_OK;
    int64_t from_ms = clock_monotonic_ms();
    pthread_create(&thread, NULL, ask_patiently, &status);
    usleep(100000);
    resolver_stop_by(resolver, clock_monotonic_ms() + 50);
    pthread_join(thread, NULL);
    cr_assert_eq(status, LOOKUP_TIMEOUT);
    cr_assert_lt(clock_monotonic_ms() - from_ms, 30000);
}

Test(resolver, different_questions_are_different)
{
    struct arena arena;
    arena_init(&arena, 65536);
    struct lookup_answer answer;
    struct err err;
    int64_t deadline_ms = clock_monotonic_ms() + 200;
    cr_assert(
        resolver_lookup_ip(resolver, STR("mail.example."), deadline_ms, &arena, &answer, &err));
    cr_assert_eq(answer.status, LOOKUP_TIMEOUT);
    cr_assert(
        resolver_lookup(resolver, STR("a.example."), DNS_A, deadline_ms, &arena, &answer, &err));
    size_t in_flight;
    uint64_t asked;
    resolver_counts(resolver, &in_flight, &asked);
    cr_assert_eq(asked, 3);
    arena_release(&arena);
}
