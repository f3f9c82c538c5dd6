#include "services/store/message_files.h"

#include "common/sys/file.h"
#include "services/store/message.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNDER_WAY_MAX 16 /* files on their way to the disk */

static bool set_unclean(struct db *db, void *ctx, struct err *err)
{
    uint64_t *from = ctx;
    struct db_query q = db_query(db, ACCOUNT_SET_UNCLEAN);
    if (from)
        db_bind_u64(&q, *from);
    else
        db_bind_null(&q);
    return db_run(&q, err);
}

/* Once in the life of an open account: should the process die, the next start looks from here on
 * for files without a row (recover.h). */
static bool mark_unclean(struct account *account, uint64_t from, struct err *err)
{
    if (account->is_marked_unclean)
        return true;
    TRY(db_group_run(account->group, set_unclean, &from, 0, err));
    account->is_marked_unclean = true;
    return true;
}

void account_mark_clean(struct account *account)
{
    struct err err;
    if (account->is_marked_unclean && !db_group_run(account->group, set_unclean, NULL, 0, &err))
        log_warn(&account->store->log, "account could not be marked as closed",
                 LOG_U64("account", account->id), LOG_ERR(&err));
}

static bool make_directories(struct account *account, uint64_t first, uint64_t last,
                             struct err *err)
{
    uint64_t d = first / LAYOUT_FILES_PER_DIRECTORY;
    if (d < account->ready_directories)
        d = account->ready_directories;
    for (; d <= last / LAYOUT_FILES_PER_DIRECTORY; d++) {
        struct layout_path path = layout_message_directory(
            account->store->settings->data, account->id, d * LAYOUT_FILES_PER_DIRECTORY);
        TRY(directory_make_durable(path.text, 0770, 2, err)); /* msg/ and the account's */
        account->ready_directories = d + 1;
    }
    return true;
}

bool account_take_ids(struct account *account, size_t count, uint64_t *ret_first, struct err *err)
{
    pthread_rwlock_rdlock(&account->files_lock);
    pthread_mutex_lock(&account->prepare_lock);
    uint64_t first = atomic_fetch_add(&account->message_id, count) + 1;
    bool ok = mark_unclean(account, first, err) &&
              make_directories(account, first, first + count - 1, err);
    pthread_mutex_unlock(&account->prepare_lock);
    if (ok)
        *ret_first = first;
    else
        pthread_rwlock_unlock(&account->files_lock);
    return ok;
}

void account_drop_ids(struct account *account, uint64_t first, size_t count)
{
    for (uint64_t id = first; id < first + count; id++)
        unlink(account_message_path(account, id).text);
    pthread_rwlock_unlock(&account->files_lock);
}

struct layout_path account_message_path(const struct account *account, uint64_t id)
{
    return layout_message(account->store->settings->data, account->id, id);
}

bool account_need_file(const struct account *account, uint64_t id, struct err *err)
{
    struct stat st;
    struct layout_path path = account_message_path(account, id);
    if (stat(path.text, &st) == 0)
        return true;
    err_set_errno(err, errno, "%s (see verifydata and remove-lost)", path.text);
    if (err->kind == ERR_NOT_FOUND)
        err->kind = ERR_CORRUPT;
    return false;
}

/* Its bytes are on their way to the disk. */
static bool write_content(struct account *account, const struct message_text *text,
                          struct file_syncer *syncer, struct message_file *file, struct err *err)
{
    struct layout_path path = account_message_path(account, file->id);
    int how = file->is_ready ? 0 : O_CREAT | O_EXCL;
    TRY(message_text_write(text, path.text, how, &file->fd, err));
    file_sync_begin(syncer, &file->sync, file->fd);
    return true;
}

static bool make_file(struct account *account, const struct message_text *text,
                      struct file_syncer *syncer, struct message_file *file, struct err *err)
{
    return message_text_is_content(text)
               ? write_content(account, text, syncer, file, err)
               : message_text_place(text, account->store->settings->data,
                                    account_message_path(account, file->id).text, err);
}

static bool end_file(struct message_file *file, struct err *err)
{
    bool ok = file_sync_end(&file->sync, err);
    message_file_close(file);
    return ok;
}

static bool place_through(struct account *account, struct message_file *window,
                          struct new_message *messages, size_t count, uint64_t first,
                          struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        struct message_file *file = &window[i % UNDER_WAY_MAX];
        TRY(end_file(file, err));
        *file = (struct message_file){.id = first + i, .fd = -1};
        messages[i].id = first + i;
        TRY(make_file(account, &messages[i].text, account->store->batch_syncer, file, err));
    }
    for (size_t i = 0; i < UNDER_WAY_MAX; i++)
        TRY(end_file(&window[i], err));
    return true;
}

bool account_place_texts(struct account *account, struct new_message *messages, size_t count,
                         uint64_t first, struct err *err)
{
    struct message_file window[UNDER_WAY_MAX];
    for (size_t i = 0; i < UNDER_WAY_MAX; i++)
        window[i] = (struct message_file){.fd = -1};
    bool ok = place_through(account, window, messages, count, first, err);
    for (size_t i = 0; i < UNDER_WAY_MAX; i++)
        message_file_close(&window[i]);
    return ok;
}

static bool take_ready(struct account *account, struct message_file *file)
{
    pthread_rwlock_rdlock(&account->files_lock);
    file->is_ready = ready_files_take(account, &file->id);
    if (!file->is_ready)
        pthread_rwlock_unlock(&account->files_lock);
    return file->is_ready;
}

bool message_file_make(struct account *account, const struct message_text *text,
                       struct message_file *ret, struct err *err)
{
    *ret = (struct message_file){.fd = -1};
    bool has_id = (message_text_is_content(text) && take_ready(account, ret)) ||
                  account_take_ids(account, 1, &ret->id, err);
    if (!has_id)
        return false;
    if (make_file(account, text, NULL, ret, err))
        return true;
    account_drop_ids(account, ret->id, 1);
    return false;
}

void message_file_close(struct message_file *file)
{
    file_sync_drop(&file->sync);
    fd_cleanup(&file->fd);
}

void change_sync_file(struct change *c, uint64_t id)
{
    struct layout_path path =
        layout_message_directory(c->account->store->settings->data, c->account->id, id);
    db_group_sync_directory(c->account->group, path.text);
}
