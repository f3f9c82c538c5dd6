/* Statements: binding, stepping, columns. The first failure sticks in db_query.rc. */
#include "common/db/db_private.h"

#include "common/base/bug.h"

struct db_query db_query(struct db *db, unsigned statement)
{
    struct db_query q = {.db = db, .next = 1};
    q.stmt = db_prepared(db, statement, &q.rc);
    /* A statement that is still being stepped would silently share its rows. */
    BUG_ON(q.stmt && sqlite3_stmt_busy(q.stmt));
    return q;
}

static void bound(struct db_query *q, int rc)
{
    q->next++;
    if (q->rc == SQLITE_OK)
        q->rc = rc;
}

void db_bind_u64(struct db_query *q, uint64_t value)
{
    db_bind_i64(q, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

void db_bind_i64(struct db_query *q, int64_t value)
{
    bound(q, q->stmt ? sqlite3_bind_int64(q->stmt, q->next, value) : q->rc);
}

/* SQLite takes a NULL pointer as NULL: an empty string needs some address. */
static const char *address_of(struct str s)
{
    return s.ptr || s.len > 0 ? s.ptr : NULL;
}

void db_bind_str(struct db_query *q, struct str text)
{
    bound(q, q->stmt ? sqlite3_bind_text64(q->stmt, q->next, address_of(text), text.len,
                                           SQLITE_STATIC, SQLITE_UTF8)
                     : q->rc);
}

void db_bind_blob(struct db_query *q, struct str bytes)
{
    bound(q, q->stmt ? sqlite3_bind_blob64(q->stmt, q->next, address_of(bytes), bytes.len,
                                           SQLITE_STATIC)
                     : q->rc);
}

void db_bind_null(struct db_query *q)
{
    bound(q, q->stmt ? sqlite3_bind_null(q->stmt, q->next) : q->rc);
}

static void bind_column(struct db_query *q, struct db_query *row, int column)
{
    switch (sqlite3_column_type(row->stmt, column)) {
    case SQLITE_INTEGER:
        db_bind_i64(q, db_column_i64(row, column));
        break;
    case SQLITE_TEXT:
        db_bind_str(q, db_column_str(row, column));
        break;
    case SQLITE_BLOB:
        db_bind_blob(q, db_column_str(row, column));
        break;
    default: /* no table of ours has floating point numbers */
        db_bind_null(q);
        break;
    }
}

void db_bind_columns(struct db_query *q, struct db_query *row, int first)
{
    int count = sqlite3_column_count(row->stmt);
    for (int i = first; i < count; i++)
        bind_column(q, row, i);
}

bool db_step(struct db_query *q)
{
    if (q->rc != SQLITE_OK)
        return false;
    int rc = sqlite3_step(q->stmt);
    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE)
        q->rc = rc;
    return false;
}

int64_t db_column_i64(struct db_query *q, int column)
{
    return sqlite3_column_int64(q->stmt, column);
}

uint64_t db_column_u64(struct db_query *q, int column)
{
    int64_t value = sqlite3_column_int64(q->stmt, column);
    return value < 0 ? 0 : (uint64_t)value;
}

struct str db_column_str(struct db_query *q, int column)
{
    if (sqlite3_column_type(q->stmt, column) == SQLITE_NULL)
        return STR_NULL;
    const void *p = sqlite3_column_blob(q->stmt, column);
    int len = sqlite3_column_bytes(q->stmt, column);
    return p ? str_make(p, (size_t)len) : STR("");
}

struct str db_column_copy(struct db_query *q, int column, struct arena *arena)
{
    struct str s = db_column_str(q, column);
    return str_is_null(s) ? s : arena_copy(arena, s);
}

bool db_column_is_null(struct db_query *q, int column)
{
    return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

bool db_done(struct db_query *q, struct err *err)
{
    bool ok = q->rc == SQLITE_OK || db_fail(q->db, q->rc, err);
    if (q->stmt) {
        sqlite3_reset(q->stmt);
        sqlite3_clear_bindings(q->stmt);
    }
    return ok;
}

bool db_run(struct db_query *q, struct err *err)
{
    db_step(q);
    return db_done(q, err);
}
