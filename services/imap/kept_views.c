#include "services/imap/kept_views.h"

static struct view *take_out(struct kept_views *k, size_t at)
{
    struct view *view = k->views.items[at].view;
    k->messages -= k->views.items[at].messages;
    array_remove(&k->views, at, 1);
    return view;
}

static void drop_until(struct kept_views *k, size_t count, size_t messages)
{
    while (k->views.len > count || k->messages > messages)
        view_unref(take_out(k, 0));
}

void kept_views_release(struct kept_views *k)
{
    kept_views_clear(k);
    array_release(&k->views);
}

void kept_views_clear(struct kept_views *k)
{
    drop_until(k, 0, 0);
}

void kept_views_put(struct kept_views *k, uint64_t account_id, struct view *view)
{
    struct kept_view kept = {.account_id = account_id, .view = view, .messages = view_size(view)};
    if (kept.messages < KEPT_MESSAGES_MIN || kept.messages > KEPT_MESSAGES_MAX ||
        view_info(view).gone) {
        view_unref(view);
        return;
    }
    drop_until(k, KEPT_VIEWS_MAX - 1, KEPT_MESSAGES_MAX - kept.messages);
    k->messages += kept.messages;
    array_push(&k->views, kept);
}

struct view *kept_views_take(struct kept_views *k, uint64_t account_id, uint64_t mailbox_id)
{
    for (size_t i = 0; i < k->views.len; i++) {
        const struct kept_view *kept = &k->views.items[i];
        if (kept->account_id == account_id && view_info(kept->view).mailbox_id == mailbox_id)
            return take_out(k, i);
    }
    return NULL;
}

uint64_t kept_views_find(const struct kept_views *k, uint64_t account_id, struct str name,
                         struct arena *arena)
{
    for (size_t i = 0; i < k->views.len; i++) {
        const struct kept_view *kept = &k->views.items[i];
        if (kept->account_id == account_id && str_eq_nocase(view_name(kept->view, arena), name))
            return view_info(kept->view).mailbox_id;
    }
    return 0;
}
