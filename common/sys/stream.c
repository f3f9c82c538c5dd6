#include "common/sys/stream_internal.h"

#include "common/base/bug.h"
#include "common/sys/net.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

bool stream_connect(const struct stream_target *target, int64_t deadline_ms,
                    struct stream **ret_stream, struct err *err)
{
    int fd;
    TRY(net_connect(target->ip, target->port, target->local, deadline_ms, &fd, err));
    struct stream *s = xcalloc(1, sizeof(*s));
    s->fd = fd;
    buf_init(&s->in, STREAM_IN_MAX);
    buf_init(&s->out, 2 * STREAM_OUT_FLUSH);
    uint16_t port;
    if (!net_local(fd, &s->local_ip, &port)) {
        stream_close(s);
        return err_set(err, ERR_UNAVAILABLE, "connection was lost at once");
    }
    *ret_stream = s;
    return true;
}

void stream_close(struct stream *s)
{
    if (!s)
        return;
    stream_tls_end(s);
    close(s->fd);
    buf_release(&s->in);
    buf_release(&s->out);
    free(s);
}

struct ip stream_local_ip(const struct stream *s)
{
    return s->local_ip;
}

/* ---- Writing */

static bool send_all(struct stream *s, struct str bytes, int64_t deadline_ms, struct err *err)
{
    while (bytes.len > 0) {
        ssize_t n = send(s->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n >= 0)
            bytes = str_skip(bytes, (size_t)n);
        else if (errno == EAGAIN)
            TRY(net_wait(s->fd, POLLOUT, deadline_ms, err));
        else if (errno != EINTR)
            return err_set_errno(err, errno, "send");
    }
    return true;
}

static bool write_now(struct stream *s, struct str bytes, int64_t deadline_ms, struct err *err)
{
    return s->ssl ? stream_tls_write_all(s, bytes, deadline_ms, err)
                  : send_all(s, bytes, deadline_ms, err);
}

bool stream_flush(struct stream *s, int64_t deadline_ms, struct err *err)
{
    bool ok = write_now(s, buf_str(&s->out), deadline_ms, err);
    buf_reset(&s->out);
    return ok;
}

bool stream_write(struct stream *s, struct str bytes, int64_t deadline_ms, struct err *err)
{
    if (s->out.len + bytes.len <= STREAM_OUT_FLUSH) {
        buf_append(&s->out, bytes);
        return true;
    }
    return stream_flush(s, deadline_ms, err) && write_now(s, bytes, deadline_ms, err);
}

/* ---- Reading */

static bool receive(struct stream *s, char *dst, size_t size, int64_t deadline_ms, size_t *ret_len,
                    struct err *err)
{
    ssize_t n;
    while ((n = recv(s->fd, dst, size, 0)) < 0) {
        if (errno == EAGAIN)
            TRY(net_wait(s->fd, POLLIN, deadline_ms, err));
        else if (errno != EINTR)
            return err_set_errno(err, errno, "receive");
    }
    if (n == 0)
        return err_set(err, ERR_UNAVAILABLE, "connection closed by peer");
    *ret_len = (size_t)n;
    return true;
}

/* At least one byte more. What is written goes out first: the answer may depend on it. */
static bool fill(struct stream *s, int64_t deadline_ms, struct err *err)
{
    TRY(stream_flush(s, deadline_ms, err));
    buf_consume(&s->in, s->in_at);
    s->in_at = 0;
    char *dst = buf_reserve(&s->in, STREAM_READ_SIZE);
    if (!dst)
        return err_set(err, ERR_LIMIT, "too much input at once");
    size_t len = 0;
    if (s->ssl)
        TRY(stream_tls_read(s, dst, STREAM_READ_SIZE, deadline_ms, &len, err));
    else
        TRY(receive(s, dst, STREAM_READ_SIZE, deadline_ms, &len, err));
    buf_commit(&s->in, len);
    return true;
}

static struct str pending(const struct stream *s)
{
    return str_skip(buf_str(&s->in), s->in_at);
}

bool stream_has_input(const struct stream *s)
{
    return pending(s).len > 0;
}

static struct str take(struct stream *s, size_t len)
{
    struct str bytes = str_slice(pending(s), 0, len);
    s->in_at += bytes.len;
    return bytes;
}

static struct str without_line_end(struct str line)
{
    line.len--;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

bool stream_read_line(struct stream *s, size_t max, int64_t deadline_ms, struct str *ret_line,
                      struct err *err)
{
    ptrdiff_t end;
    while ((end = str_find_char(pending(s), '\n')) < 0) {
        /* The line end, two bytes, does not count. */
        if (pending(s).len > max + 1)
            return err_set(err, ERR_LIMIT, "line longer than %zu bytes", max);
        TRY(fill(s, deadline_ms, err));
    }
    struct str line = without_line_end(take(s, (size_t)end + 1));
    if (line.len > max)
        return err_set(err, ERR_LIMIT, "line longer than %zu bytes", max);
    *ret_line = line;
    return true;
}

bool stream_read(struct stream *s, size_t max, int64_t deadline_ms, struct str *ret_bytes,
                 struct err *err)
{
    if (pending(s).len == 0)
        TRY(fill(s, deadline_ms, err));
    *ret_bytes = take(s, max);
    return true;
}
