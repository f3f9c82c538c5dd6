/* Target function: event_batch_next. Property: it takes all of the input or fails, never both; what
 * it gives lies in the input. */
#include "common/base/bug.h"
#include "common/bus/event_batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire w = wire_init(str_make(data, size));
    struct str topic, payload;
    size_t taken = 0;
    while (event_batch_next(&w, &topic, &payload)) {
        BUG_ON((const uint8_t *)payload.ptr + payload.len > data + size);
        taken += 6 + topic.len + payload.len;
    }
    BUG_ON(!wire_failed(&w) && taken != size);
    return 0;
}
