#include "services/smtp-in/resolve_cache.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct address ann = {STR_INIT("ann"), STR_INIT("ours.example")};
static const struct address similar = {STR_INIT("annours"), STR_INIT(".example")};

static const struct backend_target account = {
    .class = BACKEND_ACCOUNT, .account_id = 7, .mailbox = STR_INIT("Lists")};

Test(resolve_cache, keeps_accounts_for_ten_seconds)
{
    struct recent *cache = resolve_cache_new();
    struct backend_target found;
    struct arena arena;
    arena_init(&arena, 4096);
    cr_assert(!resolve_cache_find(cache, ann, 0, &arena, &found));
    resolve_cache_add(cache, ann, &account, 0, &arena);
    cr_assert(resolve_cache_find(cache, ann, 9999, &arena, &found));
    cr_assert_eq(found.class, BACKEND_ACCOUNT);
    cr_assert_eq(found.account_id, 7);
    cr_assert(str_eq(found.mailbox, STR("Lists")));
    cr_assert(!resolve_cache_find(cache, ann, 10000, &arena, &found));
    cr_assert(!resolve_cache_find(cache, similar, 0, &arena, &found));
    arena_release(&arena);
    recent_free(cache);
}

Test(resolve_cache, keeps_nothing_but_accounts)
{
    static const enum backend_address_class others[] = {BACKEND_NOT_LOCAL, BACKEND_UNKNOWN,
                                                        BACKEND_DOMAIN_DISABLED, BACKEND_REFUSED};
    struct recent *cache = resolve_cache_new();
    struct backend_target found;
    struct arena arena;
    arena_init(&arena, 4096);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        struct backend_target target = {.class = others[i]};
        resolve_cache_add(cache, ann, &target, 0, &arena);
        cr_assert(!resolve_cache_find(cache, ann, 0, &arena, &found), "class %d", (int)others[i]);
    }
    arena_release(&arena);
    recent_free(cache);
}

Test(resolve_cache, has_a_bound)
{
    struct recent *cache = resolve_cache_new();
    struct backend_target found;
    struct arena arena;
    char text[32];
    arena_init(&arena, 4096);
    for (int i = 0; i < 20000; i++) {
        snprintf(text, sizeof(text), "user%d", i);
        struct address address = {str_from_cstr(text), STR("ours.example")};
        resolve_cache_add(cache, address, &account, 0, &arena);
        arena_reset(&arena);
    }
    struct address first = {STR("user0"), STR("ours.example")};
    cr_assert(!resolve_cache_find(cache, first, 0, &arena, &found));
    arena_release(&arena);
    recent_free(cache);
}
