#include "services/store/import.h"

#include "common/base/clock.h"
#include "common/sys/file.h"
#include "services/store/erase.h"
#include "services/store/import_sql.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATABASE "staging.db"
#define CACHE_KIB 1024

/* ---- The directory */

struct layout_path import_path(const struct account *account, struct str key)
{
    char hex[2 * CALL_KEY_SIZE + 1];
    for (size_t i = 0; i < CALL_KEY_SIZE; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)key.ptr[i]);
    return layout_import(account->store->settings->data, account->id, hex);
}

struct file_path {
    char text[LAYOUT_PATH_MAX + NAME_MAX + 1];
};

static struct file_path path_in(const char *directory, const char *name)
{
    struct file_path path;
    snprintf(path.text, sizeof(path.text), "%s/%s", directory, name);
    return path;
}

static struct file_path item_path(const char *directory, uint64_t sequence)
{
    char name[32];
    snprintf(name, sizeof(name), "%" PRIu64, sequence);
    return path_in(directory, name);
}

static bool is_there(const char *directory)
{
    return access(path_in(directory, DATABASE).text, F_OK) == 0;
}

static bool remove_file(const char *directory, const char *name, struct err *err)
{
    struct file_path path = path_in(directory, name);
    return unlink(path.text) == 0 || errno == ENOENT ||
           err_set_errno(err, errno, "remove %s", path.text);
}

bool import_remove(const char *path, struct err *err)
{
    TRY(remove_file(path, DATABASE, err));
    DIR *directory = opendir(path);
    if (!directory)
        return errno == ENOENT || err_set_errno(err, errno, "open directory %s", path);
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(directory));) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            ok = remove_file(path, e->d_name, err);
    }
    closedir(directory);
    return ok && (rmdir(path) == 0 || err_set_errno(err, errno, "remove %s", path));
}

/* ---- Its database */

struct db *import_open(const struct account *account, struct str key, struct err *err)
{
    struct layout_path path = import_path(account, key);
    if (is_there(path.text))
        return db_open(path_in(path.text, DATABASE).text, &import_schema, DB_READ_WRITE, CACHE_KIB,
                       err);
    err_set(err, ERR_NOT_FOUND, "there is no such import: it was aborted, or lay for a day");
    return NULL;
}

bool import_read_state(struct db *db, struct import_state *ret, struct err *err)
{
    *ret = (struct import_state){.messages = 0};
    struct db_query q = db_query(db, IMPORT_READ);
    if (db_step(&q)) {
        ret->messages = db_column_u64(&q, 0);
        ret->bytes = db_column_u64(&q, 1);
        ret->position = db_column_u64(&q, 2);
    }
    return db_done(&q, err);
}

/* ---- Begin */

/* How many imports the account has; `ret_oldest_s` gets when the longest unused was used, 0: none.
 */
static bool look_at_all(struct account *account, int64_t drop_before_s, size_t *ret_count,
                        int64_t *ret_oldest_s, struct err *err)
{
    struct layout_path path = layout_imports(account->store->settings->data, account->id);
    DIR *directory = opendir(path.text);
    *ret_count = 0;
    *ret_oldest_s = 0;
    if (!directory)
        return errno == ENOENT || err_set_errno(err, errno, "open directory %s", path.text);
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(directory));) {
        struct file_path import = path_in(path.text, e->d_name);
        struct stat st;
        if (e->d_name[0] == '.' || stat(import.text, &st) < 0)
            continue;
        if (st.st_mtime < drop_before_s) {
            ok = import_remove(import.text, err);
            continue;
        }
        (*ret_count)++;
        if (*ret_oldest_s == 0 || st.st_mtime < *ret_oldest_s)
            *ret_oldest_s = st.st_mtime;
    }
    closedir(directory);
    return ok;
}

/* What a crash left of a directory without a database is cleared first. */
static bool make(struct account *account, const char *path, struct err *err)
{
    size_t count;
    int64_t oldest_s;
    TRY(look_at_all(account, 0, &count, &oldest_s, err));
    if (count >= IMPORTS_MAX)
        return err_set(err, ERR_LIMIT, "%zu imports of the account are under way", count);
    TRY(import_remove(path, err) && directory_make_durable(path, 0770, 2, err));
    struct db *db =
        db_open(path_in(path, DATABASE).text, &import_schema, DB_READ_WRITE, CACHE_KIB, err);
    if (!db)
        return false;
    db_close(db);
    accounts_schedule_erase(account->accounts, account->id, clock_wall_s() + IMPORT_KEPT_S + 1);
    return true;
}

/* Its failure is not worth more than a line: what stays goes when nobody touched it for a day. */
static void undo(struct account *account, const char *path)
{
    struct err err;
    if (!import_remove(path, &err))
        log_warn(&account->store->log, "cannot remove an import that did not begin",
                 LOG_U64("account", account->id), LOG_ERR(&err));
}

static bool read_begun(struct account *account, struct str key, struct import_state *ret,
                       struct err *err)
{
    struct db *db = import_open(account, key, err);
    bool ok = db && import_read_state(db, ret, err);
    db_close(db);
    return ok;
}

/* One that cannot be made, since the disk is full, leaves nothing. */
static bool begin(struct account *account, struct str key, struct arena *arena,
                  struct import_state *ret, struct err *err)
{
    struct layout_path path = import_path(account, key);
    struct import_commit done = {.messages = 0};
    bool is_committed;
    TRY(import_find_result(account, key, arena, &done, &is_committed, err));
    if (is_committed) {
        *ret = (struct import_state){.messages = done.messages, .is_committed = true};
        return import_remove(path.text, err);
    }
    bool is_new = !is_there(path.text);
    if ((!is_new || make(account, path.text, err)) && read_begun(account, key, ret, err))
        return true;
    if (is_new)
        undo(account, path.text);
    return false;
}

bool import_begin(struct account *account, struct str key, struct arena *arena,
                  struct import_state *ret, struct err *err)
{
    pthread_mutex_lock(&account->import_lock);
    bool ok = begin(account, key, arena, ret, err);
    pthread_mutex_unlock(&account->import_lock);
    return ok;
}

/* ---- Add */

static bool write_at(const char *path, uint64_t offset, struct str bytes, struct err *err)
{
    CLEANUP(fd_cleanup)
    int fd =
        open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (offset == 0 ? O_TRUNC : 0), MESSAGE_FILE_MODE);
    if (fd < 0)
        return err_set_errno(err, errno, "create %s", path);
    if (lseek(fd, (off_t)offset, SEEK_SET) < 0)
        return err_set_errno(err, errno, "seek in %s", path);
    if (file_write_all(fd, bytes, err))
        return true;
    /* A part gives its room back. Where it cannot, the next try writes over it. */
    const char *left = ftruncate(fd, (off_t)offset) == 0 ? "" : " (a part is left)";
    return err_wrap(err, "%s%s", path, left);
}

static bool add_text(struct account *account, struct str key, uint64_t sequence, uint64_t offset,
                     struct str bytes, struct err *err)
{
    struct import_state state;
    struct layout_path path = import_path(account, key);
    struct db *db = import_open(account, key, err);
    bool ok = db && import_read_state(db, &state, err);
    db_close(db);
    if (!ok)
        return false;
    if (sequence <= state.messages) /* it is complete: a repeated call */
        return true;
    if (sequence > state.messages + IMPORT_ITEMS_MAX)
        return err_set(err, ERR_STATE, "message %" PRIu64 " is missing", state.messages + 1);
    return write_at(item_path(path.text, sequence).text, offset, bytes, err);
}

bool import_add_text(struct account *account, struct str key, uint64_t sequence, uint64_t offset,
                     struct str bytes, struct err *err)
{
    if (bytes.len > IMPORT_TEXT_MAX || offset + bytes.len > MESSAGE_SIZE_MAX)
        return err_set(err, ERR_LIMIT, "%zu bytes at %" PRIu64, bytes.len, offset);
    pthread_mutex_lock(&account->import_lock);
    bool ok = add_text(account, key, sequence, offset, bytes, err);
    pthread_mutex_unlock(&account->import_lock);
    return ok;
}

/* The file with its text, to be synced: a new one, or what import_add_text wrote. */
static bool open_text(const char *directory, uint64_t sequence, const struct message_text *text,
                      int *ret_fd, struct err *err)
{
    struct file_path path = item_path(directory, sequence);
    struct stat st;
    if (text->size <= MESSAGE_CONTENT_MAX)
        return message_text_write(text, path.text, O_CREAT | O_TRUNC, ret_fd, err);
    int fd = open(path.text, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno, "text of message %" PRIu64, sequence);
    *ret_fd = fd;
    if (fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "%s", path.text);
    return (uint64_t)st.st_size == text->size ||
           err_set(err, ERR_SYNTAX, "message %" PRIu64 " came with %lld bytes, not %" PRIu64,
                   sequence, (long long)st.st_size, text->size);
}

/* With so many files, one sync of the file system is shorter than one of each. */
#define SYNC_ALL_FROM 16

static bool sync_texts(const char *directory, uint64_t sequence, const int *fds, size_t len,
                       struct err *err)
{
    if (len >= SYNC_ALL_FROM)
        return syncfs(fds[0]) == 0 || err_set_errno(err, errno, "sync %s", directory);
    for (size_t i = 0; i < len; i++) {
        if (fdatasync(fds[i]) < 0)
            return err_set_errno(err, errno, "sync message %" PRIu64, sequence + i);
    }
    return directory_sync(directory, err);
}

/* All are written before the first is synced: the disk then takes them together. */
static bool place_texts(const char *directory, const struct import_add *op, struct err *err)
{
    int fds[IMPORT_ITEMS_MAX];
    size_t len = 0;
    bool ok = true;
    for (; ok && len < op->count; len++) {
        fds[len] = -1;
        ok = open_text(directory, op->sequence + len, &op->items[len].text, &fds[len], err);
    }
    ok = ok && sync_texts(directory, op->sequence, fds, len, err);
    for (size_t i = 0; i < len; i++)
        fd_cleanup(&fds[i]);
    return ok;
}

/* What an add that failed has written, so that a full disk has room again. Texts that came before
 * it stay for the next try. */
static void drop_texts(struct db *db, const char *directory, const struct import_add *op)
{
    struct err err;
    struct import_state state;
    if (!import_read_state(db, &state, &err) || state.messages >= op->sequence)
        return; /* perhaps it did not fail altogether */
    for (size_t i = 0; i < op->count; i++) {
        if (op->items[i].text.size <= MESSAGE_CONTENT_MAX)
            unlink(item_path(directory, op->sequence + i).text);
    }
}

/* Keywords have no spaces. */
static bool write_item(struct db *db, uint64_t sequence, const struct import_item *item,
                       struct err *err)
{
    struct buf keywords;
    buf_init(&keywords, KEYWORDS_PER_MESSAGE_MAX * (KEYWORD_LEN_MAX + 1));
    for (size_t i = 0; i < item->keywords.len; i++) {
        buf_append_cstr(&keywords, i > 0 ? " " : "");
        buf_append(&keywords, item->keywords.items[i]);
    }
    struct db_query q = db_query(db, ITEM_ADD);
    db_bind_u64(&q, sequence);
    db_bind_str(&q, item->mailbox);
    db_bind_u64(&q, item->text.size);
    db_bind_u64(&q, item->flags);
    db_bind_str(&q, keywords.len > 0 ? buf_str(&keywords) : STR(""));
    db_bind_i64(&q, item->received_s);
    db_bind_blob(&q, item->structure_bytes);
    db_bind_str(&q, item->mail_from.localpart);
    db_bind_str(&q, item->mail_from.domain);
    bool ok = db_run(&q, err);
    buf_release(&keywords);
    return ok;
}

static bool write_rows(struct db *db, const struct import_add *op, struct import_state *state,
                       struct err *err)
{
    for (size_t i = 0; i < op->count; i++) {
        TRY(write_item(db, op->sequence + i, &op->items[i], err));
        state->bytes += op->items[i].text.size;
    }
    state->messages = op->sequence + op->count - 1;
    state->position = op->position;
    struct db_query q = db_query(db, IMPORT_ADVANCE);
    db_bind_u64(&q, state->messages);
    db_bind_u64(&q, state->bytes);
    db_bind_u64(&q, state->position);
    return db_run(&q, err);
}

/* Who is too large is told so before it has sent everything. The commit counts again. */
static bool check_quota(struct account *account, const struct import_add *op,
                        const struct import_state *state, struct err *err)
{
    uint64_t used, bytes = state->bytes;
    TRY(account_used_bytes(account, &used, err));
    for (size_t i = 0; i < op->count; i++)
        bytes += op->items[i].text.size;
    if (used + bytes <= op->quota_bytes)
        return true;
    err_set(err, ERR_LIMIT,
            "over the quota of %" PRIu64 " bytes: %" PRIu64 " are used, and the import has %" PRIu64
            " so far",
            op->quota_bytes, used, bytes);
    return err_reply(err, "over quota");
}

static bool write_messages(struct db *db, const char *directory, const struct import_add *op,
                           struct import_state *state, struct err *err)
{
    TRY(place_texts(directory, op, err) && db_begin(db, true, err));
    if (write_rows(db, op, state, err))
        return db_commit(db, err);
    db_rollback(db);
    return false;
}

static bool add_new(struct account *account, struct str key, struct db *db, struct import_add op,
                    struct import_state *state, struct err *err)
{
    if (op.sequence > state->messages + 1)
        return err_set(err, ERR_STATE, "message %" PRIu64 " is missing", state->messages + 1);
    size_t known = (size_t)(state->messages + 1 - op.sequence);
    if (known >= op.count)
        return true;
    op.items += known;
    op.count -= known;
    op.sequence += known;
    TRY(check_quota(account, &op, state, err));
    struct layout_path path = import_path(account, key);
    if (write_messages(db, path.text, &op, state, err))
        return true;
    drop_texts(db, path.text, &op);
    return false;
}

bool import_add(struct account *account, struct str key, const struct import_add *op,
                struct import_state *ret, struct err *err)
{
    if (op->count > IMPORT_ITEMS_MAX || op->sequence == 0 || op->sequence > INT64_MAX / 2)
        return err_set(err, ERR_SYNTAX, "%zu messages from number %" PRIu64, op->count,
                       op->sequence);
    pthread_mutex_lock(&account->import_lock);
    struct db *db = import_open(account, key, err);
    bool ok = db && import_read_state(db, ret, err) && add_new(account, key, db, *op, ret, err);
    db_close(db);
    pthread_mutex_unlock(&account->import_lock);
    return ok;
}

/* ---- The end */

static bool abort_locked(struct account *account, struct str key, struct arena *arena,
                         struct err *err)
{
    struct import_commit done = {.messages = 0};
    bool is_committed;
    TRY(import_find_result(account, key, arena, &done, &is_committed, err));
    if (is_committed)
        return err_set(err, ERR_STATE, "the import is done: %" PRIu64 " messages were added",
                       done.messages);
    return import_remove(import_path(account, key).text, err);
}

bool import_abort(struct account *account, struct str key, struct arena *arena, struct err *err)
{
    pthread_mutex_lock(&account->import_lock);
    bool ok = abort_locked(account, key, arena, err);
    pthread_mutex_unlock(&account->import_lock);
    return ok;
}

bool import_expire(struct account *account, struct err *err)
{
    size_t count;
    int64_t oldest_s;
    pthread_mutex_lock(&account->import_lock);
    bool ok = look_at_all(account, clock_wall_s() - IMPORT_KEPT_S, &count, &oldest_s, err);
    pthread_mutex_unlock(&account->import_lock);
    if (ok && count > 0)
        accounts_schedule_erase(account->accounts, account->id, oldest_s + IMPORT_KEPT_S + 1);
    return ok;
}
