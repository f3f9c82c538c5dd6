/* Target functions: utf7_*. Properties: decoding gives valid UTF-8, and encoding that gives the
 * very same name again; encoding of any valid text can be decoded. */
#include "common/base/bug.h"
#include "common/text/utf7.h"
#include "common/text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct err err;
    struct str text = str_make(data, size), utf8, name;
    arena_init(&arena, 16 << 20);
    if (utf7_decode(text, &arena, &utf8, &err)) {
        BUG_ON(!utf8_is_valid(utf8));
        BUG_ON(!str_eq(utf7_encode(utf8, &arena), text));
    }
    text = utf8_repair(text, &arena);
    name = utf7_encode(text, &arena);
    BUG_ON(!utf7_decode(name, &arena, &utf8, &err));
    BUG_ON(!str_eq(utf8, text));
    arena_release(&arena);
    return 0;
}
