#include "services/submission/check_cache.h"

#include <criterion/criterion.h>

static const struct address ann = {STR_INIT("ann"), STR_INIT("ours.example")};

Test(check_cache, keeps_a_sender_for_a_second_and_for_its_account_alone)
{
    struct recent *cache = check_cache_new();
    struct arena arena;
    arena_init(&arena, 4096);
    cr_assert(!check_cache_has_sender(cache, 258, ann, 0, &arena));
    check_cache_add_sender(cache, 258, ann, 0, &arena);
    cr_assert(check_cache_has_sender(cache, 258, ann, 999, &arena));
    cr_assert(!check_cache_has_sender(cache, 258, ann, 1000, &arena));
    cr_assert(!check_cache_has_sender(cache, 259, ann, 0, &arena));
    struct address similar = {STR("annours"), STR(".example")};
    cr_assert(!check_cache_has_sender(cache, 258, similar, 0, &arena));
    arena_release(&arena);
    recent_free(cache);
}

Test(check_cache, keeps_a_domain_of_others_for_a_second)
{
    struct recent *cache = check_cache_new();
    struct arena arena;
    arena_init(&arena, 4096);
    cr_assert(!check_cache_is_remote(cache, STR("far.example"), 0, &arena));
    check_cache_add_remote(cache, STR("far.example"), 0, &arena);
    cr_assert(check_cache_is_remote(cache, STR("far.example"), 999, &arena));
    cr_assert(!check_cache_is_remote(cache, STR("far.example"), 1000, &arena));
    cr_assert(!check_cache_is_remote(cache, STR("ar.example"), 0, &arena));
    arena_release(&arena);
    recent_free(cache);
}
