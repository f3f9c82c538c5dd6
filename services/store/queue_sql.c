#include "services/store/queue_sql.h"

/* A message waits when it is neither leased nor held. The partial indexes use these very words. */
#define WAITING "lease_until_ms=0 AND held=0"

static const char *const migrations[] = {
    /* One message text, and what all its recipients share. `pending` counts its rows in message. */
    "CREATE TABLE submission ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " account_id INTEGER NOT NULL,"
    " account TEXT NOT NULL,"
    " from_localpart TEXT NOT NULL,"
    " from_domain TEXT NOT NULL,"
    " file_size INTEGER NOT NULL,"
    " prefix BLOB NOT NULL,"
    " structure BLOB NOT NULL,"
    " has_8bit INTEGER NOT NULL,"
    " smtputf8 INTEGER NOT NULL,"
    " tls INTEGER NOT NULL,"
    " message_id TEXT NOT NULL,"
    " subject TEXT NOT NULL,"
    " future_release TEXT NOT NULL,"
    " cid INTEGER NOT NULL,"
    " queued_ms INTEGER NOT NULL,"
    " pending INTEGER NOT NULL);"
    /* One recipient. `lease` is the number of its last lease. */
    "CREATE TABLE message ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " base_id INTEGER NOT NULL,"
    " localpart TEXT NOT NULL,"
    " domain TEXT NOT NULL,"
    " attempts INTEGER NOT NULL DEFAULT 0,"
    " max_attempts INTEGER NOT NULL,"
    " next_attempt_ms INTEGER NOT NULL,"
    " last_attempt_ms INTEGER NOT NULL DEFAULT 0,"
    " held INTEGER NOT NULL DEFAULT 0,"
    " lease INTEGER NOT NULL DEFAULT 0,"
    " lease_until_ms INTEGER NOT NULL DEFAULT 0,"
    " deliverer TEXT NOT NULL DEFAULT '',"
    " lane INTEGER NOT NULL DEFAULT 0,"
    " dialed TEXT NOT NULL DEFAULT '',"
    " last_error TEXT NOT NULL DEFAULT '');"
    "CREATE INDEX message_waiting ON message(domain, next_attempt_ms) WHERE " WAITING ";"
    "CREATE INDEX message_leased ON message(domain, lane, deliverer, lease_until_ms)"
    " WHERE lease_until_ms>0;"
    "CREATE TABLE destination (domain TEXT PRIMARY KEY, due_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX destination_due ON destination(due_ms);"
    /* Files to remove. */
    "CREATE TABLE erase (base_id INTEGER PRIMARY KEY);"
    /* Keys of submissions, for this hour and the last. */
    "CREATE TABLE submitted (hour INTEGER NOT NULL, key BLOB NOT NULL, first_id INTEGER NOT NULL,"
    " PRIMARY KEY (hour, key)) WITHOUT ROWID;"
    /* Limits: recipients by minute, and everybody an account ever wrote to. */
    "CREATE TABLE outgoing (account_id INTEGER NOT NULL, minute INTEGER NOT NULL,"
    " recipients INTEGER NOT NULL, PRIMARY KEY (account_id, minute)) WITHOUT ROWID;"
    "CREATE TABLE correspondent (account_id INTEGER NOT NULL, address TEXT NOT NULL,"
    " first_ms INTEGER NOT NULL, PRIMARY KEY (account_id, address)) WITHOUT ROWID;"
    "CREATE INDEX correspondent_first ON correspondent(account_id, first_ms);",

    /* The text of submissions that have no file. Not a column of submission, whose rows change with
     * each recipient that ends. */
    "CREATE TABLE content (base_id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);",

    /* How many times the next attempt was postponed. */
    "ALTER TABLE message ADD COLUMN postponed INTEGER NOT NULL DEFAULT 0;",

    /* Leases that were given and, for all that is known, have not reached their deliverer. */
    "CREATE TABLE unconfirmed (lease INTEGER PRIMARY KEY, until_ms INTEGER NOT NULL);",

    /* Derived: now in memory (queue_derived_sql). */
    "DROP TABLE destination;",
};

/* For each domain a time at or before that of its earliest waiting message, so that a lease does
 * not read past the backlog of a domain without room. A lease that finds nothing due there corrects
 * it; nothing else has to, which spares most messages two writes. It is made anew whenever the
 * queue is opened, so it need not be on disk. */
const char queue_derived_sql[] =
    "CREATE TEMP TABLE destination (domain TEXT PRIMARY KEY, due_ms INTEGER NOT NULL) WITHOUT "
    "ROWID;"
    "CREATE INDEX temp.destination_due ON destination(due_ms);"
    "INSERT INTO destination(domain, due_ms)"
    " SELECT domain, min(next_attempt_ms) FROM message WHERE " WAITING " GROUP BY domain;";

/* What the operator's filters have in common: all, account, sender, recipient. */
#define JOINED "message m JOIN submission s ON s.id=m.base_id"
#define MATCHES                                                                                    \
    "(?1 OR ?2<>'' OR ?3<>'' OR ?4<>'')"                                                           \
    " AND (?2='' OR s.account=?2)"                                                                 \
    " AND (?3='' OR instr(s.from_localpart||'@'||s.from_domain, ?3)>0)"                            \
    " AND (?4='' OR instr(m.localpart||'@'||m.domain, ?4)>0)"
#define ENTRY                                                                                      \
    "m.id, m.base_id, s.account, s.from_localpart, s.from_domain, m.localpart, m.domain,"          \
    " m.attempts, m.max_attempts, s.queued_ms, m.next_attempt_ms, m.last_attempt_ms, m.held,"      \
    " m.lease_until_ms>0, s.file_size+length(s.prefix), s.message_id, s.subject, m.last_error"

static const char *const statements[] = {
    [Q_SEQUENCE] = "SELECT seq FROM sqlite_sequence WHERE name=?",
    [Q_SET_SEQUENCE] = "UPDATE sqlite_sequence SET seq=?1 WHERE name=?2",
    [Q_BEGIN_SEQUENCE] = "INSERT INTO sqlite_sequence(seq, name) VALUES(?1,?2)",

    [Q_FIND_KEY] = "SELECT first_id FROM submitted WHERE key=?1 AND hour IN (?2, ?2-1)",
    [Q_ADD_KEY] = "INSERT INTO submitted(key, hour, first_id) VALUES(?,?,?)",
    [Q_ADD_SUBMISSION] =
        "INSERT INTO submission(id, account_id, account, from_localpart, from_domain, file_size,"
        " prefix, structure, has_8bit, smtputf8, tls, message_id, subject, future_release, cid,"
        " queued_ms, pending) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [Q_ADD_CONTENT] = "INSERT INTO content(base_id, bytes) VALUES(?,?)",
    [Q_ADD_MESSAGE] = "INSERT INTO message(id, base_id, localpart, domain, max_attempts,"
                      " next_attempt_ms) VALUES(?,?,?,?,?,?)",
    [Q_DESTINATION_DUE] = "INSERT INTO destination(domain, due_ms) VALUES(?,?)"
                          " ON CONFLICT(domain) DO UPDATE SET due_ms=excluded.due_ms"
                          " WHERE excluded.due_ms<due_ms",

    [Q_COUNT_OUTGOING] = "SELECT coalesce(sum(recipients), 0) FROM outgoing"
                         " WHERE account_id=? AND minute>?",
    [Q_COUNT_NEW] = "SELECT count(*) FROM (SELECT 1 FROM correspondent"
                    " WHERE account_id=? AND first_ms>? LIMIT ?)",
    [Q_ADD_OUTGOING] = "INSERT INTO outgoing(account_id, minute, recipients) VALUES(?,?,?)"
                       " ON CONFLICT DO UPDATE SET recipients=recipients+excluded.recipients",
    [Q_ADD_CORRESPONDENT] = "INSERT INTO correspondent(account_id, address, first_ms)"
                            " VALUES(?,?,?) ON CONFLICT DO NOTHING",

    [Q_EXPIRED] = "SELECT id, domain, EXISTS (SELECT 1 FROM unconfirmed u WHERE u.lease=m.lease)"
                  " FROM message m WHERE lease_until_ms>0 AND lease_until_ms<=? LIMIT ?",
    [Q_RETURN_EXPIRED] = "UPDATE message SET lease_until_ms=0, last_error="
                         "'the deliverer did not report' WHERE id=?",
    [Q_RETURN_UNHEARD] = "UPDATE message SET lease_until_ms=0, attempts=attempts-1,"
                         " next_attempt_ms=?2 WHERE id=?1",
    [Q_ADD_UNCONFIRMED] = "INSERT INTO unconfirmed(lease, until_ms) VALUES(?,?)",
    [Q_CONFIRM] = "DELETE FROM unconfirmed WHERE lease=?",
    [Q_FORGET_UNCONFIRMED] = "DELETE FROM unconfirmed WHERE until_ms<=?",
    [Q_DUE_DESTINATIONS] = "SELECT domain FROM destination WHERE due_ms<=?"
                           " ORDER BY due_ms LIMIT 1000",
    [Q_NEXT_DESTINATION] = "SELECT min(due_ms) FROM destination WHERE due_ms>?",
    [Q_LANES] = "SELECT lane, deliverer, count(*) FROM message"
                " WHERE lease_until_ms>0 AND domain=? GROUP BY lane",
    [Q_WAITING] = "SELECT id, base_id, localpart, attempts, max_attempts, dialed FROM message"
                  " WHERE " WAITING " AND domain=? AND next_attempt_ms<=?"
                  " ORDER BY next_attempt_ms, id LIMIT ?",
    [Q_READ_SUBMISSION] =
        "SELECT account_id, account, from_localpart, from_domain, file_size, prefix, structure,"
        " has_8bit, smtputf8, tls, message_id, subject, future_release, cid, queued_ms"
        " FROM submission WHERE id=?",
    [Q_READ_CONTENT] = "SELECT bytes FROM content WHERE base_id=?",
    [Q_TAKE] = "UPDATE message SET attempts=attempts+1, last_attempt_ms=?, next_attempt_ms=?,"
               " lease=?, lease_until_ms=?, deliverer=?, lane=? WHERE id=?",
    [Q_NEXT_EXPIRY] = "SELECT min(lease_until_ms) FROM message WHERE lease_until_ms>0",
    [Q_EXTEND] = "UPDATE message SET lease_until_ms=?1"
                 " WHERE id=?2 AND lease=?3 AND lease_until_ms>0",

    [Q_STATE] = "SELECT lease, lease_until_ms, base_id, domain, attempts, max_attempts, dialed,"
                " next_attempt_ms, postponed FROM message WHERE id=?",
    [Q_RETRY] = "UPDATE message SET lease_until_ms=0, attempts=?, next_attempt_ms=?, postponed=?,"
                " dialed=?, last_error=? WHERE id=?",
    [Q_REMOVE] = "DELETE FROM message WHERE id=?",
    [Q_REMOVE_LAST] = "DELETE FROM submission WHERE id=? AND pending<=1",
    [Q_COUNT_DOWN] = "UPDATE submission SET pending=pending-1 WHERE id=?",
    [Q_REMOVE_CONTENT] = "DELETE FROM content WHERE base_id=?",
    [Q_ADD_ERASE] = "INSERT INTO erase(base_id) VALUES(?)",
    [Q_FIRST_WAITING] = "SELECT next_attempt_ms FROM message WHERE " WAITING " AND domain=?"
                        " ORDER BY next_attempt_ms LIMIT 1",
    [Q_SET_DESTINATION] = "INSERT INTO destination(domain, due_ms) VALUES(?,?)"
                          " ON CONFLICT(domain) DO UPDATE SET due_ms=excluded.due_ms",
    [Q_REMOVE_DESTINATION] = "DELETE FROM destination WHERE domain=?",

    [Q_KNOWS] = "SELECT EXISTS (SELECT 1 FROM submission WHERE id=?1)"
                " OR EXISTS (SELECT 1 FROM erase WHERE base_id=?1)",
    [Q_ERASES] = "SELECT base_id FROM erase LIMIT 1000",
    [Q_REMOVE_ERASE] = "DELETE FROM erase WHERE base_id=?",
    [Q_FORGET_KEYS] = "DELETE FROM submitted WHERE hour<?",
    [Q_FORGET_OUTGOING] = "DELETE FROM outgoing WHERE minute<?",
    [Q_LIST_STORED] = "SELECT s.id, s.file_size, length(c.bytes) FROM submission s"
                      " LEFT JOIN content c ON c.base_id=s.id WHERE s.id>=? ORDER BY s.id LIMIT ?",

    [Q_LIST] =
        "SELECT " ENTRY " FROM " JOINED " WHERE " MATCHES " AND (m.next_attempt_ms, m.id)>(?5, ?6)"
        " ORDER BY m.next_attempt_ms, m.id LIMIT ?7",
    [Q_COUNT] = "SELECT count(*) FROM " JOINED " WHERE " MATCHES,
    /* What is due is read from the index, which is by domain first: from one to the next. */
    [Q_COUNT_DUE] =
        "WITH RECURSIVE waiting(domain) AS ("
        " SELECT min(domain) FROM message WHERE " WAITING " UNION ALL"
        " SELECT (SELECT min(domain) FROM message WHERE " WAITING " AND domain>waiting.domain)"
        " FROM waiting WHERE domain IS NOT NULL)"
        " SELECT (SELECT count(*) FROM message),"
        " (SELECT coalesce(sum((SELECT count(*) FROM message WHERE " WAITING
        "   AND domain=waiting.domain AND next_attempt_ms<=?1)), 0)"
        "  FROM waiting WHERE domain IS NOT NULL)",
    [Q_LIST_BY_ID] = "SELECT " ENTRY " FROM " JOINED " WHERE m.id=?",
    [Q_PLACE] = "SELECT next_attempt_ms FROM message WHERE id=?",
    [Q_SET_TIME] = "UPDATE message SET next_attempt_ms=? WHERE id=? AND lease_until_ms=0",
    [Q_SET_HELD] = "UPDATE message SET held=?1 WHERE id=?2 AND held<>?1",
};

const struct db_schema queue_schema = {
    .migrations = migrations,
    .migration_count = ARRAY_LEN(migrations),
    .statements = statements,
    .statement_count = ARRAY_LEN(statements),
};
