#include "common/sys/session_internal.h"

#include <stdlib.h>
#include <zlib.h>

/*
 * Deflate between the protocol and the connection (RFC 4978), in both directions.
 *
 * Answers are compressed when they are flushed, and each flush ends so that the client can read all
 * of it (Z_SYNC_FLUSH). What the client sends is decompressed into the input buffer as far as there
 * is room for one read, never further: a few bytes that grow to gigabytes become ordinary input,
 * which is handled before the rest of them is looked at.
 */

/* The window and tables of what we send: 64 KiB instead of 256, for thousands of sessions, at the
 * cost of a few percent of size. What the client sends needs the window that it has chosen. */
#define SENT_WINDOW_BITS (-13)
#define SENT_MEMORY 6
#define RECEIVED_WINDOW_BITS (-15)
#define CHUNK ((size_t)16 * 1024)

struct session_compression {
    z_stream sent;
    z_stream received;
    struct buf out; /* compressed, to be sent from out_at on; empty: released */
    size_t out_at;
    struct buf in; /* compressed, not decompressed yet; empty: released */
    size_t in_at;
    bool has_more_out; /* `out` was too small for all */
    bool has_more_in;  /* there was no room for all that is known */
    bool finishing;    /* the last flush: the stream ends */
    bool finished;
};

struct session_compression *session_compression_new(void)
{
    struct session_compression *z = xcalloc(1, sizeof(*z));
    buf_init(&z->out, CHUNK);
    buf_init(&z->in, SESSION_INPUT_MAX);
    if (deflateInit2(&z->sent, Z_DEFAULT_COMPRESSION, Z_DEFLATED, SENT_WINDOW_BITS, SENT_MEMORY,
                     Z_DEFAULT_STRATEGY) == Z_OK &&
        inflateInit2(&z->received, RECEIVED_WINDOW_BITS) == Z_OK)
        return z;
    session_compression_free(z);
    return NULL;
}

void session_compression_free(struct session_compression *z)
{
    if (!z)
        return;
    deflateEnd(&z->sent);
    inflateEnd(&z->received);
    buf_release(&z->out);
    buf_release(&z->in);
    free(z);
}

static Bytef *bytes(const char *ptr)
{
    return (Bytef *)(uintptr_t)ptr;
}

static uInt at_most(size_t size)
{
    return size > INT32_MAX ? INT32_MAX : (uInt)size;
}

/* ---- Output */

void session_compression_finish(struct session_compression *z)
{
    z->finishing = true;
}

bool session_compression_has_output(const struct session_compression *z)
{
    return z->out.len > z->out_at || z->has_more_out || (z->finishing && !z->finished);
}

/* Fills `out` once. */
static size_t compress_some(struct session_compression *z, struct str plain)
{
    char *room = buf_reserve(&z->out, CHUNK);
    BUG_ON(!room);
    z->sent.next_in = bytes(plain.ptr);
    z->sent.avail_in = at_most(plain.len);
    z->sent.next_out = bytes(room);
    z->sent.avail_out = (uInt)CHUNK;
    size_t before = z->sent.avail_in;
    int result = deflate(&z->sent, z->finishing ? Z_FINISH : Z_SYNC_FLUSH);
    BUG_ON(result == Z_STREAM_ERROR);
    buf_commit(&z->out, CHUNK - z->sent.avail_out);
    z->has_more_out = z->sent.avail_out == 0;
    z->finished = result == Z_STREAM_END;
    return before - z->sent.avail_in;
}

struct str session_compression_output(struct session_compression *z, struct str plain,
                                      size_t *ret_taken)
{
    *ret_taken = 0;
    if (z->out.len == z->out_at) {
        buf_reset(&z->out);
        z->out_at = 0;
        *ret_taken = compress_some(z, plain);
    }
    return str_skip(buf_str(&z->out), z->out_at);
}

void session_compression_sent(struct session_compression *z, size_t count)
{
    z->out_at += count;
    if (z->out_at < z->out.len)
        return;
    buf_release(&z->out);
    buf_init(&z->out, CHUNK);
    z->out_at = 0;
}

/* ---- Input */

bool session_compression_has_input(const struct session_compression *z)
{
    return z->in.len > z->in_at || z->has_more_in;
}

void session_compression_put(struct session_compression *z, struct str compressed)
{
    buf_append(&z->in, compressed);
    BUG_ON(z->in.overflow);
}

enum session_fill session_compression_get(struct session_compression *z, char *dst, size_t size,
                                          size_t *ret_len)
{
    struct str rest = str_skip(buf_str(&z->in), z->in_at);
    z->received.next_in = bytes(rest.ptr);
    z->received.avail_in = at_most(rest.len);
    z->received.next_out = bytes(dst);
    z->received.avail_out = at_most(size);
    uInt room = z->received.avail_out;
    size_t before = z->received.avail_in;
    int result = inflate(&z->received, Z_SYNC_FLUSH);
    z->in_at += before - z->received.avail_in;
    z->has_more_in = z->received.avail_out == 0;
    *ret_len = room - z->received.avail_out;
    if (z->in_at == z->in.len) {
        buf_release(&z->in);
        buf_init(&z->in, SESSION_INPUT_MAX);
        z->in_at = 0;
    }
    /* Z_BUF_ERROR: nothing to do now. A stream that ended or is damaged ends the input, after what
     * came before. */
    bool is_over = result != Z_OK && result != Z_BUF_ERROR;
    return *ret_len > 0 ? FILL_GOT : is_over ? FILL_END : FILL_NONE;
}
