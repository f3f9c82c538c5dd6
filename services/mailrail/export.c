#include "services/mailrail/export.h"

#include "common/base/bug.h"
#include "common/sys/file.h"
#include "services/mailrail/backend_transfer.h"
#include "services/mailrail/connect.h"
#include "services/mailrail/mail_target.h"
#include "services/mailrail/progress.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * `mailrail export`: asks store for mailboxes and messages, and writes them here, where the command
 * runs.
 */

#define ENTRIES_ARENA_MAX (2048u << 20)
#define BATCH_ARENA_MAX (64u << 20)

struct exporter {
    struct transfer *transfer;
    bool is_mbox;
    const char *directory;
    struct arena entries; /* of one mailbox */
    struct arena batch;   /* of one call */
    struct progress progress;
    uint64_t units;
    FILE *errors; /* errors.txt; NULL while there is none */
    uint64_t error_count;
};

/* ---- What could not be exported */

PRINTF_LIKE(3, 4)
static bool note_error(struct exporter *e, struct err *err, const char *format, ...)
{
    char path[4096];
    va_list args;
    if (!e->errors) {
        snprintf(path, sizeof(path), "%s/errors.txt", e->directory);
        e->errors = fopen(path, "we");
    }
    if (!e->errors)
        return err_set_errno(err, errno, "create errors.txt");
    va_start(args, format);
    vfprintf(e->errors, format, args);
    va_end(args);
    e->error_count++;
    return fputc('\n', e->errors) != EOF || err_set_errno(err, errno, "write errors.txt");
}

/* ---- Messages */

static int by_time(const void *a, const void *b)
{
    const struct export_entry *x = a, *y = b;
    if (x->received_s != y->received_s)
        return x->received_s < y->received_s ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* A text too large to come along. */
static bool write_large(struct exporter *e, struct mail_target *t, const struct export_message *m,
                        struct err *err)
{
    struct arena arena;
    bool ok = true;
    arena_init(&arena, 8u << 20);
    for (uint64_t offset = 0; ok && offset < m->file_size;) {
        struct str piece = STR("");
        arena_reset(&arena);
        ok = transfer_text(e->transfer, &arena, m->id, offset, &piece, err);
        if (ok && piece.len == 0)
            ok =
                err_set(err, ERR_CONFLICT, "the file of message %" PRIu64 " became shorter", m->id);
        ok = ok && mail_target_write(t, piece, err);
        offset += piece.len;
    }
    arena_release(&arena);
    return ok;
}

static bool write_message(struct exporter *e, struct mail_target *t,
                          const struct export_entry *entry, const struct export_message *m,
                          struct err *err)
{
    struct outgoing out = {.id = m->id,
                           .received_s = entry->received_s,
                           .mail_from = m->mail_from,
                           .flags = entry->flags};
    TRY(mail_target_begin(t, &out, err) && mail_target_write(t, m->prefix, err));
    TRY(m->file_size > TRANSFER_CONTENT_MAX ? write_large(e, t, m, err)
                                            : mail_target_write(t, m->content, err));
    return mail_target_end(t, err);
}

static bool export_one(struct exporter *e, struct mail_target *t, struct str mailbox,
                       const struct export_entry *entry, const struct export_message *m,
                       struct err *err)
{
    e->units += entry->size;
    progress_step(&e->progress, e->units);
    if (!m->is_found) /* erased meanwhile: it was not there any more for anybody */
        return true;
    if (m->error.len > 0)
        return note_error(e, err, "%.*s: message %" PRIu64 " is left out: %.*s", STR_ARG(mailbox),
                          m->id, STR_ARG(m->error));
    uint64_t size = m->prefix.len + m->file_size;
    if (size != entry->size)
        TRY(note_error(e, err,
                       "%.*s: message %" PRIu64 " has %" PRIu64 " bytes, recorded are %" PRIu64,
                       STR_ARG(mailbox), m->id, size, entry->size));
    return write_message(e, t, entry, m, err);
}

static bool export_batch(struct exporter *e, struct mail_target *t, struct str mailbox,
                         const struct export_entry *entries, size_t count, size_t *ret_done,
                         struct err *err)
{
    uint64_t ids[TRANSFER_ITEMS_MAX];
    struct export_message messages[TRANSFER_ITEMS_MAX];
    count = count < TRANSFER_ITEMS_MAX ? count : TRANSFER_ITEMS_MAX;
    for (size_t i = 0; i < count; i++)
        ids[i] = entries[i].id;
    arena_reset(&e->batch);
    TRY(transfer_messages(e->transfer, &e->batch, ids, count, messages, ret_done, err));
    for (size_t i = 0; i < *ret_done; i++) {
        if (progress_is_interrupted())
            return err_set(err, ERR_TEMPORARY, "interrupted: %s is incomplete", e->directory);
        TRY(export_one(e, t, mailbox, &entries[i], &messages[i], err));
    }
    return true;
}

/* ---- Mailboxes */

/* Its path below the directory. Names that a Maildir has for itself, and those that lead out of the
 * directory, are refused. */
static bool path_of(const struct exporter *e, struct str name, char *path, size_t size,
                    struct err *err)
{
    struct str level, rest = name;
    while (!str_is_null(rest)) {
        str_cut(rest, '/', &level, &rest);
        bool is_taken =
            str_eq(level, STR("cur")) || str_eq(level, STR("new")) || str_eq(level, STR("tmp"));
        if (level.len == 0 || str_eq(level, STR(".")) || str_eq(level, STR("..")) ||
            (!e->is_mbox && is_taken))
            return err_set(err, ERR_SYNTAX, "no %s can have the name of the mailbox %.*s",
                           e->is_mbox ? "file" : "Maildir", STR_ARG(name));
    }
    int len = snprintf(path, size, "%s/%.*s", e->directory, STR_ARG(name));
    return (len > 0 && (size_t)len < size) ||
           err_set(err, ERR_LIMIT, "the path of mailbox %.*s is too long", STR_ARG(name));
}

static bool export_entries(struct exporter *e, struct mail_target *t,
                           const struct export_mailbox *mailbox, struct err *err)
{
    struct export_entry *entries;
    size_t count, done = 0;
    arena_reset(&e->entries);
    TRY(transfer_entries(e->transfer, &e->entries, mailbox->id, &entries, &count, err));
    if (count > 0)
        qsort(entries, count, sizeof(*entries), by_time);
    for (size_t at = 0; at < count; at += done)
        TRY(export_batch(e, t, mailbox->name, entries + at, count - at, &done, err));
    return true;
}

static bool export_mailbox(struct exporter *e, const struct export_mailbox *mailbox,
                           struct str name, struct err *err)
{
    char path[4000];
    struct err closing;
    TRY(path_of(e, name, path, sizeof(path), err));
    struct mail_target *t = xcalloc(1, sizeof(*t));
    bool ok = mail_target_open(t, e->is_mbox, path, err) && export_entries(e, t, mailbox, err);
    if (!mail_target_close(t, &closing) && ok) {
        *err = closing;
        ok = false;
    }
    free(t);
    return ok || err_wrap(err, "mailbox %.*s", STR_ARG(mailbox->name));
}

static bool export_all(struct exporter *e, const struct export_mailbox *mailboxes, size_t count,
                       struct str only, struct err *err)
{
    uint64_t units_all = 0, exported = 0;
    for (size_t i = 0; i < count; i++)
        units_all += only.len == 0 || str_eq(mailboxes[i].name, only) ? mailboxes[i].bytes : 0;
    progress_begin(&e->progress, 0, 0, units_all);
    for (size_t i = 0; i < count; i++) {
        struct str name = mailboxes[i].name;
        if (only.len > 0 && !str_eq(name, only))
            continue;
        if (only.len > 0)
            name = str_skip(name, (size_t)(str_rfind_char(name, '/') + 1));
        TRY(export_mailbox(e, &mailboxes[i], name, err));
        exported++;
    }
    if (exported == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no mailbox %.*s", STR_ARG(only));
    progress_end(&e->progress);
    printf("%" PRIu64 " messages of %" PRIu64 " mailboxes exported\n", e->progress.messages,
           exported);
    return true;
}

/* ---- The command */

static bool check_empty(const char *path, struct err *err)
{
    DIR *directory = opendir(path);
    bool is_empty = true;
    if (!directory)
        return err_set_errno(err, errno, "open directory %s", path);
    for (struct dirent *entry; (entry = readdir(directory));)
        is_empty &= strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(directory);
    return is_empty || err_set(err, ERR_CONFLICT, "%s is not empty", path);
}

static bool read_format(const struct invocation *inv, bool *ret_is_mbox, struct err *err)
{
    struct str format = invocation_text(inv, "--format");
    *ret_is_mbox = str_eq(format, STR("mbox"));
    return *ret_is_mbox || str_is_null(format) || str_eq(format, STR("maildir")) ||
           err_set(err, ERR_SYNTAX, "--format must be maildir or mbox");
}

static bool run_export(struct exporter *e, struct invocation *inv, struct err *err)
{
    struct export_mailbox *mailboxes;
    size_t count;
    TRY(transfer_mailboxes(e->transfer, &inv->arena, &mailboxes, &count, err));
    TRY(directory_make(e->directory, 0700, err) && check_empty(e->directory, err));
    return export_all(e, mailboxes, count, invocation_text(inv, "--mailbox"), err);
}

bool export_run(struct invocation *inv, struct err *err)
{
    struct exporter e = {.directory = inv->args[1]};
    TRY(invocation_read_settings(inv, err) && read_format(inv, &e.is_mbox, err));
    TRY(transfer_open(&inv->settings, invocation_arg(inv, 0), progress_is_interrupted, &e.transfer,
                      err));
    progress_catch_interrupts();
    arena_init(&e.entries, ENTRIES_ARENA_MAX);
    arena_init(&e.batch, BATCH_ARENA_MAX);
    bool ok = run_export(&e, inv, err);
    if (e.errors && fclose(e.errors) != 0 && ok)
        ok = err_set_errno(err, errno, "write errors.txt");
    if (ok && e.error_count > 0) {
        fprintf(stderr, "%" PRIu64 " messages had errors: see %s/errors.txt\n", e.error_count,
                e.directory);
        inv->status = EXIT_FAILURE;
    }
    arena_release(&e.batch);
    arena_release(&e.entries);
    transfer_close(e.transfer);
    return ok;
}
