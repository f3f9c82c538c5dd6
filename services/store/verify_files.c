#include "services/store/verify_files.h"

#include "common/sys/file.h"
#include "services/store/message_files.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef ARRAY_OF(uint64_t) id_list;

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool move_away(struct findings *f, struct str data, const char *path, struct err *err)
{
    char to[2 * LAYOUT_PATH_MAX], parent[2 * LAYOUT_PATH_MAX];
    struct str below = str_skip(str_from_cstr(path), data.len + 1);
    int len = snprintf(to, sizeof(to), "%.*s/moved/%.*s", STR_ARG(data), STR_ARG(below));
    snprintf(parent, sizeof(parent), "%.*s", (int)str_rfind_char(str_from_cstr(to), '/'), to);
    TRY(directory_make(parent, 0770, err));
    for (unsigned n = 1; access(to, F_OK) == 0; n++) /* an earlier one of this name */
        snprintf(to + len, sizeof(to) - (size_t)len, ".%u", n);
    if (rename(path, to) < 0)
        return err_set_errno(err, errno, "move %s to %s", path, to);
    array_push(&f->moved, arena_printf(f->arena, "%s is now %s", path, to));
    return true;
}

bool findings_stray(struct findings *f, struct str data, const char *path, const char *why,
                    struct err *err)
{
    if (f->fix)
        return move_away(f, data, path, err);
    findings_add(f, FINDING_FILE_STRAY, "file %s %s", path, why);
    return true;
}

static bool list_file(struct account *account, const char *directory, const char *name,
                      uint64_t number, struct findings *f, id_list *files, struct err *err)
{
    uint64_t id;
    char path[LAYOUT_PATH_MAX + 600];
    if (is_dot(name))
        return true;
    if (str_to_u64(str_from_cstr(name), INT64_MAX, &id) &&
        id / LAYOUT_FILES_PER_DIRECTORY == number) {
        array_push(files, id);
        return true;
    }
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return findings_stray(f, account->store->settings->data, path, "is no message", err);
}

static bool list_directory(struct account *account, const char *path, uint64_t number,
                           struct findings *f, id_list *files, struct err *err)
{
    DIR *directory = opendir(path);
    if (!directory)
        return err_set_errno(err, errno, "open directory %s", path);
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(directory));)
        ok = list_file(account, path, e->d_name, number, f, files, err);
    closedir(directory);
    return ok;
}

static bool list_files(struct account *account, struct findings *f, id_list *files, struct err *err)
{
    char path[LAYOUT_PATH_MAX], below[LAYOUT_PATH_MAX + 300];
    snprintf(path, sizeof(path), "%s/msg",
             layout_account(account->store->settings->data, account->id).text);
    DIR *directory = opendir(path);
    if (!directory)
        return errno == ENOENT || err_set_errno(err, errno, "open directory %s", path);
    bool ok = true;
    uint64_t number;
    for (struct dirent *e; ok && (e = readdir(directory));) {
        snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
        if (str_to_u64(str_from_cstr(e->d_name), INT64_MAX, &number))
            ok = list_directory(account, below, number, f, files, err);
        else if (!is_dot(e->d_name))
            ok = findings_stray(f, account->store->settings->data, below, "is no message", err);
    }
    closedir(directory);
    if (files->len > 0)
        qsort(files->items, files->len, sizeof(*files->items), compare_ids);
    return ok;
}

/* A row of VERIFY_MESSAGES. */
struct message_row {
    uint64_t id;
    bool is_known; /* in a mailbox, or waiting to be erased */
    bool is_erased;
    uint64_t size;
    uint64_t prefix_size;
};

static void check_size(struct account *account, const struct message_row *m, struct findings *f)
{
    struct stat st;
    struct layout_path path = account_message_path(account, m->id);
    if (f->no_sizes)
        return;
    if (stat(path.text, &st) == 0 && (uint64_t)st.st_size + m->prefix_size != m->size)
        findings_add(f, FINDING_FILE_SIZE,
                     "message %" PRIu64 ": file has %lld bytes, prefix %" PRIu64
                     ", recorded are %" PRIu64 "",
                     m->id, (long long)st.st_size, m->prefix_size, m->size);
}

static bool stray(struct account *account, uint64_t id, struct findings *f, struct err *err)
{
    return findings_stray(f, account->store->settings->data, account_message_path(account, id).text,
                          "belongs to no message", err);
}

/* Rows and files both ascend by id: `*at` walks along. */
static bool check_message(struct account *account, const struct message_row *m,
                          const id_list *files, size_t *at, struct findings *f, struct err *err)
{
    for (; *at < files->len && files->items[*at] < m->id; (*at)++)
        TRY(stray(account, files->items[*at], f, err));
    bool has_file = *at < files->len && files->items[*at] == m->id;
    *at += has_file;
    if (!m->is_known)
        findings_add(f, FINDING_ROW, "message %" PRIu64 " is in no mailbox", m->id);
    else if (has_file)
        check_size(account, m, f);
    else if (!m->is_erased)
        findings_add(f, FINDING_FILE_MISSING, "message %" PRIu64 " has no file", m->id);
    return true;
}

static bool check_messages(struct account *account, struct db *db, const id_list *files,
                           struct findings *f, struct err *err)
{
    size_t at = 0;
    struct err failure;
    bool ok = true;
    struct db_query q = db_query(db, VERIFY_MESSAGES);
    while (ok && db_step(&q)) {
        struct message_row m = {.id = db_column_u64(&q, 0),
                                .is_known = !db_column_is_null(&q, 1),
                                .size = db_column_u64(&q, 1),
                                .is_erased = db_column_u64(&q, 2) != 0,
                                .prefix_size = db_column_u64(&q, 3)};
        ok = check_message(account, &m, files, &at, f, &failure);
    }
    for (; ok && at < files->len; at++)
        ok = stray(account, files->items[at], f, &failure);
    TRY(db_done(&q, err));
    if (!ok)
        *err = failure;
    return ok;
}

bool verify_files(struct account *account, struct db *db, struct findings *f, struct err *err)
{
    id_list files = {0};
    bool ok = list_files(account, f, &files, err) && check_messages(account, db, &files, f, err);
    array_release(&files);
    return ok;
}
