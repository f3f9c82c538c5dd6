#include "services/store/verify_files.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

static void list_file(const char *directory, const char *name, uint64_t number, struct findings *f,
                      id_list *files)
{
    uint64_t id;
    if (is_dot(name))
        return;
    if (str_to_u64(str_from_cstr(name), INT64_MAX, &id) &&
        id / LAYOUT_FILES_PER_DIRECTORY == number)
        array_push(files, id);
    else
        findings_add(f, FINDING_FILE_STRAY, "file %s/%s is no message", directory, name);
}

static bool list_directory(const char *path, uint64_t number, struct findings *f, id_list *files,
                           struct err *err)
{
    DIR *directory = opendir(path);
    if (!directory)
        return err_set_errno(err, errno, "open directory %s", path);
    for (struct dirent *e; (e = readdir(directory));)
        list_file(path, e->d_name, number, f, files);
    closedir(directory);
    return true;
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
            ok = list_directory(below, number, f, files, err);
        else if (!is_dot(e->d_name))
            findings_add(f, FINDING_FILE_STRAY, "file %s is no message", below);
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
    if (stat(path.text, &st) == 0 && (uint64_t)st.st_size + m->prefix_size != m->size)
        findings_add(f, FINDING_FILE_SIZE,
                     "message %" PRIu64 ": file has %lld bytes, prefix %" PRIu64
                     ", recorded are %" PRIu64,
                     m->id, (long long)st.st_size, m->prefix_size, m->size);
}

/* Rows and files both ascend by id: `*at` walks along. */
static void check_message(struct account *account, const struct message_row *m,
                          const id_list *files, size_t *at, struct findings *f)
{
    for (; *at < files->len && files->items[*at] < m->id; (*at)++)
        findings_add(f, FINDING_FILE_STRAY, "file of message %" PRIu64 " has no row",
                     files->items[*at]);
    bool has_file = *at < files->len && files->items[*at] == m->id;
    *at += has_file;
    if (!m->is_known)
        findings_add(f, FINDING_ROW, "message %" PRIu64 " is in no mailbox", m->id);
    else if (has_file)
        check_size(account, m, f);
    else if (!m->is_erased)
        findings_add(f, FINDING_FILE_MISSING, "message %" PRIu64 " has no file", m->id);
}

static bool check_messages(struct account *account, struct db *db, const id_list *files,
                           struct findings *f, struct err *err)
{
    size_t at = 0;
    struct db_query q = db_query(db, VERIFY_MESSAGES);
    while (db_step(&q)) {
        struct message_row m = {.id = db_column_u64(&q, 0),
                                .is_known = !db_column_is_null(&q, 1),
                                .size = db_column_u64(&q, 1),
                                .is_erased = db_column_u64(&q, 2) != 0,
                                .prefix_size = db_column_u64(&q, 3)};
        check_message(account, &m, files, &at, f);
    }
    for (; at < files->len; at++)
        findings_add(f, FINDING_FILE_STRAY, "file of message %" PRIu64 " has no row",
                     files->items[at]);
    return db_done(&q, err);
}

bool verify_files(struct account *account, struct db *db, struct findings *f, struct err *err)
{
    id_list files = {0};
    bool ok = list_files(account, f, &files, err) && check_messages(account, db, &files, f, err);
    array_release(&files);
    return ok;
}
