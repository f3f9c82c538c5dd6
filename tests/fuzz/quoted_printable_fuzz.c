/* Target functions: quoted_printable_*. Properties: decoding in pieces gives the same wherever it
 * is split; encoded text reads back. */
#include "common/base/bug.h"
#include "common/text/quoted_printable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode_split(struct str text, size_t at, struct buf *out)
{
    struct quoted_printable_decoder d;
    quoted_printable_decoder_init(&d);
    buf_reset(out);
    BUG_ON(!quoted_printable_decoder_feed(&d, str_slice(text, 0, at), out));
    BUG_ON(!quoted_printable_decoder_feed(&d, str_skip(text, at), out));
    BUG_ON(!quoted_printable_decoder_end(&d, out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make(data, size);
    struct buf a, b;
    buf_init(&a, 16 << 20);
    buf_init(&b, 16 << 20);
    decode_split(text, size, &a);
    for (size_t at = 0; at < size && at < 16; at++) {
        decode_split(text, at, &b);
        BUG_ON(!str_eq(buf_str(&a), buf_str(&b)));
    }
    buf_reset(&a);
    BUG_ON(!quoted_printable_encode(&a, text));
    struct str line, rest = buf_str(&a);
    while (str_cut(rest, '\n', &line, &rest))
        BUG_ON(line.len > 77);
    decode_split(buf_str(&a), a.len, &b);
    if (str_find_char(text, '\n') < 0) /* line ends become CRLF */
        BUG_ON(!str_eq(buf_str(&b), text));
    buf_release(&a);
    buf_release(&b);
    return 0;
}
