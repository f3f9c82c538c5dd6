#include "services/mailrail/export.h"

#include "common/base/bug.h"
#include "common/sys/file.h"
#include "services/mailrail/backend_transfer.h"
#include "services/mailrail/connect.h"
#include "services/mailrail/level_name.h"
#include "services/mailrail/mail_target.h"
#include "services/mailrail/mailbox_option.h"
#include "services/mailrail/plural.h"
#include "services/mailrail/progress.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
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
    uint64_t mailboxes; /* written */
    FILE *errors;       /* errors.txt; NULL while there is none */
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

static bool is_part(struct str name)
{
    return str_eq(name, STR("cur")) || str_eq(name, STR("new")) || str_eq(name, STR("tmp"));
}

/* As a directory it would not be found again, or be taken for something else. */
static bool is_misleading(const struct exporter *e, struct str level)
{
    if (str_starts_with(level, STR(".")) || str_eq(level, STR("errors.txt")))
        return true;
    return e->is_mbox ? str_ends_with(level, STR(".mbox"))
                      : is_part(level) || str_eq(level, STR(MAILDIR_KEYWORDS_FILE));
}

/* A level as it is called in the file system. Names that lead out of the directory are refused. */
static bool file_name(struct exporter *e, struct str level, bool is_last, struct str *ret,
                      struct err *err)
{
    bool is_file = e->is_mbox && is_last;
    if (level.len == 0 || str_eq(level, STR(".")) || str_eq(level, STR("..")))
        return err_set(err, ERR_SYNTAX, "no file can have its name");
    if (e->is_mbox && !is_last && is_part(level))
        return err_set(err, ERR_SYNTAX, "a directory %.*s is that of a Maildir", STR_ARG(level));
    *ret = is_file || !is_misleading(e, level) ? level : level_name_escape(level, &e->batch);
    return (!str_is_null(*ret) && ret->len + (is_file ? strlen(".mbox") : 0) <= NAME_MAX) ||
           err_set(err, ERR_LIMIT, "a level of its name is too long for a file");
}

/* Its path below the directory. */
static bool path_of(struct exporter *e, struct str name, char *path, size_t size, struct err *err)
{
    struct str level;
    arena_reset(&e->batch);
    struct str text = str_from_cstr(e->directory);
    for (bool more = true; more;) {
        more = str_cut(name, '/', &level, &name);
        TRY(file_name(e, level, !more, &level, err));
        text = arena_printf(&e->batch, "%.*s/%.*s", STR_ARG(text), STR_ARG(level));
    }
    return str_copy_cstr(text, path, size) || err_set(err, ERR_LIMIT, "its path is too long");
}

static bool open_target(struct exporter *e, struct mail_target *t, struct str name, struct err *err)
{
    char path[4000];
    return path_of(e, name, path, sizeof(path), err) && mail_target_open(t, e->is_mbox, path, err);
}

/* That the format has no room for a name is no reason to lose the mailboxes behind it. */
static bool is_of_its_name(const struct err *err)
{
    return err->kind == ERR_SYNTAX || err->kind == ERR_LIMIT || err->kind == ERR_CONFLICT;
}

static bool leave_out(struct exporter *e, struct str name, const struct err *why, struct err *err)
{
    fprintf(stderr, "mailbox %.*s is left out: %s\n", STR_ARG(name), why->detail);
    return note_error(e, err, "mailbox %.*s is left out: %s", STR_ARG(name), why->detail);
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

/* Closes it also after a failure, whose reason stays. */
static bool finish(struct mail_target *t, bool ok, struct err *err)
{
    struct err closing;
    if (mail_target_close(t, &closing) || !ok)
        return ok;
    *err = closing;
    return false;
}

static bool export_mailbox(struct exporter *e, const struct export_mailbox *mailbox,
                           struct str name, struct err *err)
{
    struct mail_target *t = xcalloc(1, sizeof(*t));
    bool is_open = open_target(e, t, name, err);
    bool ok = finish(t, is_open && export_entries(e, t, mailbox, err), err);
    free(t);
    if (!is_open && is_of_its_name(err)) {
        const struct err why = *err;
        return leave_out(e, mailbox->name, &why, err);
    }
    e->mailboxes += ok;
    return ok || err_wrap(err, "mailbox %.*s", STR_ARG(mailbox->name));
}

static bool export_all(struct exporter *e, const struct export_mailbox *mailboxes, size_t count,
                       struct str only, struct err *err)
{
    uint64_t units_all = 0;
    bool is_found = false;
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
        is_found = true;
    }
    if (!is_found)
        return err_set(err, ERR_NOT_FOUND, "there is no mailbox %.*s", STR_ARG(only));
    progress_end(&e->progress);
    printf("%" PRIu64 " message%s of %" PRIu64 " mailbox%s exported\n", e->progress.messages,
           plural(e->progress.messages, "s"), e->mailboxes, plural(e->mailboxes, "es"));
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

static bool read_format(struct invocation *inv, bool *ret_is_mbox, struct err *err)
{
    struct str format = invocation_text(inv, "--format");
    *ret_is_mbox = str_eq(format, STR("mbox"));
    return *ret_is_mbox || str_is_null(format) || str_eq(format, STR("maildir")) ||
           usage_error(inv, err, "--format must be maildir or mbox");
}

static bool run_export(struct exporter *e, struct invocation *inv, struct err *err)
{
    struct export_mailbox *mailboxes;
    size_t count;
    TRY(transfer_mailboxes(e->transfer, &inv->arena, &mailboxes, &count, err));
    TRY(directory_make(e->directory, 0700, err) && check_empty(e->directory, err));
    return export_all(e, mailboxes, count, mailbox_option(inv), err);
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
        fprintf(stderr, "%" PRIu64 " error%s with messages or mailboxes: see %s/errors.txt\n",
                e.error_count, plural(e.error_count, "s"), e.directory);
        inv->status = EXIT_FAILURE;
    }
    arena_release(&e.batch);
    arena_release(&e.entries);
    transfer_close(e.transfer);
    return ok;
}
