#include "services/store/training.h"

#include "common/base/clock.h"
#include "services/store/erase.h"
#include "services/store/flags.h"

#include <inttypes.h>

enum trained_as training_of(uint32_t flags)
{
    switch (flags & (FLAG_JUNK | FLAG_NOTJUNK)) {
    case FLAG_JUNK:
        return TRAINED_AS_JUNK;
    case FLAG_NOTJUNK:
        return TRAINED_AS_NOT_JUNK;
    default:
        return TRAINED_AS_NOTHING;
    }
}

/* ---- Making rows */

/* Changes the row of the message that waits, unless it was given out. */
static bool change_waiting(struct change *c, uint64_t message_id, enum trained_as to,
                           bool *ret_found, struct err *err)
{
    struct db_query q = db_query(c->db, TRAINING_CHANGE);
    db_bind_u64(&q, message_id);
    db_bind_u64(&q, to);
    TRY(db_run(&q, err));
    *ret_found = db_changes(c->db) > 0;
    if (!*ret_found)
        return true;
    q = db_query(c->db, TRAINING_REMOVE_VOID);
    db_bind_u64(&q, message_id);
    return db_run(&q, err);
}

bool training_note(struct change *c, uint64_t message_id, uint32_t flags_before,
                   uint32_t flags_after, struct err *err)
{
    enum trained_as from = training_of(flags_before), to = training_of(flags_after);
    bool found;
    if (from == to)
        return true;
    TRY(change_waiting(c, message_id, to, &found, err));
    if (found)
        return true;
    struct db_query q = db_query(c->db, TRAINING_ADD);
    db_bind_u64(&q, message_id);
    db_bind_u64(&q, from);
    db_bind_u64(&q, to);
    TRY(db_run(&q, err));
    c->training_changed |= db_changes(c->db) > 0;
    return true;
}

/* ---- Reading them */

static bool run_statement(struct db *db, enum account_statement statement, struct err *err)
{
    struct db_query q = db_query(db, statement);
    return db_run(&q, err);
}

/* Rows for all that the flags say, with numbers after those that there were. */
static bool start_anew(struct change *c, uint64_t *ret_acknowledged, struct err *err)
{
    TRY(run_statement(c->db, TRAINING_CLEAR, err));
    struct db_query q = db_query(c->db, TRAINING_START);
    if (db_step(&q))
        *ret_acknowledged = db_column_u64(&q, 0);
    TRY(db_done(&q, err));
    return run_statement(c->db, TRAINING_FILL, err);
}

static bool run_u64(struct db *db, enum account_statement statement, uint64_t value,
                    struct err *err)
{
    struct db_query q = db_query(db, statement);
    db_bind_u64(&q, value);
    return db_run(&q, err);
}

/* Whether the text of an expunged message waits for rows up to this one. */
static bool holds_texts(struct change *c, uint64_t sequence, bool *ret, struct err *err)
{
    struct db_query q = db_query(c->db, TRAINING_HOLDS);
    db_bind_u64(&q, sequence);
    *ret = db_step(&q);
    return db_done(&q, err);
}

static bool acknowledge(struct change *c, struct training_pull *op, struct err *err)
{
    struct db_query q = db_query(c->db, TRAINING_READER);
    bool is_read = db_step(&q) && !db_column_is_null(&q, 0);
    uint64_t before = is_read ? db_column_u64(&q, 0) : 0;
    uint64_t given_out = is_read ? db_column_u64(&q, 1) : 0;
    TRY(db_done(&q, err));
    if (!is_read || op->acknowledge < before || op->acknowledge > given_out)
        return err_set(err, ERR_STATE, "the rows after %" PRIu64 " are not known: start anew",
                       op->acknowledge);
    return op->acknowledge == before ||
           (holds_texts(c, op->acknowledge, &op->frees_texts, err) &&
            run_u64(c->db, TRAINING_REMOVE, op->acknowledge, err) &&
            run_u64(c->db, TRAINING_ACKNOWLEDGE, op->acknowledge, err));
}

static bool read_rows(struct change *c, struct training_pull *op, struct err *err)
{
    op->rows = arena_new_array(c->arena, op->limit, struct training_row);
    if (!op->rows)
        return err_set(err, ERR_LIMIT, "no room for the rows");
    struct db_query q = db_query(c->db, TRAINING_READ);
    db_bind_u64(&q, op->limit);
    for (op->len = 0; op->len < op->limit && db_step(&q);)
        op->rows[op->len++] = (struct training_row){.sequence = db_column_u64(&q, 0),
                                                    .message_id = db_column_u64(&q, 1),
                                                    .from = (enum trained_as)db_column_u64(&q, 2),
                                                    .to = (enum trained_as)db_column_u64(&q, 3)};
    return db_done(&q, err);
}

/* From now on these stay as they are. */
static bool give_out(struct change *c, const struct training_pull *op, struct err *err)
{
    return op->len == 0 || run_u64(c->db, TRAINING_GIVE_OUT, op->rows[op->len - 1].sequence, err);
}

static bool run_pull(struct change *c, void *ctx, struct err *err)
{
    struct training_pull *op = ctx;
    op->acknowledged = op->acknowledge;
    op->frees_texts = op->from_start;
    if (op->from_start)
        TRY(start_anew(c, &op->acknowledged, err));
    else
        TRY(acknowledge(c, op, err));
    return read_rows(c, op, err) && give_out(c, op, err);
}

bool training_pull(struct account *account, struct training_pull *op, struct arena *arena,
                   struct err *err)
{
    static const struct change_type type = {.kind = 't', .run = run_pull};
    struct change_request request = {.type = &type, .op = op, .arena = arena};
    TRY(account_change(account, &request, err));
    if (op->frees_texts)
        accounts_schedule_erase(account->accounts, account->id, clock_wall_s());
    return true;
}

/* ---- Giving the reader up */

static bool run_expire(struct change *c, void *ctx, struct err *err)
{
    const int64_t *before_s = ctx;
    struct db_query q = db_query(c->db, TRAINING_IS_LATE);
    db_bind_i64(&q, *before_s);
    bool is_late = db_step(&q);
    TRY(db_done(&q, err));
    return !is_late ||
           (run_statement(c->db, TRAINING_CLEAR, err) && run_statement(c->db, TRAINING_STOP, err));
}

bool training_expire(struct account *account, int64_t before_s, struct err *err)
{
    static const struct change_type type = {.kind = 't', .run = run_expire};
    struct change_request request = {.type = &type, .op = &before_s};
    return account_change(account, &request, err);
}
