#include "services/store/verify_files.h"

#include "common/mail/structure.h"
#include "services/store/upgrade.h"

#include <inttypes.h>

#define PAGE 1000

static void check_structure(struct db_query *row, struct arena *scratch, struct findings *f)
{
    struct err failure;
    const struct structure *structure;
    arena_reset(scratch);
    if (!structure_decode(db_column_str(row, 1), scratch, &structure, &failure))
        findings_add(f, FINDING_STRUCTURE,
                     "mailbox %.*s: UID %" PRIu64 " (message %" PRIu64
                     "): what is stored of its parts cannot be decoded",
                     STR_ARG(db_column_str(row, 2)), db_column_u64(row, 3), db_column_u64(row, 0));
}

/* The messages above `*id`, which becomes the last one of them. */
static bool check_page(struct db *db, uint64_t *id, size_t *ret_count, struct arena *scratch,
                       struct findings *f, struct err *err)
{
    struct db_query q = db_query(db, VERIFY_STRUCTURES);
    db_bind_u64(&q, *id);
    db_bind_u64(&q, PAGE);
    *ret_count = 0;
    while (db_step(&q)) {
        check_structure(&q, scratch, f);
        *id = db_column_u64(&q, 0);
        (*ret_count)++;
    }
    return db_done(&q, err);
}

static bool check_pages(struct account *account, struct arena *scratch, struct findings *f,
                        struct err *err)
{
    uint64_t id = 0;
    bool ok = true;
    for (size_t count = PAGE; ok && count == PAGE;) {
        struct db *db;
        TRY(account_read_begin(account, &db, err));
        ok = check_page(db, &id, &count, scratch, f, err);
        account_read_end(account, db);
    }
    return ok;
}

bool verify_structures(struct account *account, struct findings *f, struct err *err)
{
    bool current;
    struct arena scratch;
    TRY(upgrade_is_done(account, UPGRADE_STRUCTURE, &current, err));
    if (!current)
        return true;
    arena_init(&scratch, STRUCTURE_ARENA_SIZE);
    bool ok = check_pages(account, &scratch, f, err);
    arena_release(&scratch);
    return ok;
}
