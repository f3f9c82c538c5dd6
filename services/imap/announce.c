#include "services/imap/announce.h"

#include "services/imap/flags.h"

#include <string.h>

#define ROWS 128

static bool is_own(const struct selected *selected, uint64_t modseq)
{
    for (size_t i = 0; i < SELECTED_OWN_MAX; i++)
        if (selected->own[i] == modseq)
            return true;
    return false;
}

void announce_skip(struct imap *imap, uint64_t modseq)
{
    struct selected *selected = &imap->selected;
    selected->own[selected->own_next++ % SELECTED_OWN_MAX] = modseq;
    selected->own_until = modseq;
}

void announce_fetch_start(struct buf *out, const struct view_row *row, bool flags)
{
    const struct view_message *m = &row->message;
    buf_append(out, STR("* "));
    buf_append_u64(out, row->seq);
    buf_append(out, STR(" FETCH (UID "));
    buf_append_u64(out, m->uid);
    if (!flags)
        return;
    buf_append(out, STR(" FLAGS ("));
    flags_write(m->flags, out);
    if (m->keywords) {
        if (m->flags)
            buf_append_char(out, ' ');
        buf_append(out, m->keywords->text);
    }
    buf_append_char(out, ')');
}

/* EXPUNGE lines in ascending order, each number as it is after those before it. */
static bool announce_expunged(struct imap *imap, struct announcement *a)
{
    struct view_row rows[ROWS];
    struct selected *selected = &imap->selected;
    for (;;) {
        if (session_out_is_full(imap->session))
            return false;
        size_t count = view_read_expunged(selected->view, selected->user.horizon, a->target,
                                          a->after_uid, rows, ROWS);
        for (size_t i = 0; i < count; i++) {
            buf_append(imap_out(imap), STR("* "));
            buf_append_u64(imap_out(imap), rows[i].seq - a->expunged++);
            buf_append(imap_out(imap), STR(" EXPUNGE\r\n"));
            a->after_uid = rows[i].message.uid;
        }
        if (count < ROWS)
            return true;
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
    struct view_row rows[ROWS];
    struct selected *selected = &imap->selected;
    for (;;) {
        if (session_out_is_full(imap->session))
            return false;
        size_t count = view_read_changed(selected->view, selected->user.horizon, a->target,
                                         a->after_uid, rows, ROWS);
        for (size_t i = 0; i < count; i++) {
            a->after_uid = rows[i].message.uid;
            if (is_own(selected, rows[i].message.modseq) &&
                rows[i].message.createseq <= selected->user.horizon)
                continue;
            announce_fetch_start(imap_out(imap), &rows[i], true);
            buf_append(imap_out(imap), STR(")\r\n"));
        }
        if (count < ROWS)
            return true;
    }
}

static void enter_step(struct announcement *a, enum announce_step step)
{
    a->step = step;
    a->after_uid = 0;
}

bool announce(struct imap *imap)
{
    struct announcement *a = &imap->announcement;
    struct selected *selected = &imap->selected;
    if (!selected->view)
        return true;
    if (a->step == ANNOUNCE_NOTHING) {
        a->target = view_modseq(selected->view);
        a->expunged = 0;
        if (a->target == selected->user.horizon)
            return true;
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
    if (!announce_messages(imap, a))
        return false;
    a->step = ANNOUNCE_NOTHING;
    view_set_horizon(selected->view, &selected->user, a->target);
    return true;
}
