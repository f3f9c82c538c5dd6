#include "services/store/recover.h"

#include "common/base/bug.h"
#include "services/store/junk_settings.h"
#include "services/store/message_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct account_row {
    uint64_t modseq;
    uint64_t message_id;
    bool is_unclean;
    uint64_t unclean_from;
};

static bool load_row(struct account *account, struct account_row *row, struct err *err)
{
    struct db_query q = db_query(account->db, ACCOUNT_READ);
    if (db_step(&q)) {
        row->modseq = db_column_u64(&q, 0);
        row->message_id = db_column_u64(&q, 1);
        row->is_unclean = !db_column_is_null(&q, 2);
        row->unclean_from = db_column_u64(&q, 2);
        atomic_store(&account->text.is_on, db_column_u64(&q, 3) != 0);
    }
    return db_done(&q, err);
}

static bool load_highest(struct account *account, struct account_row *row, struct err *err)
{
    struct db_query q = db_query(account->db, ACCOUNT_HIGHEST);
    if (db_step(&q)) {
        if (row->modseq < db_column_u64(&q, 0))
            row->modseq = db_column_u64(&q, 0);
        if (row->message_id < db_column_u64(&q, 1))
            row->message_id = db_column_u64(&q, 1);
        atomic_store(&account->used, db_column_i64(&q, 2));
        atomic_store(&account->messages, db_column_i64(&q, 3));
        atomic_store(&account->kept, db_column_i64(&q, 4));
        atomic_store(&account->kept_messages, db_column_i64(&q, 5));
    }
    return db_done(&q, err);
}

/* Looks at the files of one directory. */
struct scan {
    struct account *account;
    struct account_row *row;
    uint64_t highest_file;
    size_t removed;
};

static bool has_row(struct account *account, uint64_t id, bool *ret, struct err *err)
{
    struct db_query q = db_query(account->db, MESSAGE_EXISTS);
    db_bind_u64(&q, id);
    *ret = db_step(&q);
    return db_done(&q, err);
}

static bool look_at_file(struct scan *s, uint64_t id, struct err *err)
{
    bool exists = true;
    if (s->row->is_unclean && id >= s->row->unclean_from && !has_row(s->account, id, &exists, err))
        return false;
    if (exists) {
        if (id > s->highest_file)
            s->highest_file = id;
        return true;
    }
    struct layout_path path = account_message_path(s->account, id);
    if (unlink(path.text) < 0)
        return err_set_errno(err, errno, "remove %s", path.text);
    s->removed++;
    return true;
}

/* False with ERR_NOT_FOUND when there is no such directory. */
static bool scan_directory(struct scan *s, uint64_t number, struct err *err)
{
    struct layout_path path = layout_message_directory(
        s->account->store->settings->data, s->account->id, number * LAYOUT_FILES_PER_DIRECTORY);
    DIR *directory = opendir(path.text);
    if (!directory)
        return err_set_errno(err, errno, "open directory %s", path.text);
    bool ok = true;
    uint64_t id;
    for (struct dirent *e; ok && (e = readdir(directory));) {
        if (str_to_u64(str_from_cstr(e->d_name), INT64_MAX, &id))
            ok = look_at_file(s, id, err);
    }
    closedir(directory);
    return ok;
}

/* From the directory of the first interesting id up to the first that is absent; the first may be
 * absent itself. */
static bool scan_files(struct scan *s, struct err *err)
{
    uint64_t from = s->row->message_id;
    if (s->row->is_unclean && s->row->unclean_from < from)
        from = s->row->unclean_from;
    uint64_t first = from / LAYOUT_FILES_PER_DIRECTORY;
    for (uint64_t d = first;; d++) {
        if (scan_directory(s, d, err))
            continue;
        if (err->kind != ERR_NOT_FOUND)
            return false;
        if (d > first)
            return true;
    }
}

bool recover_account(struct account *account, struct err *err)
{
    struct account_row row = {0};
    TRY(load_row(account, &row, err) && load_highest(account, &row, err) &&
        junk_settings_load(account, err));
    struct scan scan = {.account = account, .row = &row};
    TRY(scan_files(&scan, err));
    const struct log_ctx *log = &account->store->log;
    if (scan.removed > 0)
        log_info(log, "removed files of deliveries that were cut off",
                 LOG_U64("account", account->id), LOG_U64("files", scan.removed));
    if (scan.highest_file > row.message_id) {
        log_warn(log, "message files above the highest known id", LOG_U64("account", account->id),
                 LOG_U64("file", scan.highest_file), LOG_U64("known", row.message_id));
        row.message_id = scan.highest_file;
    }
    atomic_store(&account->modseq, row.modseq);
    account->changes.complete_above = row.modseq;
    atomic_store(&account->message_id, row.message_id);
    return true;
}
