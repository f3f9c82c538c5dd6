/* Target functions: smtp_reply_*. Property: a reply that was read and is written comes back the
 * same when it is read again (as far as it fits into lines without being wrapped). */
#include "common/base/bug.h"
#include "common/smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_reply(struct str text, struct arena *arena, struct smtp_reply *ret)
{
    struct smtp_reply_reader r;
    struct err err;
    smtp_reply_reader_init(&r, arena);
    bool done = false;
    while (!done && text.len > 0) {
        struct str line;
        str_cut(text, '\n', &line, &text);
        if (!smtp_reply_reader_add(&r, line, &done, &err))
            return false;
    }
    *ret = r.reply;
    return done;
}

static bool is_plain(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != '\n' && ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f))
            return false;
    return text.len < 400;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, 16u << 20);
    struct smtp_reply first, second;
    struct buf out;
    buf_init(&out, 16u << 20);
    if (read_reply(str_make(data, size), &arena, &first)) {
        smtp_reply_has_keyword(&first, STR("SIZE"), NULL);
        smtp_reply_write(&out, &first);
        BUG_ON(!read_reply(buf_str(&out), &arena, &second));
        BUG_ON(first.code != second.code);
        if (first.enhanced[0] != 0 && is_plain(first.text))
            BUG_ON(!str_eq(first.text, second.text));
    }
    buf_release(&out);
    arena_release(&arena);
    return 0;
}
