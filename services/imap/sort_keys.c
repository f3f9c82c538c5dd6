#include "services/imap/sort_keys.h"

#include "common/base/bug.h"

#define BATCH_ARENA_MAX (256u << 20)

void key_walk_init(struct key_walk *w, struct uid_set *uids, unsigned wanted)
{
    *w = (struct key_walk){.uids = *uids, .wanted = wanted};
    *uids = (struct uid_set){0};
    w->rows = xcalloc(KEY_WALK_BATCH, sizeof(*w->rows));
    arena_init(&w->arena, BATCH_ARENA_MAX);
}

void key_walk_release(struct key_walk *w)
{
    uid_set_release(&w->uids);
    free(w->rows);
    w->rows = NULL;
    arena_release(&w->arena);
}

static bool load_keys(struct key_walk *w, struct imap *imap, struct err *err)
{
    arena_reset(&w->arena);
    uint64_t *ids = arena_new_array(&w->arena, w->len, uint64_t);
    if (!ids)
        return err_set(err, ERR_LIMIT, "too many messages");
    for (size_t i = 0; i < w->len; i++)
        ids[i] = w->rows[i].message.id;
    struct view *view = imap->selected.view;
    struct backend_call call = imap_call_on(imap, view);
    call.arena = &w->arena;
    return backend_sort_keys(imap->server->backend, &call, view_info(view).mailbox_id, ids, w->len,
                             w->wanted, &w->keys, err);
}

bool key_walk_next(struct key_walk *w, struct imap *imap, struct err *err)
{
    const struct selected *selected = &imap->selected;
    err->kind = ERR_NONE;
    uint64_t horizon = w->horizon ? w->horizon : selected->user.horizon;
    w->len = view_read(selected->view, horizon, &w->uids, w->after_uid, w->rows, KEY_WALK_BATCH);
    if (w->len == 0)
        return false;
    w->after_uid = w->rows[w->len - 1].message.uid;
    w->done += w->len;
    return w->wanted == 0 || load_keys(w, imap, err);
}
