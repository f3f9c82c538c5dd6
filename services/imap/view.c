#include "services/imap/view_internal.h"

/* ---- Life cycle */

struct view *view_new(uint64_t owner, uint64_t mailbox_id)
{
    struct view *v = xcalloc(1, sizeof(*v));
    pthread_rwlock_init(&v->lock, NULL);
    pthread_mutex_init(&v->pulling, NULL);
    map_init(&v->keyword_sets);
    list_init(&v->users);
    buf_init(&v->name, VIEW_NAME_MAX);
    buf_init(&v->keywords, VIEW_KEYWORDS_MAX);
    v->owner = owner;
    v->info.mailbox_id = mailbox_id;
    atomic_store(&v->nudges, 1); /* users have failed after none */
    atomic_store(&v->references, 1);
    return v;
}

struct view *view_ref(struct view *v)
{
    atomic_fetch_add(&v->references, 1);
    return v;
}

void view_unref(struct view *v)
{
    if (!v || atomic_fetch_sub(&v->references, 1) > 1)
        return;
    BUG_ON(!list_is_empty(&v->users));
    struct map_entry *entry;
    size_t at = 0;
    while ((entry = map_next(&v->keyword_sets, &at)))
        free(entry->value);
    map_release(&v->keyword_sets);
    array_release(&v->messages);
    array_release(&v->graves);
    buf_release(&v->name);
    buf_release(&v->keywords);
    pthread_mutex_destroy(&v->pulling);
    pthread_rwlock_destroy(&v->lock);
    free(v);
}

/* ---- Users */

/* Who is woken first moves first: the last one it is that the others wait for. */
static void find_slowest(struct view *v)
{
    v->slowest = NULL;
    v->slowest_horizon = UINT64_MAX;
    LIST_FOREACH(link, &v->users)
    {
        const struct view_user *user = CONTAINER_OF(link, struct view_user, link);
        if (user->horizon > v->slowest_horizon)
            continue;
        v->slowest = user;
        v->slowest_horizon = user->horizon;
    }
}

/* Costs nothing while the slowest session has not moved: with many, all of them come here after
 * each expunge. */
void view_bury(struct view *v)
{
    if (v->slowest && v->slowest->horizon == v->slowest_horizon)
        return;
    find_slowest(v);
    uint64_t passed = v->slowest_horizon;
    size_t graves = 0;
    for (size_t i = 0; i < v->graves.len; i++)
        if (v->graves.items[i].expunged > passed)
            v->graves.items[graves++] = v->graves.items[i];
    if (graves == v->graves.len)
        return;
    v->graves.len = graves;
    size_t kept = 0;
    for (size_t i = 0; i < v->messages.len; i++)
        if (!view_is_hidden(&v->messages.items[i], passed))
            v->messages.items[kept++] = v->messages.items[i];
    v->messages.len = kept;
}

void view_wake_waiting(struct view *v)
{
    LIST_FOREACH(link, &v->users)
    {
        const struct view_user *user = CONTAINER_OF(link, struct view_user, link);
        if (user->waiting)
            session_wake(user->handle);
    }
}

void view_join(struct view *v, struct view_user *user)
{
    pthread_rwlock_wrlock(&v->lock);
    user->horizon = v->modseq;
    user->waiting = false;
    list_append(&v->users, &user->link);
    pthread_rwlock_unlock(&v->lock);
}

void view_leave(struct view *v, struct view_user *user)
{
    pthread_rwlock_wrlock(&v->lock);
    list_remove(&user->link);
    if (user == v->slowest)
        v->slowest = NULL;
    if (v->graves.len > 0)
        view_bury(v);
    pthread_rwlock_unlock(&v->lock);
}

void view_set_horizon(struct view *v, struct view_user *user, uint64_t horizon)
{
    pthread_rwlock_wrlock(&v->lock);
    user->horizon = horizon;
    if (v->graves.len > 0)
        view_bury(v);
    pthread_rwlock_unlock(&v->lock);
}

bool view_set_waiting(struct view *v, struct view_user *user, bool waiting)
{
    pthread_rwlock_wrlock(&v->lock);
    user->waiting = waiting;
    bool behind = user->horizon < v->modseq || v->info.gone;
    pthread_rwlock_unlock(&v->lock);
    return waiting && (behind || view_is_stale(v));
}

/* ---- The mailbox */

struct view_info view_info(struct view *v)
{
    pthread_rwlock_rdlock(&v->lock);
    struct view_info info = v->info;
    pthread_rwlock_unlock(&v->lock);
    return info;
}

size_t view_size(struct view *v)
{
    pthread_rwlock_rdlock(&v->lock);
    size_t size = v->messages.len; /* none, while they are only counted */
    pthread_rwlock_unlock(&v->lock);
    return size;
}

bool view_is_counted(const struct view *v)
{
    return v->is_counted;
}

uint64_t view_modseq(const struct view *v)
{
    return v->modseq;
}

void view_write_keywords(struct view *v, struct buf *out)
{
    pthread_rwlock_rdlock(&v->lock);
    buf_append(out, buf_str(&v->keywords));
    pthread_rwlock_unlock(&v->lock);
}

uint64_t view_owner(const struct view *v)
{
    return v->owner;
}

struct str view_name(struct view *v, struct arena *arena)
{
    pthread_rwlock_rdlock(&v->lock);
    struct str name = arena_copy(arena, buf_str(&v->name));
    pthread_rwlock_unlock(&v->lock);
    return name;
}
