#include "services/imap/command.h"
#include "services/imap/names.h"
#include "services/imap/objectid.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/shared.h"
#include "services/imap/status.h"

static uint64_t messages(const struct mailbox_info *m)
{
    return m->total + m->deleted;
}
static uint64_t uidnext(const struct mailbox_info *m)
{
    return m->uidnext;
}
static uint64_t uidvalidity(const struct mailbox_info *m)
{
    return m->uidvalidity;
}
static uint64_t unseen(const struct mailbox_info *m)
{
    return m->unseen;
}
static uint64_t deleted(const struct mailbox_info *m)
{
    return m->deleted;
}
static uint64_t size(const struct mailbox_info *m)
{
    return m->size;
}
static uint64_t highest_modseq(const struct mailbox_info *m)
{
    return m->modseq;
}
static uint64_t recent(const struct mailbox_info *m)
{
    (void)m; /* no message is ever \Recent */
    return 0;
}

static uint64_t mailbox_id(const struct mailbox_info *m)
{
    return m->id;
}

static uint64_t deleted_storage(const struct mailbox_info *m)
{
    return m->deleted_size;
}

/* With `capability`: unknown to accounts from which that is hidden. */
static const struct {
    struct str name;
    uint64_t (*value)(const struct mailbox_info *mailbox); /* NULL: NIL */
    struct str capability;
} items[] = {
    {STR_INIT("MESSAGES"), messages, STR_INIT("")},
    {STR_INIT("UIDNEXT"), uidnext, STR_INIT("")},
    {STR_INIT("UIDVALIDITY"), uidvalidity, STR_INIT("")},
    {STR_INIT("UNSEEN"), unseen, STR_INIT("")},
    {STR_INIT("DELETED"), deleted, STR_INIT("")},
    {STR_INIT("SIZE"), size, STR_INIT("")},
    {STR_INIT("RECENT"), recent, STR_INIT("")},
    {STR_INIT("APPENDLIMIT"), NULL, STR_INIT("APPENDLIMIT")},
    {STR_INIT("MAILBOXID"), mailbox_id, STR_INIT("OBJECTID")},
    {STR_INIT("HIGHESTMODSEQ"), highest_modseq, STR_INIT("CONDSTORE")},
    {STR_INIT("DELETED-STORAGE"), deleted_storage, STR_INIT("QUOTA")},
};

static void take_item(const struct imap *imap, struct cursor *c, struct status_items *ret)
{
    struct str name = parse_atom(c, "status item");
    for (size_t i = 0; !cursor_failed(c) && i < ARRAY_LEN(items); i++) {
        if (!str_eq_nocase(name, items[i].name) || !imap_has_capability(imap, items[i].capability))
            continue;
        for (size_t k = 0; k < ret->len; k++)
            if (ret->items[k] == i)
                return;
        ret->items[ret->len++] = (unsigned char)i;
        return;
    }
    cursor_fail(c, "a known status item");
}

struct status_items status_take_items(const struct imap *imap, struct cursor *c)
{
    struct status_items ret = {0};
    cursor_expect(c, '(');
    do
        take_item(imap, c, &ret);
    while (cursor_skip(c, ' '));
    cursor_expect(c, ')');
    return ret;
}

bool status_complete(struct imap *imap, const struct status_items *list,
                     struct mailbox_info *mailbox, struct err *err)
{
    struct quota quota;
    bool wanted = false;
    for (size_t i = 0; i < list->len; i++)
        wanted = wanted || items[list->items[i]].value == deleted_storage;
    if (!wanted || mailbox->deleted == 0)
        return true;
    struct backend_call call = imap_call(imap);
    call.owner = mailbox->owner;
    TRY(backend_quota(imap->server->backend, &call, mailbox->id, &quota, err));
    mailbox->deleted_size = quota.deleted_bytes;
    return true;
}

void status_write(struct imap *imap, const struct status_items *list,
                  const struct mailbox_info *mailbox)
{
    struct buf *out = imap_out(imap);
    buf_append(out, STR("* STATUS "));
    respond_mailbox(imap, out, mailbox->name);
    for (size_t i = 0; i < list->len; i++) {
        buf_append(out, i == 0 ? STR(" (") : STR(" "));
        buf_append(out, items[list->items[i]].name);
        buf_append_char(out, ' ');
        if (items[list->items[i]].value == highest_modseq) /* RFC 7162 3.1: asking enables */
            imap->condstore = true;
        if (items[list->items[i]].value == mailbox_id)
            objectid_write(out, OBJECTID_MAILBOX,
                           mailbox->owner != 0 ? mailbox->owner : account_id(imap->account),
                           mailbox->id);
        else if (items[list->items[i]].value)
            buf_append_u64(out, items[list->items[i]].value(mailbox));
        else
            buf_append(out, STR("NIL"));
    }
    buf_append(out, STR(")\r\n"));
}

/* RFC 9051 6.3.11: "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")" */
enum session_next cmd_status(struct imap *imap, struct cursor *args)
{
    struct err err;
    parse_space(args);
    struct str name = name_take(imap, args);
    parse_space(args);
    struct status_items wanted = status_take_items(imap, args);
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    /* A pull of nothing: it brings the mailbox with its counts. */
    struct pull pull = {.since_modseq = INT64_MAX};
    struct changes changes;
    struct backend_call call = imap_call(imap);
    if (!shared_find(imap, name, &call, &pull.name, &err) ||
        !backend_pull(imap->server->backend, &call, &pull, &changes, &err))
        return respond_err(imap, &err);
    if (pull.name.ptr != name.ptr) /* one of others, or an own one by its name there */
        changes.mailbox.name = name;
    changes.mailbox.owner = call.owner;
    if (!status_complete(imap, &wanted, &changes.mailbox, &err))
        return respond_err(imap, &err);
    status_write(imap, &wanted, &changes.mailbox);
    return respond_ok(imap, "status given");
}
