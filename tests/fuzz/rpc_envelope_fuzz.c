/* Target functions: rpc_request_decode, rpc_reply_decode. Property: what decodes encodes to
 * something that decodes to the same. */
#include "common/base/bug.h"
#include "common/bus/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct err err;
    struct rpc_request first, second;
    struct str payload;
    arena_init(&arena, 1 << 20);
    if (rpc_request_decode(str_make(data, size), &arena, &first, &err)) {
        struct str again = rpc_request_encode(&first, &arena);
        BUG_ON(str_is_null(again) || !rpc_request_decode(again, &arena, &second, &err));
        BUG_ON(!str_eq(first.method, second.method) || !str_eq(first.payload, second.payload));
        BUG_ON(first.cid != second.cid || first.timeout_ms != second.timeout_ms);
    }
    if (!rpc_reply_decode(str_make(data, size), &arena, &payload, &err))
        BUG_ON(err.kind == ERR_NONE);
    arena_release(&arena);
    return 0;
}
