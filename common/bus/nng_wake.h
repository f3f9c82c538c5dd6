#ifndef COMMON_BUS_NNG_WAKE_H
#define COMMON_BUS_NNG_WAKE_H

#include <nng/nng.h>
#include <stdbool.h>

/* When the thread of nng is woken that passes the end of every reading and writing on. nng 1.5
 * wakes it at once for each, with locks held that it wants next. Here that is put off where nothing
 * needs it yet. See docs/decisions/0034-what-a-message-costs.md. */

/* Like nng_send_aio and nng_ctx_send, for connections that carry one call at a time: nobody is
 * woken to note that the message is sent. That is noted when the other side's next message comes,
 * before which nothing more is sent, or when the connection ends. `aio` has no callback. */
void nng_wake_not_to_send(nng_socket socket, nng_aio *aio);
void nng_wake_not_to_reply(nng_ctx ctx, nng_aio *aio);

/* ---- For nng_mend.c */

/* Finishes `aio`, which has a callback and so gives nng's thread a task, and learns what that
 * sleeps on. Once. */
void nng_wake_learn(nng_aio *aio);
/* What nng's thread that waits for the kernel waits with: it wakes the other one when it is done
 * with what the kernel told it, once for all of it. */
void nng_wake_poller(int epoll_fd);
/* The kernel took a message of this thread, wholly or not. */
void nng_wake_taken(bool wholly);

#endif
