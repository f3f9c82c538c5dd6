/* Target functions: mbox_*. Properties: messages and texts do not depend on where the first byte
 * cuts the file in two; a message that is written, without flags, is read back (as far as fields of
 * flags, bare line ends and a missing last line end allow: those of the first reading are gone). */
#include "common/base/bug.h"
#include "common/mail/mbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All events as one text. */
static bool feed(struct mbox_reader *r, struct str piece, struct buf *out)
{
    struct str text;
    enum mbox_event event;
    while ((event = mbox_read(r, &piece, &text)) != MBOX_NEEDS_INPUT) {
        if (event == MBOX_BAD)
            return false;
        BUG_ON(r->message_offset >= r->offset);
        if (event == MBOX_MESSAGE)
            buf_printf(out, "[%.*s %d]", STR_ARG(r->sender), (int)r->has_date);
        else
            buf_append(out, text);
    }
    BUG_ON(piece.len > 0);
    return true;
}

static bool read_whole(struct str file, size_t cut, struct buf *out)
{
    struct mbox_reader r;
    mbox_reader_init(&r, 0);
    bool ok = feed(&r, str_slice(file, 0, cut), out) && feed(&r, str_skip(file, cut), out) &&
              feed(&r, mbox_reader_last(&r), out);
    BUG_ON(ok && r.offset < file.len);
    return ok;
}

/* What reading makes of a message is not changed by writing it and reading it again. */
static void check_round_trip(struct str text)
{
    struct mail_flags none = {.bits = 0};
    struct mbox_writer w;
    struct buf first, again, file;
    buf_init(&first, text.len * 4 + 100);
    buf_init(&again, text.len * 8 + 100);
    buf_init(&file, text.len * 8 + MBOX_WRITE_MORE);
    for (int round = 0; round < 2; round++) {
        struct str in = round == 0 ? text : str_skip(buf_str(&first), 4);
        buf_reset(&file);
        BUG_ON(!mbox_write_begin(&w, STR("a"), 0, &none, &file));
        buf_reset(&file);
        buf_append(&file, STR("From a\n"));
        BUG_ON(!mbox_write(&w, in, &file) || !mbox_write_end(&w, &file));
        BUG_ON(!read_whole(buf_str(&file), file.len / 2, round == 0 ? &first : &again));
        BUG_ON(!str_starts_with(buf_str(round == 0 ? &first : &again), STR("[a 0]")));
        if (round == 0)
            buf_consume(&first, 1);
        else
            buf_consume(&again, 1);
    }
    /* A CR that stood before CRLF is taken for one of the line end, each time. */
    if (str_find(text, STR("\r\r")) < 0)
        BUG_ON(!str_eq(buf_str(&first), buf_str(&again)));
    buf_release(&first);
    buf_release(&again);
    buf_release(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct str in = str_make(data + 1, size - 1);
    struct buf whole, parts;
    struct arena arena;
    struct mail_flags flags = {.bits = 0};
    buf_init(&whole, size * 20 + 100);
    buf_init(&parts, size * 20 + 100);
    arena_init(&arena, 1 << 20);
    bool ok = read_whole(in, in.len, &whole);
    BUG_ON(read_whole(in, in.len * data[0] / 255, &parts) != ok);
    BUG_ON(!str_eq(buf_str(&whole), buf_str(&parts)));
    mbox_read_flags(in, &flags, &arena);
    BUG_ON(flags.keyword_count > MAIL_KEYWORDS_MAX);
    check_round_trip(in);
    arena_release(&arena);
    buf_release(&whole);
    buf_release(&parts);
    return 0;
}
