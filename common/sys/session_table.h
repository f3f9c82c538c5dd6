#ifndef COMMON_SYS_SESSION_TABLE_H
#define COMMON_SYS_SESSION_TABLE_H

#include "common/base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Who works on which session: the part of the session server that decides ownership, without locks.
 *
 * Each session has a slot, and the slot one atomic word: a generation, whether somebody owns the
 * session, and signals for its owner. To signal is to set bits; whoever does that to a session
 * without an owner becomes the owner and must see that it is worked on. An owner parks it again
 * with session_table_park, which fails, and hands over the signals, when some came meanwhile: none
 * is lost, and a session never has two owners.
 *
 *            post: you own it                 post: the owner will see it
 *     PARKED ----------------> OWNED ---------------------------------> OWNED + signals
 *        ^------------------------'   park                park: no, look at the signals
 *
 * Slots are never freed while the table lives, and a generation is used once: an id, kept by
 * somebody else, of a session that is gone finds out in one comparison. Deadlines stand in the
 * slots too, so that looking through all of them is a walk over one array.
 */

struct session;

enum session_signal {
    SIGNAL_READABLE = 1 << 0,
    SIGNAL_WRITABLE = 1 << 1,
    SIGNAL_HANGUP = 1 << 2, /* the peer closed its side, or the connection broke */
    SIGNAL_WAKE = 1 << 3,
    SIGNAL_TIMER = 1 << 4,
    SIGNAL_DRAIN = 1 << 5,
    SIGNAL_KILL = 1 << 6,
    SIGNAL_OUSTED = 1 << 7, /* another handshake needs its place */
};

struct session_slot {
    _Atomic uint64_t word;
    _Atomic int64_t deadline_ms;
    struct session *session;
};

struct session_table {
    struct session_slot *slots;
    uint32_t *free_slots;
    size_t free_count;
    size_t max;
    _Atomic size_t used;  /* slots that were ever taken */
    _Atomic size_t count; /* sessions now */
    pthread_mutex_t lock; /* taking and giving back slots */
};

void session_table_init(struct session_table *table, size_t max);
void session_table_release(struct session_table *table);

/* A slot for the session, which is parked then. False when all are taken. */
bool session_table_add(struct session_table *table, struct session *session, uint64_t *ret_id);
/* By the owner, for ever. */
void session_table_remove(struct session_table *table, uint64_t id);

/* Signals (or-ed bits). Returns the session if the caller owns it from now on, else NULL: somebody
 * else will see them, or the session is gone. */
struct session *session_table_post(struct session_table *table, uint64_t id, unsigned signals);
/* By the owner: the signals that came meanwhile. */
unsigned session_table_take(struct session_table *table, uint64_t id);
/* By the owner: true, and the session is no longer the caller's; or false with the signals that
 * came. `deadline_ms`: when session_table_due is to name it. */
bool session_table_park(struct session_table *table, uint64_t id, int64_t deadline_ms,
                        unsigned *ret_signals);

/* The next session from `*at` on that is alive, and for `_due` whose deadline has passed (which
 * is forgotten then); 0 at the end. `*next_ms` is lowered to the earliest deadline met that has
 * not passed. */
uint64_t session_table_next(struct session_table *table, size_t *at);
uint64_t session_table_due(struct session_table *table, size_t *at, int64_t now_ms,
                           int64_t *next_ms);

#endif
