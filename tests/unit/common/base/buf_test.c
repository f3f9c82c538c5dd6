#include "common/base/buf.h"

#include <criterion/criterion.h>

Test(buf, an_append_past_the_maximum_changes_nothing_and_sticks)
{
    struct buf b;
    buf_init(&b, 8);
    cr_assert(buf_append(&b, STR("12345")));
    cr_assert_not(buf_append(&b, STR("6789")));
    cr_assert(b.overflow);
    cr_assert(str_eq(buf_str(&b), STR("12345")));
    cr_assert(buf_append(&b, STR("678")), "what fits still fits");
    cr_assert(b.overflow);
    cr_assert_eq(buf_room(&b), 0);
    buf_reset(&b);
    cr_assert_not(b.overflow);
    cr_assert_eq(b.len, 0);
    buf_release(&b);
    cr_assert_null(b.ptr);
}

Test(buf, printf_writes_what_is_short_and_what_is_long)
{
    struct buf b;
    buf_init(&b, 100000);
    for (int width = 1; width < 600; width += 7) {
        buf_reset(&b);
        cr_assert(buf_printf(&b, "%*d%s", width, 7, "!"));
        cr_assert_eq(b.len, (size_t)width + 1);
        cr_assert(str_ends_with(buf_str(&b), STR("7!")), "%d", width);
    }
    buf_release(&b);
}

Test(buf, printf_fills_to_the_last_byte)
{
    struct buf b;
    buf_init(&b, 6);
    cr_assert(buf_printf(&b, "%d-%s", 12, "abc"));
    cr_assert(str_eq(buf_str(&b), STR("12-abc")));
    cr_assert_not(buf_printf(&b, "x"));
    cr_assert(b.overflow);
    buf_release(&b);
}

Test(buf, numbers_are_written_in_full)
{
    struct buf b;
    buf_init(&b, 100);
    cr_assert(buf_append_u64(&b, 0));
    cr_assert(buf_append_char(&b, ' '));
    cr_assert(buf_append_u64(&b, UINT64_MAX));
    cr_assert(str_eq(buf_str(&b), STR("0 18446744073709551615")));
    buf_release(&b);
}

Test(buf, reserved_room_counts_when_committed)
{
    struct buf b;
    buf_init(&b, 1000);
    char *room = buf_reserve(&b, 500);
    cr_assert(room);
    memcpy(room, "abc", 3);
    cr_assert_eq(b.len, 0);
    buf_commit(&b, 3);
    cr_assert(str_eq(buf_str(&b), STR("abc")));
    cr_assert_null(buf_reserve(&b, 998));
    buf_release(&b);
}

Test(buf, consume_drops_from_the_front)
{
    struct buf b;
    buf_init(&b, 100);
    buf_append(&b, STR("abcdef"));
    buf_consume(&b, 2);
    cr_assert(str_eq(buf_str(&b), STR("cdef")));
    buf_truncate(&b, 1);
    cr_assert(str_eq(buf_str(&b), STR("c")));
    buf_consume(&b, 100);
    cr_assert_eq(b.len, 0);
    buf_release_secret(&b);
}
