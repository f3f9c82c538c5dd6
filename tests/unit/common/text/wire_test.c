#include "common/text/wire.h"

#include <criterion/criterion.h>

Test(wire, reads_what_it_wrote)
{
    struct buf b;
    buf_init(&b, 1024);
    wire_put_u8(&b, 0xfe);
    wire_put_u16(&b, 0x1234);
    wire_put_u32(&b, 0xdeadbeef);
    wire_put_u64(&b, 0x0102030405060708);
    wire_put_str8(&b, STR("abc"));
    wire_put_str16(&b, STR(""));
    struct wire w = wire_init(buf_str(&b));
    cr_assert_eq(wire_take_u8(&w, "a"), 0xfe);
    cr_assert_eq(wire_take_u16(&w, "b"), 0x1234);
    cr_assert_eq(wire_take_u32(&w, "c"), 0xdeadbeef);
    cr_assert_eq(wire_take_u64(&w, "d"), 0x0102030405060708);
    cr_assert(str_eq(wire_take_str8(&w, "e"), STR("abc")));
    cr_assert_eq(wire_take_str16(&w, "f").len, 0);
    struct err err;
    cr_assert(wire_finish(&w, &err));
    buf_release(&b);
}

Test(wire, the_first_failure_sticks_and_is_named)
{
    struct wire w = wire_init(STR("\x01\x02\x03"));
    wire_take_u8(&w, "first");
    cr_assert_eq(wire_take_u32(&w, "second"), 0);
    cr_assert_eq(wire_take_u8(&w, "third"), 0);
    cr_assert_eq(wire_left(&w), 0);
    struct err err;
    cr_assert(!wire_finish(&w, &err));
    cr_assert_str_eq(err.detail, "cut off second at offset 1");
}

Test(wire, data_after_the_end_and_wrong_values_are_failures)
{
    struct err err;
    struct wire w = wire_init(STR("ab"));
    wire_take_u8(&w, "first");
    cr_assert(!wire_finish(&w, &err));
    cr_assert_str_eq(err.detail, "wrong data after the end at offset 1");
    w = wire_init(STR("ab"));
    wire_fail(&w, "version");
    cr_assert(!wire_check(&w, &err));
    cr_assert_str_eq(err.detail, "wrong version at offset 0");
}

Test(wire, a_string_longer_than_its_length_field_overflows)
{
    char long_text[300] = {0};
    struct buf b;
    buf_init(&b, 1024);
    wire_put_str8(&b, str_make(long_text, sizeof(long_text)));
    cr_assert(b.overflow);
    buf_release(&b);
}
