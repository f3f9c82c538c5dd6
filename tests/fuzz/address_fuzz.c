/* Target functions: address_parse, address_write, address_list_parse. Property: an address that was
 * accepted is the same after writing and parsing again; lists are well formed. */
#include "common/base/bug.h"
#include "common/mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(struct address address, struct arena *arena)
{
    struct buf out;
    struct err err;
    struct address again;
    buf_init(&out, 4096);
    BUG_ON(!address_write(&out, address));
    BUG_ON(!address_parse(buf_str(&out), arena, &again, &err));
    BUG_ON(!address_eq(address, again));
    buf_release(&out);
}

static void check_list(const struct address_entry *first, struct arena *arena)
{
    bool in_group = false;
    for (const struct address_entry *e = first; e; e = e->next) {
        BUG_ON(e->group_start && (in_group || e->group_end));
        BUG_ON(e->group_end && !in_group);
        in_group = e->group_start || (in_group && !e->group_end);
        if (e->address.domain.len > 0)
            check_round_trip(e->address, arena);
    }
    BUG_ON(in_group);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct err err;
    struct address address;
    struct address_entry *first;
    arena_init(&arena, 1 << 20);
    if (address_parse(str_make(data, size), &arena, &address, &err))
        check_round_trip(address, &arena);
    if (address_list_parse(str_make(data, size), 1000, &arena, &first, &err))
        check_list(first, &arena);
    arena_release(&arena);
    return 0;
}
