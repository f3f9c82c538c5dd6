#include "services/store/accounts.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/base/map.h"
#include "services/store/account.h"
#include "services/store/directory.h"
#include "services/store/erase.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * An account in the map is open, or is being opened or closed by one thread (`is_busy`): others
 * wait for that to end. `by_use` holds the open ones that nobody uses, longest unused first.
 *
 * A background thread closes idle accounts and erases what was expunged long enough ago. For that
 * it keeps when an account, open or not, has something to erase next; at start it looks once into
 * every account there is, a few at a time.
 */
struct accounts {
    struct store *store;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* an account ceased to be busy */
    pthread_cond_t stop;    /* is_stopping was set */
    struct map by_id;
    struct list_link by_use;
    struct map erase_at; /* account id -> struct due */
    bool is_stopping;
    pthread_t sweeper;
    ARRAY_OF(uint64_t) unseen; /* accounts that the sweeper has not looked into yet */
    size_t most_open;          /* at one time, since memory was given back; of the sweeper */
};

struct due {
    int64_t at_s;
};

#define SWEEP_INTERVAL_MS 1000
#define SWEEP_UNSEEN_BATCH 20

/* ---- Opening and closing; all with the lock held, which is let go while a database is opened. */

static struct account *find(struct accounts *a, uint64_t id)
{
    struct account *account;
    while ((account = map_get_u64(&a->by_id, id)) && account->is_busy)
        pthread_cond_wait(&a->changed, &a->lock);
    return account;
}

static void forget(struct accounts *a, struct account *account)
{
    map_remove_u64(&a->by_id, account->id);
    list_remove(&account->link);
    pthread_cond_broadcast(&a->changed);
    free(account);
}

static void close_unused(struct accounts *a, struct account *account)
{
    BUG_ON(account->users > 0 || account->is_busy);
    account->is_busy = true;
    list_remove(&account->link);
    pthread_mutex_unlock(&a->lock);
    account_stop(account);
    pthread_mutex_lock(&a->lock);
    forget(a, account);
}

static void make_room(struct accounts *a)
{
    while (a->by_id.len >= a->store->config->open_accounts_max && !list_is_empty(&a->by_use))
        close_unused(a, CONTAINER_OF(a->by_use.next, struct account, link));
}

/* Opening makes what is missing: that must not bring a removed account back to life. */
static bool is_in_directory(struct store *store, uint64_t id, struct err *err)
{
    uint64_t version;
    if (!store->directory) /* tests have none */
        return true;
    return directory_credential_version(store, id, &version, err);
}

static struct account *open_new(struct accounts *a, uint64_t id, struct err *err)
{
    struct account *account = xcalloc(1, sizeof(*account));
    account->store = a->store;
    account->accounts = a;
    account->id = id;
    account->is_busy = true;
    list_init(&account->link);
    map_put_u64(&a->by_id, id, account);
    make_room(a);
    pthread_mutex_unlock(&a->lock);
    bool ok = is_in_directory(a->store, id, err) && account_start(account, err);
    pthread_mutex_lock(&a->lock);
    account->is_busy = false;
    if (!ok) {
        forget(a, account);
        return NULL;
    }
    pthread_cond_broadcast(&a->changed);
    return account;
}

bool account_open(struct store *store, uint64_t account_id, struct account **ret, struct err *err)
{
    struct accounts *a = store->accounts;
    if (account_id == 0 || account_id > INT64_MAX)
        return err_set(err, ERR_NOT_FOUND, "no such account");
    pthread_mutex_lock(&a->lock);
    struct account *account = find(a, account_id);
    if (!account)
        account = open_new(a, account_id, err);
    if (account) {
        account->users++;
        list_remove(&account->link);
        *ret = account;
    }
    pthread_mutex_unlock(&a->lock);
    return account != NULL;
}

void account_release(struct account *account)
{
    if (!account)
        return;
    struct accounts *a = account->accounts;
    pthread_mutex_lock(&a->lock);
    BUG_ON(account->users == 0);
    if (--account->users == 0) {
        account->idle_since_ms = clock_monotonic_ms();
        list_append(&a->by_use, &account->link);
    }
    pthread_mutex_unlock(&a->lock);
}

bool account_wrap_error(struct store *store, uint64_t id, struct err *err)
{
    struct arena arena;
    struct directory_account entry = {.name = STR("?")};
    struct err unknown;
    arena_init(&arena, 64 << 10);
    if (store->directory) /* tests have none */
        (void)!directory_account(store, id, &arena, &entry, &unknown);
    err_wrap(err, "account %.*s (%" PRIu64 ")", STR_ARG(entry.name), id);
    arena_release(&arena);
    return false;
}

uint64_t account_id(const struct account *account)
{
    return account->id;
}

bool account_used_bytes(struct account *account, uint64_t *ret_bytes, struct err *err)
{
    (void)err;
    int64_t used = atomic_load(&account->used);
    *ret_bytes = used < 0 ? 0 : (uint64_t)used;
    return true;
}

uint64_t account_all_messages(struct account *account)
{
    int64_t messages = atomic_load(&account->messages) + atomic_load(&account->kept_messages);
    return messages < 0 ? 0 : (uint64_t)messages;
}

uint64_t account_used_messages(struct account *account)
{
    int64_t messages = atomic_load(&account->messages);
    return messages < 0 ? 0 : (uint64_t)messages;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

bool account_remove(struct store *store, uint64_t id, struct err *err)
{
    struct accounts *a = store->accounts;
    struct layout_path path = layout_account(store->settings->data, id);
    pthread_mutex_lock(&a->lock);
    struct account *account = find(a, id);
    bool is_used = account && account->users > 0;
    if (account && !is_used)
        close_unused(a, account);
    free(map_remove_u64(&a->erase_at, id));
    pthread_mutex_unlock(&a->lock);
    if (is_used)
        return err_set(err, ERR_STATE, "account %" PRIu64 " is in use", id);
    if (nftw(path.text, remove_one, 16, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
        return err_set_errno(err, errno, "remove %s", path.text);
    return true;
}

/* ---- The background */

void accounts_schedule_erase(struct accounts *a, uint64_t account_id, int64_t at_s)
{
    pthread_mutex_lock(&a->lock);
    struct due *due = map_get_u64(&a->erase_at, account_id);
    if (!due) {
        due = xcalloc(1, sizeof(*due));
        due->at_s = at_s;
        map_put_u64(&a->erase_at, account_id, due);
    } else if (at_s < due->at_s) {
        due->at_s = at_s;
    }
    pthread_mutex_unlock(&a->lock);
}

/* An account whose time has come, taken off the schedule; 0 when there is none. */
static uint64_t take_due(struct accounts *a, int64_t now_s)
{
    uint64_t id = 0;
    size_t at = 0;
    pthread_mutex_lock(&a->lock);
    for (struct map_entry *e; id == 0 && (e = map_next(&a->erase_at, &at));) {
        if (((struct due *)e->value)->at_s <= now_s)
            id = e->number;
    }
    if (id != 0)
        free(map_remove_u64(&a->erase_at, id));
    pthread_mutex_unlock(&a->lock);
    return id;
}

static bool is_open(struct accounts *a, uint64_t id)
{
    pthread_mutex_lock(&a->lock);
    bool found = map_get_u64(&a->by_id, id) != NULL;
    pthread_mutex_unlock(&a->lock);
    return found;
}

static void close_if_unused(struct accounts *a, uint64_t id)
{
    pthread_mutex_lock(&a->lock);
    struct account *account = find(a, id);
    if (account && account->users == 0)
        close_unused(a, account);
    pthread_mutex_unlock(&a->lock);
}

/* Erases what is due and puts the account on the schedule again. An account that was opened only
 * for this does not stay open. */
static void tend(struct accounts *a, uint64_t id)
{
    struct err err;
    struct account *account = NULL;
    bool was_open = is_open(a, id);
    if (!account_open(a->store, id, &account, &err) || !account_tend(account, &err)) {
        log_error(&a->store->log, "cannot erase expunged messages", LOG_U64("account", id),
                  LOG_ERR(&err));
        accounts_schedule_erase(a, id, clock_wall_s() + 60);
    }
    account_release(account);
    if (!was_open)
        close_if_unused(a, id);
}

static void close_idle(struct accounts *a)
{
    int64_t before = clock_monotonic_ms() - (int64_t)a->store->config->account_idle_s * 1000;
    pthread_mutex_lock(&a->lock);
    while (!list_is_empty(&a->by_use)) {
        struct account *account = CONTAINER_OF(a->by_use.next, struct account, link);
        if (account->idle_since_ms > before)
            break;
        close_unused(a, account);
    }
    pthread_mutex_unlock(&a->lock);
}

static size_t count_open(struct accounts *a)
{
    pthread_mutex_lock(&a->lock);
    size_t count = a->by_id.len;
    pthread_mutex_unlock(&a->lock);
    return count;
}

/* What closed accounts had, the C library keeps, in pieces between what is in use. Looking for
 * them takes long, so the kernel gets them when more than half of the accounts have closed. */
static void give_memory_back(struct accounts *a)
{
    size_t open = count_open(a);
    if (open > a->most_open)
        a->most_open = open;
    if (open >= a->most_open / 2)
        return;
    malloc_trim(0);
    a->most_open = open;
}

static bool wait_a_while(struct accounts *a)
{
    struct timespec until = clock_timespec(clock_wall_ms() + SWEEP_INTERVAL_MS);
    pthread_mutex_lock(&a->lock);
    if (!a->is_stopping)
        pthread_cond_timedwait(&a->stop, &a->lock, &until);
    bool go_on = !a->is_stopping;
    pthread_mutex_unlock(&a->lock);
    return go_on;
}

static void *sweep(void *user)
{
    struct accounts *a = user;
    while (wait_a_while(a)) {
        for (int i = 0; i < SWEEP_UNSEEN_BATCH && a->unseen.len > 0; i++)
            tend(a, a->unseen.items[--a->unseen.len]);
        for (uint64_t id; (id = take_due(a, clock_wall_s())) != 0;)
            tend(a, id);
        close_idle(a);
        give_memory_back(a);
        if (a->store->directory) /* tests have none */
            directory_erase_removed(a->store);
    }
    return NULL;
}

static bool list_accounts(struct accounts *a, struct err *err)
{
    char path[LAYOUT_PATH_MAX];
    snprintf(path, sizeof(path), "%.*s/accounts", STR_ARG(a->store->settings->data));
    DIR *directory = opendir(path);
    if (!directory)
        return errno == ENOENT || err_set_errno(err, errno, "open directory %s", path);
    uint64_t id;
    for (struct dirent *e; (e = readdir(directory));) {
        if (str_to_u64(str_from_cstr(e->d_name), INT64_MAX, &id) && id > 0)
            array_push(&a->unseen, id);
    }
    closedir(directory);
    return true;
}

static void free_accounts(struct accounts *a)
{
    size_t at = 0;
    for (struct map_entry *e; (e = map_next(&a->erase_at, &at));)
        free(e->value);
    map_release(&a->erase_at);
    map_release(&a->by_id);
    array_release(&a->unseen);
    pthread_cond_destroy(&a->stop);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

bool accounts_open(struct store *store, struct err *err)
{
    struct accounts *a = xcalloc(1, sizeof(*a));
    a->store = store;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    pthread_cond_init(&a->stop, NULL);
    map_init(&a->by_id);
    map_init(&a->erase_at);
    list_init(&a->by_use);
    store->accounts = a;
    int failure = 0;
    if (list_accounts(a, err) && (failure = pthread_create(&a->sweeper, NULL, sweep, a)) == 0)
        return true;
    if (failure != 0)
        err_set_errno(err, failure, "start a thread");
    store->accounts = NULL;
    free_accounts(a);
    return false;
}

void accounts_close(struct accounts *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->is_stopping = true;
    pthread_cond_signal(&a->stop);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->sweeper, NULL);
    pthread_mutex_lock(&a->lock);
    while (!list_is_empty(&a->by_use))
        close_unused(a, CONTAINER_OF(a->by_use.next, struct account, link));
    pthread_mutex_unlock(&a->lock);
    BUG_ON(a->by_id.len > 0);
    free_accounts(a);
}
