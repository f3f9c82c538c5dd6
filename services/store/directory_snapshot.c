#include "services/store/directory_snapshot.h"

#include "common/base/bug.h"
#include "common/text/utf8.h"

#include <string.h>

#define KEY_MAX 520

/* Our own data: as large as it is. */
#define ARENA_MAX SIZE_MAX

/* Fills `key`; STR_NULL when the local part is longer than any that is stored. */
static struct str address_key(uint64_t domain_id, struct str canonical, char key[KEY_MAX])
{
    if (canonical.len > KEY_MAX - sizeof(domain_id))
        return STR_NULL;
    memcpy(key, &domain_id, sizeof(domain_id));
    if (canonical.len > 0)
        memcpy(key + sizeof(domain_id), canonical.ptr, canonical.len);
    return str_make(key, sizeof(domain_id) + canonical.len);
}

static void index_called(struct snapshot *s, struct address_row *address)
{
    const struct address_row *other = map_get_u64(&s->called, address->account_id);
    if (address->canonical.len == 0 || str_find_char(address->canonical, '/') >= 0)
        return;
    if (!other || other->id > address->id)
        map_put_u64(&s->called, address->account_id, address);
}

static void index_rows(struct snapshot *s)
{
    for (size_t i = 0; i < s->rows.domains.len; i++) {
        struct domain_row *domain = &s->rows.domains.items[i];
        map_put(&s->domains, domain->name, domain);
        map_put_u64(&s->domain_by_id, domain->id, domain);
    }
    for (size_t i = 0; i < s->rows.accounts.len; i++) {
        struct directory_account *account = &s->rows.accounts.items[i];
        map_put_u64(&s->accounts, account->id, account);
        map_put(&s->names, account->name, account);
    }
    for (size_t i = 0; i < s->rows.addresses.len; i++) {
        struct address_row *address = &s->rows.addresses.items[i];
        char key[KEY_MAX];
        struct str text = address_key(address->domain_id, address->canonical, key);
        index_called(s, address);
        if (!str_is_null(text))
            map_put(&s->addresses, text, address);
    }
    for (size_t i = 0; i < s->rows.tls_keys.len; i++) {
        struct tls_key_row *key = &s->rows.tls_keys.items[i];
        map_put(&s->tls_keys, key->fingerprint, key);
        map_put_u64(&s->tls_key_by_id, key->id, key);
    }
}

struct snapshot *snapshot_load(struct db *db, struct err *err)
{
    struct snapshot *s = xcalloc(1, sizeof(*s));
    arena_init(&s->arena, ARENA_MAX);
    map_init(&s->domains);
    map_init(&s->domain_by_id);
    map_init(&s->accounts);
    map_init(&s->names);
    map_init(&s->called);
    map_init(&s->addresses);
    map_init(&s->tls_keys);
    map_init(&s->tls_key_by_id);
    if (!directory_sql_version(db, &s->version, err) ||
        !directory_sql_load(db, &s->arena, &s->rows, err)) {
        snapshot_free(s);
        return NULL;
    }
    index_rows(s);
    return s;
}

void snapshot_free(struct snapshot *s)
{
    if (!s)
        return;
    map_release(&s->domains);
    map_release(&s->domain_by_id);
    map_release(&s->accounts);
    map_release(&s->names);
    map_release(&s->called);
    map_release(&s->addresses);
    map_release(&s->tls_keys);
    map_release(&s->tls_key_by_id);
    directory_rows_release(&s->rows);
    arena_release(&s->arena);
    free(s);
}

const struct domain_row *snapshot_domain(const struct snapshot *s, struct str name)
{
    return map_get(&s->domains, name);
}

const struct domain_row *snapshot_domain_by_id(const struct snapshot *s, uint64_t id)
{
    return map_get_u64(&s->domain_by_id, id);
}

const struct directory_account *snapshot_account(const struct snapshot *s, uint64_t id)
{
    return map_get_u64(&s->accounts, id);
}

const struct directory_account *snapshot_account_by_name(const struct snapshot *s, struct str name)
{
    return map_get(&s->names, name);
}

const struct address_row *snapshot_called(const struct snapshot *s, uint64_t account_id)
{
    return map_get_u64(&s->called, account_id);
}

const struct address_row *snapshot_address(const struct snapshot *s,
                                           const struct domain_row *domain, struct str canonical)
{
    char key[KEY_MAX];
    struct str text = address_key(domain->id, canonical, key);
    return str_is_null(text) ? NULL : map_get(&s->addresses, text);
}

const struct tls_key_row *snapshot_tls_key(const struct snapshot *s, struct str fingerprint)
{
    return map_get(&s->tls_keys, fingerprint);
}

const struct tls_key_row *snapshot_tls_key_by_id(const struct snapshot *s, uint64_t id)
{
    return map_get_u64(&s->tls_key_by_id, id);
}

/* Lower case can leave NFC, and the other way round: U+2126 becomes U+03A9 first. */
static struct str fold_case(struct str localpart, struct arena *arena)
{
    struct str nfc = utf8_nfc(localpart, arena);
    struct str lower = str_is_null(nfc) ? nfc : utf8_lower(nfc, arena);
    return str_is_null(lower) ? lower : utf8_nfc(lower, arena);
}

struct str snapshot_canonical(const struct domain_row *domain, struct str localpart,
                              struct arena *arena)
{
    if (localpart.len == 0 || !utf8_is_valid(localpart))
        return STR_NULL;
    struct str canonical =
        domain->case_sensitive ? utf8_nfc(localpart, arena) : fold_case(localpart, arena);
    for (size_t i = 0; i < domain->separator_count; i++) {
        ptrdiff_t at = str_find(canonical, domain->separators[i]);
        if (at > 0) /* nothing in front of it: then it separates nothing */
            canonical.len = (size_t)at;
    }
    return canonical;
}
