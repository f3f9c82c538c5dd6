#include "common/sys/session_table.h"

#include <criterion/criterion.h>
#include <stdint.h>

/* The table never looks into a session. */
static struct session *session_at(uintptr_t at)
{
    return (struct session *)(at * 64);
}

static uint64_t add(struct session_table *table, uintptr_t at)
{
    uint64_t id = 0;
    cr_assert(session_table_add(table, session_at(at), &id));
    return id;
}

Test(session_table, the_first_to_signal_a_parked_session_owns_it)
{
    struct session_table table;
    unsigned signals;
    session_table_init(&table, 10);
    uint64_t id = add(&table, 1);
    cr_assert_eq(session_table_post(&table, id, SIGNAL_READABLE), session_at(1));
    cr_assert_null(session_table_post(&table, id, SIGNAL_WAKE), "it has an owner");
    cr_assert_null(session_table_post(&table, id, SIGNAL_TIMER));
    cr_assert_eq(session_table_take(&table, id), SIGNAL_READABLE | SIGNAL_WAKE | SIGNAL_TIMER);
    cr_assert_eq(session_table_take(&table, id), 0);
    cr_assert(session_table_park(&table, id, CLOCK_NEVER, &signals));
    cr_assert_eq(session_table_post(&table, id, SIGNAL_WAKE), session_at(1), "parked again");
    session_table_release(&table);
}

Test(session_table, a_signal_before_parking_is_handed_over)
{
    struct session_table table;
    unsigned signals;
    session_table_init(&table, 10);
    uint64_t id = add(&table, 1);
    cr_assert_not_null(session_table_post(&table, id, 0));
    cr_assert_null(session_table_post(&table, id, SIGNAL_WAKE));
    cr_assert_not(session_table_park(&table, id, CLOCK_NEVER, &signals));
    cr_assert_eq(signals, SIGNAL_WAKE);
    cr_assert_null(session_table_post(&table, id, 0), "still owned");
    cr_assert(session_table_park(&table, id, CLOCK_NEVER, &signals));
    session_table_release(&table);
}

Test(session_table, ids_of_the_gone_name_nobody)
{
    struct session_table table;
    session_table_init(&table, 2);
    uint64_t first = add(&table, 1);
    uint64_t second = add(&table, 2);
    uint64_t none;
    cr_assert_not(session_table_add(&table, session_at(3), &none), "full");
    cr_assert_eq(atomic_load(&table.count), 2);

    cr_assert_not_null(session_table_post(&table, first, 0));
    session_table_remove(&table, first);
    cr_assert_null(session_table_post(&table, first, SIGNAL_WAKE));
    uint64_t third = add(&table, 3);
    cr_assert_neq(third, first, "the same slot, another generation");
    cr_assert_null(session_table_post(&table, first, SIGNAL_WAKE));
    cr_assert_eq(session_table_post(&table, third, SIGNAL_WAKE), session_at(3));
    cr_assert_eq(session_table_take(&table, third), SIGNAL_WAKE);
    cr_assert_eq(session_table_post(&table, second, 0), session_at(2));
    session_table_release(&table);
}

static void park_until(struct session_table *table, uint64_t id, int64_t deadline_ms)
{
    unsigned signals;
    cr_assert_not_null(session_table_post(table, id, 0));
    cr_assert(session_table_park(table, id, deadline_ms, &signals));
}

Test(session_table, deadlines_are_named_once_when_they_have_passed)
{
    struct session_table table;
    session_table_init(&table, 10);
    uint64_t early = add(&table, 1);
    uint64_t gone = add(&table, 2);
    uint64_t late = add(&table, 3);
    uint64_t latest = add(&table, 4);
    add(&table, 5); /* without one */
    park_until(&table, early, 100);
    park_until(&table, gone, 100);
    park_until(&table, late, 300);
    park_until(&table, latest, 400);
    session_table_remove(&table, gone);

    size_t at = 0;
    int64_t next_ms = CLOCK_NEVER;
    cr_assert_eq(session_table_due(&table, &at, 200, &next_ms), early);
    cr_assert_eq(session_table_due(&table, &at, 200, &next_ms), 0);
    cr_assert_eq(next_ms, 300);

    at = 0;
    next_ms = CLOCK_NEVER;
    cr_assert_eq(session_table_due(&table, &at, 300, &next_ms), late,
                 "and not the early one again");
    cr_assert_eq(session_table_due(&table, &at, 300, &next_ms), 0);
    cr_assert_eq(next_ms, 400);
    session_table_release(&table);
}

Test(session_table, all_that_live_are_walked_over)
{
    struct session_table table;
    uint64_t ids[5];
    session_table_init(&table, 10);
    for (size_t i = 0; i < 5; i++)
        ids[i] = add(&table, i + 1);
    session_table_remove(&table, ids[2]);
    size_t at = 0;
    for (size_t i = 0; i < 5; i++)
        if (i != 2)
            cr_assert_eq(session_table_next(&table, &at), ids[i], "row %zu", i);
    cr_assert_eq(session_table_next(&table, &at), 0);
    session_table_release(&table);
}
