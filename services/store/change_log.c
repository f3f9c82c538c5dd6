#include "services/store/change_log.h"

#include <stdlib.h>

void change_log_init(struct change_log *r)
{
    *r = (struct change_log){.complete_above = UINT64_MAX};
    pthread_mutex_init(&r->lock, NULL);
}

void change_log_release(struct change_log *r)
{
    array_release(&r->changes);
    pthread_mutex_destroy(&r->lock);
}

static void forget_half(struct change_log *r)
{
    size_t count = r->changes.len / 2;
    r->complete_above = r->changes.items[count - 1].modseq;
    array_remove(&r->changes, 0, count);
}

void change_log_add(struct change_log *r, uint64_t mailbox_id, uint32_t uid, uint64_t modseq)
{
    struct logged_change change = {.modseq = modseq, .mailbox_id = mailbox_id, .uid = uid};
    pthread_mutex_lock(&r->lock);
    if (r->changes.len == CHANGE_LOG_MAX)
        forget_half(r);
    array_push(&r->changes, change);
    pthread_mutex_unlock(&r->lock);
}

void change_log_forget(struct change_log *r, uint64_t modseq)
{
    size_t count = 0;
    pthread_mutex_lock(&r->lock);
    while (count < r->changes.len && r->changes.items[count].modseq <= modseq)
        count++;
    if (count > 0)
        array_remove(&r->changes, 0, count);
    if (r->complete_above < modseq)
        r->complete_above = modseq;
    pthread_mutex_unlock(&r->lock);
}

static size_t first_after(const struct change_log *r, uint64_t since)
{
    size_t i = r->changes.len;
    while (i > 0 && r->changes.items[i - 1].modseq > since)
        i--;
    return i;
}

static bool collect(const struct change_log *r, uint64_t mailbox_id, uint64_t since,
                    struct arena *arena, struct uids *ret)
{
    size_t first = first_after(r, since);
    *ret = uids_new(arena, r->changes.len - first + 1); /* never none */
    for (size_t i = first; ret->items && i < r->changes.len; i++)
        if (r->changes.items[i].mailbox_id == mailbox_id)
            ret->items[ret->len++] = r->changes.items[i].uid;
    return ret->items != NULL;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void sort_once(struct uids *uids)
{
    size_t kept = 0;
    qsort(uids->items, uids->len, sizeof(*uids->items), compare);
    for (size_t i = 0; i < uids->len; i++)
        if (kept == 0 || uids->items[kept - 1] != uids->items[i])
            uids->items[kept++] = uids->items[i];
    uids->len = kept;
}

bool change_log_uids(struct change_log *r, uint64_t mailbox_id, uint64_t since, struct arena *arena,
                     struct uids *ret)
{
    pthread_mutex_lock(&r->lock);
    bool ok = since >= r->complete_above && collect(r, mailbox_id, since, arena, ret);
    pthread_mutex_unlock(&r->lock);
    if (ok)
        sort_once(ret);
    return ok;
}
