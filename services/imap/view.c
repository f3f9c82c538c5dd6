#include "services/imap/view.h"

#include "common/base/array.h"
#include "common/base/map.h"
#include "services/imap/flags.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define PULL_ARENA_MAX (64u << 20)

/* An expunged message that is still in the array. */
struct grave {
    uint32_t uid;
    uint64_t expunged;
};

struct view {
    pthread_rwlock_t lock; /* of what follows */
    ARRAY_OF(struct view_message) messages;
    ARRAY_OF(struct grave) graves; /* by uid */
    struct map keyword_sets;       /* text -> struct keyword_set */
    struct list_link users;
    struct view_info info;
    struct buf name;
    struct buf keywords; /* of the mailbox, each with a space in front */

    _Atomic uint64_t modseq; /* current up to here */
    _Atomic uint64_t wanted; /* store is at least here */
    atomic_bool unknown;     /* store may be anywhere */
    atomic_uint references;
    pthread_mutex_t pulling;
};

#define NAME_MAX_LEN (16 * 1024)
#define KEYWORDS_MAX_LEN (1 << 20)

/* ---- Life cycle */

struct view *view_new(uint64_t mailbox_id)
{
    struct view *v = xcalloc(1, sizeof(*v));
    pthread_rwlock_init(&v->lock, NULL);
    pthread_mutex_init(&v->pulling, NULL);
    map_init(&v->keyword_sets);
    list_init(&v->users);
    buf_init(&v->name, NAME_MAX_LEN);
    buf_init(&v->keywords, KEYWORDS_MAX_LEN);
    v->info.mailbox_id = mailbox_id;
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

/* ---- Places in the array. The lock is held. */

/* The first message whose UID is not below `uid`. */
static size_t index_of_uid(const struct view *v, uint32_t uid)
{
    size_t low = 0, high = v->messages.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (v->messages.items[middle].uid < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* How many messages at the start were added at or before the horizon. */
static size_t known_len(const struct view *v, uint64_t horizon)
{
    size_t low = 0, high = v->messages.len;
    if (high == 0 || v->messages.items[high - 1].createseq <= horizon)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (v->messages.items[middle].createseq <= horizon)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_hidden(const struct view_message *m, uint64_t horizon)
{
    return m->expunged != 0 && m->expunged <= horizon;
}

/* Counts hidden messages on a walk through ascending UIDs. */
struct grave_walk {
    size_t at;
    uint32_t hidden;
};

static uint32_t hidden_before(const struct view *v, struct grave_walk *walk, uint64_t horizon,
                              uint32_t uid)
{
    for (; walk->at < v->graves.len && v->graves.items[walk->at].uid < uid; walk->at++)
        walk->hidden += v->graves.items[walk->at].expunged <= horizon;
    return walk->hidden;
}

/* ---- Keeping it current */

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
        buf_init(&text, KEYWORDS_MAX_LEN);
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

static struct view_message message_of(struct view *v, const struct changes *changes, size_t k)
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
        .keywords = keywords_of(v, changes, k),
    };
}

/* A message that the view does not have was added after the view's modseq, or came and went before
 * it: then what we read is old. */
static void apply_message(struct view *v, const struct changes *changes, size_t k)
{
    struct view_message new = message_of(v, changes, k);
    size_t at = index_of_uid(v, new.uid);
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

static void apply_vanished(struct view *v, uint32_t uid, uint64_t modseq)
{
    size_t at = index_of_uid(v, uid);
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

static void apply_mailbox(struct view *v, const struct mailbox_info *mailbox)
{
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

/* Removes the graves that every session has passed. */
static void bury(struct view *v)
{
    uint64_t passed = UINT64_MAX;
    LIST_FOREACH(link, &v->users)
    {
        const struct view_user *user = CONTAINER_OF(link, struct view_user, link);
        passed = user->horizon < passed ? user->horizon : passed;
    }
    size_t graves = 0;
    for (size_t i = 0; i < v->graves.len; i++)
        if (v->graves.items[i].expunged > passed)
            v->graves.items[graves++] = v->graves.items[i];
    if (graves == v->graves.len)
        return;
    v->graves.len = graves;
    size_t kept = 0;
    for (size_t i = 0; i < v->messages.len; i++)
        if (!is_hidden(&v->messages.items[i], passed))
            v->messages.items[kept++] = v->messages.items[i];
    v->messages.len = kept;
}

static void wake_waiting(struct view *v)
{
    LIST_FOREACH(link, &v->users)
    {
        const struct view_user *user = CONTAINER_OF(link, struct view_user, link);
        if (user->waiting)
            session_wake(user->handle);
    }
}

static void apply_rows(struct view *v, const struct changes *changes)
{
    v->info.gone = v->info.gone || changes->gone;
    if (changes->gone)
        return;
    apply_mailbox(v, &changes->mailbox);
    for (size_t k = 0; k < changes->len; k++)
        apply_message(v, changes, k);
    for (size_t k = 0; k < changes->vanished_len; k++)
        apply_vanished(v, changes->vanished_uid[k], changes->vanished_modseq[k]);
}

static void advance(struct view *v, uint64_t modseq)
{
    if (modseq > v->modseq)
        v->modseq = modseq;
    if (v->graves.len > 0)
        bury(v);
    wake_waiting(v);
}

/* Changes since 0 name no expunged messages: they are for a view that is still empty. */
void view_apply(struct view *v, uint64_t since, const struct changes *changes)
{
    pthread_rwlock_wrlock(&v->lock);
    bool usable = !changes->more && (since == 0 ? v->modseq == 0 : since <= v->modseq);
    if (usable && (changes->gone || changes->modseq_seen > v->modseq)) {
        apply_rows(v, changes);
        advance(v, changes->modseq_seen);
    }
    pthread_rwlock_unlock(&v->lock);
    if (!usable)
        view_nudge(v, UINT64_MAX);
}

void view_nudge(struct view *v, uint64_t modseq)
{
    if (modseq == UINT64_MAX)
        atomic_store(&v->unknown, true);
    uint64_t known = v->wanted;
    while (modseq > known && modseq != UINT64_MAX)
        if (atomic_compare_exchange_weak(&v->wanted, &known, modseq))
            break;
    if (!view_is_stale(v))
        return;
    pthread_rwlock_rdlock(&v->lock);
    wake_waiting(v);
    pthread_rwlock_unlock(&v->lock);
}

bool view_is_stale(const struct view *v)
{
    uint64_t modseq = atomic_load(&v->modseq);
    return modseq == 0 || atomic_load(&v->unknown) || atomic_load(&v->wanted) > modseq;
}

/* Pulls chunk after chunk. The view is current only up to the first chunk's modseq: a later one may
 * have been read after more changes, which the next pull brings. */
static bool pull_all(struct view *v, struct backend *b, const struct backend_call *call,
                     struct arena *arena, struct err *err)
{
    struct backend_call in_chunks = {.cid = call->cid, .token = call->token, .arena = arena};
    struct pull pull = {.mailbox_id = v->info.mailbox_id, .since_modseq = v->modseq};
    uint64_t first_modseq = 0;
    for (;;) {
        struct changes changes;
        arena_reset(arena);
        if (!backend_pull(b, &in_chunks, &pull, &changes, err))
            return false;
        bool is_first = first_modseq == 0;
        if (is_first)
            first_modseq = changes.more ? changes.mailbox.modseq : changes.modseq_seen;
        pthread_rwlock_wrlock(&v->lock);
        apply_rows(v, &changes);
        if (!changes.more)
            advance(v, first_modseq);
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
    bool ok = pull_all(v, b, call, &arena, err);
    arena_release(&arena);
    if (ok) /* nothing newer in this mailbox, whatever the account's modseq is */
        atomic_compare_exchange_strong(&v->wanted, &wanted, 0);
    else
        atomic_store(&v->unknown, true);
    return ok;
}

bool view_refresh(struct view *v, struct backend *b, const struct backend_call *call, bool force,
                  struct err *err)
{
    if (!force && !view_is_stale(v))
        return true;
    pthread_mutex_lock(&v->pulling);
    bool ok = true;
    if (force || view_is_stale(v))
        ok = pull_now(v, b, call, err);
    pthread_mutex_unlock(&v->pulling);
    return ok;
}

/* ---- Users */

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
    if (v->graves.len > 0)
        bury(v);
    pthread_rwlock_unlock(&v->lock);
}

void view_set_horizon(struct view *v, struct view_user *user, uint64_t horizon)
{
    pthread_rwlock_wrlock(&v->lock);
    user->horizon = horizon;
    if (v->graves.len > 0)
        bury(v);
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

struct str view_name(struct view *v, struct arena *arena)
{
    pthread_rwlock_rdlock(&v->lock);
    struct str name = arena_copy(arena, buf_str(&v->name));
    pthread_rwlock_unlock(&v->lock);
    return name;
}

/* ---- Reading at a horizon */

uint32_t view_exists(struct view *v, uint64_t horizon)
{
    pthread_rwlock_rdlock(&v->lock);
    size_t known = known_len(v, horizon);
    struct grave_walk walk = {0};
    uint32_t past = known > 0 ? v->messages.items[known - 1].uid : 0;
    uint32_t hidden = past > 0 ? hidden_before(v, &walk, horizon, past) : 0;
    if (known > 0)
        hidden += is_hidden(&v->messages.items[known - 1], horizon);
    pthread_rwlock_unlock(&v->lock);
    return (uint32_t)known - hidden;
}

uint32_t view_first_unseen(struct view *v, uint64_t horizon)
{
    pthread_rwlock_rdlock(&v->lock);
    size_t known = known_len(v, horizon);
    uint32_t seq = 0, found = 0;
    for (size_t i = 0; i < known && found == 0; i++) {
        const struct view_message *m = &v->messages.items[i];
        if (is_hidden(m, horizon))
            continue;
        seq++;
        if (!(m->flags & FLAG_SEEN))
            found = seq;
    }
    pthread_rwlock_unlock(&v->lock);
    return found;
}

uint32_t view_uid_of(struct view *v, uint64_t horizon, uint32_t seq)
{
    pthread_rwlock_rdlock(&v->lock);
    size_t known = known_len(v, horizon);
    size_t index = seq > 0 ? seq - 1 : 0;
    if (seq == 0) { /* the last visible one */
        index = known;
        while (index > 0 && is_hidden(&v->messages.items[index - 1], horizon))
            index--;
        index--; /* of an empty view: past the end */
    } else {
        for (size_t i = 0; i < v->graves.len; i++) {
            if (v->graves.items[i].expunged > horizon)
                continue;
            if (index_of_uid(v, v->graves.items[i].uid) > index)
                break;
            index++;
        }
    }
    uint32_t uid = index < known ? v->messages.items[index].uid : 0;
    pthread_rwlock_unlock(&v->lock);
    return uid;
}

size_t view_read(struct view *v, uint64_t horizon, const struct uid_set *set, uint32_t after_uid,
                 struct view_row *rows, size_t max)
{
    size_t count = 0;
    struct grave_walk walk = {0};
    pthread_rwlock_rdlock(&v->lock);
    size_t known = known_len(v, horizon);
    for (size_t r = 0; r < set->len && count < max; r++) {
        struct uid_range range = set->items[r];
        if (range.last <= after_uid)
            continue;
        size_t i = index_of_uid(v, range.first > after_uid ? range.first : after_uid + 1);
        uint32_t hidden =
            i < known ? hidden_before(v, &walk, horizon, v->messages.items[i].uid) : 0;
        for (; i < known && count < max && v->messages.items[i].uid <= range.last; i++) {
            const struct view_message *m = &v->messages.items[i];
            if (is_hidden(m, horizon))
                hidden++;
            else
                rows[count++] = (struct view_row){*m, (uint32_t)(i + 1) - hidden};
        }
    }
    pthread_rwlock_unlock(&v->lock);
    return count;
}

size_t view_read_expunged(struct view *v, uint64_t from, uint64_t to, uint32_t after_uid,
                          struct view_row *rows, size_t max)
{
    size_t count = 0;
    struct grave_walk walk = {0};
    pthread_rwlock_rdlock(&v->lock);
    size_t known = known_len(v, from);
    for (size_t g = 0; g < v->graves.len && count < max; g++) {
        const struct grave *grave = &v->graves.items[g];
        if (grave->uid <= after_uid || grave->expunged <= from || grave->expunged > to)
            continue;
        size_t i = index_of_uid(v, grave->uid);
        if (i >= known)
            break;
        uint32_t hidden = hidden_before(v, &walk, from, grave->uid);
        rows[count++] = (struct view_row){v->messages.items[i], (uint32_t)(i + 1) - hidden};
    }
    pthread_rwlock_unlock(&v->lock);
    return count;
}

size_t view_read_changed(struct view *v, uint64_t from, uint64_t to, uint32_t after_uid,
                         struct view_row *rows, size_t max)
{
    size_t count = 0;
    uint32_t hidden = 0;
    pthread_rwlock_rdlock(&v->lock);
    size_t known = known_len(v, to);
    struct grave_walk walk = {0};
    size_t i = index_of_uid(v, after_uid + 1);
    if (i < known)
        hidden = hidden_before(v, &walk, to, v->messages.items[i].uid);
    for (; i < known && count < max; i++) {
        const struct view_message *m = &v->messages.items[i];
        if (is_hidden(m, to))
            hidden++;
        else if (m->modseq > from)
            rows[count++] = (struct view_row){*m, (uint32_t)(i + 1) - hidden};
    }
    pthread_rwlock_unlock(&v->lock);
    return count;
}
