#include "common/base/arena.h"

#include <criterion/criterion.h>
#include <stdalign.h>

Test(arena, memory_is_zeroed_and_aligned_also_when_it_is_used_again)
{
    struct arena a;
    arena_init(&a, 1 << 20);
    for (int round = 0; round < 3; round++) {
        for (size_t size = 1; size < 3000; size += 37) {
            unsigned char *p = arena_alloc(&a, size);
            cr_assert(p);
            cr_assert_eq((uintptr_t)p % alignof(max_align_t), 0);
            for (size_t i = 0; i < size; i++)
                cr_assert_eq(p[i], 0);
            memset(p, 0xaa, size);
        }
        if (round == 1)
            arena_wipe(&a);
        else
            arena_reset(&a);
    }
    arena_release(&a);
}

Test(arena, the_limit_sticks_until_the_reset)
{
    struct arena a;
    arena_init(&a, 100);
    cr_assert(arena_alloc(&a, 60));
    cr_assert_null(arena_alloc(&a, 41));
    cr_assert(a.exhausted);
    cr_assert_null(arena_alloc(&a, 1));
    arena_reset(&a);
    cr_assert(arena_alloc(&a, 100));
    arena_release(&a);
}

Test(arena, a_product_that_overflows_is_refused)
{
    struct arena a;
    arena_init(&a, SIZE_MAX);
    cr_assert_null(arena_alloc_array(&a, SIZE_MAX / 2, 3));
    cr_assert(a.exhausted);
    arena_release(&a);
}

Test(arena, copies_and_c_strings)
{
    struct arena a;
    arena_init(&a, 1000);
    struct str empty = arena_copy(&a, STR_NULL);
    cr_assert(!str_is_null(empty) && empty.len == 0);
    cr_assert(str_eq(arena_lower(&a, STR("MiXed\xc4")), STR("mixed\xc4")));
    cr_assert(str_eq(arena_printf(&a, "%s/%d", "x", 7), STR("x/7")));
    cr_assert_eq(arena_printf(&a, "%300d", 7).len, 300);
    cr_assert_str_eq(arena_cstr(&a, STR("abc")), "abc");
    cr_assert_null(arena_cstr(&a, STR("a\0c")));
    cr_assert_not(a.exhausted);
    arena_release(&a);
}

Test(arena, lower_changes_only_capitals_of_ascii)
{
    struct arena a;
    char bytes[256];
    arena_init(&a, 4096);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)i;
    for (size_t from = 0; from < 8; from++) {
        struct str lower = arena_lower(&a, str_make(bytes + from, 256 - from));
        cr_assert_eq(lower.len, 256 - from);
        for (size_t i = 0; i < lower.len; i++)
            cr_assert_eq(lower.ptr[i], ascii_lower(bytes[from + i]), "%zu after %zu", i, from);
    }
    arena_release(&a);
}
