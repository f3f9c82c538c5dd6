#ifndef COMMON_BUS_DATA_H
#define COMMON_BUS_DATA_H

#include "common/base/str.h"

#include <protobuf-c/protobuf-c.h>

/* `bytes` fields of messages and our strings, both borrowing. */

static inline ProtobufCBinaryData data_of(struct str bytes)
{
    return (ProtobufCBinaryData){bytes.len, (uint8_t *)(uintptr_t)bytes.ptr};
}

static inline struct str bytes_of(ProtobufCBinaryData data)
{
    return str_make(data.data, data.len);
}

#endif
