/* Target functions: dns_rdata_parse, dns_name_take, dns_name_parse. The first two bytes are the
 * type. Properties: names in results are absolute; a name without escapes can be looked up again.
 */
#include "common/base/bug.h"
#include "common/dns/name.h"
#include "common/dns/rdata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(struct str name, struct arena *arena)
{
    struct str again;
    struct err err;
    BUG_ON(!str_ends_with(name, STR(".")));
    if (str_find_char(name, '\\') >= 0 || str_find_char(name, '"') >= 0)
        return;
    BUG_ON(!dns_name_parse(name, arena, &again, &err));
    BUG_ON(!str_eq(name, again));
}

static bool has_name(enum dns_type type)
{
    return type != DNS_A && type != DNS_AAAA && type != DNS_TXT && type != DNS_TLSA &&
           type != DNS_CAA;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct arena arena;
    arena_init(&arena, 1 << 18);
    enum dns_type type = (enum dns_type)(data[0] << 8 | data[1]);
    struct str rest = str_make(data + 2, size - 2);
    struct dns_record record;
    struct str name;
    struct err err;
    if (dns_rdata_parse(type, rest, &arena, &record, &err)) {
        BUG_ON(record.data.len > rest.len);
        if (has_name(type))
            check_name(record.text, &arena);
    }
    if (dns_name_parse(rest, &arena, &name, &err))
        check_name(name, &arena);
    arena_release(&arena);
    return 0;
}
