#include "services/store/verify_files.h"

#include "services/store/queue.h"

#include <inttypes.h>
#include <unistd.h>

#define PAGE 1000

static bool has_file(struct store *store, const struct queue_entry *e)
{
    return access(layout_queue_message(store->settings->data, e->base_id).text, R_OK) == 0;
}

/* Messages leave the queue all the time: one without a file counts only while it is there. */
static bool check_entry(struct store *store, const struct queue_entry *e, struct findings *f,
                        struct err *err)
{
    struct queue_filter filter = {.ids = &e->queue_id, .id_count = 1};
    struct queue_entry *again;
    size_t count;
    uint64_t total;
    if (has_file(store, e))
        return true;
    TRY(queue_list(store->queue, &filter, 1, 0, f->arena, &again, &count, &total, err));
    if (count > 0)
        findings_add(f, FINDING_FILE_MISSING,
                     "queued message %" PRIu64 " has no file (queue/msg, %" PRIu64 ")", e->queue_id,
                     e->base_id);
    return true;
}

bool verify_queue(struct store *store, struct findings *f, struct err *err)
{
    struct queue_filter filter = {.all = true};
    uint64_t after_id = 0, total;
    struct arena page;
    arena_init(&page, 64u << 20);
    bool ok = true;
    for (size_t count = PAGE; ok && count == PAGE;) {
        struct queue_entry *entries;
        arena_reset(&page);
        ok =
            queue_list(store->queue, &filter, PAGE, after_id, &page, &entries, &count, &total, err);
        for (size_t i = 0; ok && i < count; i++) {
            ok = check_entry(store, &entries[i], f, err);
            after_id = entries[i].queue_id;
        }
    }
    arena_release(&page);
    return ok;
}
