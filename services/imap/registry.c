#include "services/imap/registry.h"

#include "common/base/map.h"

#include <pthread.h>

#define PULL_ARENA_MAX (64u << 20)

struct registry {
    struct backend *backend;
    pthread_mutex_t lock; /* of all accounts and their views' counts */
    struct map accounts;  /* id -> struct account */
};

/* A view and how many sessions have it open. */
struct open_view {
    struct view *view;
    unsigned sessions;
};

struct account {
    struct registry *registry;
    uint64_t id;
    unsigned sessions;
    uint64_t events;  /* how many have come */
    struct map views; /* mailbox id -> struct open_view */
};

struct registry *registry_new(struct backend *b)
{
    struct registry *r = xcalloc(1, sizeof(*r));
    r->backend = b;
    pthread_mutex_init(&r->lock, NULL);
    map_init(&r->accounts);
    return r;
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    BUG_ON(r->accounts.len > 0);
    map_release(&r->accounts);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* ---- Events */

void registry_changed(void *user, const struct backend_event *event)
{
    struct registry *r = user;
    pthread_mutex_lock(&r->lock);
    struct account *a = map_get_u64(&r->accounts, event->account_id);
    if (a)
        a->events++;
    for (size_t i = 0; a && i < event->mailbox_count; i++) {
        struct open_view *open = map_get_u64(&a->views, event->mailbox_ids[i]);
        if (open)
            view_nudge(open->view, event->modseq);
    }
    pthread_mutex_unlock(&r->lock);
}

void registry_reconnected(void *user)
{
    struct registry *r = user;
    pthread_mutex_lock(&r->lock);
    struct map_entry *account, *open;
    for (size_t at = 0; (account = map_next(&r->accounts, &at));) {
        struct account *a = account->value;
        a->events++;
        for (size_t view_at = 0; (open = map_next(&a->views, &view_at));)
            view_nudge(((struct open_view *)open->value)->view, UINT64_MAX);
    }
    pthread_mutex_unlock(&r->lock);
}

/* ---- Accounts */

struct account *registry_enter(struct registry *r, uint64_t id)
{
    pthread_mutex_lock(&r->lock);
    struct account *a = map_get_u64(&r->accounts, id);
    bool is_new = a == NULL;
    if (is_new) {
        a = xcalloc(1, sizeof(*a));
        a->registry = r;
        a->id = id;
        map_init(&a->views);
        map_put_u64(&r->accounts, id, a);
    }
    a->sessions++;
    if (is_new)
        backend_subscribe(r->backend, id);
    pthread_mutex_unlock(&r->lock);
    return a;
}

void registry_leave(struct registry *r, struct account *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&r->lock);
    bool is_last = --a->sessions == 0;
    if (is_last) {
        backend_unsubscribe(r->backend, a->id);
        map_remove_u64(&r->accounts, a->id);
    }
    pthread_mutex_unlock(&r->lock);
    if (!is_last)
        return;
    BUG_ON(a->views.len > 0);
    map_release(&a->views);
    free(a);
}

uint64_t account_id(const struct account *a)
{
    return a->id;
}

/* ---- Views */

/* The open view of a mailbox, one session more; a new one when there is none and `make` is set. */
static struct view *join_view(struct account *a, uint64_t mailbox_id, bool make)
{
    pthread_mutex_lock(&a->registry->lock);
    struct open_view *open = map_get_u64(&a->views, mailbox_id);
    if (!open && make) {
        open = xcalloc(1, sizeof(*open));
        open->view = view_new(mailbox_id);
        map_put_u64(&a->views, mailbox_id, open);
    }
    if (open)
        open->sessions++;
    struct view *view = open ? view_ref(open->view) : NULL;
    pthread_mutex_unlock(&a->registry->lock);
    return view;
}

void account_close_view(struct account *a, struct view *view)
{
    if (!view)
        return;
    pthread_mutex_lock(&a->registry->lock);
    uint64_t mailbox_id = view_info(view).mailbox_id;
    struct open_view *open = map_get_u64(&a->views, mailbox_id);
    if (open && --open->sessions == 0) {
        map_remove_u64(&a->views, mailbox_id);
        view_unref(open->view);
        free(open);
    }
    pthread_mutex_unlock(&a->registry->lock);
    view_unref(view);
}

/* The id of the mailbox that `name` was when its view was last current; 0 when none is open. */
static uint64_t guess_mailbox(struct account *a, struct str name, struct arena *arena)
{
    uint64_t id = 0;
    struct map_entry *entry;
    pthread_mutex_lock(&a->registry->lock);
    for (size_t at = 0; id == 0 && (entry = map_next(&a->views, &at));) {
        const struct open_view *open = entry->value;
        if (str_eq_nocase(view_name(open->view, arena), name))
            id = entry->number;
    }
    pthread_mutex_unlock(&a->registry->lock);
    return id;
}

static uint64_t count_events(struct account *a)
{
    pthread_mutex_lock(&a->registry->lock);
    uint64_t events = a->events;
    pthread_mutex_unlock(&a->registry->lock);
    return events;
}

/* Finds the view and brings it up to date. An event that came while it was not yet among the views
 * may have been about it. */
static bool open_view(struct account *a, const struct backend_call *call, struct str name,
                      struct view **ret_view, struct err *err)
{
    uint64_t events = count_events(a), guess = guess_mailbox(a, name, call->arena);
    struct view *view = guess ? join_view(a, guess, false) : NULL;
    struct pull pull = {.name = name, .since_modseq = view ? view_modseq(view) : 0};
    struct changes changes;
    if (!backend_pull(a->registry->backend, call, &pull, &changes, err)) {
        account_close_view(a, view);
        return false;
    }
    bool same = view && changes.mailbox.id == guess;
    if (view && !same) /* renamed since: what came is about another mailbox */
        account_close_view(a, view);
    if (!same)
        view = join_view(a, changes.mailbox.id, true);
    if (same || pull.since_modseq == 0)
        view_apply(view, pull.since_modseq, &changes);
    if (count_events(a) != events)
        view_nudge(view, UINT64_MAX);
    *ret_view = view;
    return true;
}

bool account_open_view(struct account *a, const struct backend_call *call, struct str name,
                       struct view **ret_view, struct err *err)
{
    struct arena arena;
    arena_init(&arena, PULL_ARENA_MAX);
    struct backend_call in_arena = {.cid = call->cid, .token = call->token, .arena = &arena};
    struct view *view;
    bool ok = open_view(a, &in_arena, name, &view, err);
    arena_release(&arena);
    if (!ok)
        return false;
    if (!view_refresh(view, a->registry->backend, call, false, err)) {
        account_close_view(a, view);
        return false;
    }
    *ret_view = view;
    return true;
}
