#include "services/imap/view_internal.h"

#include "services/imap/flags.h"

#include <string.h>

#define PULL_ARENA_MAX (64u << 20)

static int by_text(const void *left, const void *right)
{
    return str_cmp(*(const struct str *)left, *(const struct str *)right);
}

static const struct keyword_set *intern_keywords(struct view *v, struct str text)
{
    struct keyword_set *set = map_get(&v->keyword_sets, text);
    if (set)
        return set;
    set = xmalloc(sizeof(*set) + text.len);
    char *copy = (char *)(set + 1);
    memcpy(copy, text.ptr, text.len);
    set->text = str_make(copy, text.len);
    map_put(&v->keyword_sets, text, set);
    return set;
}

/* The set of the k-th message of `changes`. */
static const struct keyword_set *keywords_of(struct view *v, const struct changes *changes,
                                             size_t k)
{
    if (!changes->keyword_end)
        return NULL;
    uint32_t begin = k > 0 ? changes->keyword_end[k - 1] : 0, end = changes->keyword_end[k];
    ARRAY_OF(struct str) names = {0};
    for (uint32_t i = begin; i < end; i++)
        array_push(&names, changes->mailbox.keywords[changes->keyword_index[i]]);
    const struct keyword_set *set = NULL;
    if (names.len > 0) {
        struct buf text;
        buf_init(&text, VIEW_KEYWORDS_MAX);
        qsort(names.items, names.len, sizeof(*names.items), by_text);
        for (size_t i = 0; i < names.len; i++) {
            if (i > 0)
                buf_append_char(&text, ' ');
            buf_append(&text, names.items[i]);
        }
        set = intern_keywords(v, buf_str(&text));
        buf_release(&text);
    }
    array_release(&names);
    return set;
}

struct view_message view_message_of(struct view *v, const struct changes *changes, size_t k)
{
    return (struct view_message){
        .uid = changes->uid[k],
        .flags = changes->flags[k],
        .prefix_size = changes->prefix_size[k],
        .zone_minutes =
            (int16_t)(changes->received_zone ? (int)changes->received_zone[k] - 1440 : 0),
        .id = changes->id[k],
        .size = changes->size[k],
        .modseq = changes->modseq[k],
        .createseq = changes->createseq[k],
        .received_s = changes->received_s[k],
        .saved_s = changes->saved_s ? changes->saved_s[k] : 0,
        .keywords = keywords_of(v, changes, k),
    };
}

/* A message that the view does not have was added after the view's modseq, or came and went before
 * it: then what we read is old. */
static void apply_message(struct view *v, const struct changes *changes, size_t k)
{
    struct view_message new = view_message_of(v, changes, k);
    size_t at = view_index_of_uid(v, new.uid);
    if (at < v->messages.len && v->messages.items[at].uid == new.uid) {
        struct view_message *old = &v->messages.items[at];
        new.createseq = old->createseq;
        if (old->expunged == 0 && new.modseq > old->modseq)
            *old = new;
        return;
    }
    if (at < v->messages.len || (v->modseq > 0 && new.createseq <= v->modseq))
        return;
    if (at > 0 && new.createseq < v->messages.items[at - 1].createseq)
        new.createseq = v->messages.items[at - 1].createseq;
    array_push(&v->messages, new);
}

/* A row with this modseq, or a later one, was read after the change. */
static void apply_flags(struct view *v, const struct flag_change *change, uint64_t modseq)
{
    for (size_t i = 0, at = 0; i < change->len; i++, at++) {
        if (at >= v->messages.len || v->messages.items[at].uid != change->uids[i])
            at = view_index_of_uid(v, change->uids[i]);
        if (at == v->messages.len)
            return;
        struct view_message *m = &v->messages.items[at];
        uint32_t flags = (m->flags | change->added) & ~change->removed;
        if (m->uid != change->uids[i] || m->expunged != 0 || m->modseq >= modseq ||
            flags == m->flags)
            continue;
        m->flags = flags;
        m->modseq = modseq;
    }
}

static void apply_vanished(struct view *v, uint32_t uid, uint64_t modseq)
{
    size_t at = view_index_of_uid(v, uid);
    if (at == v->messages.len || v->messages.items[at].uid != uid)
        return;
    if (v->messages.items[at].expunged != 0)
        return;
    v->messages.items[at].expunged = modseq;
    struct grave grave = {uid, modseq};
    size_t place = v->graves.len;
    while (place > 0 && v->graves.items[place - 1].uid > uid)
        place--;
    array_insert(&v->graves, place, grave);
}

/* What a pull has read is old when another session's change was applied while it was under way. */
void view_apply_mailbox(struct view *v, const struct mailbox_info *mailbox)
{
    if (mailbox->modseq < v->info.highest_modseq)
        return;
    v->info.uidvalidity = mailbox->uidvalidity;
    v->info.uidnext = mailbox->uidnext;
    v->info.highest_modseq = mailbox->modseq;
    buf_reset(&v->name);
    buf_append(&v->name, mailbox->name);
    buf_reset(&v->keywords);
    for (size_t i = 0; i < mailbox->keyword_count; i++) {
        buf_append_char(&v->keywords, ' ');
        buf_append(&v->keywords, mailbox->keywords[i]);
    }
}

static void apply_rows(struct view *v, const struct changes *changes)
{
    v->info.gone = v->info.gone || changes->gone;
    if (changes->gone)
        return;
    view_apply_mailbox(v, &changes->mailbox);
    for (size_t k = 0; k < changes->len; k++)
        apply_message(v, changes, k);
    apply_flags(v, &changes->derived, changes->modseq_seen);
    for (size_t k = 0; k < changes->vanished_len; k++)
        apply_vanished(v, changes->vanished_uid[k], changes->vanished_modseq[k]);
}

void view_advance(struct view *v, uint64_t modseq)
{
    if (modseq > v->modseq)
        v->modseq = modseq;
    if (v->graves.len > 0)
        view_bury(v);
    view_wake_waiting(v);
}

static uint32_t find_unseen(const struct changes *changes)
{
    for (size_t k = 0; k < changes->len; k++)
        if (!(changes->flags[k] & FLAG_SEEN))
            return (uint32_t)k + 1;
    return 0;
}

/* More messages than came: how many there are is enough for now. */
static void apply_counts(struct view *v, const struct changes *changes)
{
    view_apply_mailbox(v, &changes->mailbox);
    v->counted = (uint32_t)(changes->mailbox.total + changes->mailbox.deleted);
    v->first_unseen = find_unseen(changes);
    v->is_counted = true;
    view_advance(v, changes->modseq_seen);
}

/* Changes since 0 name no expunged messages: they are for a view that is still empty. */
static bool is_usable(const struct view *v, uint64_t since, const struct changes *changes)
{
    if (since == 0)
        return v->modseq == 0;
    return since <= v->modseq && !changes->more && !v->is_counted;
}

void view_apply(struct view *v, uint64_t since, const struct changes *changes)
{
    pthread_rwlock_wrlock(&v->lock);
    bool is_news = changes->gone || changes->modseq_seen > v->modseq;
    bool usable = is_usable(v, since, changes);
    if (usable && is_news && changes->more) {
        apply_counts(v, changes);
    } else if (usable && is_news) {
        apply_rows(v, changes);
        view_advance(v, changes->modseq_seen);
    }
    pthread_rwlock_unlock(&v->lock);
    if (!usable && (is_news || !v->is_counted))
        view_nudge(v, UINT64_MAX);
}

static void wake_all(struct view *v)
{
    pthread_rwlock_rdlock(&v->lock);
    view_wake_waiting(v);
    pthread_rwlock_unlock(&v->lock);
}

void view_nudge(struct view *v, uint64_t modseq)
{
    atomic_fetch_add(&v->nudges, 1);
    if (modseq == UINT64_MAX)
        atomic_store(&v->unknown, true);
    uint64_t known = v->wanted;
    while (modseq > known && modseq != UINT64_MAX)
        if (atomic_compare_exchange_weak(&v->wanted, &known, modseq))
            break;
    if (!view_is_stale(v))
        return;
    wake_all(v);
}

bool view_is_stale(const struct view *v)
{
    uint64_t modseq = atomic_load(&v->modseq);
    return modseq == 0 || atomic_load(&v->unknown) || atomic_load(&v->wanted) > modseq;
}

/* Pulls chunk after chunk. The view is current only up to the first chunk's modseq: a later one may
 * have been read after more changes, which the next pull brings. */
static bool pull_all(struct view *v, struct backend *b, const struct backend_call *call,
                     struct err *err)
{
    struct pull pull = {.mailbox_id = v->info.mailbox_id, .since_modseq = v->modseq};
    uint64_t first_modseq = 0;
    for (;;) {
        struct changes changes;
        arena_reset(call->arena);
        if (!backend_pull(b, call, &pull, &changes, err))
            return false;
        bool is_first = first_modseq == 0;
        if (is_first)
            first_modseq = changes.more ? changes.mailbox.modseq : changes.modseq_seen;
        pthread_rwlock_wrlock(&v->lock);
        apply_rows(v, &changes);
        if (!changes.more)
            view_advance(v, first_modseq);
        pthread_rwlock_unlock(&v->lock);
        if (!changes.more && !is_first && changes.modseq_seen > first_modseq)
            view_nudge(v, changes.modseq_seen);
        if (!changes.more)
            return true;
        pull.from_uid = changes.last_uid;
    }
}

static bool pull_now(struct view *v, struct backend *b, const struct backend_call *call,
                     struct err *err)
{
    uint64_t wanted = v->wanted;
    atomic_store(&v->unknown, false);
    struct arena arena;
    arena_init(&arena, PULL_ARENA_MAX);
    struct backend_call in_chunks = {
        .cid = call->cid, .token = call->token, .owner = v->owner, .arena = &arena};
    bool has_rows = v->modseq > 0 && !v->is_counted;
    bool ok = has_rows ? pull_all(v, b, &in_chunks, err) : view_load_rows(v, b, &in_chunks, err);
    arena_release(&arena);
    if (ok) /* nothing newer in this mailbox, whatever the account's modseq is */
        atomic_compare_exchange_strong(&v->wanted, &wanted, 0);
    else
        atomic_store(&v->unknown, true);
    return ok;
}

/* A pull failed: one who waits and has not failed since the last nudge tries next. */
static void pass_on(struct view *v, struct view_user *failed)
{
    uint64_t nudges = v->nudges;
    pthread_rwlock_wrlock(&v->lock);
    if (failed)
        failed->failed_nudge = nudges;
    LIST_FOREACH(link, &v->users)
    {
        const struct view_user *user = CONTAINER_OF(link, struct view_user, link);
        if (!user->waiting || user->failed_nudge == nudges)
            continue;
        session_wake(user->handle);
        break;
    }
    pthread_rwlock_unlock(&v->lock);
}

/* With the lock `pulling`, which it gives back. What has become current has woken who waits; not so
 * what is newer still. `user`: whose session it is, or NULL. */
static bool pull_and_unlock(struct view *v, struct view_user *user, struct backend *b,
                            const struct backend_call *call, bool force, struct err *err)
{
    bool ok = true;
    if (force || view_is_stale(v))
        ok = pull_now(v, b, call, err);
    pthread_mutex_unlock(&v->pulling);
    if (!atomic_exchange(&v->left, false))
        return ok;
    if (!ok)
        pass_on(v, user);
    else if (view_is_stale(v))
        wake_all(v);
    return ok;
}

bool view_refresh(struct view *v, struct backend *b, const struct backend_call *call, bool force,
                  struct err *err)
{
    if (!force && !view_is_stale(v))
        return true;
    pthread_mutex_lock(&v->pulling);
    return pull_and_unlock(v, NULL, b, call, force, err);
}

bool view_refresh_waiting(struct view *v, struct view_user *user, struct backend *b,
                          const struct backend_call *call, struct err *err)
{
    if (!view_is_stale(v))
        return true;
    atomic_store(&v->left, true); /* before the look at the lock, or its holder may not see it */
    if (pthread_mutex_trylock(&v->pulling) != 0)
        return true;
    return pull_and_unlock(v, user, b, call, false, err);
}
