#include "services/store/ready_files.h"

#include "common/sys/file.h"
#include "services/store/message_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define BATCH_MIN 4
#define BATCH_MAX 32

struct file_maker {
    struct store *store;
    pthread_t thread;
    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t wake;
    ARRAY_OF(uint64_t) accounts; /* which ask for files */
    bool is_stopping;
};

void ready_files_init(struct ready_files *r)
{
    *r = (struct ready_files){0};
    pthread_mutex_init(&r->lock, NULL);
}

void ready_files_release(struct ready_files *r)
{
    array_release(&r->ids);
    pthread_mutex_destroy(&r->lock);
}

void ready_files_drop(struct account *account)
{
    struct ready_files *r = &account->ready;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->ids.len; i++)
        unlink(account_message_path(account, r->ids.items[i]).text);
    r->ids.len = 0;
    pthread_mutex_unlock(&r->lock);
}

/* An account id, at most once as long as is_asked_for says so. */
static void ask(struct file_maker *maker, uint64_t account_id)
{
    pthread_mutex_lock(&maker->lock);
    array_push(&maker->accounts, account_id);
    pthread_cond_signal(&maker->wake);
    pthread_mutex_unlock(&maker->lock);
}

/* The first message of an account asks for none: another may not come for long. With the lock
 * held. */
static bool wants_more(struct ready_files *r)
{
    if (r->is_asked_for || r->ids.len > r->batch / 4)
        return false;
    bool is_first = r->batch == 0;
    r->batch = is_first ? BATCH_MIN / 2 : r->batch < BATCH_MAX ? r->batch * 2 : BATCH_MAX;
    r->is_asked_for = !is_first;
    return !is_first;
}

bool ready_files_take(struct account *account, uint64_t *ret_id)
{
    struct ready_files *r = &account->ready;
    struct file_maker *maker = account->store->file_maker;
    pthread_mutex_lock(&r->lock);
    bool has_one = r->ids.len > 0;
    if (has_one)
        *ret_id = r->ids.items[--r->ids.len];
    bool more = maker && wants_more(r);
    pthread_mutex_unlock(&r->lock);
    if (more)
        ask(maker, account->id);
    return has_one;
}

/* ---- The thread */

static bool make_file(struct account *account, uint64_t id, struct err *err)
{
    struct layout_path path = account_message_path(account, id);
    int fd = open(path.text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MESSAGE_FILE_MODE);
    if (fd < 0)
        return err_set_errno(err, errno, "create %s", path.text);
    close(fd);
    return true;
}

static bool make_files(struct account *account, uint64_t first, size_t count, struct err *err)
{
    struct str data = account->store->settings->data;
    for (uint64_t id = first; id < first + count; id++) {
        TRY(make_file(account, id, err));
        bool is_last_there = (id + 1) % LAYOUT_FILES_PER_DIRECTORY == 0 || id + 1 == first + count;
        if (is_last_there)
            TRY(directory_sync(layout_message_directory(data, account->id, id).text, err));
    }
    return true;
}

/* The first made is the first taken. */
static void add_ids(struct ready_files *r, uint64_t first, size_t count)
{
    pthread_mutex_lock(&r->lock);
    for (uint64_t id = first + count; id > first; id--)
        array_push(&r->ids, id - 1);
    pthread_mutex_unlock(&r->lock);
}

static size_t begin_batch(struct ready_files *r)
{
    pthread_mutex_lock(&r->lock);
    size_t batch = r->batch;
    r->is_asked_for = false;
    pthread_mutex_unlock(&r->lock);
    return batch;
}

static bool fill(struct account *account, struct err *err)
{
    size_t count = begin_batch(&account->ready);
    uint64_t first;
    if (count == 0) /* the account was closed, and is new */
        return true;
    TRY(account_take_ids(account, count, &first, err));
    if (!make_files(account, first, count, err)) {
        account_drop_ids(account, first, count);
        return false;
    }
    add_ids(&account->ready, first, count);
    pthread_rwlock_unlock(&account->files_lock);
    return true;
}

static void serve(struct file_maker *maker, uint64_t account_id)
{
    struct account *account = NULL;
    struct err err;
    if (!account_open(maker->store, account_id, &account, &err) || !fill(account, &err))
        log_warn(&maker->store->log, "no files made in advance", LOG_U64("account", account_id),
                 LOG_ERR(&err));
    account_release(account);
}

static void *make(void *arg)
{
    struct file_maker *maker = arg;
    pthread_mutex_lock(&maker->lock);
    while (!maker->is_stopping) {
        if (maker->accounts.len == 0) {
            pthread_cond_wait(&maker->wake, &maker->lock);
            continue;
        }
        uint64_t account_id = maker->accounts.items[0];
        array_remove(&maker->accounts, 0, 1);
        pthread_mutex_unlock(&maker->lock);
        serve(maker, account_id);
        pthread_mutex_lock(&maker->lock);
    }
    pthread_mutex_unlock(&maker->lock);
    return NULL;
}

static void free_maker(struct file_maker *maker)
{
    pthread_mutex_destroy(&maker->lock);
    pthread_cond_destroy(&maker->wake);
    array_release(&maker->accounts);
    free(maker);
}

struct file_maker *file_maker_start(struct store *store, struct err *err)
{
    struct file_maker *maker = xcalloc(1, sizeof(*maker));
    maker->store = store;
    pthread_mutex_init(&maker->lock, NULL);
    pthread_cond_init(&maker->wake, NULL);
    int failure = pthread_create(&maker->thread, NULL, make, maker);
    if (failure == 0)
        return maker;
    err_set_errno(err, failure, "start a thread");
    free_maker(maker);
    return NULL;
}

void file_maker_stop(struct file_maker *maker)
{
    if (!maker)
        return;
    pthread_mutex_lock(&maker->lock);
    maker->is_stopping = true;
    pthread_cond_signal(&maker->wake);
    pthread_mutex_unlock(&maker->lock);
    pthread_join(maker->thread, NULL);
    free_maker(maker);
}
