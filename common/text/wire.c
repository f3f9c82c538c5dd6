#include "common/text/wire.h"

struct wire wire_init(struct str input)
{
    static const unsigned char nothing[1] = "";
    const unsigned char *begin = input.ptr ? (const unsigned char *)input.ptr : nothing;
    return (struct wire){.begin = begin, .at = begin, .end = begin + input.len};
}

static void fail(struct wire *w, const char *what, bool is_wrong)
{
    if (w->failure)
        return;
    w->failure = what;
    w->is_wrong = is_wrong;
}

void wire_fail(struct wire *w, const char *what)
{
    fail(w, what, true);
}

bool wire_check(struct wire *w, struct err *err)
{
    if (!w->failure)
        return true;
    return err_set(err, ERR_SYNTAX, "%s %s at offset %zu", w->is_wrong ? "wrong" : "cut off",
                   w->failure, wire_offset(w));
}

bool wire_finish(struct wire *w, struct err *err)
{
    if (wire_left(w) > 0)
        wire_fail(w, "data after the end");
    return wire_check(w, err);
}

struct str wire_take(struct wire *w, size_t count, const char *what)
{
    if (count > wire_left(w)) {
        fail(w, what, false);
        return str_make(w->at, 0);
    }
    struct str taken = str_make(w->at, count);
    w->at += count;
    return taken;
}

struct str wire_take_rest(struct wire *w)
{
    return wire_take(w, wire_left(w), "rest");
}

static uint64_t take_number(struct wire *w, size_t size, const char *what)
{
    struct str bytes = wire_take(w, size, what);
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.len; i++)
        value = value << 8 | (unsigned char)bytes.ptr[i];
    return value;
}

uint8_t wire_take_u8(struct wire *w, const char *what)
{
    return (uint8_t)take_number(w, 1, what);
}

uint16_t wire_take_u16(struct wire *w, const char *what)
{
    return (uint16_t)take_number(w, 2, what);
}

uint32_t wire_take_u32(struct wire *w, const char *what)
{
    return (uint32_t)take_number(w, 4, what);
}

uint64_t wire_take_u64(struct wire *w, const char *what)
{
    return take_number(w, 8, what);
}

struct str wire_take_str8(struct wire *w, const char *what)
{
    return wire_take(w, wire_take_u8(w, what), what);
}

struct str wire_take_str16(struct wire *w, const char *what)
{
    return wire_take(w, wire_take_u16(w, what), what);
}

static void put_number(struct buf *b, uint64_t value, size_t size)
{
    char bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(value >> (8 * (size - 1 - i)) & 0xff);
    buf_append(b, str_make(bytes, size));
}

void wire_put_u8(struct buf *b, uint8_t value)
{
    put_number(b, value, 1);
}

void wire_put_u16(struct buf *b, uint16_t value)
{
    put_number(b, value, 2);
}

void wire_put_u32(struct buf *b, uint32_t value)
{
    put_number(b, value, 4);
}

void wire_put_u64(struct buf *b, uint64_t value)
{
    put_number(b, value, 8);
}

void wire_put_str8(struct buf *b, struct str s)
{
    if (s.len > UINT8_MAX) {
        b->overflow = true;
        return;
    }
    wire_put_u8(b, (uint8_t)s.len);
    buf_append(b, s);
}

void wire_put_str16(struct buf *b, struct str s)
{
    if (s.len > UINT16_MAX) {
        b->overflow = true;
        return;
    }
    wire_put_u16(b, (uint16_t)s.len);
    buf_append(b, s);
}
