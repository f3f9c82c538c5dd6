/* Target functions: cursor_*. Property: after a failure nothing moves, and takes are empty. */
#include "common/base/bug.h"
#include "common/text/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_init(str_make(data, size));
    cursor_expect(&c, '<');
    cursor_take_while(&c, is_atext, 64, "local-part");
    cursor_expect(&c, '@');
    cursor_take_until(&c, '>', 255, "domain");
    cursor_expect(&c, '>');
    cursor_take_number(&c, 100000, "number");
    BUG_ON(c.at > c.end);
    if (cursor_failed(&c)) {
        size_t offset = cursor_offset(&c);
        BUG_ON(cursor_take_rest(&c, size, "rest").len != 0);
        BUG_ON(cursor_offset(&c) != offset);
    }
    struct err err;
    if (!cursor_finish(&c, &err))
        BUG_ON(err.kind != ERR_SYNTAX && err.kind != ERR_LIMIT);
    return 0;
}
