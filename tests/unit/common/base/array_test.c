#include "common/base/array.h"
#include "common/base/list.h"

#include <criterion/criterion.h>

Test(array, grows_inserts_and_removes)
{
    ARRAY_OF(int) a = {0};
    for (int i = 0; i < 100; i++)
        array_push(&a, i);
    array_insert(&a, 0, -1);
    array_insert(&a, a.len, 100);
    array_insert(&a, 50, 1000);
    cr_assert_eq(a.len, 103);
    cr_assert_eq(a.items[0], -1);
    cr_assert_eq(a.items[50], 1000);
    cr_assert_eq(array_last(&a), 100);
    array_remove(&a, 50, 1);
    array_remove(&a, 0, 1);
    for (int i = 0; i <= 100; i++)
        cr_assert_eq(a.items[i], i);
    array_release(&a);
    cr_assert_eq(a.len, 0);
}

struct thing {
    int number;
    struct list_link link;
};

Test(list, keeps_order_and_forgets_what_is_removed)
{
    struct list_link head;
    struct thing things[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    list_init(&head);
    cr_assert_null(list_take_first(&head));
    list_append(&head, &things[1].link);
    list_append(&head, &things[2].link);
    list_prepend(&head, &things[0].link);
    int expected = 0;
    LIST_FOREACH(link, &head)
    {
        cr_assert_eq(CONTAINER_OF(link, struct thing, link)->number, expected++);
    }
    cr_assert_eq(expected, 3);
    list_remove(&things[1].link);
    list_remove(&things[1].link);
    cr_assert_eq(list_take_first(&head), &things[0].link);
    cr_assert_eq(list_take_first(&head), &things[2].link);
    cr_assert(list_is_empty(&head));
}
