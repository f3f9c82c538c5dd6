#include "services/store/directory_keys.h"

#include "common/base/clock.h"
#include "common/mail/address.h"
#include "common/sys/tls_public_key.h"
#include "common/text/base64.h"
#include "common/text/utf8.h"
#include "services/store/directory_core.h"
#include "services/store/publish.h"

#define NAME_MAX_BYTES 256
#define ARENA_MAX (64 * 1024) /* of a change */

struct str tls_fingerprint_text(struct str fingerprint, struct arena *arena)
{
    struct buf b;
    buf_init(&b, 256);
    base64_url_encode(&b, fingerprint);
    struct str text = arena_copy(arena, buf_str(&b));
    buf_release(&b);
    return text;
}

/* ---- Looking up */

bool directory_find_tls_key(struct store *store, struct str fingerprint, struct arena *arena,
                            struct directory_tls_key *ret, struct err *err)
{
    const struct snapshot *s = directory_read_begin(store->directory, err);
    if (!s)
        return false;
    const struct tls_key_row *row = snapshot_tls_key(s, fingerprint);
    uint64_t account_id = row ? row->account_id : 0;
    *ret = (struct directory_tls_key){0};
    if (row) {
        ret->id = row->id;
        ret->login = arena_copy(arena, row->login);
        ret->no_imap_preauth = row->no_imap_preauth;
    }
    directory_read_end(store->directory);
    if (account_id == 0)
        return true;
    struct directory_login who;
    TRY(directory_find_login(store, ret->login, arena, &who, err));
    ret->is_found = who.is_found && who.account.id == account_id;
    ret->account = who.account;
    return true;
}

bool directory_has_tls_key(struct store *store, uint64_t account_id, uint64_t key_id, bool *ret,
                           struct err *err)
{
    const struct snapshot *s = directory_read_begin(store->directory, err);
    if (!s)
        return false;
    const struct tls_key_row *row = snapshot_tls_key_by_id(s, key_id);
    *ret = row && row->account_id == account_id;
    directory_read_end(store->directory);
    return true;
}

/* ---- Changing */

struct tls_key_change {
    const struct tls_key_settings *settings;
    struct str fingerprint; /* as text, of a key that is there */
    struct tls_key_row row;
    struct arena *arena;
};

static bool check_name(struct str name, struct err *err)
{
    if (name.len == 0 || name.len > NAME_MAX_BYTES)
        return err_set(err, ERR_SYNTAX, "the name of a key has 1 to %d bytes", NAME_MAX_BYTES);
    if (!utf8_is_valid(name) || str_find_char(name, '\0') >= 0)
        return err_set(err, ERR_SYNTAX, "the name of a key is no UTF-8 text");
    return true;
}

static struct str first_address(const struct snapshot *s, uint64_t account_id, struct arena *arena)
{
    const struct address_row *first = NULL;
    for (size_t i = 0; i < s->rows.addresses.len; i++) {
        const struct address_row *row = &s->rows.addresses.items[i];
        if (row->account_id == account_id && row->localpart.len > 0 &&
            (!first || row->id < first->id))
            first = row;
    }
    if (!first)
        return STR("");
    struct buf b;
    buf_init(&b, 1024);
    address_write_localpart(&b, first->canonical);
    buf_append_char(&b, '@');
    buf_append(&b, snapshot_domain_by_id(s, first->domain_id)->name);
    struct str address = arena_copy(arena, buf_str(&b));
    buf_release(&b);
    return address;
}

/* Sets row.login, for the account in row.account_id. */
static bool choose_login(struct store *store, struct tls_key_change *k, struct err *err)
{
    struct str login = k->settings->login;
    if (login.len == 0) {
        const struct snapshot *s = directory_read_begin(store->directory, err);
        if (!s)
            return false;
        login = first_address(s, k->row.account_id, k->arena);
        directory_read_end(store->directory);
        if (login.len == 0)
            return err_set(err, ERR_STATE, "the account has no address to log in with");
    }
    struct directory_login who;
    TRY(directory_find_login(store, login, k->arena, &who, err));
    if (!who.is_found || who.account.id != k->row.account_id)
        return err_set(err, ERR_SYNTAX, "\"%.*s\" is no address of the account", STR_ARG(login));
    k->row.login = who.address;
    return true;
}

static bool find_row(const struct snapshot *s, struct str text, const struct tls_key_row **ret,
                     struct err *err)
{
    struct buf bytes;
    struct err ignored;
    buf_init(&bytes, TLS_FINGERPRINT_SIZE);
    *ret = base64_url_decode(&bytes, text, &ignored) ? snapshot_tls_key(s, buf_str(&bytes)) : NULL;
    buf_release(&bytes);
    return *ret || err_set(err, ERR_NOT_FOUND, "there is no TLS key with the fingerprint %.*s",
                           STR_ARG(str_slice(text, 0, 100)));
}

static bool add_key(const struct directory_change *change, void *ctx, struct err *err)
{
    struct tls_key_change *k = ctx;
    if (snapshot_tls_key(change->now, k->row.fingerprint))
        return err_set(err, ERR_CONFLICT, "this key is registered already");
    return directory_sql_add_tls_key(change->db, &k->row, err);
}

static bool make_row(struct store *store, struct tls_key_change *k, struct str pem, struct err *err)
{
    struct tls_public_key key;
    TRY(directory_account_id(store, k->settings->account, &k->row.account_id, err));
    TRY(tls_public_key_of_pem(pem, &key, err));
    k->row.fingerprint = arena_copy(k->arena, str_make(key.fingerprint, TLS_FINGERPRINT_SIZE));
    k->row.algorithm = arena_copy(k->arena, str_from_cstr(key.algorithm));
    k->row.name = k->settings->name.len > 0 ? k->settings->name
                                            : arena_copy(k->arena, str_from_cstr(key.certificate));
    k->row.no_imap_preauth = k->settings->no_imap_preauth;
    k->row.created_ms = clock_wall_ms();
    return check_name(k->row.name, err) && choose_login(store, k, err);
}

bool directory_add_tls_key(struct store *store, const struct tls_key_settings *settings,
                           struct str pem, struct arena *arena, struct tls_key_row *ret,
                           struct err *err)
{
    struct tls_key_change k = {.settings = settings, .arena = arena};
    TRY(make_row(store, &k, pem, err));
    TRY(directory_change(store, add_key, &k, err));
    *ret = k.row;
    return true;
}

/* The account of an existing key, which never changes. */
static bool find_account(struct store *store, struct tls_key_change *k, struct err *err)
{
    const struct tls_key_row *row;
    const struct snapshot *s = directory_read_begin(store->directory, err);
    if (!s)
        return false;
    bool ok = find_row(s, k->fingerprint, &row, err);
    if (ok)
        k->row.account_id = row->account_id;
    directory_read_end(store->directory);
    return ok;
}

static bool set_key(const struct directory_change *change, void *ctx, struct err *err)
{
    struct tls_key_change *k = ctx;
    const struct tls_key_row *now = NULL;
    TRY(find_row(change->now, k->fingerprint, &now, err));
    k->row.id = now->id;
    return directory_sql_set_tls_key(change->db, &k->row, err);
}

bool directory_set_tls_key(struct store *store, struct str fingerprint,
                           const struct tls_key_settings *settings, struct err *err)
{
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    struct tls_key_change k = {.settings = settings, .fingerprint = fingerprint, .arena = &arena};
    k.row.name = settings->name;
    k.row.no_imap_preauth = settings->no_imap_preauth;
    bool ok = check_name(settings->name, err) && find_account(store, &k, err) &&
              choose_login(store, &k, err) && directory_change(store, set_key, &k, err);
    arena_release(&arena);
    return ok;
}

static bool remove_key(const struct directory_change *change, void *ctx, struct err *err)
{
    struct tls_key_change *k = ctx;
    const struct tls_key_row *row = NULL;
    TRY(find_row(change->now, k->fingerprint, &row, err));
    k->row.account_id = row->account_id;
    return directory_sql_remove_tls_key(change->db, row->id, err);
}

bool directory_remove_tls_key(struct store *store, struct str fingerprint, struct err *err)
{
    struct tls_key_change k = {.fingerprint = fingerprint};
    TRY(directory_change(store, remove_key, &k, err));
    publish_sessions_ended(store, k.row.account_id);
    return true;
}
