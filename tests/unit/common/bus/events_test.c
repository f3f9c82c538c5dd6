#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/bus/event_batch.h"
#include "common/bus/events.h"
#include "proto/events.pb-c.h"

#include <criterion/criterion.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static char url[96];
static atomic_uint events, reconnections;
static atomic_uint_fast64_t last;

static void setup(void)
{
    snprintf(url, sizeof(url), "ipc:///tmp/events-test-%d.sock", (int)getpid());
}

static void teardown(void)
{
    unlink(url + strlen("ipc://"));
}

TestSuite(events, .init = setup, .fini = teardown);

static void event(void *user, struct str topic, struct str payload)
{
    (void)user;
    cr_assert(str_starts_with(topic, STR("account/1")));
    Mailrail__AccountChanged *m =
        mailrail__account_changed__unpack(NULL, payload.len, (const uint8_t *)payload.ptr);
    cr_assert(m);
    last = m->modseq;
    mailrail__account_changed__free_unpacked(m, NULL);
    events++;
}

static void reconnected(void *user)
{
    (void)user;
    reconnections++;
}

static bool wait_until(atomic_uint *counter, unsigned value)
{
    for (int i = 0; i < 500 && *counter < value; i++)
        usleep(10 * 1000);
    return *counter >= value;
}

static void publish(struct event_publisher *p, const char *topic, uint64_t modseq)
{
    Mailrail__AccountChanged m = MAILRAIL__ACCOUNT_CHANGED__INIT;
    m.modseq = modseq;
    event_publish(p, topic, &m.base);
}

static const struct event_handler handler = {.event = event, .reconnected = reconnected};

Test(events, only_subscribed_topics_arrive_in_order)
{
    struct err err;
    struct event_publisher *p = event_publisher_new(bus_at(url), 0, &err);
    cr_assert(p, "%s", err.detail);
    struct event_subscriber *s = event_subscriber_new(bus_at(url), &handler, &err);
    event_subscribe(s, "account/1/");
    cr_assert(wait_until(&reconnections, 1));
    publish(p, "account/2/", 1);
    publish(p, "account/1/", 2);
    publish(p, "account/17/", 3);
    publish(p, "account/1/", 4);
    cr_assert(wait_until(&events, 2));
    cr_assert_eq(last, 4);
    event_subscribe(s, "account/1/");
    event_unsubscribe(s, "account/1/");
    publish(p, "account/1/", 5);
    cr_assert(wait_until(&events, 3));
    event_unsubscribe(s, "account/1/");
    publish(p, "account/1/", 6);
    usleep(50 * 1000);
    cr_assert_eq(events, 3);
    event_subscriber_free(s);
    event_publisher_free(p);
}

Test(events, a_subscriber_is_told_when_it_has_been_away)
{
    struct err err;
    struct event_subscriber *s = event_subscriber_new(bus_at(url), &handler, &err);
    event_subscribe(s, "account/1/");
    struct event_publisher *p = event_publisher_new(bus_at(url), 0, &err);
    cr_assert(p, "%s", err.detail);
    cr_assert(wait_until(&reconnections, 1));
    event_publisher_free(p);
    p = event_publisher_new(bus_at(url), 0, &err);
    cr_assert(p, "%s", err.detail);
    cr_assert(wait_until(&reconnections, 2));
    publish(p, "account/1/", 7);
    cr_assert(wait_until(&events, 1));
    event_subscriber_free(s);
    event_publisher_free(p);
}

Test(events, what_happens_at_once_comes_complete_and_in_order)
{
    struct err err;
    struct event_publisher *p = event_publisher_new(bus_at(url), 0, &err);
    cr_assert(p, "%s", err.detail);
    struct event_subscriber *s = event_subscriber_new(bus_at(url), &handler, &err);
    event_subscribe(s, "account/1/");
    cr_assert(wait_until(&reconnections, 1));
    for (uint64_t i = 1; i <= 100000; i++) /* more than one message holds */
        publish(p, "account/1/", i);
    cr_assert(wait_until(&events, 100000), "%u came", (unsigned)events);
    cr_assert_eq(last, 100000);
    cr_assert_eq(reconnections, 1);
    publish(p, "account/1/", 100001);
    event_publisher_free(p); /* sends what gathered */
    cr_assert(wait_until(&events, 100001));
    event_subscriber_free(s);
}

static void send_numbered(nng_socket socket, uint64_t sequence, uint64_t modseq)
{
    Mailrail__AccountChanged m = MAILRAIL__ACCOUNT_CHANGED__INIT;
    struct buf message;
    m.modseq = modseq;
    buf_init(&message, 1024);
    wire_put_u64(&message, sequence);
    cr_assert(event_batch_add(&message, "account/1/", &m.base));
    cr_assert_eq(nng_send(socket, message.ptr, message.len, 0), 0);
    buf_release(&message);
}

static void count(nng_pipe pipe, nng_pipe_ev event, void *counter)
{
    (void)pipe;
    (void)event;
    (*(atomic_uint *)counter)++;
}

static atomic_bool is_enough;

/* Messages so large that each is read in several pieces. */
static void *send_without_end(void *socket)
{
    for (uint64_t i = 1; !is_enough; i++) {
        nng_msg *message;
        cr_assert_eq(nng_msg_alloc(&message, 100 * 1000), 0);
        cr_assert_eq(nng_sendmsg(*(nng_socket *)socket, message, 0), 0);
    }
    return NULL;
}

/* Without nng_mend.c one of some hundred waits for ever. */
Test(events, a_subscriber_ends_while_a_message_is_half_read, .timeout = 120)
{
    struct err err;
    nng_socket socket;
    pthread_t sender;
    atomic_uint subscribers = 0;
    cr_assert_eq(nng_pub0_open(&socket), 0);
    cr_assert_eq(nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, count, &subscribers), 0);
    cr_assert_eq(nng_listen(socket, url, NULL, 0), 0);
    cr_assert_eq(pthread_create(&sender, NULL, send_without_end, &socket), 0);
    for (unsigned i = 0; i < 500; i++) {
        struct event_subscriber *s = event_subscriber_new(bus_at(url), &handler, &err);
        cr_assert(wait_until(&subscribers, i + 1));
        usleep(i % 10 * 100);
        event_subscriber_free(s);
    }
    is_enough = true;
    pthread_join(sender, NULL);
    nng_close(socket);
}

Test(events, losses_are_noticed_as_if_the_connection_had_been_away)
{
    struct err err;
    nng_socket socket;
    atomic_uint subscribers = 0;
    cr_assert_eq(nng_pub0_open(&socket), 0);
    cr_assert_eq(nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, count, &subscribers), 0);
    cr_assert_eq(nng_listen(socket, url, NULL, 0), 0);
    struct event_subscriber *s = event_subscriber_new(bus_at(url), &handler, &err);
    event_subscribe(s, "account/1/");
    cr_assert(wait_until(&subscribers, 1));
    send_numbered(socket, 17, 1);
    send_numbered(socket, 18, 2);
    cr_assert(wait_until(&events, 2));
    cr_assert_eq(reconnections, 1);
    send_numbered(socket, 20, 4);
    cr_assert(wait_until(&events, 3));
    cr_assert_eq(reconnections, 2);
    event_subscriber_free(s);
    nng_close(socket);
}
