#include "services/mailrail/restore.h"

#include "common/auth/hmac.h"
#include "common/base/buf.h"
#include "common/base/bug.h"
#include "common/bus/call_key.h"
#include "common/mail/message_id.h"
#include "services/mailrail/backend_transfer.h"
#include "services/mailrail/connect.h"
#include "services/mailrail/mail_parse.h"
#include "services/mailrail/mail_sender.h"
#include "services/mailrail/offline.h"
#include "services/mailrail/mailbox_option.h"
#include "services/mailrail/plural.h"
#include "services/mailrail/progress.h"
#include "services/mailrail/restore_settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * `mailrail restore`: an export from the store of a backup, and an import into the running one.
 * What the mailbox has already, by date and text, stays as it is; the rest appears in one change.
 */

#define ENTRIES_ARENA_MAX (2048u << 20)
#define CALL_ARENA_MAX (64u << 20)
#define TEXT_MAX (512u << 20)
#define MAIL_FROM_MAX 1024 /* store writes no longer one */

/* A message as a store has it. */
struct stored {
    struct buf text;
    struct buf mail_from; /* of the envelope; empty: null, or not known */
};

struct restore {
    struct invocation *inv;
    struct transfer *from; /* the backup */
    struct transfer *to;
    struct str key;
    struct str message_id; /* canonical; empty: any */
    uint64_t uid;          /* 0: any */
    struct arena entries;  /* of one mailbox of the backup and of what is there */
    struct arena call;     /* of one message */
    struct stored message;
    struct stored other; /* what is there */
    struct progress progress;
    uint64_t units;
    struct mail_sender sender;
    uint64_t present;
    struct str *mailboxes; /* that are restored */
    size_t mailbox_count;
    struct transfer_refused refused;
};

/* What the mailbox has now, by date and size. */
struct present {
    struct export_entry *entries;
    bool *is_matched;
    size_t count;
};

/* ---- Texts */

static void stored_init(struct stored *m)
{
    buf_init(&m->text, TEXT_MAX);
    buf_init(&m->mail_from, MAIL_FROM_MAX);
}

static void stored_release(struct stored *m)
{
    buf_release(&m->text);
    buf_release(&m->mail_from);
}

static bool read_file(struct transfer *t, struct arena *arena, const struct export_message *m,
                      struct buf *out, struct err *err)
{
    struct str piece = m->content;
    if (m->file_size <= TRANSFER_CONTENT_MAX)
        return buf_append(out, piece) || err_set(err, ERR_LIMIT, "the message is too large");
    for (uint64_t offset = 0; offset < m->file_size; offset += piece.len) {
        arena_reset(arena);
        TRY(transfer_text(t, arena, m->id, offset, &piece, err));
        if (piece.len == 0)
            return err_set(err, ERR_CONFLICT, "the file of message %" PRIu64 " is too short",
                           m->id);
        if (!buf_append(out, piece))
            return err_set(err, ERR_LIMIT, "the message is too large");
    }
    return true;
}

/* The whole text, with what delivery put in front of it. */
static bool read_stored(struct transfer *t, struct arena *arena, uint64_t id, struct stored *out,
                        bool *ret_found, struct err *err)
{
    struct export_message m;
    size_t count;
    arena_reset(arena);
    buf_reset(&out->text);
    buf_reset(&out->mail_from);
    TRY(transfer_messages(t, arena, &id, 1, &m, &count, err));
    *ret_found = m.is_found;
    if (!m.is_found)
        return true;
    if (m.error.len > 0)
        return err_set(err, ERR_CORRUPT, "message %" PRIu64 ": %.*s", id, STR_ARG(m.error));
    if (!buf_append(&out->mail_from, m.mail_from) || !buf_append(&out->text, m.prefix))
        return err_set(err, ERR_LIMIT, "the message is too large");
    return read_file(t, arena, &m, &out->text, err);
}

/* ---- What is there */

static int by_time_and_size(const void *a, const void *b)
{
    const struct export_entry *x = a, *y = b;
    if (x->received_s != y->received_s)
        return x->received_s < y->received_s ? -1 : 1;
    return x->size < y->size ? -1 : x->size > y->size;
}

static bool list_present(struct restore *r, struct str mailbox, struct present *ret,
                         struct err *err)
{
    struct export_mailbox *all;
    size_t count;
    *ret = (struct present){.count = 0};
    TRY(transfer_mailboxes(r->to, &r->entries, &all, &count, err));
    for (size_t i = 0; i < count; i++) {
        if (str_eq(all[i].name, mailbox))
            TRY(transfer_entries(r->to, &r->entries, all[i].id, &ret->entries, &ret->count, err));
    }
    if (ret->count > 0)
        qsort(ret->entries, ret->count, sizeof(*ret->entries), by_time_and_size);
    ret->is_matched = arena_new_array(&r->entries, ret->count, bool);
    return ret->is_matched || err_set(err, ERR_LIMIT, "not enough memory for the mailbox");
}

static size_t first_like(const struct present *p, const struct export_entry *entry)
{
    size_t low = 0, high = p->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_time_and_size(&p->entries[middle], entry) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Text of what is there. A message whose file is lost is as good as gone. */
static bool read_other(struct restore *r, uint64_t id, bool *ret_found, struct err *err)
{
    if (read_stored(r->to, &r->call, id, &r->other, ret_found, err))
        return true;
    *ret_found = false;
    return err->kind == ERR_CORRUPT;
}

/* One that is there stands for one of the backup: what the backup has twice, the mailbox gets
 * twice. */
static bool is_present(struct restore *r, struct present *p, const struct export_entry *entry,
                       bool *ret, struct err *err)
{
    bool found;
    *ret = false;
    for (size_t i = first_like(p, entry);
         i < p->count && by_time_and_size(&p->entries[i], entry) == 0; i++) {
        if (p->is_matched[i])
            continue;
        TRY(read_other(r, p->entries[i].id, &found, err));
        if (found && str_eq(buf_str(&r->other.text), buf_str(&r->message.text))) {
            p->is_matched[i] = *ret = true;
            return true;
        }
    }
    return true;
}

/* ---- Sending */

static bool send(struct restore *r, struct str mailbox, const struct export_entry *entry,
                 struct str structure, struct arena *scratch, struct err *err)
{
    struct str text = buf_str(&r->message.text);
    const struct import_item item = {
        .mailbox = mailbox,
        .content = text,
        .size = text.len,
        .structure = structure,
        .flags = entry->flags,
        .received_s = entry->received_s,
        .mail_from = mail_parse_sender(buf_str(&r->message.mail_from), scratch)};
    return mail_sender_add(&r->sender, &item, 0, err);
}

static bool restore_parsed(struct restore *r, struct str mailbox, const struct export_entry *entry,
                           struct present *present, struct arena *scratch, struct err *err)
{
    struct mail_parsed parsed;
    bool is_there = false;
    TRY(mail_parse(buf_str(&r->message.text), scratch, &parsed, err));
    if (r->message_id.len > 0 && !str_eq(parsed.message_id, r->message_id))
        return true;
    TRY(is_present(r, present, entry, &is_there, err));
    r->present += is_there;
    return is_there || send(r, mailbox, entry, parsed.structure, scratch, err);
}

static bool restore_message(struct restore *r, struct str mailbox, const struct export_entry *entry,
                            struct present *present, struct err *err)
{
    struct arena scratch;
    bool found = false;
    if (progress_is_interrupted())
        return err_set(err, ERR_TEMPORARY, "interrupted: nothing was restored");
    r->units += entry->size;
    progress_step(&r->progress, r->units);
    if (r->uid != 0 && entry->uid != r->uid)
        return true;
    TRY(read_stored(r->from, &r->call, entry->id, &r->message, &found, err));
    if (!found)
        return true;
    arena_init(&scratch, MAIL_PARSE_ARENA);
    bool ok = restore_parsed(r, mailbox, entry, present, &scratch, err);
    arena_release(&scratch);
    return ok;
}

static bool restore_mailbox(struct restore *r, const struct export_mailbox *mailbox,
                            struct err *err)
{
    struct export_entry *entries;
    struct present present;
    size_t count;
    arena_reset(&r->entries);
    TRY(transfer_entries(r->from, &r->entries, mailbox->id, &entries, &count, err));
    TRY(list_present(r, mailbox->name, &present, err));
    for (size_t i = 0; i < count; i++) {
        if (!restore_message(r, mailbox->name, &entries[i], &present, err))
            return err_wrap(err, "mailbox %.*s", STR_ARG(mailbox->name));
    }
    return true;
}

/* ---- The command */

static bool restore_mailboxes(struct restore *r, const struct export_mailbox *all, size_t count,
                              struct err *err)
{
    struct str only = mailbox_option(r->inv);
    uint64_t units_all = 0;
    for (size_t i = 0; i < count; i++)
        units_all += only.len == 0 || str_eq(all[i].name, only) ? all[i].bytes : 0;
    progress_begin(&r->progress, 0, 0, units_all);
    for (size_t i = 0; i < count; i++) {
        if (only.len > 0 && !str_eq(all[i].name, only))
            continue;
        r->mailboxes[r->mailbox_count++] = all[i].name;
        TRY(restore_mailbox(r, &all[i], err));
    }
    progress_end(&r->progress);
    return r->mailbox_count > 0 ||
           err_set(err, ERR_NOT_FOUND, "the backup has no mailbox %.*s", STR_ARG(only));
}

static bool is_of_one_message(const struct restore *r)
{
    return r->uid != 0 || r->message_id.len > 0;
}

/* Of a mailbox everything comes back; for one message it is made, and no more. */
static bool commit(struct restore *r, const struct export_mailbox *all, size_t count,
                   struct err *err)
{
    struct transfer_settings settings;
    struct str only = mailbox_option(r->inv);
    if (is_of_one_message(r))
        return transfer_commit(r->to, r->key, r->sender.sent, true, NULL, 0, err);
    return restore_settings_read(r->from, &r->inv->arena, all, count, only, &settings, err) &&
           transfer_commit_restore(r->to, r->key, r->sender.sent, r->mailboxes, r->mailbox_count,
                                   &settings, &r->inv->arena, &r->refused, err);
}

static bool send_and_commit(struct restore *r, struct err *err)
{
    struct export_mailbox *all;
    size_t count;
    TRY(transfer_mailboxes(r->from, &r->inv->arena, &all, &count, err));
    r->mailboxes = arena_new_array(&r->inv->arena, count, struct str);
    if (!r->mailboxes)
        return err_set(err, ERR_LIMIT, "too many mailboxes");
    TRY(restore_mailboxes(r, all, count, err) && mail_sender_flush(&r->sender, err));
    if (is_of_one_message(r) && r->sender.sent + r->present == 0)
        return err_set(err, ERR_NOT_FOUND, "the backup has no such message");
    return commit(r, all, count, err);
}

static bool restore_all(struct restore *r, struct err *err)
{
    struct import_state state;
    struct err aborting;
    unsigned char key[CALL_KEY_SIZE];
    call_key_make(key);
    r->key = str_make(key, sizeof(key));
    TRY(transfer_begin(r->to, r->key, &state, err));
    mail_sender_init(&r->sender, r->to, r->key);
    bool ok = send_and_commit(r, err);
    if (ok) {
        printf("%" PRIu64 " message%s restored, %" PRIu64 " %s there\n", r->sender.sent,
               plural(r->sender.sent, "s"), r->present, r->present == 1 ? "was" : "were");
        restore_settings_print(&r->refused);
    } else if (!transfer_abort(r->to, r->key, &aborting))
        fprintf(stderr, "What was sent is dropped after a day (%s).\n", aborting.detail);
    mail_sender_release(&r->sender);
    return ok;
}

static bool read_options(struct restore *r, struct err *err)
{
    struct str uid = invocation_text(r->inv, "--uid");
    struct str message_id = invocation_text(r->inv, "--message-id");
    if (!str_is_null(uid) && (!str_to_u64(uid, UINT32_MAX, &r->uid) || r->uid == 0))
        return usage_error(r->inv, err, "--uid must be a number from 1 on");
    if (r->uid != 0 && !invocation_has(r->inv, "--mailbox"))
        return usage_error(r->inv, err, "--uid needs --mailbox, for each has UIDs of its own");
    if (str_is_null(message_id))
        return true;
    if (!str_starts_with(message_id, STR("<")))
        message_id = arena_printf(&r->inv->arena, "<%.*s>", STR_ARG(message_id));
    r->message_id = message_id_canonical(message_id, &r->inv->arena);
    return r->message_id.len > 0 || usage_error(r->inv, err, "--message-id is none");
}

static bool with_backup(struct restore *r, const struct offline *backup, struct err *err)
{
    struct str account = invocation_arg(r->inv, 1);
    struct str to = invocation_has(r->inv, "--to") ? invocation_text(r->inv, "--to") : account;
    return transfer_open(offline_settings(backup), account, progress_is_interrupted, &r->from,
                         err) &&
           transfer_open(&r->inv->settings, to, progress_is_interrupted, &r->to, err) &&
           restore_all(r, err);
}

const struct command_option restore_options[] = {
    {"--mailbox", "NAME", "only this mailbox, without those below it"},
    {"--uid", "N", "only the message with this UID in the backup's mailbox"},
    {"--message-id", "ID", "only messages with this Message-ID"},
    {"--to", "ACCOUNT", "into this account instead of the one of the same name"},
    {NULL, NULL, NULL},
};

bool restore_run(struct invocation *inv, struct err *err)
{
    struct restore *r = xcalloc(1, sizeof(*r));
    struct offline *backup = NULL;
    r->inv = inv;
    arena_init(&r->entries, ENTRIES_ARENA_MAX);
    arena_init(&r->call, CALL_ARENA_MAX);
    stored_init(&r->message);
    stored_init(&r->other);
    progress_catch_interrupts();
    bool ok = invocation_read_settings(inv, err) && read_options(r, err) &&
              offline_open(inv->args[0], &backup, err) && with_backup(r, backup, err);
    transfer_close(r->from);
    transfer_close(r->to);
    offline_close(backup);
    stored_release(&r->message);
    stored_release(&r->other);
    arena_release(&r->call);
    arena_release(&r->entries);
    free(r);
    return ok;
}
