/*
 * Target functions: options_read_text, options_print.
 * Property: what was read and printed reads as the same again.
 */
#include "common/base/bug.h"
#include "common/base/buf.h"
#include "common/service/settings.h"

#include <string.h>

/* libconfig forgets what it had of a text that it refuses. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig.so\n";
}

static bool read_and_print(struct str text, struct buf *out)
{
    struct arena arena;
    struct settings settings = {0};
    struct err err;
    const struct option_group group = settings_group(&settings);
    arena_init(&arena, 1 << 20);
    bool ok = options_read_text("fuzz.conf", text, &group, 1, &arena, NULL, &err);
    if (ok)
        options_print(&group, 1, out);
    arena_release(&arena);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make(data, size);
    if (size > 65536 || str_find(text, STR("@include")) >= 0) /* it would read other files */
        return 0;
    struct buf first, second;
    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    if (read_and_print(text, &first)) {
        BUG_ON(!read_and_print(buf_str(&first), &second));
        BUG_ON(!str_eq(buf_str(&first), buf_str(&second)));
    }
    buf_release(&first);
    buf_release(&second);
    return 0;
}
