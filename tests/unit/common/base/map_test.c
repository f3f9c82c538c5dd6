#include "common/base/map.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* Random puts and removes beside a plain array that holds the truth. */
Test(map, behaves_like_an_array_under_random_changes)
{
    enum { KEYS = 300 };
    static int values[KEYS];
    bool there[KEYS] = {false};
    struct map numbers, strings;
    size_t count = 0;
    map_init(&numbers);
    map_init(&strings);
    srand(7);
    for (int step = 0; step < 20000; step++) {
        size_t k = (size_t)rand() % KEYS;
        char text[16];
        snprintf(text, sizeof(text), "key %zu", k);
        struct str key = str_from_cstr(text);
        void *want = there[k] ? &values[k] : NULL;
        cr_assert_eq(map_get(&strings, key), want, "%s", text);
        cr_assert_eq(map_get_u64(&numbers, k), want, "%s", text);
        if (rand() % 2) {
            cr_assert_eq(map_put(&strings, key, &values[k]), want, "%s", text);
            cr_assert_eq(map_put_u64(&numbers, k, &values[k]), want, "%s", text);
            count += !there[k];
            there[k] = true;
        } else {
            cr_assert_eq(map_remove(&strings, key), want, "%s", text);
            cr_assert_eq(map_remove_u64(&numbers, k), want, "%s", text);
            count -= there[k];
            there[k] = false;
        }
        cr_assert_eq(strings.len, count);
        cr_assert_eq(numbers.len, count);
    }
    size_t at = 0, seen = 0;
    for (struct map_entry *e; (e = map_next(&strings, &at)); seen++)
        cr_assert(there[(int *)e->value - values]);
    cr_assert_eq(seen, count);
    map_release(&numbers);
    map_release(&strings);
}

Test(map, keys_are_copied_and_may_hold_any_byte)
{
    struct map m;
    int one = 1, two = 2;
    char key[3] = {'a', '\0', 'b'};
    map_init(&m);
    cr_assert_null(map_get(&m, STR("")));
    map_put(&m, str_make(key, 3), &one);
    map_put(&m, STR(""), &two);
    key[0] = 'x';
    cr_assert_eq(map_get(&m, STR("a\0b")), &one);
    cr_assert_null(map_get(&m, str_make(key, 3)));
    cr_assert_eq(map_get(&m, STR_NULL), &two);
    map_release(&m);
}
