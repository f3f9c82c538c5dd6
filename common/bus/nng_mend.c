#include "common/bus/nng_mend.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

void nng_mend(void)
{
}

/* Stands in the place of the C library's sendmsg for nng as well, which greets a new connection
 * with it. When the other side has gone by then the kernel says EPIPE. nng 1.5 makes "closed" of
 * that, takes it for the closing of its own listener or dialer, and stops: nobody can connect to
 * that door any more, or it never connects again. ECONNRESET says the same and is understood. */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    long sent = syscall(SYS_sendmsg, fd, message, flags);
    if (sent < 0 && errno == EPIPE)
        errno = ECONNRESET;
    return sent;
}
