#include "services/imap/context.h"

#include "common/base/clock.h"
#include "services/imap/fetch_run.h"
#include "services/imap/respond.h"

/* What is told of contexts while a session tells what changed. */

#define BATCH 256

/* A message that enters or leaves a result, as the client names it. */
struct entry {
    uint32_t uid;
    uint32_t number;
};

struct entries {
    struct entry items[BATCH]; /* by uid */
    size_t len;
};

/* One context after the other, its changed messages in batches. */
struct context_update {
    struct context *context;
    struct uid_set pending; /* from before; they come first */
    bool pending_is_done;
    uint32_t after_uid;
    /* The batch. */
    struct view_row rows[BATCH];
    size_t len;
    struct uid_set uids;
    struct search_run run;
    bool is_running;
    struct entries added, removed;
    struct uid_set arrived;  /* of those that were added, new in the mailbox */
    struct fetch_run *fetch; /* of them */
};

static uint32_t number_of(const struct context *c, const struct view_row *row)
{
    return c->uid ? row->message.uid : row->seq;
}

static void add_entry(struct entries *list, uint32_t uid, uint32_t number)
{
    list->items[list->len++] = (struct entry){uid, number};
}

/* ---- Lines */

static const struct entry *find_entry(const struct entries *list, uint32_t uid)
{
    size_t low = 0, high = list->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list->items[middle].uid < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < list->len && list->items[low].uid == uid ? &list->items[low] : NULL;
}

/* Where they are in the order of SORT, each run of neighbours with its place: the client works
 * through them from left to right, so what is removed before moves the rest. */
static void write_places(struct buf *out, const struct context *c, const struct entries *list,
                         bool removing)
{
    struct number_list numbers = {0};
    bool in_run = false;
    size_t found = 0;
    for (size_t i = 0; i < c->sort.records.len && found < list->len; i++) {
        const struct entry *entry = find_entry(list, c->sort.records.items[i].uid);
        if (entry && !in_run) {
            number_list_end(&numbers, out);
            buf_append(out, found > 0 ? STR(" ") : STR(""));
            buf_append_u64(out, i + 1 - (removing ? found : 0));
            buf_append_char(out, ' ');
            numbers = (struct number_list){0};
        }
        in_run = entry != NULL;
        if (!entry)
            continue;
        number_list_add(&numbers, entry->number, out);
        found++;
    }
    number_list_end(&numbers, out);
}

/* RFC 5267 4.3.3: 0 is the place that a message has by its number. */
static void write_numbers(struct buf *out, const struct entries *list)
{
    struct uid_set numbers = {0};
    for (size_t i = 0; i < list->len; i++)
        uid_set_add(&numbers, list->items[i].number);
    buf_append(out, STR("0 "));
    uid_set_write(&numbers, out);
    uid_set_release(&numbers);
}

static void write_line(struct imap *imap, const struct context *c, const struct entries *list,
                       bool removing)
{
    struct buf *out = imap_out(imap);
    const struct selected *selected = &imap->selected;
    const struct search_returns named = {.mailbox = c->names_mailbox ? selected->view : NULL,
                                         .prefix = buf_str(&selected->prefix)};
    search_returns_write_start(imap, c->tag, &named, c->uid);
    buf_append(out, removing ? STR(" REMOVEFROM (") : STR(" ADDTO ("));
    if (c->is_sorted)
        write_places(out, c, list, removing);
    else
        write_numbers(out, list);
    buf_append(out, STR(")\r\n"));
}

/* ---- Members */

static void collect_uids(const struct entries *list, struct uid_set *ret)
{
    for (size_t i = 0; i < list->len; i++)
        uid_set_add(ret, list->items[i].uid);
}

static void drop_records(struct sort *sort, const struct entries *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < sort->records.len; i++)
        if (!find_entry(list, sort->records.items[i].uid))
            sort->records.items[kept++] = sort->records.items[i];
    sort->records.len = kept;
}

static void remove_members(struct imap *imap, struct context *c, const struct entries *list)
{
    struct uid_set uids = {0};
    if (list->len == 0)
        return;
    write_line(imap, c, list, true);
    collect_uids(list, &uids);
    uid_set_subtract(&c->members, &uids);
    uid_set_release(&uids);
    if (!c->is_sorted)
        return;
    drop_records(&c->sort, list);
    c->has_holes = true;
}

void contexts_remove(struct imap *imap, const struct view_row *rows, size_t count, uint32_t before)
{
    for (struct context *c = imap->selected.contexts; c; c = c->next) {
        for (size_t done = 0; done < count;) {
            struct entries list = {.len = 0};
            size_t end = count - done < BATCH ? count : done + BATCH;
            for (; done < end; done++) {
                uint32_t uid = rows[done].message.uid;
                if (uid_set_has(&c->members, uid))
                    add_entry(&list, uid, c->uid ? uid : rows[done].seq - before);
            }
            remove_members(imap, c, &list);
        }
    }
}

/* Asks for the keys of new members, and puts them in their places. */
static bool sort_members(struct imap *imap, struct context *c, struct uid_set *uids,
                         struct err *err)
{
    struct key_walk walk;
    size_t before = c->sort.records.len;
    bool ok = true;
    key_walk_init(&walk, uids, sort_wanted(&c->sort));
    walk.horizon = imap->announcement.target;
    while (ok && key_walk_next(&walk, imap, err))
        ok = sort_add(&c->sort, &walk, err);
    key_walk_release(&walk);
    if (err->kind == ERR_NONE)
        sort_run(&c->sort, before);
    else
        c->sort.records.len = before;
    return err->kind == ERR_NONE;
}

static void add_members(struct imap *imap, struct context *c, const struct entries *list)
{
    struct err err;
    struct uid_set uids = {0};
    if (list->len == 0)
        return;
    if (c->is_sorted) {
        collect_uids(list, &uids);
        if (!sort_members(imap, c, &uids, &err)) {
            log_debug(session_log(imap->session), "context not sorted", LOG_ERR(&err));
            collect_uids(list, &uids);
            for (size_t i = 0; i < uids.len; i++)
                uid_set_add_range(&c->pending, uids.items[i].first, uids.items[i].last);
            uid_set_normalise(&c->pending);
            uid_set_release(&uids);
            return;
        }
    }
    for (size_t i = 0; i < list->len; i++)
        uid_set_add_range(&c->members, list->items[i].uid, list->items[i].uid);
    uid_set_normalise(&c->members);
    write_line(imap, c, list, false);
}

/* ---- Batches */

bool contexts_have_pending(const struct imap *imap)
{
    for (const struct context *c = imap->selected.contexts; c; c = c->next)
        if (c->pending.len > 0)
            return true;
    return false;
}

static void begin_context(struct context_update *u, struct context *context)
{
    uid_set_release(&u->pending);
    u->context = context;
    u->after_uid = 0;
    u->pending_is_done = false;
    if (!context)
        return;
    u->pending = context->pending;
    context->pending = (struct uid_set){0};
}

/* Those that changed since, with their present numbers. False: there are no more. */
static bool read_batch(struct imap *imap, struct context_update *u)
{
    struct selected *selected = &imap->selected;
    uint64_t target = imap->announcement.target;
    if (!u->pending_is_done) {
        u->len = view_read(selected->view, target, &u->pending, u->after_uid, u->rows, BATCH);
        u->pending_is_done = u->len == 0;
        if (u->pending_is_done)
            u->after_uid = 0;
    }
    if (u->pending_is_done)
        u->len = view_read_changed(selected->view, selected->user.horizon, target, u->after_uid,
                                   u->rows, BATCH);
    if (u->len == 0)
        return false;
    u->after_uid = u->rows[u->len - 1].message.uid;
    return true;
}

/* The context lends its program to a search among the batch. */
static void begin_search(struct imap *imap, struct context_update *u)
{
    struct view_place place = selected_place(imap);
    place.horizon = imap->announcement.target;
    for (size_t i = 0; i < u->len; i++)
        uid_set_add(&u->uids, u->rows[i].message.uid);
    search_run_init_in(&u->run, imap, &place);
    u->run.program = u->context->program;
    u->run.program.place = place;
    u->run.within = &u->uids;
    u->run.progress.next_ms = CLOCK_NEVER;
    u->is_running = true;
}

static void end_search(struct context_update *u)
{
    if (!u->is_running)
        return;
    u->run.program = (struct search_program){0};
    search_run_release(&u->run);
    u->run = (struct search_run){0};
    u->is_running = false;
}

static void end_batch(struct context_update *u)
{
    end_search(u);
    uid_set_release(&u->uids);
    uid_set_release(&u->arrived);
    fetch_run_free(u->fetch);
    u->fetch = NULL;
    u->added.len = u->removed.len = 0;
}

/* Store is away: they are asked again with the next change. */
static void postpone(struct imap *imap, struct context_update *u, const struct err *err)
{
    struct uid_set *pending = &u->context->pending;
    log_debug(session_log(imap->session), "context not updated", LOG_ERR(err));
    for (size_t i = 0; i < u->uids.len; i++)
        uid_set_add_range(pending, u->uids.items[i].first, u->uids.items[i].last);
    uid_set_normalise(pending);
}

static void compare(const struct imap *imap, struct context_update *u)
{
    const struct context *c = u->context;
    for (size_t i = 0; i < u->len; i++) {
        const struct view_row *row = &u->rows[i];
        uint32_t uid = row->message.uid;
        bool was = uid_set_has(&c->members, uid), is = uid_set_has(&u->run.uids, uid);
        if (was && !is)
            add_entry(&u->removed, uid, number_of(c, row));
        if (!was && is)
            add_entry(&u->added, uid, number_of(c, row));
        if (!was && is && row->message.createseq > imap->selected.user.horizon)
            uid_set_add(&u->arrived, uid);
    }
}

/* RFC 5465 7: what the client wants of new messages, before they are told as results. */
static enum fetch_step fetch_arrived(struct imap *imap, struct context_update *u)
{
    if (!u->fetch) {
        u->fetch = fetch_run_new(imap, &u->context->items, &u->arrived);
        u->fetch->rows.horizon = imap->announcement.target;
    }
    return fetch_run_tell(imap, u->fetch);
}

/* False: it is to be called again. */
static bool run_batch(struct imap *imap, struct context_update *u)
{
    struct err err;
    if (u->is_running) {
        enum search_step step = search_run_step(imap, &u->run, &err);
        if (step == SEARCH_MORE)
            return false;
        if (step == SEARCH_FAILED) {
            postpone(imap, u, &err);
            return true;
        }
        compare(imap, u);
        end_search(u);
    }
    if (u->fetch || (u->context->items.len > 0 && u->arrived.len > 0)) {
        enum fetch_step step = fetch_arrived(imap, u);
        imap->announcement.broken = step == FETCH_BROKEN;
        if (step != FETCH_DONE)
            return false;
    }
    remove_members(imap, u->context, &u->removed);
    add_members(imap, u->context, &u->added);
    return true;
}

static void end_context(struct imap *imap, struct context_update *u)
{
    struct context *context = u->context;
    begin_context(u, context->next);
    context_check_size(imap, context);
}

bool contexts_update(struct imap *imap)
{
    struct context_update *u = imap->announcement.contexts;
    if (!u && !imap->selected.contexts)
        return true;
    if (!u) {
        u = imap->announcement.contexts = xcalloc(1, sizeof(*u));
        begin_context(u, imap->selected.contexts);
    }
    while (u->context) {
        if (session_out_is_full(imap->session))
            return false;
        if (u->uids.len == 0 && !read_batch(imap, u)) {
            end_context(imap, u);
            continue;
        }
        if (u->uids.len == 0)
            begin_search(imap, u);
        if (!run_batch(imap, u))
            return false;
        end_batch(u);
    }
    contexts_update_free(imap);
    return true;
}

void contexts_update_free(struct imap *imap)
{
    struct context_update *u = imap->announcement.contexts;
    if (!u)
        return;
    end_batch(u);
    uid_set_release(&u->pending);
    free(u);
    imap->announcement.contexts = NULL;
}
