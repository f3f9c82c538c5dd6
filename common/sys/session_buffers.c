#include "common/sys/session_internal.h"

#include <string.h>

/*
 * Buffers are lent by the worker to the session that it works on, so that thousands of parked
 * sessions need none: they keep the rest of a unit that is not complete, in a block of its own
 * size, and output that the client has not taken yet.
 */

/* Input that waits for its rest is kept in a block of its own size up to here. */
#define LEFTOVER_COPY_MAX ((size_t)16 * 1024)
/* Buffers that grew beyond this are not kept by their worker. */
#define SPARE_OUT_MAX ((size_t)1024 * 1024)

void session_worker_init(struct session_worker *worker)
{
    *worker = (struct session_worker){0};
    buf_init(&worker->in, SESSION_INPUT_MAX);
    buf_init(&worker->out, SESSION_OUT_MAX);
}

void session_worker_release(struct session_worker *worker)
{
    buf_release_secret(&worker->in);
    buf_release(&worker->out);
}

void session_borrow_buffers(struct session *s, struct session_worker *worker)
{
    if (worker->in.ptr && s->in.len <= LEFTOVER_COPY_MAX) {
        struct buf own = s->in;
        s->in = worker->in;
        buf_reset(&s->in);
        buf_append(&s->in, buf_str(&own));
        buf_release_secret(&own);
        buf_init(&worker->in, SESSION_INPUT_MAX);
    }
    if (worker->out.ptr && !s->out.ptr) {
        s->out = worker->out;
        buf_init(&worker->out, SESSION_OUT_MAX);
    }
}

static void return_input_buffer(struct session *s, struct session_worker *worker)
{
    struct str rest = session_in_pending(s);
    if (!s->in.ptr || rest.len > LEFTOVER_COPY_MAX)
        return;
    struct buf lent = s->in;
    buf_init(&s->in, SESSION_INPUT_MAX);
    buf_append(&s->in, rest);
    s->in_at = 0;
    if (s->trace != LOG_TRACE_DATA)
        explicit_bzero(lent.ptr, lent.len);
    buf_reset(&lent);
    if (worker->in.ptr || lent.cap > 2 * SESSION_READ_SIZE)
        buf_release(&lent);
    else
        worker->in = lent;
}

void session_return_buffers(struct session *s, struct session_worker *worker)
{
    return_input_buffer(s, worker);
    if (session_out_pending(s) > 0)
        return; /* what is compressed already is not in this buffer */
    if (worker->out.ptr || s->out.cap > SPARE_OUT_MAX)
        buf_release(&s->out);
    else
        worker->out = s->out;
    buf_init(&s->out, SESSION_OUT_MAX);
    buf_reset(&worker->out);
    s->out_at = s->out_traced = 0;
}
