#include "common/bus/event_batch.h"
#include "proto/events.pb-c.h"

#include <criterion/criterion.h>

static bool add(struct buf *batch, const char *topic, uint64_t modseq)
{
    Mailrail__AccountChanged m = MAILRAIL__ACCOUNT_CHANGED__INIT;
    m.modseq = modseq;
    return event_batch_add(batch, topic, &m.base);
}

static uint64_t modseq_of(struct str payload)
{
    Mailrail__AccountChanged *m =
        mailrail__account_changed__unpack(NULL, payload.len, (const uint8_t *)payload.ptr);
    cr_assert(m);
    uint64_t modseq = m->modseq;
    mailrail__account_changed__free_unpacked(m, NULL);
    return modseq;
}

Test(event_batch, gives_back_what_was_added)
{
    struct buf batch;
    struct str topic, payload;
    buf_init(&batch, 1024);
    cr_assert(add(&batch, "account/1/", 7) && add(&batch, "queue", 0) && add(&batch, "", 9));
    struct wire w = wire_init(buf_str(&batch));
    cr_assert(event_batch_next(&w, &topic, &payload));
    cr_assert(str_eq(topic, STR("account/1/")));
    cr_assert_eq(modseq_of(payload), 7);
    cr_assert(event_batch_next(&w, &topic, &payload));
    cr_assert(str_eq(topic, STR("queue")));
    cr_assert_eq(payload.len, 0);
    cr_assert(event_batch_next(&w, &topic, &payload));
    cr_assert_eq(topic.len, 0);
    cr_assert_eq(modseq_of(payload), 9);
    cr_assert(!event_batch_next(&w, &topic, &payload) && !wire_failed(&w));
    buf_release(&batch);
}

Test(event_batch, one_that_has_no_room_leaves_the_batch_as_it_was)
{
    struct buf batch;
    buf_init(&batch, 25);
    cr_assert(add(&batch, "account/1/", 7));
    size_t len = batch.len;
    cr_assert(!add(&batch, "account/1/", 8));
    cr_assert_eq(batch.len, len);
    cr_assert(!batch.overflow);
    buf_release(&batch);
}

Test(event_batch, one_that_is_cut_off_is_none)
{
    struct buf batch;
    struct str topic, payload;
    buf_init(&batch, 1024);
    cr_assert(add(&batch, "account/1/", 7));
    for (size_t len = 1; len < batch.len; len++) {
        struct wire w = wire_init(str_slice(buf_str(&batch), 0, len));
        cr_assert(!event_batch_next(&w, &topic, &payload), "%zu bytes", len);
        cr_assert(wire_failed(&w));
    }
    buf_release(&batch);
}
