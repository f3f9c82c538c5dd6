#include "services/store/text_sql.h"

/*
 * The tables of one account's text index (docs/decisions/0029-text-index.md).
 *
 * Messages wait one by one in `waiting` until there are enough for a block. A block only changes to
 * forget messages: it is made, read, and one day removed as a whole. Keys put what is read together
 * side by side: slice.key is block * 65536 + gram, field.key is block * 8 + field (enum
 * text_field).
 *
 * Nothing here is the only copy of anything. A change of form is a migration that drops all tables.
 */
static const char *const migrations[] = {
    "CREATE TABLE block ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  messages BLOB NOT NULL" /* ids, 64 bit, ascending: the k-th is bit k of each slice */
    ");"
    /* Which messages of a block have a gram. A gram that none has has no row. */
    "CREATE TABLE slice (key INTEGER PRIMARY KEY, bits BLOB NOT NULL);"
    /* Values of one header field, folded, of all messages; where those of each end, 32 bit. */
    "CREATE TABLE field (key INTEGER PRIMARY KEY, ends BLOB NOT NULL, text BLOB NOT NULL);"

    /* The sketch has one bit for eight grams: small enough to look at all that wait. */
    "CREATE TABLE waiting ("
    "  id INTEGER PRIMARY KEY,"
    "  sketch BLOB NOT NULL,"
    "  from_ BLOB, to_ BLOB, cc BLOB, bcc BLOB, subject BLOB"
    ");"
    "CREATE TABLE waiting_grams (id INTEGER PRIMARY KEY, grams BLOB NOT NULL);"
    /* Messages that are not worth indexing, or cannot be. */
    "CREATE TABLE unfit (id INTEGER PRIMARY KEY);",

    /* How many of its messages are gone from slices and fields; their places stay, empty. */
    "ALTER TABLE block ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;",
};

static const char *const statements[TEXT_STATEMENT_COUNT] = {
    [TEXT_BLOCK_ADD] = "INSERT INTO block (messages) VALUES (?)",
    [TEXT_BLOCK_ALL] = "SELECT id, messages, forgotten FROM block ORDER BY id",
    [TEXT_BLOCK_FORGOT] = "UPDATE block SET forgotten = ?2 WHERE id = ?1",
    [TEXT_BLOCK_REMOVE] = "DELETE FROM block WHERE id = ?",
    [TEXT_SLICE_ADD] = "INSERT OR REPLACE INTO slice (key, bits) VALUES (?, ?)",
    [TEXT_SLICE_GET] = "SELECT bits FROM slice WHERE key = ?",
    [TEXT_SLICE_REMOVE] = "DELETE FROM slice WHERE key = ?",
    [TEXT_SLICE_REMOVE_BETWEEN] = "DELETE FROM slice WHERE key BETWEEN ? AND ?",
    [TEXT_FIELD_ADD] = "INSERT OR REPLACE INTO field (key, ends, text) VALUES (?, ?, ?)",
    [TEXT_FIELD_GET] = "SELECT ends, text FROM field WHERE key = ?",
    [TEXT_FIELD_REMOVE_BETWEEN] = "DELETE FROM field WHERE key BETWEEN ? AND ?",

    [TEXT_WAITING_ADD] = "INSERT OR REPLACE INTO waiting (id, sketch, from_, to_, cc, bcc, subject)"
                         " VALUES (?, ?, ?, ?, ?, ?, ?)",
    [TEXT_WAITING_COUNT] = "SELECT count(*) FROM waiting",
    [TEXT_WAITING_IDS] = "SELECT id FROM waiting ORDER BY id LIMIT ?",
    [TEXT_WAITING_SKETCHES] = "SELECT id, sketch FROM waiting ORDER BY id",
    [TEXT_WAITING_FIELDS] = "SELECT id, from_, to_, cc, bcc, subject FROM waiting ORDER BY id"
                            " LIMIT ?",
    [TEXT_WAITING_REMOVE] = "DELETE FROM waiting WHERE id = ?",
    [TEXT_GRAMS_ADD] = "INSERT OR REPLACE INTO waiting_grams (id, grams) VALUES (?, ?)",
    [TEXT_GRAMS_GET] = "SELECT grams FROM waiting_grams WHERE id = ?",
    [TEXT_GRAMS_REMOVE] = "DELETE FROM waiting_grams WHERE id = ?",
    [TEXT_UNFIT_ADD] = "INSERT OR IGNORE INTO unfit (id) VALUES (?)",
    [TEXT_UNFIT_ALL] = "SELECT id FROM unfit ORDER BY id",
    [TEXT_UNFIT_REMOVE] = "DELETE FROM unfit WHERE id = ?",

    [TEXT_COUNTS] = "SELECT (SELECT ifnull(sum(length(messages)), 0) / 8 FROM block)"
                    " + (SELECT count(*) FROM waiting), (SELECT count(*) FROM unfit)",
    /* Is another one when the writer has changed anything. */
    [TEXT_VERSION] = "PRAGMA data_version",
};

const struct db_schema text_schema = {
    .migrations = migrations,
    .migration_count = sizeof(migrations) / sizeof(migrations[0]),
    .statements = statements,
    .statement_count = TEXT_STATEMENT_COUNT,
};
