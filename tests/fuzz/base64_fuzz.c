/* Target functions: base64_*. Properties: strict decoding and encoding are inverse; decoding in
 * pieces gives the same wherever it is split, and the size that was announced. */
#include "common/base/bug.h"
#include "common/text/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode_split(struct str text, size_t at, struct buf *out)
{
    struct base64_decoder d;
    base64_decoder_init(&d);
    buf_reset(out);
    BUG_ON(!base64_decoder_feed(&d, str_slice(text, 0, at), out));
    BUG_ON(!base64_decoder_feed(&d, str_skip(text, at), out));
    BUG_ON(!base64_decoder_end(&d, out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make(data, size);
    struct buf a, b;
    struct err err;
    bool damaged;
    buf_init(&a, 16 << 20);
    buf_init(&b, 16 << 20);
    if (base64_decode(&a, text, &err)) {
        BUG_ON(!base64_encode(&b, buf_str(&a)) || !str_eq(buf_str(&b), text));
        BUG_ON(base64_decoded_size(text, &damaged) != a.len || damaged);
    }
    decode_split(text, size, &a);
    BUG_ON(base64_decoded_size(text, &damaged) != a.len);
    for (size_t at = 0; at < size && at < 16; at++) {
        decode_split(text, at, &b);
        BUG_ON(!str_eq(buf_str(&a), buf_str(&b)));
    }
    buf_reset(&a);
    buf_reset(&b);
    BUG_ON(!base64_url_encode(&a, text) || !base64_url_decode(&b, buf_str(&a), &err));
    BUG_ON(!str_eq(buf_str(&b), text));
    buf_release(&a);
    buf_release(&b);
    return 0;
}
