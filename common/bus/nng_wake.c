#include "common/bus/nng_wake.h"

#include "common/bus/nng_mend.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>

/* A message that was sent is kept until that is noted, so it must not be large. */
#define QUIET_MAX (64UL << 10)

static _Atomic(pthread_cond_t *) task_came; /* what nng's thread sleeps on; NULL: not known yet */
static atomic_int poller_fd = -1;

static _Thread_local struct {
    bool is_learning;
    bool is_quiet;
    bool was_taken; /* the message that is being sent, wholly */
    bool is_poller;
    bool has_tasks; /* that nobody was woken for yet */
} self;

typedef int original_signal(pthread_cond_t *condition);
typedef int original_wait(int fd, struct epoll_event *events, int max, int timeout_ms);

static int signal_now(pthread_cond_t *condition)
{
    static _Atomic(nng_mend_function *) known;
    return ((original_signal *)nng_mend_original(&known, "pthread_cond_signal"))(condition);
}

/* Of a message that was taken in part the rest is for nng's thread to send. */
static bool can_wait(void)
{
    bool is_noted_later = self.is_quiet && self.was_taken;
    self.was_taken = false;
    self.has_tasks = self.has_tasks || self.is_poller;
    return is_noted_later || self.is_poller;
}

/* Stands in the place of the C library's for nng as well, which cannot be told otherwise. */
int pthread_cond_signal(pthread_cond_t *condition)
{
    if (self.is_learning)
        task_came = condition;
    return condition == task_came && can_wait() ? 0 : signal_now(condition);
}

/* Here, too: no lock is held when nng's thread waits for the kernel again. */
int epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
    static _Atomic(nng_mend_function *) known;
    self.is_poller = fd == poller_fd;
    if (self.has_tasks)
        signal_now(task_came);
    self.has_tasks = false;
    return ((original_wait *)nng_mend_original(&known, "epoll_wait"))(fd, events, max, timeout_ms);
}

void nng_wake_learn(nng_aio *aio)
{
    self.is_learning = true;
    nng_aio_finish(aio, 0);
    self.is_learning = false;
}

void nng_wake_poller(int epoll_fd)
{
    poller_fd = epoll_fd;
}

void nng_wake_taken(bool wholly)
{
    self.was_taken = wholly;
}

static void begin_quiet(nng_aio *aio)
{
    nng_msg *message = nng_aio_get_msg(aio);
    self.was_taken = false;
    self.is_quiet = message && nng_msg_len(message) <= QUIET_MAX;
}

void nng_wake_not_to_send(nng_socket socket, nng_aio *aio)
{
    begin_quiet(aio);
    nng_send_aio(socket, aio);
    self.is_quiet = false;
}

void nng_wake_not_to_reply(nng_ctx ctx, nng_aio *aio)
{
    begin_quiet(aio);
    nng_ctx_send(ctx, aio);
    self.is_quiet = false;
}
