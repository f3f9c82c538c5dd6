#include "common/base/clock.h"
#include "common/http/health.h"
#include "common/sys/file.h"
#include "common/sys/net.h"
#include "common/text/cursor.h"

#include <errno.h>
#include <poll.h>
#include <sys/un.h>
#include <unistd.h>

#define RESPONSE_MAX (16 << 20)

static bool read_response(int fd, int64_t deadline_ms, struct buf *out, struct err *err)
{
    for (;;) {
        TRY(net_wait(fd, POLLIN, deadline_ms, err));
        char *at = buf_reserve(out, 4096);
        if (!at)
            return err_set(err, ERR_LIMIT, "answer longer than %d bytes", RESPONSE_MAX);
        ssize_t n = read(fd, at, 4096);
        if (n == 0)
            return true;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return err_set_errno(err, errno, "read");
        if (n > 0)
            buf_commit(out, (size_t)n);
    }
}

/* RFC 9112 4: status-line = HTTP-version SP status-code SP [reason]; the body is everything behind
 * the empty line, since a request of HTTP/1.0 is answered to the end of the connection. */
static bool parse_response(struct str response, unsigned *ret_status, struct buf *ret_body,
                           struct err *err)
{
    struct cursor c = cursor_init(response);
    cursor_take_until(&c, ' ', 16, "HTTP version");
    cursor_expect(&c, ' ');
    unsigned status = (unsigned)cursor_take_number(&c, 599, "status");
    TRY(cursor_check(&c, err));
    ptrdiff_t end = str_find(response, STR("\r\n\r\n"));
    struct str body = end < 0 ? STR_NULL : str_skip(response, (size_t)end + 4);
    buf_append(ret_body, str_slice(body, 0, buf_room(ret_body)));
    *ret_status = status;
    return true;
}

static bool ask(const struct sockaddr_un *address, const char *target, int64_t deadline_ms,
                struct buf *response, struct err *err)
{
    CLEANUP(fd_cleanup) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
        err_set_errno(err, errno, "connect");
        err->kind = ERR_UNAVAILABLE;
        return false;
    }
    struct buf request;
    buf_init(&request, 256);
    buf_printf(&request, "GET %s HTTP/1.0\r\nHost: mailrail\r\n\r\n", target);
    bool sent = file_write_all(fd, buf_str(&request), err);
    buf_release(&request);
    return sent && read_response(fd, deadline_ms, response, err);
}

bool health_get(const char *socket_path, const char *target, int64_t timeout_ms,
                unsigned *ret_status, struct buf *ret_body, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!str_copy_cstr(str_from_cstr(socket_path), address.sun_path, sizeof(address.sun_path)))
        return err_set(err, ERR_LIMIT, "%s: too long for a socket", socket_path);
    struct buf response;
    buf_init(&response, RESPONSE_MAX);
    bool ok = ask(&address, target, clock_monotonic_ms() + timeout_ms, &response, err) &&
              parse_response(buf_str(&response), ret_status, ret_body, err);
    buf_release(&response);
    return ok || err_wrap(err, "%s", socket_path);
}
