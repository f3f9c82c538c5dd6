#include "services/submission/check_cache.h"

#include <criterion/criterion.h>

static const struct address ann = {STR_INIT("ann"), STR_INIT("ours.example")};

Test(check_cache, keeps_a_sender_for_ten_seconds_and_for_its_account_alone)
{
    struct recent *cache = check_cache_new();
    struct arena arena;
    arena_init(&arena, 4096);
    cr_assert(!check_cache_has_sender(cache, 258, ann, 0, &arena));
    check_cache_add_sender(cache, 258, ann, 0, &arena);
    cr_assert(check_cache_has_sender(cache, 258, ann, 9999, &arena));
    cr_assert(!check_cache_has_sender(cache, 258, ann, 10000, &arena));
    cr_assert(!check_cache_has_sender(cache, 259, ann, 0, &arena));
    struct address similar = {STR("annours"), STR(".example")};
    cr_assert(!check_cache_has_sender(cache, 258, similar, 0, &arena));
    arena_release(&arena);
    recent_free(cache);
}

Test(check_cache, keeps_a_domain_of_others_for_ten_seconds)
{
    struct recent *cache = check_cache_new();
    struct arena arena;
    arena_init(&arena, 4096);
    cr_assert(!check_cache_is_remote(cache, STR("far.example"), 0, &arena));
    check_cache_add_remote(cache, STR("far.example"), 0, &arena);
    cr_assert(check_cache_is_remote(cache, STR("far.example"), 9999, &arena));
    cr_assert(!check_cache_is_remote(cache, STR("far.example"), 10000, &arena));
    cr_assert(!check_cache_is_remote(cache, STR("ar.example"), 0, &arena));
    arena_release(&arena);
    recent_free(cache);
}

Test(check_cache, forgets_all_when_the_directory_changes_and_what_was_asked_before_that)
{
    struct recent *cache = check_cache_new();
    struct arena arena;
    arena_init(&arena, 4096);
    check_cache_add_remote(cache, STR("far.example"), 5, &arena);
    recent_forget(cache, 7);
    cr_assert(!check_cache_is_remote(cache, STR("far.example"), 8, &arena));
    check_cache_add_remote(cache, STR("far.example"), 7, &arena); /* the answer came late */
    cr_assert(!check_cache_is_remote(cache, STR("far.example"), 8, &arena));
    check_cache_add_remote(cache, STR("far.example"), 8, &arena);
    cr_assert(check_cache_is_remote(cache, STR("far.example"), 9, &arena));
    arena_release(&arena);
    recent_free(cache);
}
