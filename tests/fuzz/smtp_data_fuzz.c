/* Target functions: smtp_data_*. Property: the first byte says where the rest is cut in two; text,
 * end and verdict do not depend on it, and framing sees the same end. */
#include "common/base/buf.h"
#include "common/base/bug.h"
#include "common/smtp/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t feed(struct smtp_data *d, struct str chunk, struct buf *text)
{
    struct str rest = chunk, span;
    size_t framed = smtp_data_length(d, chunk);
    while (smtp_data_next(d, &rest, &span))
        BUG_ON(!buf_append(text, span));
    BUG_ON(framed != chunk.len - rest.len);
    BUG_ON(!d->ended && rest.len > 0);
    return framed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct str in = str_make(data + 1, size - 1);
    size_t cut = in.len * data[0] / 255;
    struct smtp_data whole, parts;
    struct buf whole_text, parts_text;
    buf_init(&whole_text, size * 2);
    buf_init(&parts_text, size * 2);
    smtp_data_init(&whole);
    smtp_data_init(&parts);
    size_t whole_used = feed(&whole, in, &whole_text);
    size_t parts_used = feed(&parts, str_slice(in, 0, cut), &parts_text);
    if (!parts.ended)
        parts_used += feed(&parts, str_skip(in, cut), &parts_text);
    BUG_ON(whole_used != parts_used);
    BUG_ON(whole.ended != parts.ended || whole.state != parts.state);
    BUG_ON((whole.bad != NULL) != (parts.bad != NULL));
    BUG_ON(!str_eq(buf_str(&whole_text), buf_str(&parts_text)));
    BUG_ON(whole.size != whole_text.len || whole.size != parts.size);
    BUG_ON(whole.has_8bit != parts.has_8bit || whole.has_separator != parts.has_separator);
    buf_release(&whole_text);
    buf_release(&parts_text);
    return 0;
}
