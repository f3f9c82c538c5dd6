/* Target functions: frame_next, frame_ends_in_literal. Property: the units of a stream do not
 * depend on how many bytes are there when they are looked for. */
#include "common/base/bug.h"
#include "common/sys/session.h"
#include "services/imap/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LITERAL_MAX 100000

/* The end of the unit that begins at the start of `input`, found with `step` more bytes each time.
 * 0 at the end. */
static size_t unit_end(const struct frame *frame, struct str input, size_t step)
{
    for (size_t have = step; have < input.len + step; have += step) {
        size_t len = frame_next(frame, str_slice(input, 0, have));
        BUG_ON(len != SESSION_FRAME_BAD && len > have);
        if (len != SESSION_FRAME_MORE)
            return frame->mode == FRAME_BYTES ? 1 : len; /* bytes come in any pieces */
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct frame frame = {.mode = FRAME_LINE};
    struct str input = str_make(data + 1, size - 1);
    while (input.len > 0) {
        size_t len = unit_end(&frame, input, data[0] % 7u + 1);
        BUG_ON(len != unit_end(&frame, input, input.len));
        if (len == 0 || len == SESSION_FRAME_BAD)
            break;
        struct str unit = str_slice(input, 0, len);
        struct frame_literal literal;
        if (frame.mode == FRAME_BYTES) {
            if (--frame.remaining == 0)
                frame.mode = FRAME_LINE;
        } else if (frame_ends_in_literal(unit, &literal)) {
            BUG_ON(literal.offset >= unit.len);
            BUG_ON(unit.ptr[literal.offset] != (literal.binary ? '~' : '{'));
            if (literal.size > 0 && literal.size < LITERAL_MAX)
                frame = (struct frame){FRAME_BYTES, literal.size};
        }
        input = str_skip(input, len);
    }
    return 0;
}
