#include "common/bus/events.h"

#include "common/base/array.h"
#include "common/base/bug.h"
#include "common/base/str.h"

#include <endian.h>
#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/transport/ipc/ipc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* On the wire: topic, NUL, sequence number (8 bytes, big endian), protobuf. The numbers let a
 * subscriber notice that nng dropped something; for that it must see every event, so topics are
 * filtered here and not by nng. */

#define SEND_QUEUE 2048
#define RECEIVE_QUEUE 4096
#define RECONNECT_MIN_MS 10
#define RECONNECT_MAX_MS 250

struct event_publisher {
    nng_socket socket;
    pthread_mutex_t lock; /* numbers leave in order */
    uint64_t sequence;
};

struct event_publisher *event_publisher_new(const char *url, mode_t mode, struct err *err)
{
    struct event_publisher *p = xcalloc(1, sizeof(*p));
    nng_listener listener;
    pthread_mutex_init(&p->lock, NULL);
    int rc = nng_pub0_open(&p->socket);
    if (rc == 0)
        rc = nng_socket_set_int(p->socket, NNG_OPT_SENDBUF, SEND_QUEUE);
    if (rc == 0)
        rc = nng_listener_create(&listener, p->socket, url);
    if (rc == 0 && str_starts_with(str_from_cstr(url), STR("ipc://")))
        rc = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, mode ? (int)mode : 0600);
    if (rc == 0)
        rc = nng_listener_start(listener, 0);
    if (rc == 0)
        return p;
    err_set(err, rc == NNG_EADDRINUSE ? ERR_CONFLICT : ERR_INTERNAL, "events at %s: %s", url,
            nng_strerror(rc));
    event_publisher_free(p);
    return NULL;
}

void event_publisher_free(struct event_publisher *p)
{
    if (!p)
        return;
    nng_close(p->socket);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void event_publish(struct event_publisher *p, const char *topic, const ProtobufCMessage *event)
{
    size_t topic_size = strlen(topic) + 1;
    size_t event_size = protobuf_c_message_get_packed_size(event);
    nng_msg *message;
    if (nng_msg_alloc(&message, topic_size + sizeof(uint64_t) + event_size) != 0)
        BUG("out of memory: %zu bytes", event_size);
    char *at = nng_msg_body(message);
    memcpy(at, topic, topic_size);
    protobuf_c_message_pack(event, (uint8_t *)at + topic_size + sizeof(uint64_t));
    pthread_mutex_lock(&p->lock);
    uint64_t sequence = htobe64(++p->sequence);
    memcpy(at + topic_size, &sequence, sizeof(sequence));
    if (nng_sendmsg(p->socket, message, NNG_FLAG_NONBLOCK) != 0)
        nng_msg_free(message);
    pthread_mutex_unlock(&p->lock);
}

struct topic {
    char *prefix;
    unsigned count;
};

struct event_subscriber {
    nng_socket socket;
    nng_aio *aio;
    struct event_handler handler;
    pthread_t thread;
    bool has_thread;
    atomic_bool is_stopping;
    atomic_bool has_reconnected;
    uint64_t expected;    /* next sequence number; 0: any. Of the thread */
    pthread_mutex_t lock; /* of `topics` */
    ARRAY_OF(struct topic) topics;
};

/* Cancelling what the thread waits for can come a moment before it begins to wait; this bounds how
 * long it then takes to notice. */
#define NOTICE_MS 2000

static void connected(nng_pipe pipe, nng_pipe_ev event, void *subscriber)
{
    struct event_subscriber *s = subscriber;
    (void)pipe;
    (void)event;
    s->has_reconnected = true;
    nng_aio_cancel(s->aio);
}

static bool is_wanted(struct event_subscriber *s, struct str topic)
{
    bool wanted = false;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->topics.len && !wanted; i++)
        wanted = str_starts_with(topic, str_from_cstr(s->topics.items[i].prefix));
    pthread_mutex_unlock(&s->lock);
    return wanted;
}

static void tell_reconnected(struct event_subscriber *s)
{
    if (s->handler.reconnected)
        s->handler.reconnected(s->handler.user);
}

static void handle(struct event_subscriber *s, struct str bytes)
{
    struct str topic, rest;
    uint64_t sequence;
    if (!str_cut(bytes, '\0', &topic, &rest) || rest.len < sizeof(sequence))
        return;
    memcpy(&sequence, rest.ptr, sizeof(sequence));
    sequence = be64toh(sequence);
    bool lost_some = s->expected != 0 && sequence != s->expected;
    s->expected = sequence + 1;
    if (lost_some)
        tell_reconnected(s); /* the same as having been away */
    if (is_wanted(s, topic))
        s->handler.event(s->handler.user, topic, str_skip(rest, sizeof(sequence)));
}

static void *receive(void *arg)
{
    struct event_subscriber *s = arg;
    while (!s->is_stopping) {
        if (atomic_exchange(&s->has_reconnected, false)) {
            s->expected = 0;
            tell_reconnected(s);
        }
        nng_aio_set_timeout(s->aio, NOTICE_MS);
        nng_recv_aio(s->socket, s->aio);
        nng_aio_wait(s->aio);
        if (nng_aio_result(s->aio) != 0)
            continue;
        nng_msg *message = nng_aio_get_msg(s->aio);
        handle(s, str_make(nng_msg_body(message), nng_msg_len(message)));
        nng_msg_free(message);
    }
    return NULL;
}

static int open_subscriber(struct event_subscriber *s, const char *url)
{
    int rc = nng_aio_alloc(&s->aio, NULL, NULL);
    if (rc == 0)
        rc = nng_sub0_open(&s->socket);
    if (rc != 0)
        return rc;
    nng_pipe_notify(s->socket, NNG_PIPE_EV_ADD_POST, connected, s);
    nng_socket_set_int(s->socket, NNG_OPT_RECVBUF, RECEIVE_QUEUE);
    nng_socket_set_ms(s->socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS);
    nng_socket_set_ms(s->socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
    rc = nng_socket_set(s->socket, NNG_OPT_SUB_SUBSCRIBE, "", 0);
    return rc != 0 ? rc : nng_dial(s->socket, url, NULL, NNG_FLAG_NONBLOCK);
}

struct event_subscriber *event_subscriber_new(const char *url, const struct event_handler *handler,
                                              struct err *err)
{
    struct event_subscriber *s = xcalloc(1, sizeof(*s));
    s->handler = *handler;
    pthread_mutex_init(&s->lock, NULL);
    int rc = open_subscriber(s, url);
    if (rc != 0) {
        err_set(err, ERR_SYNTAX, "events at %s: %s", url, nng_strerror(rc));
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
