#include "services/imap/announce.h"

#include "services/imap/condstore.h"
#include "services/imap/command.h"
#include "services/imap/context.h"
#include "services/imap/fetch_run.h"
#include "services/imap/flags.h"
#include "services/imap/notify.h"
#include "services/imap/qresync.h"
#include "services/imap/respond.h"

#include <string.h>

#define ROWS 128
#define KEYWORDS_MAX (1 << 20)
/* Of own changes that no announcement has passed: the older half is forgotten then, and told. */
#define OWN_MAX 4096

static bool is_own(const struct selected *selected, uint64_t modseq)
{
    if (modseq <= selected->own_until)
        return true;
    size_t from = 0, to = selected->own.len;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (selected->own.items[middle] < modseq)
            from = middle + 1;
        else
            to = middle;
    }
    return from < selected->own.len && selected->own.items[from] == modseq;
}

bool announce_is_told(const struct imap *imap, uint64_t modseq)
{
    const struct selected *selected = &imap->selected;
    return modseq <= selected->user.horizon || is_own(selected, modseq);
}

void announce_skip(struct imap *imap, uint64_t modseq, bool nothing_else)
{
    struct selected *selected = &imap->selected;
    if (selected->own.len == OWN_MAX)
        array_remove(&selected->own, 0, OWN_MAX / 2);
    array_push(&selected->own, modseq);
    if (nothing_else)
        selected->own_until = modseq;
}

static bool changed_by_others(const struct imap *imap, uint64_t until)
{
    struct view_row rows[ROWS];
    const struct selected *selected = &imap->selected;
    uint32_t after = 0;
    size_t count;
    do {
        count = view_read_changed(selected->view, selected->user.horizon, until, after, rows, ROWS);
        for (size_t i = 0; i < count; i++)
            if (!is_own(selected, rows[i].message.modseq))
                return true;
        after = count > 0 ? rows[count - 1].message.uid : 0;
    } while (count == ROWS);
    return false;
}

bool announce_is_due(const struct imap *imap)
{
    struct view_row row;
    const struct selected *selected = &imap->selected;
    if (!selected->view)
        return false;
    uint64_t horizon = selected->user.horizon, now = view_modseq(selected->view);
    if (now == horizon || now == selected->own_until)
        return false;
    return view_read_expunged(selected->view, horizon, now, 0, &row, 1) > 0 ||
           changed_by_others(imap, now);
}

bool announce_fetch_start(struct imap *imap, const struct view_row *row, bool uid)
{
    struct buf *out = imap_out(imap);
    buf_append(out, STR("* "));
    buf_append_u64(out, imap->uid_only ? row->message.uid : row->seq);
    buf_append(out, imap->uid_only ? STR(" UIDFETCH (") : STR(" FETCH ("));
    if (!uid && imap->uid_only)
        return false;
    buf_append(out, STR("UID "));
    buf_append_u64(out, row->message.uid);
    return true;
}

static void write_flags(struct buf *out, const struct view_message *m)
{
    buf_append(out, STR("FLAGS ("));
    flags_write(m->flags, out);
    if (m->keywords) {
        if (m->flags)
            buf_append_char(out, ' ');
        buf_append(out, m->keywords->text);
    }
    buf_append_char(out, ')');
}

void announce_fetch(struct imap *imap, const struct view_row *row, bool flags)
{
    struct buf *out = imap_out(imap);
    bool has_item = announce_fetch_start(imap, row, false);
    if (flags) {
        if (has_item)
            buf_append_char(out, ' ');
        write_flags(out, &row->message);
    }
    if (imap->condstore) {
        if (has_item || flags)
            buf_append_char(out, ' ');
        condstore_write(out, row->message.modseq);
    }
    buf_append(out, STR(")\r\n"));
}

/* In ascending order, each number as it is after those before it. */
static void write_expunges(struct imap *imap, const struct view_row *rows, size_t count,
                           uint32_t before)
{
    struct buf *out = imap_out(imap);
    for (size_t i = 0; i < count; i++) {
        buf_append(out, STR("* "));
        buf_append_u64(out, rows[i].seq - before - (uint32_t)i);
        buf_append(out, STR(" EXPUNGE\r\n"));
    }
}

/* RFC 7162 3.2.10: the same by UID. */
static void write_vanished(struct imap *imap, const struct view_row *rows, size_t count)
{
    struct uid_set set = {0};
    size_t at = 0;
    for (size_t i = 0; i < count; i++)
        uid_set_add(&set, rows[i].message.uid);
    while (at < set.len)
        qresync_write_line(imap_out(imap), &set, &at, false);
    uid_set_release(&set);
}

static bool announce_expunged(struct imap *imap, struct announcement *a)
{
    struct view_row rows[ROWS];
    struct selected *selected = &imap->selected;
    for (;;) {
        if (session_out_is_full(imap->session))
            return false;
        size_t count = view_read_expunged(selected->view, selected->user.horizon, a->target,
                                          a->after_uid, rows, ROWS);
        contexts_remove(imap, rows, count, a->expunged);
        if (imap->qresync || imap->uid_only)
            write_vanished(imap, rows, count);
        else
            write_expunges(imap, rows, count, a->expunged);
        a->expunged += (uint32_t)count;
        if (count < ROWS)
            return true;
        a->after_uid = rows[count - 1].message.uid;
    }
}

static void announce_exists(struct imap *imap, const struct announcement *a)
{
    struct selected *selected = &imap->selected;
    uint32_t before = view_exists(selected->view, selected->user.horizon);
    uint32_t now = view_exists(selected->view, a->target);
    if (now == before - a->expunged)
        return;
    buf_append(imap_out(imap), STR("* "));
    buf_append_u64(imap_out(imap), now);
    buf_append(imap_out(imap), STR(" EXISTS\r\n"));
}

static bool announce_messages(struct imap *imap, struct announcement *a)
{
    bool flags = notify_tells_flags(imap), by_items = notify_new_items(imap) && !a->plain;
    struct view_row rows[ROWS];
    struct selected *selected = &imap->selected;
    for (;;) {
        if (session_out_is_full(imap->session))
            return false;
        size_t count = view_read_changed(selected->view, selected->user.horizon, a->target,
                                         a->after_uid, rows, ROWS);
        for (size_t i = 0; i < count; i++) {
            bool is_new = rows[i].message.createseq > selected->user.horizon;
            a->after_uid = rows[i].message.uid;
            if (is_new ? by_items : !flags || is_own(selected, rows[i].message.modseq))
                continue;
            announce_fetch(imap, &rows[i], true);
        }
        if (count < ROWS)
            return true;
    }
}

static struct fetch_run *start_run(struct imap *imap, const struct announcement *a)
{
    struct uid_set uids = {0};
    const struct selected *selected = &imap->selected;
    struct fetch_items items = *notify_new_items(imap);
    uid_set_add_range(&uids, view_uidnext(selected->view, selected->user.horizon), UINT32_MAX);
    items.sets_seen = false;
    if (imap->condstore)
        fetch_add_modseq(&items);
    struct fetch_run *run = fetch_run_new(imap, &items, &uids);
    run->rows.horizon = a->target;
    return run;
}

/* New messages with the items that NOTIFY asked for (RFC 5465 5.2). One that has not what was asked
 * for is told with what it has. When they cannot be read at all, they are told as usual. */
static bool announce_new(struct imap *imap, struct announcement *a)
{
    if (!notify_new_items(imap) || a->plain)
        return true;
    if (!a->run)
        a->run = start_run(imap, a);
    enum fetch_step step = fetch_run_tell(imap, a->run);
    a->plain = step == FETCH_DONE && a->run->failed;
    a->broken = step == FETCH_BROKEN;
    return step == FETCH_DONE && !a->plain;
}

/* RFC 5465 5.4: who hears of flags hears of new keywords. */
static void announce_keywords(struct imap *imap)
{
    struct buf keywords;
    struct selected *selected = &imap->selected;
    if (!imap->notify || !notify_tells_flags(imap))
        return;
    buf_init(&keywords, KEYWORDS_MAX);
    view_write_keywords(selected->view, &keywords);
    if (keywords.len != selected->keywords_len) {
        buf_append(imap_out(imap), STR("* FLAGS ("));
        flags_write(FLAG_ALL, imap_out(imap));
        buf_append(imap_out(imap), buf_str(&keywords));
        buf_append(imap_out(imap), STR(")\r\n"));
    }
    selected->keywords_len = keywords.len;
    buf_release(&keywords);
}

static void enter_step(struct announcement *a, enum announce_step step)
{
    a->step = step;
    a->after_uid = 0;
}

/* Who wants to hear of nothing still has to hear what its own command removed. */
static bool is_wanted(const struct imap *imap)
{
    return notify_tells_messages(imap) || (imap->row && (imap->row->flags & COMMAND_REMOVES));
}

bool announce(struct imap *imap)
{
    struct announcement *a = &imap->announcement;
    struct selected *selected = &imap->selected;
    if (!selected->view || selected->revoked)
        return true;
    if (a->step == ANNOUNCE_NOTHING) {
        a->target = view_modseq(selected->view);
        a->expunged = 0;
        if ((a->target == selected->user.horizon && !contexts_have_pending(imap)) ||
            !is_wanted(imap))
            return true;
        announce_keywords(imap);
        enter_step(a, ANNOUNCE_EXPUNGED);
    }
    if (a->step == ANNOUNCE_EXPUNGED) {
        if (!announce_expunged(imap, a))
            return false;
        enter_step(a, ANNOUNCE_EXISTS);
    }
    if (a->step == ANNOUNCE_EXISTS) {
        announce_exists(imap, a);
        enter_step(a, ANNOUNCE_MESSAGES);
    }
    if (a->step == ANNOUNCE_MESSAGES) {
        if (!announce_messages(imap, a))
            return false;
        enter_step(a, ANNOUNCE_NEW);
    }
    if (a->step == ANNOUNCE_NEW) {
        if (!announce_new(imap, a)) {
            if (a->plain)
                enter_step(a, ANNOUNCE_MESSAGES);
            return false;
        }
        enter_step(a, ANNOUNCE_CONTEXTS);
    }
    if (!contexts_update(imap))
        return false;
    fetch_run_free(a->run);
    a->run = NULL;
    a->plain = false;
    a->step = ANNOUNCE_NOTHING;
    view_set_horizon(selected->view, &selected->user, a->target);
    array_release(&selected->own);
    return true;
}
