#include "services/imap/view_internal.h"

#include "services/imap/flags.h"

#include <criterion/criterion.h>

/*
 * The view against a model that is too simple to be wrong: every session has a list of the UIDs
 * that its client knows, which is changed only by what the view tells it.
 */

#define MESSAGES_MAX 400
#define SESSIONS 3

struct model_message {
    uint32_t uid, flags;
    uint64_t modseq, createseq, expunged;
};

struct model_session {
    struct view_user user;
    uint32_t known[MESSAGES_MAX];
    size_t len;
};

struct model {
    struct view *view;
    struct model_message messages[MESSAGES_MAX];
    size_t len;
    uint64_t modseq;
    struct model_session sessions[SESSIONS];
    unsigned random;
};

static unsigned roll(struct model *m, unsigned sides)
{
    m->random = m->random * 1103515245u + 12345u;
    return (m->random >> 16) % sides;
}

static bool has_vanished(const struct model_message *message, const struct pull *pull)
{
    if (pull->since_modseq > 0)
        return message->expunged > pull->since_modseq;
    return pull->as_of_modseq > 0 && message->expunged > pull->as_of_modseq &&
           message->createseq <= pull->as_of_modseq;
}

/* What store would answer to a pull; good until the next one. */
static struct changes answer(struct model *m, const struct pull *pull)
{
    static uint32_t uid[MESSAGES_MAX], flags[MESSAGES_MAX], zero32[MESSAGES_MAX];
    static uint32_t vanished[MESSAGES_MAX];
    static uint64_t modseq[MESSAGES_MAX], createseq[MESSAGES_MAX], zero64[MESSAGES_MAX];
    static uint64_t vanished_modseq[MESSAGES_MAX];
    static int64_t received[MESSAGES_MAX];
    struct changes c = {.mailbox = {.id = 1,
                                    .uidvalidity = 1,
                                    .uidnext = (uint32_t)m->len + 1,
                                    .modseq = m->modseq},
                        .uid = uid,
                        .flags = flags,
                        .modseq = modseq,
                        .createseq = createseq,
                        .id = zero64,
                        .size = zero64,
                        .prefix_size = zero32,
                        .received_s = received,
                        .vanished_uid = vanished,
                        .vanished_modseq = vanished_modseq,
                        .modseq_seen = m->modseq};
    for (size_t i = 0; i < m->len; i++) {
        const struct model_message *from = &m->messages[i];
        c.mailbox.total += from->expunged == 0;
        if (has_vanished(from, pull)) {
            vanished[c.vanished_len] = from->uid;
            vanished_modseq[c.vanished_len++] = from->expunged;
        }
        if (from->expunged || from->modseq <= pull->since_modseq || from->uid <= pull->from_uid)
            continue;
        c.more = pull->limit > 0 && c.len == pull->limit;
        if (c.more)
            continue;
        c.last_uid = uid[c.len] = from->uid;
        flags[c.len] = from->flags;
        modseq[c.len] = from->modseq;
        createseq[c.len++] = from->createseq;
    }
    return c;
}

static void apply_since(struct model *m, uint64_t since)
{
    struct pull pull = {.since_modseq = since};
    struct changes c = answer(m, &pull);
    view_apply(m->view, since, &c);
}

static void change(struct model *m)
{
    m->modseq++;
    unsigned what = roll(m, 3), times = 1 + roll(m, 4);
    for (unsigned i = 0; i < times; i++) {
        if (what == 0 && m->len < MESSAGES_MAX) {
            m->messages[m->len] = (struct model_message){
                .uid = (uint32_t)m->len + 1, .modseq = m->modseq, .createseq = m->modseq};
            m->len++;
        }
        if (m->len == 0)
            continue;
        struct model_message *message = &m->messages[roll(m, (unsigned)m->len)];
        if (message->expunged || what == 0)
            continue;
        message->modseq = m->modseq;
        message->flags ^= FLAG_SEEN;
        if (what == 2)
            message->expunged = m->modseq;
    }
}

/* Goes through what the client is told, as a client would. */
static void announce_to(struct model *m, struct model_session *s)
{
    struct view_row rows[MESSAGES_MAX];
    uint64_t to = view_modseq(m->view);
    size_t count = view_read_expunged(m->view, s->user.horizon, to, 0, rows, MESSAGES_MAX);
    for (size_t i = 0; i < count; i++) {
        size_t at = rows[i].seq - i - 1; /* each number as it is after those before it */
        cr_assert_lt(at, s->len);
        cr_assert_eq(s->known[at], rows[i].message.uid, "EXPUNGE names another message");
        memmove(&s->known[at], &s->known[at + 1], (s->len - at - 1) * sizeof(s->known[0]));
        s->len--;
    }
    size_t exists = view_exists(m->view, to);
    cr_assert_geq(exists, s->len);
    count = view_read_changed(m->view, s->user.horizon, to, 0, rows, MESSAGES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].seq > s->len)
            s->known[s->len++] = rows[i].message.uid;
        cr_assert_leq(rows[i].seq, s->len, "a new message is not announced");
        cr_assert_eq(s->known[rows[i].seq - 1], rows[i].message.uid);
    }
    cr_assert_eq(s->len, exists);
    view_set_horizon(m->view, &s->user, to);
}

/* The view at the session's horizon is exactly what its client knows. */
static void check(struct model *m, const struct model_session *s)
{
    struct view_row rows[MESSAGES_MAX];
    struct uid_range everything = {1, UINT32_MAX};
    struct uid_set all = {.items = &everything, .len = 1};
    size_t count = view_read(m->view, s->user.horizon, &all, 0, rows, MESSAGES_MAX);
    cr_assert_eq(count, s->len);
    cr_assert_eq(view_exists(m->view, s->user.horizon), s->len);
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(rows[i].seq, i + 1);
        cr_assert_eq(rows[i].message.uid, s->known[i]);
        cr_assert_eq(view_uid_of(m->view, s->user.horizon, (uint32_t)i + 1), s->known[i]);
    }
    cr_assert_eq(view_uid_of(m->view, s->user.horizon, (uint32_t)s->len + 1), 0);
    cr_assert_eq(view_uid_of(m->view, s->user.horizon, 0), s->len ? s->known[s->len - 1] : 0);
}

/* Reading a part of the messages gives the same numbers as reading all. */
static void check_some(struct model *m, const struct model_session *s)
{
    struct view_row rows[MESSAGES_MAX];
    struct uid_set set = {0};
    for (unsigned i = 0; i < 3; i++)
        uid_set_add_range(&set, 1 + roll(m, MESSAGES_MAX), 1 + roll(m, MESSAGES_MAX));
    uid_set_normalise(&set);
    uint32_t after = roll(m, MESSAGES_MAX);
    size_t count = view_read(m->view, s->user.horizon, &set, after, rows, MESSAGES_MAX), want = 0;
    for (size_t i = 0; i < s->len; i++) {
        if (s->known[i] <= after || !uid_set_has(&set, s->known[i]))
            continue;
        cr_assert_lt(want, count);
        cr_assert_eq(rows[want].message.uid, s->known[i]);
        cr_assert_eq(rows[want++].seq, i + 1);
    }
    cr_assert_eq(want, count);
    uid_set_release(&set);
}

static const struct model_message *find_message(const struct model *m, uint32_t uid)
{
    return &m->messages[uid - 1];
}

/* What changed since a modseq, and a UIDNEXT that is above all that the client knows and not above
 * what it does not know yet. What the view was not told of does not count. */
static void check_since(struct model *m, const struct model_session *s)
{
    struct view_row rows[MESSAGES_MAX];
    struct uid_range everything = {1, UINT32_MAX};
    struct uid_set all = {.items = &everything, .len = 1};
    uint64_t since = roll(m, (unsigned)m->modseq + 1);
    size_t count = view_read_since(m->view, s->user.horizon, &all, since, 0, rows, MESSAGES_MAX);
    for (size_t i = 0, at = 0; i < s->len; i++) {
        const struct model_message *message = find_message(m, s->known[i]);
        bool told = at < count && rows[at].message.uid == s->known[i];
        if (told)
            cr_assert_gt(rows[at].message.modseq, since);
        else
            cr_assert(message->modseq <= since || message->modseq > view_modseq(m->view) ||
                          message->expunged,
                      "a change is left out");
        at += told;
    }
    uint32_t next = view_uidnext(m->view, s->user.horizon);
    for (size_t i = 0; i < s->len; i++)
        cr_assert_gt(next, s->known[i]);
    for (size_t i = 0; i < m->len; i++)
        if (m->messages[i].createseq > s->user.horizon && !m->messages[i].expunged)
            cr_assert_leq(next, m->messages[i].uid);
}

static void join(struct model *m, struct model_session *s)
{
    struct view_row rows[MESSAGES_MAX];
    struct uid_range everything = {1, UINT32_MAX};
    struct uid_set all = {.items = &everything, .len = 1};
    view_join(m->view, &s->user);
    s->len = view_read(m->view, s->user.horizon, &all, 0, rows, MESSAGES_MAX);
    for (size_t i = 0; i < s->len; i++)
        s->known[i] = rows[i].message.uid;
}

/* Nothing is kept that every session has passed. */
static void check_graves(const struct model *m)
{
    const struct view *v = m->view;
    uint64_t slowest = UINT64_MAX;
    for (size_t i = 0; i < SESSIONS; i++)
        if (m->sessions[i].user.horizon < slowest)
            slowest = m->sessions[i].user.horizon;
    for (size_t i = 0; i < v->graves.len; i++)
        cr_assert_gt(v->graves.items[i].expunged, slowest);
}

Test(view, numbers_never_lie)
{
    for (unsigned seed = 1; seed <= 40; seed++) {
        struct model *m = calloc(1, sizeof(*m));
        m->random = seed;
        m->modseq = 1;
        m->view = view_new(7, 1);
        apply_since(m, 0);
        for (size_t i = 0; i < SESSIONS; i++)
            join(m, &m->sessions[i]);
        for (unsigned turn = 0; turn < 300; turn++) {
            struct model_session *s = &m->sessions[roll(m, SESSIONS)];
            uint64_t old = view_modseq(m->view);
            change(m);
            if (roll(m, 3) > 0)
                apply_since(m, roll(m, 5) == 0 && old > 2 ? old - 1 : old);
            if (roll(m, 4) == 0)
                announce_to(m, s);
            if (roll(m, 20) == 0) {
                view_leave(m->view, &s->user);
                join(m, s);
            }
            for (size_t i = 0; i < SESSIONS; i++)
                check(m, &m->sessions[i]);
            check_some(m, s);
            check_since(m, s);
            check_graves(m);
        }
        for (size_t i = 0; i < SESSIONS; i++)
            view_leave(m->view, &m->sessions[i].user);
        view_unref(m->view);
        free(m);
    }
}

/* Messages that went before their rows were read have numbers, and nothing else. */
static void check_loaded(struct model *m, const struct model_session *s)
{
    struct view_row rows[MESSAGES_MAX];
    struct uid_range everything = {1, UINT32_MAX};
    struct uid_set all = {.items = &everything, .len = 1};
    size_t count = view_read(m->view, s->user.horizon, &all, 0, rows, MESSAGES_MAX), at = 0;
    cr_assert_eq(view_exists(m->view, s->user.horizon), s->len);
    for (uint32_t number = 1; number <= s->len; number++) {
        uint32_t uid = s->known[number - 1];
        cr_assert_eq(view_uid_of(m->view, s->user.horizon, number), uid);
        bool is_read = at < count && rows[at].message.uid == uid;
        cr_assert(is_read || find_message(m, uid)->expunged, "message %u is not read", uid);
        if (is_read)
            cr_assert_eq(rows[at++].seq, number);
    }
    cr_assert_eq(at, count);
}

/* SELECT of a mailbox of which only the number of messages is asked for. */
static void count_only(struct model *m, struct model_session *s)
{
    struct pull pull = {.limit = 1};
    struct changes c = answer(m, &pull);
    view_apply(m->view, 0, &c);
    cr_assert_eq(view_is_counted(m->view), c.mailbox.total > 1);
    view_join(m->view, &s->user);
    cr_assert_eq(view_exists(m->view, s->user.horizon), c.mailbox.total);
    s->len = 0; /* the client can find out nothing else, but these they are: */
    for (size_t i = 0; i < m->len; i++)
        if (!m->messages[i].expunged)
            s->known[s->len++] = m->messages[i].uid;
}

/* Chunk by chunk, while others change the mailbox. */
static void load(struct model *m)
{
    struct err err;
    struct changes c;
    struct view_loading l = {.as_of = view_modseq(m->view)};
    do {
        struct pull pull = {
            .as_of_modseq = l.as_of, .from_uid = l.last_uid, .limit = 1 + roll(m, 30)};
        c = answer(m, &pull);
        view_loading_add(m->view, &l, &c);
        change(m);
    } while (c.more);
    cr_assert(view_loading_end(m->view, &l, &err), "%s", err.detail);
    view_loading_release(&l);
    cr_assert(!view_is_counted(m->view));
}

Test(view, rows_read_later_are_those_that_were_counted)
{
    for (unsigned seed = 1; seed <= 300; seed++) {
        struct model *m = calloc(1, sizeof(*m));
        m->random = seed;
        m->modseq = 1;
        m->view = view_new(7, 1);
        for (unsigned i = roll(m, 100); i > 0; i--)
            change(m);
        struct model_session *first = &m->sessions[0], *second = &m->sessions[1];
        count_only(m, first);
        if (view_is_counted(m->view)) {
            apply_since(m, view_modseq(m->view)); /* nothing is new: a second session comes */
            cr_assert(!view_is_stale(m->view));
            view_join(m->view, &second->user);
            second->len = first->len;
            memcpy(second->known, first->known, sizeof(first->known));
            for (unsigned i = roll(m, 20); i > 0; i--)
                change(m);
            load(m);
            check_loaded(m, first);
            check_loaded(m, second);
            announce_to(m, first);
            check_loaded(m, first);
            apply_since(m, view_modseq(m->view));
            check_loaded(m, second);
            announce_to(m, second);
            check(m, second);
            view_leave(m->view, &second->user);
        }
        view_leave(m->view, &first->user);
        view_unref(m->view);
        free(m);
    }
}

Test(view, news_of_a_view_without_rows_wait_for_them)
{
    struct model *m = calloc(1, sizeof(*m));
    m->random = 3;
    m->modseq = 1;
    m->view = view_new(7, 1);
    while (m->len < 20)
        change(m);
    count_only(m, &m->sessions[0]);
    uint64_t counted = view_modseq(m->view);
    change(m);
    apply_since(m, counted);
    cr_assert(view_is_counted(m->view) && view_is_stale(m->view));
    cr_assert_eq(view_modseq(m->view), counted);
    load(m);
    announce_to(m, &m->sessions[0]);
    check_loaded(m, &m->sessions[0]);
    view_leave(m->view, &m->sessions[0].user);
    view_unref(m->view);
    free(m);
}

Test(view, rows_that_are_not_as_many_as_counted_are_refused)
{
    struct err err;
    struct model *m = calloc(1, sizeof(*m));
    m->random = 3;
    m->modseq = 1;
    m->view = view_new(7, 1);
    while (m->len < 20)
        change(m);
    struct pull pull = {.limit = 1};
    struct changes c = answer(m, &pull);
    c.mailbox.total++;
    view_apply(m->view, 0, &c);
    struct view_loading l = {.as_of = view_modseq(m->view)};
    pull = (struct pull){.as_of_modseq = l.as_of};
    c = answer(m, &pull);
    view_loading_add(m->view, &l, &c);
    cr_assert(!view_loading_end(m->view, &l, &err));
    cr_assert_eq(err.kind, ERR_CORRUPT);
    cr_assert(view_is_counted(m->view));
    view_loading_release(&l);
    view_unref(m->view);
    free(m);
}

static struct view_message message_of(struct view *view, uint32_t uid)
{
    struct view_row row;
    struct uid_set set = {0};
    uid_set_add(&set, uid);
    cr_assert_eq(view_read(view, view_modseq(view), &set, 0, &row, 1), 1);
    uid_set_release(&set);
    return row.message;
}

Test(view, changes_of_flags_are_derived)
{
    struct model *m = calloc(1, sizeof(*m));
    m->modseq = 1;
    m->view = view_new(7, 1);
    for (uint32_t uid = 1; uid <= 6; uid++)
        m->messages[m->len++] = (struct model_message){.uid = uid, .modseq = 1, .createseq = 1};
    m->messages[1].flags = FLAG_SEEN;
    m->messages[2].flags = FLAG_DELETED;
    apply_since(m, 0);
    m->messages[5].expunged = m->modseq = 2;
    apply_since(m, 1);
    uint32_t uids[] = {1, 2, 3, 5, 6, 9};
    m->len = 0;
    m->modseq = 3;
    struct pull pull = {.since_modseq = 2};
    struct changes c = answer(m, &pull);
    c.derived = (struct flag_change){uids, ARRAY_LEN(uids), FLAG_SEEN, 0};
    view_apply(m->view, 2, &c);
    view_apply(m->view, 1, &c); /* old news */
    cr_assert_eq(view_modseq(m->view), 3);
    static const uint32_t flags[] = {FLAG_SEEN, FLAG_SEEN, FLAG_SEEN | FLAG_DELETED, 0, FLAG_SEEN};
    static const uint64_t modseqs[] = {3, 1, 3, 1, 3};
    for (uint32_t i = 0; i < ARRAY_LEN(flags); i++) {
        struct view_message message = message_of(m->view, i + 1);
        cr_expect_eq(message.flags, flags[i], "UID %u", i + 1);
        cr_expect_eq(message.modseq, modseqs[i], "UID %u", i + 1);
    }
    view_unref(m->view);
    free(m);
}

Test(view, old_news_are_ignored)
{
    struct model *m = calloc(1, sizeof(*m));
    m->random = 7;
    m->modseq = 1;
    m->view = view_new(7, 1);
    apply_since(m, 0);
    struct model before = *m;
    change(m);
    change(m);
    apply_since(m, 1);
    uint32_t exists = view_exists(m->view, view_modseq(m->view));
    apply_since(&before, 1);
    cr_assert_eq(view_exists(m->view, view_modseq(m->view)), exists);
    cr_assert_eq(view_modseq(m->view), m->modseq);
    view_nudge(m->view, m->modseq);
    cr_assert(!view_is_stale(m->view));
    view_nudge(m->view, m->modseq + 1);
    cr_assert(view_is_stale(m->view));
    view_unref(m->view);
    free(m);
}
