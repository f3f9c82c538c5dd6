#include "services/store/import_sql.h"

#include "common/base/attr.h"

static const char *const migrations[] = {
    "CREATE TABLE import ("
    "  id INTEGER PRIMARY KEY CHECK (id = 1),"
    "  messages INTEGER NOT NULL," /* items 1 to this are here */
    "  bytes INTEGER NOT NULL,"
    "  position INTEGER NOT NULL" /* the caller's, for itself */
    ");"
    "INSERT INTO import VALUES (1, 0, 0, 0);"
    "CREATE TABLE item ("
    "  sequence INTEGER PRIMARY KEY," /* its text is the file of that name */
    "  mailbox TEXT NOT NULL,"
    "  size INTEGER NOT NULL,"
    "  flags INTEGER NOT NULL,"
    "  keywords TEXT NOT NULL," /* separated by spaces */
    "  received_s INTEGER NOT NULL,"
    "  structure BLOB NOT NULL"
    ");",

    /* Of the envelope; NULL: null, or not known. */
    "ALTER TABLE item ADD COLUMN mail_from_localpart TEXT;"
    "ALTER TABLE item ADD COLUMN mail_from_domain TEXT;",
};

static const char *const statements[] = {
    [IMPORT_READ] = "SELECT messages, bytes, position FROM import",
    [IMPORT_ADVANCE] = "UPDATE import SET messages = ?, bytes = ?, position = ?",
    [ITEM_ADD] =
        "INSERT INTO item (sequence, mailbox, size, flags, keywords, received_s, structure,"
        " mail_from_localpart, mail_from_domain)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [ITEM_READ] = "SELECT mailbox, size, flags, keywords, received_s, structure,"
                  " mail_from_localpart, mail_from_domain FROM item WHERE sequence = ?",
    /* Parents of a thread before their answers, whichever mailbox they are in. */
    [ITEM_ORDER] = "SELECT sequence FROM item ORDER BY received_s, sequence",
};

const struct db_schema import_schema = {
    .migrations = migrations,
    .migration_count = ARRAY_LEN(migrations),
    .statements = statements,
    .statement_count = ARRAY_LEN(statements),
};
