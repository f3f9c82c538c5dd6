/* Target functions: header_*. Property: fields lie in order inside the section, and the section
 * ends inside the text. */
#include "common/base/bug.h"
#include "common/mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct str text = str_make(data, size);
    struct header_walk walk = header_walk_init(text);
    struct header_field field, found;
    size_t at = 0;
    arena_init(&arena, 1 << 20);
    while (header_next(&walk, &field)) {
        BUG_ON(field.offset < at || field.size == 0);
        at = field.offset + field.size;
        BUG_ON(at > size);
        BUG_ON(!header_find(text, field.name, &found) || found.offset > field.offset);
        struct str value = header_unfold(field.raw_value, &arena);
        BUG_ON(str_find_char(value, '\n') >= 0);
    }
    BUG_ON(walk.body_offset < at || walk.body_offset > size);
    BUG_ON(!walk.has_end && walk.body_offset != size);
    arena_release(&arena);
    return 0;
}
