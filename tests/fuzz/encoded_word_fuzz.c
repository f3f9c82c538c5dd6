/* Target functions: encoded_word_*, subject_base, message_id_*. Properties: decoded text is valid
 * UTF-8 without NUL; what is written is ASCII and reads back. */
#include "common/base/bug.h"
#include "common/mail/encoded_word.h"
#include "common/mail/message_id.h"
#include "common/mail/subject.h"
#include "common/text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(struct str text, struct arena *arena)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    BUG_ON(!encoded_word_write(&out, text, 40));
    BUG_ON(!str_is_ascii(buf_str(&out)));
    struct str back = encoded_word_decode(buf_str(&out), arena);
    BUG_ON(!str_eq(text, back));
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct str text = str_make(data, size), ids[16];
    size_t count = 0;
    bool is_reply;
    arena_init(&arena, 1 << 20);
    struct str decoded = encoded_word_decode(text, &arena);
    if (!str_is_null(decoded)) {
        BUG_ON(!utf8_is_valid(decoded) || str_find_char(decoded, '\0') >= 0);
        if (size < 4096)
            check_round_trip(decoded, &arena);
        struct str base = subject_base(decoded, &arena, &is_reply);
        BUG_ON(!utf8_is_valid(base));
    }
    message_id_references(text, &arena, ids, ARRAY_LEN(ids), &count);
    for (size_t i = 0; i < count; i++)
        BUG_ON(ids[i].len == 0 || !utf8_is_valid(ids[i]));
    message_id_canonical(text, &arena);
    arena_release(&arena);
    return 0;
}
