#include "common/bus/nng_mend.h"

#include "common/base/bug.h"
#include "common/bus/nng_wake.h"

#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nng/nng.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A host that died says nothing: it is asked after so long a silence, and again and again, and then
 * the connection ends; also when what was sent is not acknowledged for so long. A service that is
 * only paused loses no connection, for its kernel answers. */
#define PROBE_AFTER_S 5
#define PROBE_EVERY_S 2
#define SILENCE_MAX_MS 10000

static _Thread_local bool is_starting_nng;

/* A semaphore that nobody posts: waiting for it needs no system call that others do not need. */
static void stay(void *arg)
{
    sem_t never;
    (void)arg;
    sem_init(&never, 0, 0);
    for (;;)
        sem_wait(&never);
}

/* nng 1.5 has threads that pass the end of every reading and writing on, two at least. The end of a
 * header's reading begins the reading of the rest, whose end then wakes the second thread, only to
 * find that the first has taken it as well: each message costs one thread switch for nothing. None
 * of our callbacks waits for anything, and what nng itself waits for is waited for by other threads
 * of its; so one is enough, and the other stays in a callback for ever. */
static void keep_one_thread_busy(void)
{
    static nng_aio *aio; /* in use until the process ends */
    if (nng_aio_alloc(&aio, stay, NULL) != 0 || !nng_aio_begin(aio))
        BUG("nng does not start");
    nng_wake_learn(aio);
}

static void start_nng(void)
{
    is_starting_nng = true;
    keep_one_thread_busy();
    is_starting_nng = false;
}

void nng_mend(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_nng);
}

nng_mend_function *nng_mend_original(_Atomic(nng_mend_function *) *known, const char *name)
{
    nng_mend_function *function = *known;
    if (!function) {
        void *found = dlsym(RTLD_NEXT, name);
        memcpy(&function, &found, sizeof(function));
        *known = function;
    }
    return function;
}

typedef long original_sysconf(int name);

/* nng 1.5 makes two such threads for each processor: a call wakes six of them one after the other,
 * and waking is most of what a call costs. It is told of one processor, whatever the machine. */
long sysconf(int name)
{
    static _Atomic(nng_mend_function *) known;
    if (is_starting_nng && name == _SC_NPROCESSORS_ONLN)
        return 1;
    return ((original_sysconf *)nng_mend_original(&known, "sysconf"))(name);
}

/* Of nng's own waiting for the kernel, too. */
int epoll_create1(int flags)
{
    int fd = (int)syscall(SYS_epoll_create1, flags);
    if (is_starting_nng)
        nng_wake_poller(fd);
    return fd;
}

static size_t size_of(const struct msghdr *message)
{
    size_t size = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++)
        size += message->msg_iov[i].iov_len;
    return size;
}

/* Stands in the place of the C library's sendmsg for nng as well, which greets a new connection
 * with it. When the other side has gone by then the kernel says EPIPE. nng 1.5 makes "closed" of
 * that, takes it for the closing of its own listener or dialer, and stops: nobody can connect to
 * that door any more, or it never connects again. ECONNRESET says the same and is understood. */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    long sent = syscall(SYS_sendmsg, fd, message, flags);
    nng_wake_taken(sent >= 0 && (size_t)sent == size_of(message));
    if (sent < 0 && errno == EPIPE)
        errno = ECONNRESET;
    return sent;
}

static void notice_death(int fd)
{
    const struct {
        int name, value;
    } options[] = {
        {TCP_KEEPIDLE, PROBE_AFTER_S},
        {TCP_KEEPINTVL, PROBE_EVERY_S},
        {TCP_USER_TIMEOUT, SILENCE_MAX_MS},
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
        syscall(SYS_setsockopt, fd, IPPROTO_TCP, options[i].name, &options[i].value,
                sizeof(options[i].value));
}

static bool is_connected(int fd)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    return getpeername(fd, (struct sockaddr *)&peer, &size) == 0;
}

/* nng 1.5 can switch keepalive on and nothing else, and the kernel's own times are hours; data that
 * nobody acknowledges is sent again for a quarter of an hour. So whoever asks for keepalive gets
 * our times. nng asks when a connection stands; common/sys/net.c, whose sessions have times of
 * their own, asks before that. */
int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    long rc = syscall(SYS_setsockopt, fd, level, name, value, size);
    if (rc == 0 && level == SOL_SOCKET && name == SO_KEEPALIVE && is_connected(fd))
        notice_death(fd);
    return (int)rc;
}

typedef void transfer(nng_stream *stream, nng_aio *aio);

/* What a closed nng_aio is asked for does not begin: its result says so, and in nng 1.5 nothing
 * else does. But a transport asks again and again until a message is complete. When its connection
 * was closed between two of those, whoever wanted the message waits for ever, and with it the one
 * thread that ends connections. So the transport is told: its callback ends the message with that
 * error. */
static void tell_when_not_begun(nng_aio *aio)
{
    if (nng_aio_result(aio) == NNG_ECANCELED)
        nng_aio_finish(aio, NNG_ECLOSED);
}

void nng_stream_recv(nng_stream *stream, nng_aio *aio)
{
    static _Atomic(nng_mend_function *) known;
    ((transfer *)nng_mend_original(&known, "nng_stream_recv"))(stream, aio);
    tell_when_not_begun(aio);
}

void nng_stream_send(nng_stream *stream, nng_aio *aio)
{
    static _Atomic(nng_mend_function *) known;
    ((transfer *)nng_mend_original(&known, "nng_stream_send"))(stream, aio);
    tell_when_not_begun(aio);
}
