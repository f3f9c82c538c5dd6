#include "services/store/backup.h"

#include "common/base/array.h"
#include "common/base/version.h"
#include "common/sys/file.h"
#include "services/store/account.h"
#include "services/store/backup_cut.h"
#include "services/store/backup_directory.h"
#include "services/store/directory.h"
#include "services/store/message_files.h"
#include "services/store/queue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GO_ON_EVERY 100 /* files */
#define CACHE_KIB 1024

struct backup {
    struct job *job;
    struct store *store;
    struct str from; /* our data directory */
    struct str to;
    bool copies; /* links are impossible, as was said */
    struct backup_directory directory;
};

/* ---- Files */

static bool link_file(struct backup *b, const char *from, const char *to, struct err *err)
{
    if (b->copies)
        return file_link_or_copy(from, to, err);
    if (link(from, to) == 0)
        return true;
    int failure = errno;
    if (failure == ENOENT)
        return err_set(err, ERR_NOT_FOUND, "%s: no such file", from);
    job_line(b->job,
             "files are copied, for links are impossible (%s): is the backup on the file system of "
             "the data?",
             strerror(failure));
    b->copies = true;
    return file_link_or_copy(from, to, err);
}

/* With bytes of its own, for what may change in place. */
static bool copy_file(const char *from, const char *to, struct err *err)
{
    struct stat st;
    struct file_map map;
    CLEANUP(fd_cleanup) int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (in < 0 || fstat(in, &st) < 0)
        return err_set_errno(err, errno, "%s", from);
    CLEANUP(fd_cleanup)
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 0777);
    if (out < 0)
        return err_set_errno(err, errno, "%s", to);
    TRY(file_map_open(in, &map, err));
    bool ok = file_write_all(out, map.bytes, err);
    file_map_close(&map);
    return ok;
}

static void copy_tree(struct backup *b, const char *from, const char *to);

static void copy_one(struct backup *b, const char *from, const char *to)
{
    struct err err;
    struct stat st;
    if (lstat(from, &st) < 0)
        return;
    if (S_ISDIR(st.st_mode))
        copy_tree(b, from, to);
    else if (S_ISREG(st.st_mode) && !copy_file(from, to, &err))
        job_error(b->job, "%s", err.detail);
}

/* Modes too. What is absent needs no copy. */
static void copy_tree(struct backup *b, const char *from, const char *to)
{
    char source[2 * LAYOUT_PATH_MAX], target[2 * LAYOUT_PATH_MAX];
    struct stat st;
    DIR *directory = opendir(from);
    if (!directory || stat(from, &st) < 0 ||
        (mkdir(to, st.st_mode & 0777) < 0 && errno != EEXIST)) {
        if (errno != ENOENT)
            job_error(b->job, "%s: %s", from, strerror(errno));
        if (directory)
            closedir(directory);
        return;
    }
    for (struct dirent *e; (e = readdir(directory));) {
        snprintf(source, sizeof(source), "%s/%s", from, e->d_name);
        snprintf(target, sizeof(target), "%s/%s", to, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            copy_one(b, source, target);
    }
    closedir(directory);
}

static void copy_part(struct backup *b, const char *name)
{
    char from[LAYOUT_PATH_MAX], to[LAYOUT_PATH_MAX];
    snprintf(from, sizeof(from), "%.*s/%s", STR_ARG(b->from), name);
    snprintf(to, sizeof(to), "%.*s/%s", STR_ARG(b->to), name);
    copy_one(b, from, to);
}

/* ---- An account */

struct linking {
    uint64_t id;
    uint64_t directory; /* that was made last, + 1 */
    uint64_t count;
};

static bool link_message(struct backup *b, struct linking *l, uint64_t message_id, bool may_lack,
                         struct err *err)
{
    struct layout_path from = layout_message(b->from, l->id, message_id);
    struct layout_path to = layout_message(b->to, l->id, message_id);
    uint64_t directory = message_id / LAYOUT_FILES_PER_DIRECTORY + 1;
    if (directory != l->directory)
        TRY(directory_make(layout_message_directory(b->to, l->id, message_id).text, 0770, err));
    l->directory = directory;
    job_advance(b->job, 1);
    if (l->count++ % GO_ON_EVERY == 0)
        TRY(job_goes_on(b->job, err));
    if (!link_file(b, from.text, to.text, err) && !(may_lack && err->kind == ERR_NOT_FOUND)) {
        if (err->kind == ERR_NO_SPACE)
            return false;
        job_error(b->job, "account %" PRIu64 ": message %" PRIu64 ": %s", l->id, message_id,
                  err->detail);
    }
    return true;
}

/* No delivery to the backup was ever cut off. */
static bool mark_clean(struct db *db, struct err *err)
{
    struct db_query q = db_query(db, ACCOUNT_SET_UNCLEAN);
    db_bind_null(&q);
    return db_run(&q, err);
}

static bool link_each(struct backup *b, struct db *db, uint64_t id, struct err *err)
{
    struct linking l = {.id = id};
    struct err failure;
    bool ok = true;
    struct db_query q = db_query(db, VERIFY_MESSAGES);
    while (ok && db_step(&q))
        ok = link_message(b, &l, db_column_u64(&q, 0), db_column_u64(&q, 2) != 0, &failure);
    TRY(db_done(&q, err));
    if (!ok)
        *err = failure;
    return ok;
}

/* To what else is in the backup: the files of all messages that the copy of the database has (newer
 * ones belong to no backup), and the directory. */
static bool fit_copy(struct backup *b, uint64_t id, struct err *err)
{
    struct layout_path path = layout_account_db(b->to, id);
    struct db *db = db_open(path.text, &account_schema, DB_READ_WRITE, CACHE_KIB, err);
    if (!db)
        return false;
    bool ok = mark_clean(db, err) && backup_directory_fit_rights(&b->directory, id, db, err) &&
              link_each(b, db, id, err);
    db_close(db);
    return ok;
}

static bool copy_database(struct backup *b, uint64_t id, struct err *err)
{
    backup_cut_copy_begin(b->store->backup_cut, id);
    bool ok = db_copy(layout_account_db(b->from, id).text, layout_account_db(b->to, id).text, err);
    backup_cut_copy_end(b->store->backup_cut);
    return ok;
}

static bool copy_account(struct backup *b, struct account *account, struct err *err)
{
    TRY(directory_make(layout_account(b->to, account->id).text, 0770, err));
    pthread_mutex_lock(&account->erase_lock); /* what the copy has keeps its files until then */
    bool ok = copy_database(b, account->id, err) && fit_copy(b, account->id, err);
    pthread_mutex_unlock(&account->erase_lock);
    return ok;
}

/* One that cannot be opened is copied as it is: perhaps it can be mended. */
static bool backup_account(struct backup *b, uint64_t id, struct str name, struct err *err)
{
    struct account *account = NULL;
    char part[64];
    job_doing(b->job, "account %.*s", STR_ARG(name));
    if (!account_open(b->store, id, &account, err)) {
        if (err->kind == ERR_NOT_FOUND)
            return true; /* it was removed meanwhile */
        job_error(b->job, "%s: its files are copied as they are", err->detail);
        snprintf(part, sizeof(part), "accounts/%" PRIu64, id);
        copy_part(b, part);
        return true;
    }
    job_expect(b->job, account_all_messages(account));
    bool ok = copy_account(b, account, err);
    account_release(account);
    if (ok || err->kind == ERR_NO_SPACE || !job_goes_on(b->job, err))
        return ok;
    job_error(b->job, "account %.*s: %s", STR_ARG(name), err->detail);
    return true;
}

/* The databases that were copied later may name accounts that were made since. Their ids are never
 * given to others, also after the backup was brought back. */
static bool keep_ids(struct backup *b, struct err *err)
{
    uint64_t last;
    return directory_last_account_id(b->store, &last, err) &&
           directory_sql_keep_account_ids(b->directory.db, last, err);
}

static void open_cut(struct backup *b)
{
    const struct directory_rows *rows = &b->directory.accounts->rows;
    ARRAY_OF(uint64_t) ids = {.len = 0};
    for (size_t i = 0; i < rows->accounts.len; i++)
        array_push(&ids, rows->accounts.items[i].id);
    backup_cut_open(b->store->backup_cut, ids.items, ids.len);
    array_release(&ids);
}

static bool backup_each(struct backup *b, struct err *err)
{
    const struct directory_rows *rows = &b->directory.accounts->rows;
    for (size_t i = 0; i < rows->accounts.len; i++) {
        const struct directory_account *account = &rows->accounts.items[i];
        TRY(job_goes_on(b->job, err) && backup_account(b, account->id, account->name, err));
    }
    return true;
}

/* Those that the copied directory has: one that was made since belongs to no backup. */
static bool backup_accounts(struct backup *b, struct err *err)
{
    open_cut(b);
    bool ok = backup_each(b, err);
    backup_cut_close(b->store->backup_cut);
    return ok && keep_ids(b, err);
}

/* ---- The queue */

static bool link_queue_files(struct backup *b, const char *number, struct err *err)
{
    char from[2 * LAYOUT_PATH_MAX], to[2 * LAYOUT_PATH_MAX];
    snprintf(from, sizeof(from), "%.*s/queue/msg/%s", STR_ARG(b->from), number);
    snprintf(to, sizeof(to), "%.*s/queue/msg/%s", STR_ARG(b->to), number);
    DIR *directory = opendir(from);
    if (!directory)
        return errno == ENOTDIR || err_set_errno(err, errno, "%s", from);
    size_t from_len = strlen(from), to_len = strlen(to);
    bool ok = directory_make(to, 0770, err);
    for (struct dirent *e; ok && (e = readdir(directory));) {
        snprintf(from + from_len, sizeof(from) - from_len, "/%s", e->d_name);
        snprintf(to + to_len, sizeof(to) - to_len, "/%s", e->d_name);
        ok = e->d_name[0] == '.' || link_file(b, from, to, err) || err->kind == ERR_NOT_FOUND;
    }
    closedir(directory);
    return ok;
}

/* After its database was copied, while no file is removed. A file whose message came later is
 * passed over by everybody. */
static bool link_queue(struct backup *b, struct err *err)
{
    char path[LAYOUT_PATH_MAX];
    snprintf(path, sizeof(path), "%.*s/queue/msg", STR_ARG(b->from));
    DIR *directory = opendir(path);
    bool ok = true;
    if (!directory)
        return errno == ENOENT || err_set_errno(err, errno, "%s", path);
    for (struct dirent *e; ok && (e = readdir(directory));)
        ok = e->d_name[0] == '.' || link_queue_files(b, e->d_name, err);
    closedir(directory);
    return ok;
}

static void backup_queue(struct backup *b)
{
    struct err err;
    job_doing(b->job, "queue");
    queue_keep_files(b->store->queue, true);
    bool ok = db_copy(layout_queue_db(b->from).text, layout_queue_db(b->to).text, &err) &&
              link_queue(b, &err);
    queue_keep_files(b->store->queue, false);
    if (!ok)
        job_error(b->job, "queue: %s", err.detail);
}

/* ---- All */

static bool check_empty(const char *path, struct err *err)
{
    DIR *directory = opendir(path);
    bool is_empty = true;
    if (!directory)
        return err_set_errno(err, errno, "%s", path);
    for (struct dirent *e; (e = readdir(directory));)
        is_empty &= strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    closedir(directory);
    return is_empty ||
           err_set(err, ERR_CONFLICT, "%s is not empty: a backup overwrites nothing", path);
}

static bool prepare(struct backup *b, struct err *err)
{
    char path[LAYOUT_PATH_MAX];
    if (!str_starts_with(b->to, STR("/")) || !str_copy_cstr(b->to, path, sizeof(path) - 128))
        return err_set(err, ERR_SYNTAX,
                       "the destination must be an absolute path of at most %d bytes",
                       LAYOUT_PATH_MAX - 129);
    return directory_make(path, 0770, err) && check_empty(path, err) &&
           file_replace(layout_unfinished(b->to).text,
                        STR("A backup into this directory has not come to its end.\n"), 0640, err);
}

/* Tells that it came to its end; at last by what is no longer there. */
static bool finish(struct backup *b, struct err *err)
{
    char path[LAYOUT_PATH_MAX];
    snprintf(path, sizeof(path), "%.*s", STR_ARG(b->to));
    CLEANUP(fd_cleanup) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || syncfs(fd) < 0)
        return err_set_errno(err, errno, "sync %s", path);
    snprintf(path, sizeof(path), "%.*s/version", STR_ARG(b->to));
    TRY(file_replace(path, STR(MAILRAIL_PRODUCT "\n"), 0640, err));
    struct layout_path mark = layout_unfinished(b->to);
    if (unlink(mark.text) < 0 || fsync(fd) < 0)
        return err_set_errno(err, errno, "remove %s", mark.text);
    return true;
}

static bool run(struct backup *b, struct err *err)
{
    TRY(prepare(b, err));
    job_doing(b->job, "directory");
    TRY(backup_directory_copy(&b->directory, b->from, b->to, err));
    copy_part(b, "store.key");
    copy_part(b, "keys");
    copy_part(b, "tls");
    copy_part(b, "acme");
    backup_queue(b);
    TRY(backup_accounts(b, err));
    backup_directory_close(&b->directory); /* all of it is in its file */
    return finish(b, err);
}

bool job_backup(struct job *job, struct err *err)
{
    struct store *store = job_store(job);
    struct backup b = {.job = job,
                       .store = store,
                       .from = store->settings->data,
                       .to = job_request(job)->destination};
    bool ok = run(&b, err);
    backup_directory_close(&b.directory);
    return ok;
}
