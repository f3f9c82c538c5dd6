/* The envelopes of proto/common.proto: RpcRequest around every request, RpcReply around every
 * reply. */
#include "common/bus/envelope.h"

#include "common/bus/allocator.h"
#include "proto/common.pb-c.h"

struct str message_pack(const ProtobufCMessage *message, struct arena *arena)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = arena_alloc_raw(arena, size);
    if (!bytes)
        return STR_NULL;
    protobuf_c_message_pack(message, bytes);
    return str_make(bytes, size);
}

ProtobufCMessage *message_unpack(const ProtobufCMessageDescriptor *type, struct str bytes,
                                 struct arena *arena, struct err *err)
{
    ProtobufCAllocator in_arena = arena_allocator(arena);
    ProtobufCMessage *message =
        protobuf_c_message_unpack(type, &in_arena, bytes.len, (const uint8_t *)bytes.ptr);
    if (!message && arena->exhausted)
        err_set(err, ERR_LIMIT, "%s of %zu bytes is too large", type->short_name, bytes.len);
    else if (!message)
        err_set(err, ERR_SYNTAX, "malformed %s", type->short_name);
    return message;
}

static struct str binary(ProtobufCBinaryData data)
{
    return str_make(data.data, data.len);
}

bool rpc_request_decode(struct str bytes, struct arena *arena, struct rpc_request *ret,
                        struct err *err)
{
    const Mailrail__RpcRequest *m = (const Mailrail__RpcRequest *)(const void *)message_unpack(
        &mailrail__rpc_request__descriptor, bytes, arena, err);
    if (!m)
        return false;
    *ret = (struct rpc_request){
        .service = str_from_cstr(m->service),
        .method = str_from_cstr(m->method),
        .payload = binary(m->payload),
        .cid = m->cid,
        .timeout_ms = m->timeout_ms,
    };
    return true;
}

bool rpc_reply_decode(struct str bytes, struct arena *arena, struct str *ret_payload,
                      struct err *err)
{
    const Mailrail__RpcReply *m = (const Mailrail__RpcReply *)(const void *)message_unpack(
        &mailrail__rpc_reply__descriptor, bytes, arena, err);
    if (!m)
        return err_wrap(err, "reply");
    if (m->error) {
        /* A kind that a newer release made up is a failure all the same. */
        int kind = (int)m->error->kind;
        err_set(err, kind > ERR_NONE && kind <= ERR_FORBIDDEN ? (enum err_kind)kind : ERR_INTERNAL,
                "%s", m->error->detail);
        return err_reply(err, "%s", m->error->reply);
    }
    *ret_payload = binary(m->payload);
    return true;
}

struct str rpc_request_encode(const struct rpc_request *request, struct arena *arena)
{
    Mailrail__RpcRequest m = MAILRAIL__RPC_REQUEST__INIT;
    m.service = arena_cstr(arena, request->service);
    m.method = arena_cstr(arena, request->method);
    m.cid = request->cid;
    m.timeout_ms = request->timeout_ms;
    m.payload = (ProtobufCBinaryData){request->payload.len, (uint8_t *)request->payload.ptr};
    return m.service && m.method ? message_pack(&m.base, arena) : STR_NULL;
}

struct str rpc_reply_encode(struct str payload, struct arena *arena)
{
    Mailrail__RpcReply m = MAILRAIL__RPC_REPLY__INIT;
    m.payload = (ProtobufCBinaryData){payload.len, (uint8_t *)payload.ptr};
    return message_pack(&m.base, arena);
}

struct str rpc_error_encode(const struct err *err, struct arena *arena)
{
    Mailrail__Error e = MAILRAIL__ERROR__INIT;
    Mailrail__RpcReply m = MAILRAIL__RPC_REPLY__INIT;
    e.kind = (Mailrail__ErrorKind)err->kind;
    e.reply = (char *)err->reply;
    e.detail = (char *)err->detail;
    m.error = &e;
    return message_pack(&m.base, arena);
}
