#include "services/imap/qresync.h"

#include "services/imap/announce.h"
#include "services/imap/condstore.h"
#include "services/imap/respond.h"
#include "services/imap/select.h"

#define LINE_MAX_BYTES 4000 /* of VANISHED; clients may stop at 4096 */
#define ROWS 128
#define PULL_ARENA_MAX (128u << 20)

/* ---- Parameters */

static struct sequence_set take_numbers(struct cursor *c, struct arena *arena)
{
    struct sequence_set set = parse_sequence_set(c, arena);
    for (size_t i = 0; i < set.len; i++)
        if (set.ranges[i].first == 0 || set.ranges[i].last == 0)
            cursor_fail(c, "a set without \"*\"");
    if (set.saved)
        cursor_fail(c, "a set without \"$\"");
    return set;
}

static uint64_t count_of(const struct sequence_set *set)
{
    uint64_t count = 0;
    for (size_t i = 0; i < set->len; i++) {
        struct sequence_range r = set->ranges[i];
        count += (uint64_t)(r.first < r.last ? r.last - r.first : r.first - r.last) + 1;
    }
    return count;
}

struct qresync_parameters qresync_take(struct cursor *c, struct arena *arena)
{
    struct qresync_parameters p = {0};
    cursor_expect(c, '(');
    p.uidvalidity = cursor_take_number(c, UINT32_MAX, "UIDVALIDITY");
    parse_space(c);
    p.modseq = condstore_take_modseq(c);
    if (p.modseq == 0)
        cursor_fail(c, "a modseq above 0");
    bool more = cursor_skip(c, ' ');
    p.has_known = more && !cursor_next_is(c, '(');
    if (p.has_known) {
        p.known = take_numbers(c, arena);
        more = cursor_skip(c, ' ');
    }
    if (more) {
        cursor_expect(c, '(');
        p.numbers = take_numbers(c, arena);
        parse_space(c);
        p.uids = take_numbers(c, arena);
        if (count_of(&p.numbers) != count_of(&p.uids))
            cursor_fail(c, "as many UIDs as message numbers");
        cursor_expect(c, ')');
    }
    cursor_expect(c, ')');
    return p;
}

static bool ascends(const struct sequence_set *set)
{
    uint32_t before = 0;
    for (size_t i = 0; i < set->len; i++) {
        if (set->ranges[i].first <= before || set->ranges[i].last < set->ranges[i].first)
            return false;
        before = set->ranges[i].last;
    }
    return true;
}

bool qresync_ascends(const struct qresync_parameters *p)
{
    return ascends(&p->numbers) && ascends(&p->uids);
}

/* ---- What vanished */

static void add_clipped(struct uid_set *set, uint32_t first, uint32_t last, uint32_t end)
{
    uint32_t low = first < last ? first : last, high = first < last ? last : first;
    if (low > 0 && low < end)
        uid_set_add_range(set, low, high < end ? high : end - 1);
}

/* The UIDs that the client means, below UIDNEXT. "*" may stand for one that has vanished. */
static struct uid_set scope_of(struct imap *imap, const struct sequence_set *set)
{
    struct uid_set scope = {0};
    const struct selected *selected = &imap->selected;
    uint32_t end = view_uidnext(selected->view, selected->user.horizon);
    for (size_t i = 0; i < set->len; i++) {
        struct sequence_range r = set->ranges[i];
        add_clipped(&scope, r.first ? r.first : end - 1, r.last ? r.last : end - 1, end);
    }
    for (size_t i = 0; set->saved && i < selected->saved.len; i++)
        add_clipped(&scope, selected->saved.items[i].first, selected->saved.items[i].last, end);
    uid_set_normalise(&scope);
    return scope;
}

static bool pull_vanished(struct imap *imap, uint64_t since, struct arena *arena,
                          struct changes *ret, struct err *err)
{
    struct pull pull = {.mailbox_id = view_info(imap->selected.view).mailbox_id,
                        .since_modseq = since,
                        .expunged_only = true};
    struct backend_call call = imap_call_on(imap, imap->selected.view);
    call.arena = arena;
    TRY(backend_pull(imap->server->backend, &call, &pull, ret, err));
    if (!ret->gone)
        return true;
    err_set(err, ERR_NOT_FOUND, "the selected mailbox was deleted");
    return err_reply(err, "the selected mailbox was deleted");
}

/* What was expunged after the horizon is still in the session's view. */
static void add_vanished(const struct imap *imap, const struct changes *changes, uint64_t since,
                         const struct uid_set *scope, struct uid_set *ret)
{
    uint32_t before = 0;
    for (size_t i = 0; i < changes->vanished_len; i++) {
        uint32_t uid = changes->vanished_uid[i];
        uint64_t modseq = changes->vanished_modseq[i];
        if (uid <= before || modseq <= since || modseq > imap->selected.user.horizon ||
            !uid_set_has(scope, uid))
            continue;
        uid_set_add(ret, uid);
        before = uid;
    }
}

static void add_missing_of_range(struct imap *imap, const struct uid_range *range,
                                 struct uid_set *ret)
{
    struct view_row rows[ROWS];
    const struct selected *selected = &imap->selected;
    struct uid_range one = *range;
    const struct uid_set set = {.items = &one, .len = 1};
    uint32_t next = range->first;
    size_t count;
    do {
        count = view_read(selected->view, selected->user.horizon, &set, next - 1, rows, ROWS);
        for (size_t i = 0; i < count; i++) {
            if (rows[i].message.uid > next)
                uid_set_add_range(ret, next, rows[i].message.uid - 1);
            next = rows[i].message.uid + 1;
        }
    } while (count == ROWS);
    if (next <= range->last)
        uid_set_add_range(ret, next, range->last);
}

/* All that the client may believe in and that is not there: no history is needed for that. */
static void add_missing(struct imap *imap, const struct uid_set *scope, struct uid_set *ret)
{
    for (size_t i = 0; i < scope->len; i++)
        add_missing_of_range(imap, &scope->items[i], ret);
}

bool qresync_find_vanished(struct imap *imap, const struct sequence_set *set, uint64_t since,
                           struct uid_set *ret, struct err *err)
{
    struct arena arena;
    struct changes changes;
    arena_init(&arena, PULL_ARENA_MAX);
    bool ok = pull_vanished(imap, since > 0 ? since : 1, &arena, &changes, err);
    if (ok) {
        struct uid_set scope = scope_of(imap, set);
        if (since < changes.purged_modseq)
            add_missing(imap, &scope, ret);
        else
            add_vanished(imap, &changes, since, &scope, ret);
        uid_set_release(&scope);
    }
    arena_release(&arena);
    return ok;
}

void qresync_write_line(struct buf *out, const struct uid_set *set, size_t *at, bool earlier)
{
    size_t begin = out->len;
    buf_append(out, earlier ? STR("* VANISHED (EARLIER) ") : STR("* VANISHED "));
    for (size_t i = *at; *at < set->len && out->len - begin < LINE_MAX_BYTES; (*at)++) {
        const struct uid_set one = {.items = &set->items[*at], .len = 1};
        if (*at > i)
            buf_append_char(out, ',');
        uid_set_write(&one, out);
    }
    buf_append(out, STR("\r\n"));
}

bool qresync_write_vanished(struct imap *imap, const struct uid_set *set, size_t *at, bool earlier)
{
    while (*at < set->len) {
        if (session_out_is_full(imap->session))
            return false;
        qresync_write_line(imap_out(imap), set, at, earlier);
    }
    return true;
}

/* ---- SELECT */

struct resync {
    struct uid_set scope; /* what the client asks about */
    uint64_t since;
    struct uid_set vanished;
    size_t vanished_at;
    uint32_t after_uid;
};

static void resync_free(void *pointer)
{
    struct resync *r = pointer;
    uid_set_release(&r->scope);
    uid_set_release(&r->vanished);
    free(r);
}

/* What the pairs of number and UID say (RFC 7162 3.2.5.2). */
struct match {
    uint32_t same_until; /* nothing has vanished up to this UID */
    uint32_t gone;       /* the first UID after it that is not there; 0: none */
};

static bool is_there(struct imap *imap, uint32_t uid)
{
    struct view_row row;
    struct uid_range range = {uid, uid};
    const struct uid_set set = {.items = &range, .len = 1};
    return view_read(imap->selected.view, imap->selected.user.horizon, &set, 0, &row, 1) > 0;
}

/* Walks over both sets side by side: they are as long as each other and ascend. It ends at the
 * first UID that is not there, so that it is not longer than the mailbox, whatever the sets claim.
 */
static struct match match_pairs(struct imap *imap, const struct qresync_parameters *p)
{
    struct match match = {0};
    const struct selected *selected = &imap->selected;
    size_t n = 0, u = 0;
    uint32_t number = p->numbers.len > 0 ? p->numbers.ranges[0].first : 0;
    uint32_t uid = p->uids.len > 0 ? p->uids.ranges[0].first : 0;
    while (n < p->numbers.len && u < p->uids.len && match.gone == 0) {
        if (view_uid_of(selected->view, selected->user.horizon, number) == uid)
            match.same_until = uid;
        else if (!is_there(imap, uid))
            match.gone = uid;
        if (number++ == p->numbers.ranges[n].last && ++n < p->numbers.len)
            number = p->numbers.ranges[n].first;
        if (uid++ == p->uids.ranges[u].last && ++u < p->uids.len)
            uid = p->uids.ranges[u].first;
    }
    return match;
}

static void set_everything(struct imap *imap, struct uid_set *scope)
{
    const struct sequence_range range = {1, 0};
    const struct sequence_set all = {.ranges = &range, .len = 1};
    uid_set_release(scope);
    *scope = scope_of(imap, &all);
}

/* How many of the missing messages went since then. */
static uint64_t count_gone_since(const struct changes *changes, const struct uid_set *missing,
                                 uint64_t since)
{
    uint64_t count = 0;
    for (size_t i = 0; i < changes->vanished_len; i++)
        count +=
            changes->vanished_modseq[i] > since && uid_set_has(missing, changes->vanished_uid[i]);
    return count;
}

/* When the first of them went; UINT64_MAX: that is not known any more. */
static uint64_t first_gone(const struct changes *changes, const struct uid_set *missing)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < changes->vanished_len; i++)
        if (changes->vanished_modseq[i] < first && uid_set_has(missing, changes->vanished_uid[i]))
            first = changes->vanished_modseq[i];
    return first;
}

static bool restart(struct imap *imap, struct resync *r, const struct uid_set *missing,
                    struct arena *arena, struct err *err)
{
    struct changes changes;
    TRY(pull_vanished(imap, 1, arena, &changes, err));
    uint64_t first = first_gone(&changes, missing);
    respond_untagged(imap, "OK [ALERT] your copy of the mailbox had messages that were gone, it is "
                           "synchronized again");
    r->since = first <= r->since ? first - 1 : 0;
    set_everything(imap, &r->scope);
    return true;
}

/* A client that says it has a message which was gone at its modseq has missed an expunge, and maybe
 * more of them: it is told of all that is gone, and of what changed since the first (spec 2.30). */
static bool restart_when_inconsistent(struct imap *imap, const struct qresync_parameters *p,
                                      struct resync *r, const struct changes *changes,
                                      struct arena *arena, bool *ret_restarted, struct err *err)
{
    struct uid_set missing = {0}, listed = scope_of(imap, &p->uids);
    add_missing(imap, &listed, &missing);
    *ret_restarted = count_gone_since(changes, &missing, r->since) < uid_set_count(&missing);
    bool ok = !*ret_restarted || restart(imap, r, &missing, arena, err);
    uid_set_release(&listed);
    uid_set_release(&missing);
    return ok;
}

/* Takes the UIDs up to `last` out of the set. */
static void drop_until(struct uid_set *set, uint32_t last)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->len; i++) {
        struct uid_range range = set->items[i];
        if (range.last <= last)
            continue;
        if (range.first <= last)
            range.first = last + 1;
        set->items[kept++] = range;
    }
    set->len = kept;
}

static bool find_for_select(struct imap *imap, const struct qresync_parameters *p, struct resync *r,
                            struct arena *arena, struct err *err)
{
    struct changes changes;
    struct match match = match_pairs(imap, p);
    TRY(pull_vanished(imap, r->since, arena, &changes, err));
    bool restarted = false, history = r->since >= changes.purged_modseq;
    if (history && match.gone > 0)
        TRY(restart_when_inconsistent(imap, p, r, &changes, arena, &restarted, err));
    if (history && !restarted)
        add_vanished(imap, &changes, r->since, &r->scope, &r->vanished);
    else
        add_missing(imap, &r->scope, &r->vanished);
    if (!restarted)
        drop_until(&r->vanished, match.same_until);
    return true;
}

static enum session_next resync_more(struct imap *imap)
{
    struct resync *r = imap->work;
    struct view_row rows[ROWS];
    const struct selected *selected = &imap->selected;
    size_t count;
    imap->more = resync_more;
    if (!qresync_write_vanished(imap, &r->vanished, &r->vanished_at, true))
        return SESSION_MORE;
    do {
        if (session_out_is_full(imap->session))
            return SESSION_MORE;
        count = view_read_since(selected->view, selected->user.horizon, &r->scope, r->since,
                                r->after_uid, rows, ROWS);
        for (size_t i = 0; i < count; i++) {
            announce_fetch(imap, &rows[i], true);
            r->after_uid = rows[i].message.uid;
        }
    } while (count == ROWS);
    return selected_opened(imap);
}

enum session_next qresync_select(struct imap *imap, const struct qresync_parameters *p)
{
    struct err err;
    struct arena arena;
    struct resync *r = xcalloc(1, sizeof(*r));
    imap_set_work(imap, r, resync_free);
    r->since = p->modseq;
    set_everything(imap, &r->scope);
    if (p->has_known) {
        uid_set_release(&r->scope);
        r->scope = scope_of(imap, &p->known);
    }
    arena_init(&arena, PULL_ARENA_MAX);
    bool ok = find_for_select(imap, p, r, &arena, &err);
    arena_release(&arena);
    if (ok)
        return resync_more(imap);
    selected_close(imap);
    imap_enter(imap, STATE_AUTHENTICATED);
    return respond_err(imap, &err);
}
