#include "services/store/directory.h"

#include "common/base/bug.h"
#include "common/mail/address.h"
#include "services/store/accounts.h"
#include "services/store/acl.h"
#include "services/store/directory_core.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Locks: `db_lock` is for the database and for replacing the snapshot; `snapshot_lock` is held for
 * reading while a lookup uses the snapshot, and for writing for the moment of its replacement.
 * db_lock is taken first when both are.
 */
struct directory {
    pthread_mutex_t db_lock;
    struct db *db;
    pthread_rwlock_t snapshot_lock;
    struct snapshot *snapshot;
    atomic_uint_fast64_t version;       /* of the database */
    atomic_uint_fast64_t all_erased_at; /* version at which no removed account was left to erase */
};

/* Mail lies under the ids of accounts. A directory that is older than the mail beside it, because
 * it was brought back from elsewhere, gives no new account the mail of another. */
static bool keep_ids_with_mail(const struct store *store, struct db *db, struct err *err)
{
    char path[LAYOUT_PATH_MAX];
    uint64_t id, last = 0;
    snprintf(path, sizeof(path), "%.*s/accounts", STR_ARG(store->settings->data));
    DIR *accounts = opendir(path);
    if (!accounts)
        return errno == ENOENT || err_set_errno(err, errno, "%s", path);
    for (struct dirent *e; (e = readdir(accounts));)
        if (str_to_u64(str_from_cstr(e->d_name), INT64_MAX, &id) && id > last)
            last = id;
    closedir(accounts);
    return last == 0 || directory_sql_keep_account_ids(db, last, err);
}

bool directory_open(struct store *store, struct err *err)
{
    struct layout_path path = layout_directory_db(store->settings->data);
    struct db *db = directory_sql_open(path.text, err);
    if (!db)
        return false;
    uint64_t version;
    if (!directory_sql_version(db, &version, err) || !keep_ids_with_mail(store, db, err)) {
        db_close(db);
        return false;
    }
    struct directory *d = xcalloc(1, sizeof(*d));
    d->db = db;
    atomic_init(&d->version, version);
    pthread_mutex_init(&d->db_lock, NULL);
    pthread_rwlock_init(&d->snapshot_lock, NULL);
    store->directory = d;
    return true;
}

void directory_close(struct directory *d)
{
    if (!d)
        return;
    snapshot_free(d->snapshot);
    db_close(d->db);
    pthread_rwlock_destroy(&d->snapshot_lock);
    pthread_mutex_destroy(&d->db_lock);
    free(d);
}

/* ---- Snapshots and changes (directory_core.h) */

static bool is_current(struct directory *d)
{
    return d->snapshot && d->snapshot->version == atomic_load(&d->version);
}

/* With db_lock. */
static bool refresh(struct directory *d, struct err *err)
{
    if (is_current(d))
        return true;
    struct snapshot *fresh = snapshot_load(d->db, err);
    if (!fresh)
        return false;
    struct snapshot *old = d->snapshot;
    pthread_rwlock_wrlock(&d->snapshot_lock);
    d->snapshot = fresh;
    pthread_rwlock_unlock(&d->snapshot_lock);
    snapshot_free(old);
    return true;
}

const struct snapshot *directory_read_begin(struct directory *d, struct err *err)
{
    for (;;) {
        pthread_rwlock_rdlock(&d->snapshot_lock);
        if (is_current(d))
            return d->snapshot;
        pthread_rwlock_unlock(&d->snapshot_lock);
        pthread_mutex_lock(&d->db_lock);
        bool ok = refresh(d, err);
        pthread_mutex_unlock(&d->db_lock);
        if (!ok)
            return NULL;
    }
}

void directory_read_end(struct directory *d)
{
    pthread_rwlock_unlock(&d->snapshot_lock);
}

/* With db_lock. */
static bool run_change(struct directory *d, directory_change_function *function, void *ctx,
                       uint64_t *ret_version, struct err *err)
{
    TRY(refresh(d, err));
    TRY(db_begin(d->db, true, err));
    struct directory_change change = {.db = d->db, .now = d->snapshot};
    if (directory_sql_next_version(d->db, &change.version, err) && function(&change, ctx, err) &&
        db_commit(d->db, err)) {
        *ret_version = change.version;
        return true;
    }
    db_rollback(d->db);
    return false;
}

bool directory_change(struct store *store, directory_change_function *function, void *ctx,
                      struct err *err)
{
    struct directory *d = store->directory;
    uint64_t version = 0;
    pthread_mutex_lock(&d->db_lock);
    bool ok = run_change(d, function, ctx, &version, err);
    if (ok)
        atomic_store(&d->version, version);
    pthread_mutex_unlock(&d->db_lock);
    if (ok)
        directory_announce(store, version);
    return ok;
}

bool directory_credential(struct store *store, uint64_t account_id, struct arena *arena,
                          struct credential_row *ret, struct err *err)
{
    struct directory *d = store->directory;
    pthread_mutex_lock(&d->db_lock);
    bool ok = directory_sql_find_credential(d->db, account_id, arena, ret, err);
    pthread_mutex_unlock(&d->db_lock);
    return ok;
}

/* ---- Addresses */

/* Where an address of one of our domains leads, before the questions of postmaster and of disabled
 * domains (spec 10 A10, 4 to 6). */
struct target {
    uint64_t account_id;               /* 0: nowhere */
    const struct address_row *address; /* NULL: nowhere, or to any_account */
    struct str canonical;
};

static struct target find_target(const struct snapshot *s, const struct domain_row *domain,
                                 struct str localpart, struct arena *arena)
{
    struct target target = {.canonical = snapshot_canonical(domain, localpart, arena)};
    if (target.canonical.len == 0)
        return target;
    target.address = snapshot_address(s, domain, target.canonical);
    if (!target.address)
        target.address = snapshot_address(s, domain, STR(""));
    if (target.address)
        target.account_id = target.address->account_id;
    else if (domain->accept_any)
        target.account_id = domain->any_account_id;
    return target;
}

static const struct directory_account *postmaster(const struct store *store,
                                                  const struct snapshot *s)
{
    const struct directory_account *account =
        snapshot_account_by_name(s, store->config->postmaster);
    if (account)
        return account;
    return s->rows.accounts.len > 0 ? &s->rows.accounts.items[0] : NULL;
}

static bool is_postmaster(struct str localpart)
{
    return str_eq_nocase(localpart, STR("postmaster"));
}

static struct resolved_address to_account(const struct directory_account *account,
                                          const struct target *target)
{
    if (!account)
        return (struct resolved_address){.class = ADDRESS_UNKNOWN};
    struct resolved_address to = {
        .class = ADDRESS_ACCOUNT,
        .account_id = account->id,
        .account = account->name,
        .mailbox = STR("Inbox"),
        .canonical_localpart = target->canonical,
    };
    if (target->address && target->address->mailbox.len > 0)
        to.mailbox = target->address->mailbox;
    if (target->address && target->address->error_code != 0) {
        to.class = ADDRESS_REFUSED;
        to.error_code = target->address->error_code;
        to.error_text = target->address->error_text;
    }
    return to;
}

/* Strings of the result point into the snapshot, or are in arena. */
static struct resolved_address resolve(const struct store *store, const struct snapshot *s,
                                       struct str localpart, struct str domain_name,
                                       struct arena *arena)
{
    struct target to_postmaster = {.canonical = STR("postmaster")};
    bool is_our_host = domain_name.len == 0 || str_eq(domain_name, store->settings->hostname);
    if (is_our_host && is_postmaster(localpart))
        return to_account(postmaster(store, s), &to_postmaster);
    const struct domain_row *domain = snapshot_domain(s, domain_name);
    if (!domain)
        return (struct resolved_address){.class = ADDRESS_NOT_LOCAL};
    if (domain->disabled)
        return (struct resolved_address){.class = ADDRESS_DOMAIN_DISABLED};
    struct target target = find_target(s, domain, localpart, arena);
    if (target.account_id != 0)
        return to_account(snapshot_account(s, target.account_id), &target);
    if (is_postmaster(localpart))
        return to_account(postmaster(store, s), &to_postmaster);
    return (struct resolved_address){.class = ADDRESS_UNKNOWN};
}

static bool is_full(const struct arena *arena, struct err *err)
{
    if (!arena->exhausted)
        return false;
    err_set(err, ERR_LIMIT, "directory: out of memory for this call");
    return true;
}

bool directory_resolve(struct store *store, struct str localpart, struct str domain,
                       struct arena *arena, struct resolved_address *ret, struct err *err)
{
    const struct snapshot *s = directory_read_begin(store->directory, err);
    if (!s)
        return false;
    *ret = resolve(store, s, localpart, domain, arena);
    ret->account = arena_copy(arena, ret->account);
    ret->mailbox = arena_copy(arena, ret->mailbox);
    ret->canonical_localpart = arena_copy(arena, ret->canonical_localpart);
    ret->error_text = arena_copy(arena, ret->error_text);
    directory_read_end(store->directory);
    return !is_full(arena, err);
}

static enum sender_verdict check_sender(const struct store *store, const struct snapshot *s,
                                        uint64_t account_id, struct str localpart,
                                        struct str domain_name, struct arena *arena)
{
    const struct domain_row *domain = snapshot_domain(s, domain_name);
    if (domain && domain->disabled) {
        struct target target = find_target(s, domain, localpart, arena);
        return target.account_id == account_id ? SENDER_DOMAIN_DISABLED : SENDER_FOREIGN;
    }
    if (domain_name.len == 0)
        return SENDER_FOREIGN;
    struct resolved_address to = resolve(store, s, localpart, domain_name, arena);
    return to.account_id == account_id ? SENDER_ALLOWED : SENDER_FOREIGN;
}

bool directory_check_sender(struct store *store, uint64_t account_id, struct str localpart,
                            struct str domain, enum sender_verdict *ret, struct err *err)
{
    const struct snapshot *s = directory_read_begin(store->directory, err);
    if (!s)
        return false;
    struct arena arena;
    arena_init(&arena, 16384);
    *ret = check_sender(store, s, account_id, localpart, domain, &arena);
    arena_release(&arena);
    directory_read_end(store->directory);
    return true;
}

/* ---- Accounts */

static bool no_account(struct err *err, uint64_t account_id)
{
    return err_set(err, ERR_NOT_FOUND, "there is no account %llu", (unsigned long long)account_id);
}

bool directory_account_quota(struct store *store, uint64_t account_id, uint64_t *ret_bytes,
                             struct err *err)
{
    const struct snapshot *s = directory_read_begin(store->directory, err);
    if (!s)
        return false;
    const struct directory_account *account = snapshot_account(s, account_id);
    int64_t quota = account ? account->quota_bytes : 0;
    directory_read_end(store->directory);
    if (!account)
        return no_account(err, account_id);
    uint64_t bytes = quota != 0 ? (uint64_t)quota : store->config->quota_bytes;
    *ret_bytes = quota < 0 || bytes == 0 ? INT64_MAX : bytes;
    return true;
}

bool directory_account_next(struct store *store, uint64_t after, struct arena *arena,
                            uint64_t *ret_account_id, struct str *ret_name)
{
    struct err err;
    const struct snapshot *s = directory_read_begin(store->directory, &err);
    if (!s) {
        log_error(&store->log, "cannot read the directory", LOG_ERR(&err));
        return false;
    }
    bool found = false;
    for (size_t i = 0; i < s->rows.accounts.len && !found; i++) {
        const struct directory_account *account = &s->rows.accounts.items[i];
        if (account->id <= after)
            continue;
        found = true;
        *ret_account_id = account->id;
        *ret_name = arena_copy(arena, account->name);
    }
    directory_read_end(store->directory);
    return found;
}

bool directory_last_account_id(struct store *store, uint64_t *ret, struct err *err)
{
    struct directory *d = store->directory;
    pthread_mutex_lock(&d->db_lock);
    bool ok = directory_sql_last_account_id(d->db, ret, err);
    pthread_mutex_unlock(&d->db_lock);
    return ok;
}

static struct directory_account copy_account(const struct directory_account *account,
                                             struct arena *arena)
{
    struct directory_account copy = *account;
    copy.name = arena_copy(arena, account->name);
    copy.description = arena_copy(arena, account->description);
    copy.login_disabled = arena_copy(arena, account->login_disabled);
    struct str *capabilities = arena_new_array(arena, account->capability_count, struct str);
    for (size_t i = 0; capabilities && i < account->capability_count; i++)
        capabilities[i] = arena_copy(arena, account->capabilities_disabled[i]);
    copy.capabilities_disabled = capabilities;
    return copy;
}

bool directory_account(struct store *store, uint64_t account_id, struct arena *arena,
                       struct directory_account *ret, struct err *err)
{
    const struct snapshot *s = directory_read_begin(store->directory, err);
    if (!s)
        return false;
    const struct directory_account *account = snapshot_account(s, account_id);
    if (account)
        *ret = copy_account(account, arena);
    directory_read_end(store->directory);
    if (!account)
        return no_account(err, account_id);
    return !is_full(arena, err);
}

bool directory_account_id(struct store *store, struct str name, uint64_t *ret_account_id,
                          struct err *err)
{
    const struct snapshot *s = directory_read_begin(store->directory, err);
    if (!s)
        return false;
    const struct directory_account *account = snapshot_account_by_name(s, name);
    if (account)
        *ret_account_id = account->id;
    directory_read_end(store->directory);
    return account || err_set(err, ERR_NOT_FOUND, "there is no account %.*s", STR_ARG(name));
}

bool directory_credential_version(struct store *store, uint64_t account_id, uint64_t *ret_version,
                                  struct err *err)
{
    const struct snapshot *s = directory_read_begin(store->directory, err);
    if (!s)
        return false;
    const struct directory_account *account = snapshot_account(s, account_id);
    if (account)
        *ret_version = account->credential_version;
    directory_read_end(store->directory);
    return account ? true : no_account(err, account_id);
}

/* ---- Logins */

/* The address in the form that all its spellings share, so that answers about somebody who does not
 * exist are the same for all of them too. */
static struct str login_address(struct str canonical, struct str domain, struct arena *arena)
{
    return arena_printf(arena, "%.*s@%.*s", STR_ARG(canonical), STR_ARG(domain));
}

static void find_login(const struct snapshot *s, struct address address, struct arena *arena,
                       struct directory_login *ret)
{
    const struct domain_row *domain = snapshot_domain(s, address.domain);
    if (!domain) {
        ret->address = login_address(arena_lower(arena, address.localpart), address.domain, arena);
        return;
    }
    struct target target = find_target(s, domain, address.localpart, arena);
    ret->address = login_address(target.canonical, address.domain, arena);
    const struct directory_account *account = snapshot_account(s, target.account_id);
    if (!account)
        return;
    ret->is_found = true;
    ret->account = copy_account(account, arena);
}

bool directory_find_login(struct store *store, struct str login, struct arena *arena,
                          struct directory_login *ret, struct err *err)
{
    *ret = (struct directory_login){.address = login};
    struct address address;
    struct err syntax;
    if (!address_parse(login, arena, &address, &syntax))
        return true;
    const struct snapshot *s = directory_read_begin(store->directory, err);
    if (!s)
        return false;
    find_login(s, address, arena, ret);
    directory_read_end(store->directory);
    return !is_full(arena, err);
}

/* ---- Accounts that have left */

#define ERASE_AT_ONCE 100

static bool forget_removed(const struct directory_change *change, void *ctx, struct err *err)
{
    const uint64_t *account_id = ctx;
    return directory_sql_forget_removed(change->db, *account_id, err);
}

static void erase(struct store *store, uint64_t account_id)
{
    struct err err;
    acl_forget_account(store, account_id);
    if (!account_remove(store, account_id, &err)) {
        if (err.kind != ERR_STATE) /* in use: later */
            log_error(&store->log, "cannot erase the mail of a removed account",
                      LOG_U64("account", account_id), LOG_ERR(&err));
        return;
    }
    if (!directory_change(store, forget_removed, &account_id, &err))
        log_error(&store->log, "cannot forget a removed account", LOG_U64("account", account_id),
                  LOG_ERR(&err));
    else
        log_info(&store->log, "mail of a removed account erased", LOG_U64("account", account_id));
}

void directory_erase_removed(struct store *store)
{
    struct directory *d = store->directory;
    uint64_t ids[ERASE_AT_ONCE];
    size_t count = 0;
    struct err err;
    uint64_t version = atomic_load(&d->version);
    if (version == atomic_load(&d->all_erased_at)) /* spares an idle store a question a second */
        return;
    pthread_mutex_lock(&d->db_lock);
    bool ok = directory_sql_removed(d->db, ids, ARRAY_LEN(ids), &count, &err);
    pthread_mutex_unlock(&d->db_lock);
    if (!ok)
        log_error(&store->log, "cannot list removed accounts", LOG_ERR(&err));
    else if (count == 0)
        atomic_store(&d->all_erased_at, version);
    for (size_t i = 0; ok && i < count; i++)
        erase(store, ids[i]);
}
