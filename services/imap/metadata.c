#include "services/imap/metadata.h"

#include "services/imap/notify.h"
#include "services/imap/parse.h"
#include "services/imap/registry.h"
#include "services/imap/respond.h"

#define NAME_MAX_BYTES 1024

/* ---- Names */

static bool is_entry(unsigned char c)
{
    return is_visible(c) && c != '*' && c != '%';
}

static size_t count_components(struct str name)
{
    size_t count = 0;
    for (size_t i = 0; i < name.len; i++)
        count += name.ptr[i] == '/';
    return count;
}

/* RFC 5464 6.2.1: "/private/vendor/<vendor>/<name>" */
static bool can_be_used(struct str name)
{
    struct str rest;
    if (str_starts_with(name, STR("/private/")))
        rest = str_skip(name, 8);
    else if (str_starts_with(name, STR("/shared/")))
        rest = str_skip(name, 7);
    else
        return false;
    return !str_starts_with(rest, STR("/vendor/")) || count_components(name) >= 4;
}

static void check_bytes(struct cursor *c, struct str name)
{
    bool ok = name.len > 1 && name.len <= NAME_MAX_BYTES && name.ptr[0] == '/' &&
              name.ptr[name.len - 1] != '/' && str_find(name, STR("//")) < 0;
    for (size_t i = 0; ok && i < name.len; i++)
        ok = is_entry((unsigned char)name.ptr[i]);
    if (!ok)
        cursor_fail(c, "the name of an entry");
}

struct str metadata_take_entry(struct cursor *c, struct arena *arena, bool *ret_denied)
{
    struct str name = arena_copy(arena, parse_astring(c, arena));
    if (cursor_failed(c))
        return STR_NULL;
    check_bytes(c, name);
    struct str lower = arena_lower(arena, name);
    *ret_denied = *ret_denied || !can_be_used(lower);
    return lower;
}

/* ---- Values */

const struct annotation *metadata_find(const struct annotations *all, uint64_t mailbox_id,
                                       struct str name)
{
    for (size_t i = 0; i < all->len; i++)
        if (all->items[i].mailbox_id == mailbox_id && str_eq(all->items[i].name, name))
            return &all->items[i];
    return NULL;
}

void metadata_write_value(struct imap *imap, struct buf *out, const struct annotation *a)
{
    if (!a) {
        buf_append(out, STR("NIL"));
        return;
    }
    if (!a->binary) {
        respond_string(out, a->value, imap->utf8);
        return;
    }
    buf_append(out, STR("~{"));
    buf_append_u64(out, a->value.len);
    buf_append(out, STR("}\r\n"));
    buf_append(out, a->value);
}

void metadata_write_list(struct imap *imap, const struct mailbox_info *mailbox,
                         const struct annotations *all, const struct str *names, size_t count)
{
    struct buf *out = imap_out(imap);
    buf_append(out, STR("* METADATA "));
    respond_mailbox(imap, out, mailbox->name);
    for (size_t i = 0; i < count; i++) {
        buf_append(out, i == 0 ? STR(" (") : STR(" "));
        buf_append(out, names[i]);
        buf_append_char(out, ' ');
        metadata_write_value(imap, out, metadata_find(all, mailbox->id, names[i]));
    }
    buf_append(out, STR(")\r\n"));
}

/* ---- Changes by others */

void metadata_follow(struct imap *imap)
{
    struct err err;
    struct annotations all;
    struct annotation_query query = {.since_modseq = INT64_MAX};
    if (imap->metadata)
        return;
    struct backend_call call = imap_call(imap);
    imap->metadata_events = account_annotation_events(imap->account);
    if (backend_annotations(imap->server->backend, &call, &query, &all.items, &all.len,
                            &imap->metadata_modseq, &err))
        return;
    /* Everything counts as new then. */
    log_debug(session_log(imap->session), "annotations not read", LOG_ERR(&err));
}

/* Events wake the session, because it tells of them in IDLE, whatever mailbox is selected. */
void metadata_enable(struct imap *imap)
{
    if (imap->metadata)
        return;
    metadata_follow(imap);
    imap->metadata = true;
    imap->metadata_watch.handle = session_handle(imap->session);
    account_watch(imap->account, &imap->metadata_watch);
}

void metadata_close(struct imap *imap)
{
    if (imap->metadata)
        account_unwatch(imap->account, &imap->metadata_watch);
    imap->metadata = false;
}

/* To who has enabled METADATA all is told, else what NOTIFY asks for. */
static bool is_told(const struct imap *imap, const struct annotation *a)
{
    if (a->modseq == imap->metadata_own && imap->metadata_own_owner == 0)
        return false;
    return imap->metadata ||
           notify_tells_metadata(imap, a->mailbox_id == 0 ? STR_NULL : a->mailbox);
}

void metadata_write_change(struct imap *imap, struct str mailbox, const struct annotation *a)
{
    struct buf *out = imap_out(imap);
    buf_append(out, STR("* METADATA "));
    if (str_is_null(mailbox))
        buf_append(out, STR("\"\""));
    else
        respond_mailbox(imap, out, mailbox);
    buf_append_char(out, ' ');
    buf_append(out, a->name);
    buf_append(out, STR("\r\n"));
}

static void tell_one(struct imap *imap, const struct annotation *a)
{
    if (is_told(imap, a))
        metadata_write_change(imap, a->mailbox_id == 0 ? STR_NULL : a->mailbox, a);
}

void metadata_tell(struct imap *imap)
{
    struct err err;
    struct annotations news;
    if (!imap->metadata && !notify_follows_metadata(imap))
        return;
    uint64_t events = account_annotation_events(imap->account);
    if (events == imap->metadata_events)
        return;
    struct arena arena;
    arena_init(&arena, 4u << 20);
    struct backend_call call = imap_call_in(imap, &arena);
    struct annotation_query query = {.since_modseq = imap->metadata_modseq};
    if (backend_annotations(imap->server->backend, &call, &query, &news.items, &news.len,
                            &news.modseq, &err)) {
        for (size_t i = 0; i < news.len; i++)
            tell_one(imap, &news.items[i]);
        imap->metadata_modseq = news.modseq;
        imap->metadata_events = events;
    }
    arena_release(&arena);
}
