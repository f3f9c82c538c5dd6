#include "services/imap/view_internal.h"

#include "services/imap/flags.h"

/* ---- Places in the array. The lock is held. */

size_t view_index_of_uid(const struct view *v, uint32_t uid)
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

/* ---- Reading at a horizon */

uint32_t view_exists(struct view *v, uint64_t horizon)
{
    pthread_rwlock_rdlock(&v->lock);
    size_t known = known_len(v, horizon);
    struct grave_walk walk = {0};
    uint32_t past = known > 0 ? v->messages.items[known - 1].uid : 0;
    uint32_t hidden = past > 0 ? hidden_before(v, &walk, horizon, past) : 0;
    if (known > 0)
        hidden += view_is_hidden(&v->messages.items[known - 1], horizon);
    uint32_t exists = v->is_counted ? v->counted : (uint32_t)known - hidden;
    pthread_rwlock_unlock(&v->lock);
    return exists;
}

uint32_t view_first_unseen(struct view *v, uint64_t horizon)
{
    pthread_rwlock_rdlock(&v->lock);
    size_t known = known_len(v, horizon);
    uint32_t seq = 0, found = v->is_counted ? v->first_unseen : 0;
    for (size_t i = 0; i < known && found == 0; i++) {
        const struct view_message *m = &v->messages.items[i];
        if (view_is_hidden(m, horizon))
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
    BUG_ON(v->is_counted);
    size_t known = known_len(v, horizon);
    size_t index = seq > 0 ? seq - 1 : 0;
    if (seq == 0) { /* the last visible one */
        index = known;
        while (index > 0 && view_is_hidden(&v->messages.items[index - 1], horizon))
            index--;
        index--; /* of an empty view: past the end */
    } else {
        for (size_t i = 0; i < v->graves.len; i++) {
            if (v->graves.items[i].expunged > horizon)
                continue;
            if (view_index_of_uid(v, v->graves.items[i].uid) > index)
                break;
            index++;
        }
    }
    uint32_t uid = index < known ? v->messages.items[index].uid : 0;
    pthread_rwlock_unlock(&v->lock);
    return uid;
}

uint32_t view_uidnext(struct view *v, uint64_t horizon)
{
    pthread_rwlock_rdlock(&v->lock);
    size_t known = known_len(v, horizon);
    uint32_t next = known < v->messages.len ? v->messages.items[known].uid : v->info.uidnext;
    pthread_rwlock_unlock(&v->lock);
    return next;
}

/* Which of the visible rows are wanted. */
struct row_filter {
    uint64_t since;  /* a higher modseq */
    view_skip *skip; /* NULL: none is skipped */
    void *user;
};

/* A modseq of 0: it vanished before it was read. */
static bool is_wanted(const struct row_filter *f, const struct view_message *m)
{
    return m->modseq > f->since && !(f->skip && f->skip(f->user, m->id));
}

static size_t read_rows(struct view *v, uint64_t horizon, const struct uid_set *set,
                        const struct row_filter *filter, uint32_t after_uid, struct view_row *rows,
                        size_t max)
{
    size_t count = 0;
    struct grave_walk walk = {0};
    pthread_rwlock_rdlock(&v->lock);
    BUG_ON(v->is_counted);
    size_t known = known_len(v, horizon);
    for (size_t r = 0; r < set->len && count < max; r++) {
        struct uid_range range = set->items[r];
        if (range.last <= after_uid)
            continue;
        size_t i = view_index_of_uid(v, range.first > after_uid ? range.first : after_uid + 1);
        uint32_t hidden =
            i < known ? hidden_before(v, &walk, horizon, v->messages.items[i].uid) : 0;
        for (; i < known && count < max && v->messages.items[i].uid <= range.last; i++) {
            const struct view_message *m = &v->messages.items[i];
            if (view_is_hidden(m, horizon))
                hidden++;
            else if (is_wanted(filter, m))
                rows[count++] = (struct view_row){*m, (uint32_t)(i + 1) - hidden};
        }
    }
    pthread_rwlock_unlock(&v->lock);
    return count;
}

size_t view_read(struct view *v, uint64_t horizon, const struct uid_set *set, uint32_t after_uid,
                 struct view_row *rows, size_t max)
{
    return read_rows(v, horizon, set, &(struct row_filter){.since = 0}, after_uid, rows, max);
}

size_t view_read_without(struct view *v, uint64_t horizon, const struct uid_set *set,
                         view_skip *skip, void *user, uint32_t after_uid, struct view_row *rows,
                         size_t max)
{
    struct row_filter filter = {.skip = skip, .user = user};
    return read_rows(v, horizon, set, &filter, after_uid, rows, max);
}

size_t view_read_since(struct view *v, uint64_t horizon, const struct uid_set *set, uint64_t since,
                       uint32_t after_uid, struct view_row *rows, size_t max)
{
    return read_rows(v, horizon, set, &(struct row_filter){.since = since}, after_uid, rows, max);
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
        size_t i = view_index_of_uid(v, grave->uid);
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
    size_t i = view_index_of_uid(v, after_uid + 1);
    if (i < known)
        hidden = hidden_before(v, &walk, to, v->messages.items[i].uid);
    for (; i < known && count < max; i++) {
        const struct view_message *m = &v->messages.items[i];
        if (view_is_hidden(m, to))
            hidden++;
        else if (m->modseq > from)
            rows[count++] = (struct view_row){*m, (uint32_t)(i + 1) - hidden};
    }
    pthread_rwlock_unlock(&v->lock);
    return count;
}
