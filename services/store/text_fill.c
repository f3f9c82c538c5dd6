#include "services/store/text_fill.h"

#include "common/sys/file.h"
#include "services/store/message_files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define ROW_ARENA_MAX (64u << 20)

/* ---- Comparing */

static int by_number(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static bool read_ids(struct db *db, enum account_statement statement, struct message_ids *ret,
                     struct err *err)
{
    struct db_query q = db_query(db, statement);
    while (db_step(&q))
        array_push(ret, db_column_u64(&q, 0));
    if (ret->len > 0)
        qsort(ret->items, ret->len, sizeof(*ret->items), by_number);
    return db_done(&q, err);
}

bool text_fill_compare(struct account *account, struct message_ids *ret_missing, bool *ret_again,
                       struct err *err)
{
    struct db *db;
    struct message_ids entries = {0}, expunged = {0};
    TRY(account_read_begin(account, &db, err));
    bool ok = read_ids(db, ENTRY_IDS, &entries, err) && read_ids(db, ERASE_IDS, &expunged, err);
    account_read_end(account, db);
    ok = ok &&
         text_index_compare(&account->text, &entries, &expunged, atomic_load(&account->message_id),
                            ret_missing, err) &&
         text_index_forget(&account->text, &entries, &expunged, ret_again, err);
    array_release(&entries);
    array_release(&expunged);
    return ok;
}

/* ---- Adding */

struct filling {
    struct account *account;
    struct db *db;
    struct text_digest digest;
    struct arena arena; /* of one message */
};

static bool digest_file(struct filling *f, uint64_t id, struct str prefix,
                        const struct structure *structure)
{
    struct err err;
    struct file_map map = {0};
    int fd = open(account_message_path(f->account, id).text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool ok = fd >= 0 && file_map_open(fd, &map, &err);
    if (ok)
        text_digest_take(&f->digest, prefix, map.bytes, structure);
    file_map_close(&map);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* *ret_found false: there is nothing to be indexed. */
static bool digest_message(struct filling *f, uint64_t id, bool *ret_found, struct err *err)
{
    struct str prefix = STR_NULL, encoded = STR_NULL;
    const struct structure *structure;
    struct err failure;
    struct db_query q = db_query(f->db, MESSAGE_CONTENT);
    db_bind_u64(&q, id);
    bool found = db_step(&q);
    if (found) {
        prefix = db_column_copy(&q, 0, &f->arena);
        encoded = db_column_copy(&q, 1, &f->arena);
    }
    TRY(db_done(&q, err));
    *ret_found = found && structure_decode(encoded, &f->arena, &structure, &failure) &&
                 digest_file(f, id, prefix, structure);
    return true;
}

static bool add_all(struct filling *f, const uint64_t *ids, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        bool found;
        arena_reset(&f->arena);
        TRY(digest_message(f, ids[i], &found, err));
        if (found)
            TRY(text_index_add(&f->account->text, ids[i], &f->digest, err));
    }
    return true;
}

bool text_fill_add(struct account *account, const uint64_t *ids, size_t count, struct err *err)
{
    struct filling f = {.account = account};
    TRY(text_index_begin(&account->text, err));
    bool ok = account_read_begin(account, &f.db, err);
    if (ok) {
        text_digest_init(&f.digest);
        arena_init(&f.arena, ROW_ARENA_MAX);
        ok = add_all(&f, ids, count, err);
        arena_release(&f.arena);
        text_digest_release(&f.digest);
        account_read_end(account, f.db);
    }
    ok = ok && text_index_commit(&account->text, err);
    if (!ok)
        text_index_undo(&account->text);
    return ok;
}
