#include "services/imap/catenate.h"

#include "services/imap/imap_url.h"
#include "services/imap/shared.h"

#define CHUNK (64 * 1024)
#define SCRATCH_SLACK (64 * 1024)

/* Is it a URL of this server, and of this user? */
static bool is_ours(const struct imap *imap, const struct imap_url *url)
{
    if (str_is_null(url->host))
        return true;
    return str_eq_nocase(url->host, imap->server->settings->hostname) &&
           (str_is_null(url->user) || str_eq_nocase(url->user, buf_str(&imap->login)));
}

/* The message's row, as store has it now: the mailbox need not be selected. */
static bool find_row(struct imap *imap, const struct imap_url *url, struct backend_call *call,
                     uint64_t *ret_mailbox_id, struct view_message *ret, struct err *err)
{
    struct changes changes;
    struct pull pull = {.from_uid = url->uid - 1, .limit = 1};
    TRY(shared_find(imap, url->mailbox, call, &pull.name, err));
    TRY(backend_pull(imap->server->backend, call, &pull, &changes, err));
    if (url->uidvalidity != 0 && url->uidvalidity != changes.mailbox.uidvalidity)
        return err_set(err, ERR_NOT_FOUND, "another UIDVALIDITY");
    size_t i = 0;
    while (i < changes.len && changes.uid[i] != url->uid)
        i++;
    if (i == changes.len)
        return err_set(err, ERR_NOT_FOUND, "no message %u", url->uid);
    *ret_mailbox_id = changes.mailbox.id;
    *ret = (struct view_message){.uid = url->uid,
                                 .id = changes.id[i],
                                 .size = changes.size[i],
                                 .prefix_size = changes.prefix_size[i]};
    return true;
}

/* Prefix and structure. */
static bool load(struct imap *imap, uint64_t mailbox_id, const struct backend_call *call,
                 struct message *m, struct err *err)
{
    struct message_row *rows;
    size_t count;
    struct messages_query query = {.mailbox_id = mailbox_id,
                                   .ids = &m->row->id,
                                   .count = 1,
                                   .prefix = true,
                                   .structure = STRUCTURE_ALL};
    TRY(backend_messages(imap->server->backend, call, &query, &rows, &count, err));
    if (count == 0 || rows[0].prefix.len != m->row->prefix_size)
        return err_set(err, ERR_NOT_FOUND, "message %u is gone", m->row->uid);
    m->prefix = rows[0].prefix;
    return structure_decode(rows[0].structure, call->arena, &m->structure, err);
}

static bool copy_content(struct message *m, struct content content, struct spool_file *spool,
                         struct err *err)
{
    TRY(spool_write(spool, content.head, err));
    struct buf chunk;
    bool ok = true;
    buf_init(&chunk, CHUNK);
    content_slice(&content, content.head.len, UINT64_MAX);
    while (ok && content.len > 0) {
        size_t len = content.len < CHUNK ? (size_t)content.len : CHUNK;
        buf_reset(&chunk);
        ok = message_read(m, content.offset, len, &chunk, err) &&
             spool_write(spool, buf_str(&chunk), err);
        content_slice(&content, len, UINT64_MAX);
    }
    buf_release(&chunk);
    return ok;
}

static bool copy_section(const struct imap_url *url, struct message *m, uint64_t size_max,
                         struct spool_file *spool, struct err *err)
{
    struct buf scratch;
    struct content content;
    buf_init(&scratch, (size_t)m->row->size * 2 + SCRATCH_SLACK);
    bool ok = section_find(&url->section, m, &scratch, &content, err);
    if (ok && url->partial)
        content_slice(&content, url->offset, url->count);
    if (ok && content_size(&content) > size_max)
        ok = err_set(err, ERR_LIMIT, "the message becomes too large");
    ok = ok && copy_content(m, content, spool, err);
    buf_release(&scratch);
    return ok;
}

bool catenate_url(struct imap *imap, struct str text, uint64_t size_max, struct arena *arena,
                  struct spool_file *spool, struct err *err)
{
    struct imap_url url;
    struct view_message row;
    uint64_t mailbox_id = 0;
    struct backend_call call = imap_call_in(imap, arena);
    TRY(imap_url_parse(text, arena, &url, err));
    if (!is_ours(imap, &url))
        return err_set(err, ERR_NOT_FOUND, "a URL of another server or user");
    TRY(find_row(imap, &url, &call, &mailbox_id, &row, err));
    struct message m = {.data = imap->server->settings->data,
                        .account_id = shared_owner(imap, &call),
                        .row = &row,
                        .fd = -1};
    bool ok =
        load(imap, mailbox_id, &call, &m, err) && copy_section(&url, &m, size_max, spool, err);
    message_close(&m);
    return ok;
}
