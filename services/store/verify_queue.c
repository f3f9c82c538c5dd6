#include "services/store/verify_files.h"

#include "services/store/queue.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 1000

/* A submission that left the queue meanwhile lacks nothing. */
static bool is_still_there(struct store *store, uint64_t base_id, struct arena *arena, bool *ret,
                           struct err *err)
{
    struct queue_stored *again;
    size_t count;
    TRY(queue_list_stored(store->queue, base_id, 1, arena, &again, &count, err));
    *ret = count == 1 && again->base_id == base_id;
    return true;
}

static void check_size(const struct queue_stored *s, uint64_t size, struct findings *f)
{
    if (size != s->size && !f->no_sizes)
        findings_add(f, FINDING_QUEUE,
                     "submission %" PRIu64 " in the queue: text of %" PRIu64
                     " bytes, recorded are %" PRIu64,
                     s->base_id, size, s->size);
}

/* Each has exactly one text: a row or a file. */
static bool check_stored(struct store *store, const struct queue_stored *s, struct findings *f,
                         struct err *err)
{
    struct stat st;
    bool has_file = stat(layout_queue_message(store->settings->data, s->base_id).text, &st) == 0;
    bool counts = true;
    if (s->has_content)
        check_size(s, s->content_size, f);
    else if (has_file)
        check_size(s, (uint64_t)st.st_size, f);
    if (has_file != s->has_content)
        return true;
    TRY(is_still_there(store, s->base_id, f->arena, &counts, err));
    if (counts && has_file)
        findings_add(f, FINDING_QUEUE,
                     "submission %" PRIu64 " in the queue has a file beside its text in queue.db",
                     s->base_id);
    else if (counts)
        findings_add(f, FINDING_QUEUE,
                     "submission %" PRIu64 " in the queue has no text, neither in queue.db nor in "
                     "queue/msg",
                     s->base_id);
    return true;
}

/* ---- Files without a row */

static bool check_file(struct store *store, const char *directory, const char *name,
                       uint64_t last_id, struct findings *f, struct err *err)
{
    char path[2 * LAYOUT_PATH_MAX];
    uint64_t id;
    bool is_known = false;
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    if (!str_to_u64(str_from_cstr(name), INT64_MAX, &id))
        return findings_stray(f, store->settings->data, path, "is no queued message", err);
    if (id > last_id) /* its row is being written */
        return true;
    TRY(queue_knows(store->queue, id, &is_known, err));
    return is_known || access(path, F_OK) < 0 || /* it left meanwhile */
           findings_stray(f, store->settings->data, path, "belongs to no queued message", err);
}

static bool check_directory(struct store *store, const char *path, uint64_t last_id,
                            struct findings *f, struct err *err)
{
    DIR *directory = opendir(path);
    bool ok = true;
    if (!directory)
        return errno == ENOTDIR || err_set_errno(err, errno, "open directory %s", path);
    for (struct dirent *e; ok && (e = readdir(directory));)
        ok = e->d_name[0] == '.' || check_file(store, path, e->d_name, last_id, f, err);
    closedir(directory);
    return ok;
}

/* Each submission that has an id above `last_id` began after this check. */
static bool check_files(struct store *store, struct findings *f, struct err *err)
{
    char path[LAYOUT_PATH_MAX], below[LAYOUT_PATH_MAX + 300];
    uint64_t last_id = queue_last_id(store->queue);
    snprintf(path, sizeof(path), "%.*s/queue/msg", STR_ARG(store->settings->data));
    DIR *directory = opendir(path);
    if (!directory)
        return errno == ENOENT || err_set_errno(err, errno, "open directory %s", path);
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(directory));) {
        snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
        ok = e->d_name[0] == '.' || check_directory(store, below, last_id, f, err);
    }
    closedir(directory);
    return ok;
}

bool verify_queue(struct store *store, struct findings *f, struct err *err)
{
    uint64_t first_id = 0;
    struct arena page;
    arena_init(&page, 1u << 20);
    bool ok = true;
    for (size_t count = PAGE; ok && count == PAGE;) {
        struct queue_stored *all;
        arena_reset(&page);
        ok = queue_list_stored(store->queue, first_id, PAGE, &page, &all, &count, err);
        for (size_t i = 0; ok && i < count; i++) {
            ok = check_stored(store, &all[i], f, err);
            first_id = all[i].base_id + 1;
        }
    }
    arena_release(&page);
    return ok && check_files(store, f, err);
}
