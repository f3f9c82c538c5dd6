#include "services/imap/frame.h"

#include "common/sys/session.h"
#include "common/text/charclass.h"

size_t frame_next(const struct frame *frame, struct str input)
{
    if (frame->mode == FRAME_BYTES)
        return input.len < frame->remaining ? input.len : (size_t)frame->remaining;
    ptrdiff_t lf = str_find_char(str_slice(input, 0, FRAME_LINE_MAX), '\n');
    if (lf >= 0)
        return (size_t)lf + 1;
    return input.len < FRAME_LINE_MAX ? SESSION_FRAME_MORE : SESSION_FRAME_BAD;
}

struct str frame_line_text(struct str line)
{
    if (str_ends_with(line, STR("\n")))
        line.len--;
    if (str_ends_with(line, STR("\r")))
        line.len--;
    return line;
}

bool frame_ends_in_literal(struct str line, struct frame_literal *ret)
{
    struct str text = frame_line_text(line);
    if (!str_ends_with(text, STR("}")))
        return false;
    text.len--;
    bool sync = !str_ends_with(text, STR("+"));
    if (!sync)
        text.len--;
    size_t digits_end = text.len;
    while (text.len > 0 && is_digit((unsigned char)text.ptr[text.len - 1]))
        text.len--;
    struct str digits = str_slice(line, text.len, digits_end - text.len);
    if (digits.len == 0 || !str_ends_with(text, STR("{")))
        return false;
    text.len--;
    bool binary = str_ends_with(text, STR("~"));
    uint64_t size = UINT64_MAX;
    if (!str_to_u64(digits, UINT64_MAX, &size))
        size = UINT64_MAX;
    *ret = (struct frame_literal){
        .offset = text.len - binary, .size = size, .sync = sync, .binary = binary};
    return true;
}
