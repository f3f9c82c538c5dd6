#include "services/imap/registry.h"

#include "common/base/map.h"
#include "services/imap/kept_views.h"

#include <pthread.h>

#define PULL_ARENA_MAX (64u << 20)
/* Of a mailbox with more messages, only how many they are is asked for at first. */
#define FIRST_ROWS 1000

struct registry {
    struct backend *backend;
    pthread_mutex_t lock; /* of all accounts and their views' counts */
    struct map accounts;  /* id -> struct account */
    struct kept_views kept;
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
    uint64_t events; /* how many have come */
    uint64_t annotation_events;
    uint64_t rights_events;
    _Atomic uint64_t mailbox_events;
    struct map views; /* mailbox id -> struct open_view */
    struct list_link watches;

    pthread_mutex_t listing;         /* of what follows; taken before the registry's lock */
    struct snapshot *newest;         /* NULL: none was asked for */
    _Atomic uint64_t renamed_modseq; /* the highest of account_renamed */
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
    kept_views_release(&r->kept);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* ---- Events */

static void wake_watches(const struct account *a, bool names_changed)
{
    LIST_FOREACH(link, &a->watches)
    {
        const struct account_watch *watch = CONTAINER_OF(link, struct account_watch, link);
        if (names_changed || !watch->names_only)
            session_wake(watch->handle);
    }
}

void account_watch(struct account *a, struct account_watch *watch)
{
    pthread_mutex_lock(&a->registry->lock);
    list_append(&a->watches, &watch->link);
    pthread_mutex_unlock(&a->registry->lock);
}

void account_unwatch(struct account *a, struct account_watch *watch)
{
    pthread_mutex_lock(&a->registry->lock);
    list_remove(&watch->link);
    pthread_mutex_unlock(&a->registry->lock);
}

/* Whoever shows a mailbox of this account has to ask what he may do: all are woken. */
static void note_rights(struct account *a)
{
    struct map_entry *open;
    a->rights_events++;
    for (size_t at = 0; (open = map_next(&a->views, &at));)
        view_nudge(((struct open_view *)open->value)->view, UINT64_MAX);
}

void registry_changed(void *user, const struct backend_event *event)
{
    struct registry *r = user;
    pthread_mutex_lock(&r->lock);
    struct account *a = map_get_u64(&r->accounts, event->account_id);
    if (a)
        a->events++;
    if (a && event->annotations_changed)
        a->annotation_events++;
    if (a && event->rights_changed)
        note_rights(a);
    if (a && event->mailboxes_changed)
        a->mailbox_events++;
    for (size_t i = 0; a && i < event->mailbox_count; i++) {
        struct open_view *open = map_get_u64(&a->views, event->mailbox_ids[i]);
        if (open)
            view_nudge(open->view, event->modseq);
    }
    if (a)
        wake_watches(a, event->mailboxes_changed);
    pthread_mutex_unlock(&r->lock);
}

void registry_reconnected(void *user)
{
    struct registry *r = user;
    pthread_mutex_lock(&r->lock);
    kept_views_clear(&r->kept); /* store may be another one */
    struct map_entry *account;
    for (size_t at = 0; (account = map_next(&r->accounts, &at));) {
        struct account *a = account->value;
        a->events++;
        a->annotation_events++;
        a->mailbox_events++;
        a->renamed_modseq = 0;
        note_rights(a);
        wake_watches(a, true);
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
        list_init(&a->watches);
        pthread_mutex_init(&a->listing, NULL);
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
    snapshot_unref(a->newest);
    pthread_mutex_destroy(&a->listing);
    free(a);
}

uint64_t account_id(const struct account *a)
{
    return a->id;
}

uint64_t account_annotation_events(struct account *a)
{
    pthread_mutex_lock(&a->registry->lock);
    uint64_t events = a->annotation_events;
    pthread_mutex_unlock(&a->registry->lock);
    return events;
}

uint64_t account_rights_events(struct account *a)
{
    pthread_mutex_lock(&a->registry->lock);
    uint64_t events = a->rights_events;
    pthread_mutex_unlock(&a->registry->lock);
    return events;
}

uint64_t account_events(struct account *a)
{
    pthread_mutex_lock(&a->registry->lock);
    uint64_t events = a->events;
    pthread_mutex_unlock(&a->registry->lock);
    return events;
}

uint64_t account_mailbox_events(const struct account *a)
{
    return a->mailbox_events;
}

/* ---- Snapshots */

void account_renamed(struct account *a, uint64_t modseq)
{
    uint64_t highest = a->renamed_modseq;
    while (modseq > highest &&
           !atomic_compare_exchange_weak(&a->renamed_modseq, &highest, modseq)) {
    }
}

static bool is_current(struct account *a, bool names_only)
{
    const struct snapshot *s = a->newest;
    if (!s || s->list.modseq < a->renamed_modseq)
        return false;
    return names_only ? s->mailbox_events == a->mailbox_events : s->events == account_events(a);
}

static bool read_newest(struct account *a, const struct backend_call *call, struct err *err)
{
    uint64_t mailbox_events = a->mailbox_events, events = account_events(a);
    struct snapshot *s = snapshot_read(a->registry->backend, call, false, err);
    if (!s)
        return false;
    s->events = events;
    s->mailbox_events = mailbox_events;
    snapshot_unref(a->newest);
    a->newest = s;
    return true;
}

struct snapshot *account_list(struct account *a, const struct backend_call *call, bool names_only,
                              struct err *err)
{
    pthread_mutex_lock(&a->listing);
    bool ok = is_current(a, names_only) || read_newest(a, call, err);
    struct snapshot *s = ok ? snapshot_ref(a->newest) : NULL;
    pthread_mutex_unlock(&a->listing);
    return s;
}

/* ---- Views */

static void add_open_view(struct account *a, uint64_t mailbox_id, struct view *view)
{
    struct open_view *open = xcalloc(1, sizeof(*open));
    open->view = view;
    map_put_u64(&a->views, mailbox_id, open);
}

/* Opens the view that was kept, which is current up to its modseq; or, with `make`, a new one that
 * takes its place. */
static void reopen_view(struct account *a, uint64_t mailbox_id, bool make)
{
    struct view *kept = kept_views_take(&a->registry->kept, a->id, mailbox_id);
    if (make) {
        view_unref(kept);
        kept = view_new(a->id, mailbox_id);
    }
    if (kept)
        add_open_view(a, mailbox_id, kept);
}

/* The view of a mailbox, one session more. When none is open it is one that was kept, or with
 * `make` a new one, empty. */
static struct view *join_view(struct account *a, uint64_t mailbox_id, bool make)
{
    pthread_mutex_lock(&a->registry->lock);
    if (!map_get_u64(&a->views, mailbox_id))
        reopen_view(a, mailbox_id, make);
    struct open_view *open = map_get_u64(&a->views, mailbox_id);
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
        kept_views_put(&a->registry->kept, a->id, open->view);
        free(open);
    }
    pthread_mutex_unlock(&a->registry->lock);
    view_unref(view);
}

/* The id of the mailbox that `name` was when its view was last current; 0 when there is none. */
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
    if (id == 0)
        id = kept_views_find(&a->registry->kept, a->id, name, arena);
    pthread_mutex_unlock(&a->registry->lock);
    return id;
}

/* Finds the view and brings it up to date. An event that came while it was not yet among the views
 * may have been about it. */
static bool open_view(struct account *a, const struct backend_call *call, struct str name,
                      struct view **ret_view, struct err *err)
{
    uint64_t events = account_events(a), guess = guess_mailbox(a, name, call->arena);
    struct view *view = guess ? join_view(a, guess, false) : NULL;
    struct pull pull = {.name = name, .since_modseq = view ? view_modseq(view) : 0};
    pull.limit = pull.since_modseq == 0 ? FIRST_ROWS : 0;
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
    if (account_events(a) != events)
        view_nudge(view, UINT64_MAX);
    *ret_view = view;
    return true;
}

bool account_open_view(struct account *a, const struct backend_call *call, struct str name,
                       struct view **ret_view, struct err *err)
{
    struct arena arena;
    arena_init(&arena, PULL_ARENA_MAX);
    struct backend_call in_arena = {
        .cid = call->cid, .token = call->token, .owner = call->owner, .arena = &arena};
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
