#include "services/store/copy_files.h"

#include "common/base/bug.h"
#include "common/sys/file.h"
#include "services/store/message_files.h"

#define PORTION 64 /* files for which it is worth to wake a thread */

struct copy_file {
    uint64_t from, to;
};

struct copy_files {
    const struct account *account;
    struct copy_file *items;
    size_t max;
    size_t len; /* that were added; known to who adds */
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t wake;
    size_t offered; /* of `items`, to be made by whoever comes first */
    size_t taken;   /* of these */
    bool is_over;   /* nothing will be added */
    bool failed;
    struct err err;
};

/* The next one. Waits for it unless nothing will be added; false: there is none. */
static bool take(struct copy_files *f, struct copy_file *ret)
{
    pthread_mutex_lock(&f->lock);
    while (f->taken == f->offered && !f->is_over)
        pthread_cond_wait(&f->wake, &f->lock);
    bool found = f->taken < f->offered && !f->failed;
    if (found)
        *ret = f->items[f->taken++];
    pthread_mutex_unlock(&f->lock);
    return found;
}

static void fail(struct copy_files *f, const struct err *err)
{
    pthread_mutex_lock(&f->lock);
    if (!f->failed)
        f->err = *err;
    f->failed = true;
    pthread_mutex_unlock(&f->lock);
}

static bool make_file(const struct copy_files *f, const struct copy_file *file, struct err *err)
{
    if (file_link_or_copy(account_message_path(f->account, file->from).text,
                          account_message_path(f->account, file->to).text, err))
        return true;
    /* A text that is lost is damage, and not a mailbox that is missing. */
    if (err->kind == ERR_NOT_FOUND)
        (void)!account_need_file(f->account, file->from, err);
    return false;
}

static void *make_files(void *arg)
{
    struct copy_files *f = arg;
    struct copy_file file;
    struct err err;
    while (take(f, &file)) {
        if (!make_file(f, &file, &err))
            fail(f, &err);
    }
    return NULL;
}

struct copy_files *copy_files_new(const struct account *account, size_t max, struct arena *arena)
{
    struct copy_files *f = arena_new(arena, struct copy_files);
    struct copy_file *items = arena_new_array(arena, max, struct copy_file);
    if (!f || !items)
        return NULL;
    *f = (struct copy_files){.account = account, .items = items, .max = max};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->wake, NULL);
    return f;
}

/* Wakes the thread, which is started for the first portion. */
static void offer(struct copy_files *f)
{
    if (!f->has_thread)
        f->has_thread = pthread_create(&f->thread, NULL, make_files, f) == 0;
    pthread_mutex_lock(&f->lock);
    f->offered = f->len;
    pthread_mutex_unlock(&f->lock);
    pthread_cond_signal(&f->wake);
}

void copy_files_add(struct copy_files *files, uint64_t from, uint64_t to)
{
    BUG_ON(files->len == files->max);
    files->items[files->len++] = (struct copy_file){from, to};
    if (files->len % PORTION == 0)
        offer(files);
}

static void stop(struct copy_files *f, bool makes_the_rest)
{
    pthread_mutex_lock(&f->lock);
    f->offered = makes_the_rest ? f->len : f->taken;
    f->is_over = true;
    pthread_mutex_unlock(&f->lock);
    pthread_cond_signal(&f->wake);
    make_files(f);
    if (f->has_thread)
        pthread_join(f->thread, NULL);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->wake);
}

bool copy_files_end(struct copy_files *files, struct err *err)
{
    stop(files, true);
    if (files->failed)
        *err = files->err;
    return !files->failed;
}

void copy_files_drop(struct copy_files *files)
{
    stop(files, false);
}
