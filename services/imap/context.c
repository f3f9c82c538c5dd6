#include "services/imap/context.h"

#include "services/imap/respond.h"

#define ARENA_MAX (2u << 20) /* of the text of a command, and what FETCH items are made of */

/* ---- Limits */

static size_t bytes_of(const struct context *c)
{
    size_t ranges = c->members.cap + c->pending.cap;
    for (size_t i = 0; i < c->program.owned_count; i++)
        ranges += c->program.owned[i]->cap;
    return sizeof(*c) + c->arena.used + c->program.arena.used + ranges * sizeof(struct uid_range) +
           sort_bytes(&c->sort);
}

static bool is_within_limits(const struct imap *imap)
{
    size_t count = 0, bytes = 0;
    for (const struct context *c = imap->selected.contexts; c; c = c->next) {
        count++;
        bytes += bytes_of(c);
    }
    return count <= CONTEXTS_MAX && bytes <= CONTEXTS_BYTES_MAX;
}

static void tell_no_update(struct imap *imap, const struct context *context)
{
    struct buf *out = imap_out(imap);
    buf_append(out, STR("* NO [NOUPDATE "));
    respond_string(out, context->tag, false);
    buf_append(out, STR("] too many contexts, or too large ones\r\n"));
}

void context_check_size(struct imap *imap, struct context *context)
{
    if (is_within_limits(imap))
        return;
    if (context->has_holes)
        sort_compact(&context->sort);
    context->has_holes = false;
    if (is_within_limits(imap))
        return;
    tell_no_update(imap, context);
    context_cancel(imap, context->tag);
}

/* ---- Life cycle */

static struct context **find(struct imap *imap, struct str tag)
{
    struct context **at = &imap->selected.contexts;
    while (*at && !str_eq((*at)->tag, tag))
        at = &(*at)->next;
    return at;
}

bool context_tag_is_free(const struct imap *imap)
{
    for (const struct context *c = imap->selected.contexts; c; c = c->next)
        if (str_eq(c->tag, imap->tag))
            return false;
    return true;
}

struct context *context_new(struct imap *imap, const struct search_returns *returns,
                            struct cursor *args)
{
    if (!returns->update || cursor_failed(args))
        return NULL;
    struct context *c = xcalloc(1, sizeof(*c));
    arena_init(&c->arena, ARENA_MAX);
    c->tag = arena_copy(&c->arena, imap->tag);
    c->uid = imap->uid;
    if (!str_is_null(returns->items)) {
        struct cursor items = cursor_init(arena_copy(&c->arena, returns->items));
        c->items = fetch_take_items(&items, &c->arena);
        c->items.sets_seen = false;
    }
    struct str rest = arena_copy(&c->arena, cursor_rest(args));
    if (c->arena.exhausted)
        cursor_fail_too_long(args, "command");
    else
        *args = cursor_init(rest);
    return c;
}

void context_free(struct context *context)
{
    if (!context)
        return;
    search_release(&context->program);
    uid_set_release(&context->members);
    uid_set_release(&context->pending);
    if (context->is_sorted)
        sort_release(&context->sort);
    arena_release(&context->arena);
    free(context);
}

void context_install(struct imap *imap, struct context *context, struct search_run *run,
                     struct sort *sort)
{
    if (!context)
        return;
    context->program = run->program;
    run->program = (struct search_program){0};
    context->members = run->uids;
    run->uids = (struct uid_set){0};
    context->is_sorted = sort != NULL;
    if (sort) {
        context->sort = *sort;
        *sort = (struct sort){0};
    }
    context->next = imap->selected.contexts;
    imap->selected.contexts = context;
    context_check_size(imap, context);
}

bool context_cancel(struct imap *imap, struct str tag)
{
    struct context **at = find(imap, tag), *context = *at;
    if (!context)
        return false;
    *at = context->next;
    context_free(context);
    return true;
}

void contexts_free(struct imap *imap)
{
    contexts_update_free(imap);
    while (imap->selected.contexts)
        context_cancel(imap, imap->selected.contexts->tag);
}
