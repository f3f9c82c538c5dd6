#include "common/bus/event_batch.h"

bool event_batch_add(struct buf *batch, const char *topic, const ProtobufCMessage *event)
{
    size_t before = batch->len;
    size_t size = protobuf_c_message_get_packed_size(event);
    wire_put_str16(batch, str_from_cstr(topic));
    wire_put_u32(batch, (uint32_t)size);
    char *payload = size <= UINT32_MAX ? buf_reserve(batch, size) : NULL;
    if (batch->overflow || (!payload && size > 0)) {
        buf_truncate(batch, before);
        batch->overflow = false;
        return false;
    }
    protobuf_c_message_pack(event, (uint8_t *)payload);
    buf_commit(batch, size);
    return true;
}

bool event_batch_next(struct wire *w, struct str *ret_topic, struct str *ret_payload)
{
    if (wire_left(w) == 0)
        return false;
    *ret_topic = wire_take_str16(w, "topic");
    *ret_payload = wire_take(w, wire_take_u32(w, "size of an event"), "event");
    return !wire_failed(w);
}
