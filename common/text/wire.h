#ifndef COMMON_TEXT_WIRE_H
#define COMMON_TEXT_WIRE_H

#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * The binary twin of cursor.h: reads numbers in network byte order and runs of bytes from a bounded
 * string, with one sticky first failure, judged once at the end.
 *
 *     struct wire w = wire_init(rdata);
 *     unsigned preference = wire_take_u16(&w, "preference");
 *     struct str rest = wire_take_rest(&w);
 *     return wire_finish(&w, err);             // ERR_SYNTAX "cut off preference at offset 1"
 *
 * After a failure every take returns zero or empty and nothing moves. Strings borrow from the
 * input. The wire_put functions write the same forms; a failed append shows in buf->overflow.
 */

struct wire {
    const unsigned char *begin;
    const unsigned char *at;
    const unsigned char *end;
    const char *failure; /* NULL while all is well */
    bool is_wrong;       /* the failure is a value, not the end of input */
};

struct wire wire_init(struct str input);

/* State. */

static inline bool wire_failed(const struct wire *w)
{
    return w->failure != NULL;
}
/* Bytes not yet taken; 0 after a failure, so that loops end. */
static inline size_t wire_left(const struct wire *w)
{
    return w->failure ? 0 : (size_t)(w->end - w->at);
}
static inline size_t wire_offset(const struct wire *w)
{
    return (size_t)(w->at - w->begin);
}
/* Fails because the value just taken is wrong. `what` must outlive `w`; the first failure counts.
 */
void wire_fail(struct wire *w, const char *what);
/* True when nothing failed and nothing is left; else ERR_SYNTAX that names what and where. */
bool wire_finish(struct wire *w, struct err *err) MUST_USE;
/* As wire_finish, but input may be left. */
bool wire_check(struct wire *w, struct err *err) MUST_USE;

/* Reading; `what` names the field in the error. */

uint8_t wire_take_u8(struct wire *w, const char *what);
uint16_t wire_take_u16(struct wire *w, const char *what);
uint32_t wire_take_u32(struct wire *w, const char *what);
uint64_t wire_take_u64(struct wire *w, const char *what);
struct str wire_take(struct wire *w, size_t count, const char *what);
struct str wire_take_rest(struct wire *w);
/* A string with its length in front, in one or two bytes. */
struct str wire_take_str8(struct wire *w, const char *what);
struct str wire_take_str16(struct wire *w, const char *what);

/* Writing. */

void wire_put_u8(struct buf *b, uint8_t value);
void wire_put_u16(struct buf *b, uint16_t value);
void wire_put_u32(struct buf *b, uint32_t value);
void wire_put_u64(struct buf *b, uint64_t value);
/* A string too long for its length field counts as an overflow of the buffer. */
void wire_put_str8(struct buf *b, struct str s);
void wire_put_str16(struct buf *b, struct str s);

#endif
