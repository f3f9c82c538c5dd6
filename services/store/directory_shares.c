#include "services/store/directory_shares.h"

#include "common/mail/address.h"
#include "services/store/directory_core.h"

/* ---- What accounts are called */

/* Whose very address is this? A catch-all is nobody's name: whoever has it would get the rights
 * that were meant for another, by a slip or because the other one has left. */
static uint64_t find_address(const struct snapshot *s, struct address address, struct arena *arena)
{
    const struct domain_row *domain = snapshot_domain(s, address.domain);
    struct str canonical = domain ? snapshot_canonical(domain, address.localpart, arena) : STR_NULL;
    const struct address_row *row =
        canonical.len > 0 ? snapshot_address(s, domain, canonical) : NULL;
    return row ? row->account_id : 0;
}

bool directory_find_who(struct store *store, struct str who, struct arena *arena,
                        uint64_t *ret_account_id, struct err *err)
{
    struct address address;
    struct err syntax;
    if (str_find_char(who, '@') < 0)
        return directory_account_id(store, who, ret_account_id, err);
    if (!address_parse(who, arena, &address, &syntax))
        return err_set(err, ERR_NOT_FOUND, "no address: %s", syntax.detail);
    const struct snapshot *s = directory_read_begin(store->directory, err);
    if (!s)
        return false;
    *ret_account_id = find_address(s, address, arena);
    directory_read_end(store->directory);
    return *ret_account_id != 0 ||
           err_set(err, ERR_NOT_FOUND, "there is no account of %.*s", STR_ARG(who));
}

static struct str call(const struct snapshot *s, const struct directory_account *account,
                       struct arena *arena)
{
    const struct address_row *address = snapshot_called(s, account->id);
    const struct domain_row *domain = address ? snapshot_domain_by_id(s, address->domain_id) : NULL;
    if (!domain)
        return arena_copy(arena, account->name);
    struct buf text;
    buf_init(&text, 1024);
    address_write(&text, (struct address){address->canonical, domain->name});
    struct str copy = text.overflow ? STR_NULL : arena_copy(arena, buf_str(&text));
    buf_release(&text);
    return copy;
}

bool directory_who(struct store *store, uint64_t account_id, struct arena *arena, struct str *ret,
                   struct err *err)
{
    const struct snapshot *s = directory_read_begin(store->directory, err);
    if (!s)
        return false;
    const struct directory_account *account = snapshot_account(s, account_id);
    if (account)
        *ret = call(s, account, arena);
    directory_read_end(store->directory);
    if (!account)
        return err_set(err, ERR_NOT_FOUND, "no such account");
    return !str_is_null(*ret) || err_set(err, ERR_LIMIT, "no room for an address");
}

/* ---- The index */

static int compare(struct share_row a, struct share_row b)
{
    if (a.reader_id != b.reader_id)
        return a.reader_id < b.reader_id ? -1 : 1;
    return (a.owner_id > b.owner_id) - (a.owner_id < b.owner_id);
}

/* The place of the first row that is not below `wanted`. */
static size_t find(const struct snapshot *s, struct share_row wanted)
{
    size_t low = 0, high = s->rows.shares.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(s->rows.shares.items[middle], wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool has(const struct snapshot *s, struct share_row wanted)
{
    size_t at = find(s, wanted);
    return at < s->rows.shares.len && compare(s->rows.shares.items[at], wanted) == 0;
}

bool directory_has_share(struct store *store, uint64_t owner, uint64_t reader, bool *ret,
                         struct err *err)
{
    struct share_row wanted = {reader, owner};
    const struct snapshot *s = directory_read_begin(store->directory, err);
    if (!s)
        return false;
    *ret = has(s, wanted);
    directory_read_end(store->directory);
    return true;
}

struct set_share {
    struct share_row row;
    bool is_there;
};

static bool set_share(const struct directory_change *change, void *ctx, struct err *err)
{
    const struct set_share *set = ctx;
    bool is_known =
        set->row.reader_id == 0 /* anyone */ || snapshot_account(change->now, set->row.reader_id);
    if (set->is_there && !is_known) { /* who is removed gets nothing more */
        err_set(err, ERR_STATE, "the account is gone");
        return err_reply(err, "nobody here is called so");
    }
    return directory_sql_set_share(change->db, set->row, set->is_there, err);
}

bool directory_set_share(struct store *store, uint64_t owner, uint64_t reader, bool is_there,
                         struct err *err)
{
    bool is_now;
    struct set_share set = {{reader, owner}, is_there};
    TRY(directory_has_share(store, owner, reader, &is_now, err));
    return is_now == is_there || directory_change(store, set_share, &set, err);
}

/* Appends who shares with `reader`, but himself, and who shares with him anyway. */
static size_t add_owners(const struct snapshot *s, uint64_t with, uint64_t reader, uint64_t *ids,
                         size_t len)
{
    for (size_t i = find(s, (struct share_row){with, 0}); i < s->rows.shares.len; i++) {
        struct share_row row = s->rows.shares.items[i];
        if (row.reader_id != with)
            break;
        bool is_there = with != reader && has(s, (struct share_row){reader, row.owner_id});
        if (row.owner_id != reader && !is_there)
            ids[len++] = row.owner_id;
    }
    return len;
}

static size_t count_of(const struct snapshot *s, uint64_t reader)
{
    struct share_row first = {reader, 0}, end = {reader + 1, 0};
    return find(s, end) - find(s, first);
}

bool directory_owners(struct store *store, uint64_t reader, size_t max, struct arena *arena,
                      uint64_t **ret, size_t *ret_count, struct err *err)
{
    const struct snapshot *s = directory_read_begin(store->directory, err);
    if (!s)
        return false;
    uint64_t *ids = arena_new_array(arena, count_of(s, 0) + count_of(s, reader), uint64_t);
    size_t len = ids ? add_owners(s, reader, reader, ids, 0) : 0;
    if (ids)
        len = add_owners(s, 0, reader, ids, len);
    directory_read_end(store->directory);
    if (!ids)
        return err_set(err, ERR_LIMIT, "too many mailboxes of others");
    *ret = ids;
    *ret_count = len < max ? len : max;
    return true;
}
