#include "common/sys/session_table.h"

#include "common/base/bug.h"

#include <stdlib.h>

/* Word: generation in the upper half, then these two, then signals. Id: generation, slot. */
#define WORD_ALIVE ((uint64_t)1 << 31)
#define WORD_OWNED ((uint64_t)1 << 30)
#define WORD_SIGNALS (WORD_OWNED - 1)
#define GENERATION_SHIFT 32
#define SLOT_MASK 0xffffffffU

void session_table_init(struct session_table *table, size_t max)
{
    BUG_ON(max == 0 || max > SLOT_MASK);
    *table = (struct session_table){.max = max};
    table->slots = xcalloc(max, sizeof(*table->slots));
    table->free_slots = xcalloc(max, sizeof(*table->free_slots));
    pthread_mutex_init(&table->lock, NULL);
}

void session_table_release(struct session_table *table)
{
    pthread_mutex_destroy(&table->lock);
    free(table->slots);
    free(table->free_slots);
}

static struct session_slot *slot_of(struct session_table *table, uint64_t id)
{
    return &table->slots[id & SLOT_MASK];
}

static bool take_slot(struct session_table *table, uint32_t *ret_slot)
{
    bool found = true;
    pthread_mutex_lock(&table->lock);
    size_t used = atomic_load(&table->used);
    if (table->free_count > 0) {
        *ret_slot = table->free_slots[--table->free_count];
    } else if (used < table->max) {
        *ret_slot = (uint32_t)used;
        atomic_store(&table->used, used + 1);
    } else {
        found = false;
    }
    pthread_mutex_unlock(&table->lock);
    return found;
}

bool session_table_add(struct session_table *table, struct session *session, uint64_t *ret_id)
{
    uint32_t at;
    if (!take_slot(table, &at))
        return false;
    struct session_slot *slot = &table->slots[at];
    uint64_t generation = (atomic_load(&slot->word) >> GENERATION_SHIFT) + 1;
    slot->session = session;
    atomic_store(&slot->deadline_ms, CLOCK_NEVER);
    atomic_store(&slot->word, generation << GENERATION_SHIFT | WORD_ALIVE);
    atomic_fetch_add(&table->count, 1);
    *ret_id = generation << GENERATION_SHIFT | at;
    return true;
}

void session_table_remove(struct session_table *table, uint64_t id)
{
    struct session_slot *slot = slot_of(table, id);
    slot->session = NULL;
    atomic_store(&slot->word, id & ~(uint64_t)SLOT_MASK);
    pthread_mutex_lock(&table->lock);
    table->free_slots[table->free_count++] = (uint32_t)(id & SLOT_MASK);
    pthread_mutex_unlock(&table->lock);
    atomic_fetch_sub(&table->count, 1);
}

static bool is_for(uint64_t word, uint64_t id)
{
    return word >> GENERATION_SHIFT == id >> GENERATION_SHIFT && (word & WORD_ALIVE);
}

struct session *session_table_post(struct session_table *table, uint64_t id, unsigned signals)
{
    struct session_slot *slot = slot_of(table, id);
    uint64_t word = atomic_load(&slot->word);
    do {
        if (!is_for(word, id))
            return NULL;
    } while (!atomic_compare_exchange_weak(&slot->word, &word, word | WORD_OWNED | signals));
    return word & WORD_OWNED ? NULL : slot->session;
}

unsigned session_table_take(struct session_table *table, uint64_t id)
{
    return (unsigned)(atomic_fetch_and(&slot_of(table, id)->word, ~WORD_SIGNALS) & WORD_SIGNALS);
}

bool session_table_park(struct session_table *table, uint64_t id, int64_t deadline_ms,
                        unsigned *ret_signals)
{
    struct session_slot *slot = slot_of(table, id);
    atomic_store(&slot->deadline_ms, deadline_ms);
    uint64_t word = atomic_load(&slot->word);
    uint64_t wanted;
    do {
        wanted = word & ~WORD_SIGNALS;
        if (!(word & WORD_SIGNALS))
            wanted &= ~WORD_OWNED;
    } while (!atomic_compare_exchange_weak(&slot->word, &word, wanted));
    *ret_signals = (unsigned)(word & WORD_SIGNALS);
    return *ret_signals == 0;
}

static uint64_t id_at(struct session_table *table, size_t at)
{
    uint64_t word = atomic_load_explicit(&table->slots[at].word, memory_order_relaxed);
    return word & WORD_ALIVE ? word >> GENERATION_SHIFT << GENERATION_SHIFT | at : 0;
}

uint64_t session_table_next(struct session_table *table, size_t *at)
{
    uint64_t id = 0;
    while (id == 0 && *at < atomic_load(&table->used))
        id = id_at(table, (*at)++);
    return id;
}

uint64_t session_table_due(struct session_table *table, size_t *at, int64_t now_ms,
                           int64_t *next_ms)
{
    for (size_t used = atomic_load(&table->used); *at < used; (*at)++) {
        struct session_slot *slot = &table->slots[*at];
        int64_t deadline = atomic_load(&slot->deadline_ms);
        if (deadline > now_ms) {
            if (deadline < *next_ms)
                *next_ms = deadline;
            continue;
        }
        uint64_t id = id_at(table, *at);
        /* Forgotten, unless the owner has just set another. */
        if (atomic_compare_exchange_strong(&slot->deadline_ms, &deadline, CLOCK_NEVER) && id != 0) {
            (*at)++;
            return id;
        }
    }
    return 0;
}
