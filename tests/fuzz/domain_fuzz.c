/* Target functions: domain_*. Property: what was accepted is accepted again, and stays the
 * same. */
#include "common/base/bug.h"
#include "common/mail/domain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct err err;
    struct str domain, again;
    arena_init(&arena, 64 * 1024);
    if (domain_parse(str_make(data, size), &arena, &domain, &err)) {
        BUG_ON(domain.len == 0 || domain.len > DOMAIN_LEN_MAX);
        BUG_ON(!domain_parse(domain, &arena, &again, &err));
        BUG_ON(!str_eq(domain, again));
        domain_to_unicode(domain, &arena);
    }
    arena_release(&arena);
    return 0;
}
