#include "common/bus/events.h"

#include "common/base/array.h"
#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/bus/event_batch.h"
#include "common/bus/nng_mend.h"
#include "common/bus/socket.h"

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A subscriber must see every message, to notice by its number that nng dropped one; so topics are
 * filtered here and not by nng. */

#define SEND_QUEUE 2048
#define RECEIVE_QUEUE 4096
#define RECONNECT_MIN_MS 10
#define RECONNECT_MAX_MS 250
#define LOOK_EVERY_MS 2000 /* whether dialing is stuck */

/* What happens within so long after a message leaves in one: sending costs nng and every subscriber
 * some thread switches each time, which under load would be most of a delivery's price. The time
 * doubles while events keep coming, up to what a person at a mail client does not notice. */
#define GATHER_MIN_US 8000
#define GATHER_MAX_US 16000
#define BATCH_MAX (256UL << 10) /* bytes; then it leaves at once */

struct event_publisher {
    nng_socket socket;
    pthread_t sender;
    bool has_sender;
    pthread_mutex_t lock; /* of all that follows; numbers leave in order */
    pthread_cond_t wake;
    struct buf batch; /* events that wait for `sender` */
    int64_t sent_us;  /* when the last message left */
    int64_t gather_us;
    uint64_t sequence;
    bool sender_sleeps; /* until it is woken */
    bool has_newcomer;  /* a subscriber that waits for its first message */
    bool is_stopping;
};

/* Who comes is greeted with a message, empty perhaps. Its number tells the subscriber that from
 * here on it misses nothing, and whether it has missed something. */
static void greet(nng_pipe pipe, nng_pipe_ev event, void *publisher)
{
    struct event_publisher *p = publisher;
    (void)pipe;
    (void)event;
    pthread_mutex_lock(&p->lock);
    p->has_newcomer = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static void init_publisher(struct event_publisher *p)
{
    pthread_condattr_t monotonic;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    buf_init(&p->batch, BATCH_MAX);
    p->gather_us = GATHER_MIN_US;
    p->sequence = (uint64_t)clock_wall_ms() << 16; /* never those of an earlier process */
}

static bool listen_at(struct event_publisher *p, struct bus_address at, mode_t mode,
                      struct err *err)
{
    nng_mend();
    int rc = nng_pub0_open(&p->socket);
    if (rc == 0)
        rc = nng_socket_set_int(p->socket, NNG_OPT_SENDBUF, SEND_QUEUE);
    if (rc == 0)
        rc = nng_pipe_notify(p->socket, NNG_PIPE_EV_ADD_POST, greet, p);
    if (rc != 0)
        return err_set(err, ERR_INTERNAL, "%s", nng_strerror(rc));
    return bus_listen(p->socket, at, mode, err);
}

/* With the lock held. */
static void send_batch(struct event_publisher *p)
{
    nng_msg *message;
    if (nng_msg_alloc(&message, 0) != 0 || nng_msg_append_u64(message, ++p->sequence) != 0 ||
        nng_msg_append(message, p->batch.ptr, p->batch.len) != 0)
        BUG("out of memory: %zu bytes", p->batch.len);
    if (nng_sendmsg(p->socket, message, NNG_FLAG_NONBLOCK) != 0)
        nng_msg_free(message);
    buf_reset(&p->batch);
    p->has_newcomer = false;
    p->sent_us = clock_monotonic_us();
}

static void send_gathered(struct event_publisher *p)
{
    send_batch(p);
    p->gather_us = p->gather_us < GATHER_MAX_US ? p->gather_us * 2 : GATHER_MAX_US;
}

static void sleep_until_woken(struct event_publisher *p)
{
    p->sender_sleeps = true;
    pthread_cond_wait(&p->wake, &p->lock);
    p->sender_sleeps = false;
}

static void wait_until(struct event_publisher *p, int64_t us)
{
    struct timespec until = {us / 1000000, us % 1000000 * 1000};
    pthread_cond_timedwait(&p->wake, &p->lock, &until);
}

/* Sends what gathered, and greets who came. While events keep coming the thread wakes by itself, so
 * that nobody has to wake it. */
static void *send_later(void *arg)
{
    struct event_publisher *p = arg;
    pthread_mutex_lock(&p->lock);
    while (!p->is_stopping) {
        int64_t due_us = p->sent_us + p->gather_us;
        if (p->has_newcomer)
            send_batch(p);
        else if (clock_monotonic_us() < due_us)
            wait_until(p, due_us);
        else if (p->batch.len > 0)
            send_gathered(p);
        else
            sleep_until_woken(p);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

struct event_publisher *event_publisher_new(struct bus_address at, mode_t mode, struct err *err)
{
    struct event_publisher *p = xcalloc(1, sizeof(*p));
    init_publisher(p);
    if (listen_at(p, at, mode, err)) {
        if (pthread_create(&p->sender, NULL, send_later, p) != 0)
            BUG("cannot start a thread");
        p->has_sender = true;
        return p;
    }
    err_wrap(err, "events at %s", at.url);
    event_publisher_free(p);
    return NULL;
}

static void join_sender(struct event_publisher *p)
{
    pthread_mutex_lock(&p->lock);
    p->is_stopping = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->sender, NULL);
    if (p->batch.len > 0)
        send_batch(p);
}

void event_publisher_free(struct event_publisher *p)
{
    if (!p)
        return;
    if (p->has_sender)
        join_sender(p);
    nng_close(p->socket);
    buf_release(&p->batch);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void event_publish(struct event_publisher *p, const char *topic, const ProtobufCMessage *event)
{
    pthread_mutex_lock(&p->lock);
    bool was_empty = p->batch.len == 0;
    if (!event_batch_add(&p->batch, topic, event)) {
        send_batch(p);
        if (!event_batch_add(&p->batch, topic, event))
            BUG("an event of more than %lu bytes", BATCH_MAX);
    }
    bool is_quiet = was_empty && clock_monotonic_us() - p->sent_us >= p->gather_us;
    if (is_quiet) {
        send_batch(p);
        p->gather_us = GATHER_MIN_US;
    }
    bool wake = !is_quiet && was_empty && p->sender_sleeps;
    pthread_mutex_unlock(&p->lock);
    if (wake)
        pthread_cond_signal(&p->wake);
}

struct topic {
    char *prefix;
    unsigned count;
};

struct event_subscriber {
    nng_socket socket;
    nng_dialer dialer;
    nng_tls_config *tls; /* NULL without */
    struct bus_link link;
    nng_aio *aio;
    struct event_handler handler;
    pthread_t thread;
    bool has_thread;
    atomic_bool is_stopping;
    uint64_t expected;    /* the next sequence number. Of the thread */
    pthread_mutex_t lock; /* of `topics` */
    ARRAY_OF(struct topic) topics;
    char url[256];
};

static bool is_wanted(struct event_subscriber *s, struct str topic)
{
    bool wanted = false;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->topics.len && !wanted; i++)
        wanted = str_starts_with(topic, str_from_cstr(s->topics.items[i].prefix));
    pthread_mutex_unlock(&s->lock);
    return wanted;
}

static void handle(struct event_subscriber *s, struct str bytes)
{
    struct wire w = wire_init(bytes);
    struct str topic, payload;
    uint64_t sequence = wire_take_u64(&w, "sequence number");
    bool has_missed_some = sequence != s->expected;
    s->expected = sequence + 1;
    if (has_missed_some && s->handler.reconnected)
        s->handler.reconnected(s->handler.user);
    while (event_batch_next(&w, &topic, &payload))
        if (is_wanted(s, topic))
            s->handler.event(s->handler.user, topic, payload);
}

static void dial_anew(struct event_subscriber *s)
{
    nng_dialer_close(s->dialer);
    s->link.dialing_since_ms = clock_monotonic_ms();
    bus_dial(s->socket, s->url, s->tls, &s->dialer);
}

static void *receive(void *arg)
{
    struct event_subscriber *s = arg;
    while (!s->is_stopping) {
        nng_aio_set_timeout(s->aio, LOOK_EVERY_MS);
        nng_recv_aio(s->socket, s->aio);
        nng_aio_wait(s->aio);
        if (nng_aio_result(s->aio) == 0) {
            nng_msg *message = nng_aio_get_msg(s->aio);
            handle(s, str_make(nng_msg_body(message), nng_msg_len(message)));
            nng_msg_free(message);
        } else if (bus_link_is_stuck(&s->link)) {
            dial_anew(s);
        }
    }
    return NULL;
}

static int open_subscriber(struct event_subscriber *s)
{
    nng_mend();
    int rc = nng_aio_alloc(&s->aio, NULL, NULL);
    if (rc == 0)
        rc = nng_sub0_open(&s->socket);
    if (rc != 0)
        return rc;
    nng_socket_set_int(s->socket, NNG_OPT_RECVBUF, RECEIVE_QUEUE);
    nng_socket_set_ms(s->socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS);
    nng_socket_set_ms(s->socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
    rc = nng_socket_set(s->socket, NNG_OPT_SUB_SUBSCRIBE, "", 0);
    if (rc == 0)
        rc = bus_link_watch(&s->link, s->socket);
    return rc != 0 ? rc : bus_dial(s->socket, s->url, s->tls, &s->dialer);
}

static bool subscribe_at(struct event_subscriber *s, struct bus_address at, struct err *err)
{
    int rc = NNG_EADDRINVAL;
    TRY(bus_tls_config(at, NNG_TLS_MODE_CLIENT, &s->tls, err));
    if (str_copy_cstr(str_from_cstr(at.url), s->url, sizeof(s->url)))
        rc = open_subscriber(s);
    return rc == 0 || err_set(err, ERR_SYNTAX, "%s", nng_strerror(rc));
}

struct event_subscriber *event_subscriber_new(struct bus_address at,
                                              const struct event_handler *handler, struct err *err)
{
    struct event_subscriber *s = xcalloc(1, sizeof(*s));
    s->handler = *handler;
    pthread_mutex_init(&s->lock, NULL);
    if (!subscribe_at(s, at, err)) {
        err_wrap(err, "events at %s", at.url);
        event_subscriber_free(s);
        return NULL;
    }
    if (pthread_create(&s->thread, NULL, receive, s) != 0)
        BUG("cannot start a thread");
    s->has_thread = true;
    return s;
}

void event_subscriber_free(struct event_subscriber *s)
{
    if (!s)
        return;
    s->is_stopping = true;
    nng_close(s->socket); /* ends the wait, and every later one at once */
    if (s->has_thread)
        pthread_join(s->thread, NULL);
    nng_aio_free(s->aio);
    if (s->tls)
        nng_tls_config_free(s->tls);
    for (size_t i = 0; i < s->topics.len; i++)
        free(s->topics.items[i].prefix);
    array_release(&s->topics);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static struct topic *find_topic(struct event_subscriber *s, const char *prefix)
{
    for (size_t i = 0; i < s->topics.len; i++)
        if (strcmp(s->topics.items[i].prefix, prefix) == 0)
            return &s->topics.items[i];
    return NULL;
}

void event_subscribe(struct event_subscriber *s, const char *topic)
{
    pthread_mutex_lock(&s->lock);
    struct topic *t = find_topic(s, topic);
    if (t) {
        t->count++;
    } else {
        struct topic added = {.prefix = xstrdup(topic), .count = 1};
        array_push(&s->topics, added);
    }
    pthread_mutex_unlock(&s->lock);
}

void event_unsubscribe(struct event_subscriber *s, const char *topic)
{
    pthread_mutex_lock(&s->lock);
    struct topic *t = find_topic(s, topic);
    BUG_ON(!t);
    if (--t->count == 0) {
        free(t->prefix);
        *t = array_last(&s->topics);
        s->topics.len--;
    }
    pthread_mutex_unlock(&s->lock);
}
