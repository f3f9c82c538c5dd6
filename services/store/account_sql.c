#include "services/store/account_sql.h"

/*
 * The tables of one account.
 *
 * A message is two rows. `entry` is what every view of a mailbox needs: narrow, in the order of
 * (mailbox, UID), so that opening a mailbox is one scan. Both are one integer, `place`: a row under
 * an integer is changed where it stands, under two columns it is taken out and put back. `message`
 * is everything else: by message id, which stays the same when the message moves. A message that
 * was expunged leaves `entry` for `vanished` at once, and `message` (with its file) only after the
 * grace time, when its row in `erase` is due.
 *
 * Each index costs every delivery some microseconds and a page of the write-ahead log. There are
 * two, by which a reply finds its thread, and one of replies, by which a thread finds them; what
 * changed since a modseq is kept in memory (change_log.h). The first two are on 64-bit hashes of
 * the texts, which makes them five times smaller; the texts are compared too. Looking up reputation
 * (spec 20 1.15) will need more when there is code that asks: an index is one migration away, a
 * column might be lost data.
 *
 * Highest values are kept where they change anyway: the account's modseq is the largest of
 * account.modseq and all mailbox.modseq; the last message id is the largest of
 * account.last_message_id and all message.id; quota use is the sum of mailbox.size.
 */
static const char *const migrations[] = {
    "CREATE TABLE account ("
    "  id INTEGER PRIMARY KEY CHECK (id = 1),"
    "  modseq INTEGER NOT NULL,"
    "  last_message_id INTEGER NOT NULL,"
    "  next_uidvalidity INTEGER NOT NULL,"
    "  purged_modseq INTEGER NOT NULL DEFAULT -1,"
    /* While messages are being added: the first id whose file may exist without a row. */
    "  unclean_from INTEGER,"
    /* Automatic junk flags by mailbox name: regular expressions, NULL for none. They are
     * here and not in the directory because the changes that use them hold this database, and
     * because they go where the messages go: into backups, and away with the account. */
    "  junk_rules INTEGER NOT NULL DEFAULT 1,"
    "  junk_pattern TEXT DEFAULT '^(junk|spam)',"
    "  neutral_pattern TEXT"
    "    DEFAULT '^(inbox|introbox|neutral|postmaster|dmarc|tlsrpt|rejects)',"
    "  notjunk_pattern TEXT"
    ");"

    "CREATE TABLE mailbox ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  name TEXT NOT NULL UNIQUE,"
    "  parent_id INTEGER,"
    "  uidvalidity INTEGER NOT NULL,"
    "  uidnext INTEGER NOT NULL,"
    "  special_use TEXT UNIQUE,"
    "  keywords TEXT NOT NULL," /* in order of first use, separated by spaces */
    "  total INTEGER NOT NULL,"
    "  deleted INTEGER NOT NULL,"
    "  unread INTEGER NOT NULL,"
    "  unseen INTEGER NOT NULL,"
    "  size INTEGER NOT NULL,"
    "  createseq INTEGER NOT NULL,"
    "  modseq INTEGER NOT NULL"
    ");"
    /* The highest UIDVALIDITY that a name had which was deleted or renamed away. */
    "CREATE TABLE former_name (name TEXT PRIMARY KEY, uidvalidity INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE subscription (name TEXT PRIMARY KEY) WITHOUT ROWID;"

    "CREATE TABLE entry ("
    "  mailbox_id INTEGER NOT NULL,"
    "  uid INTEGER NOT NULL,"
    "  id INTEGER NOT NULL,"
    "  modseq INTEGER NOT NULL,"
    "  createseq INTEGER NOT NULL,"
    "  flags INTEGER NOT NULL," /* enum message_flag */
    "  keywords BLOB,"          /* indexes into mailbox.keywords, 16 bit, ascending */
    "  size INTEGER NOT NULL,"  /* prefix + file */
    "  prefix_size INTEGER NOT NULL,"
    "  received_s INTEGER NOT NULL,"
    "  saved_s INTEGER,"
    "  zone INTEGER NOT NULL," /* of received_s, minutes + 1440 */
    "  PRIMARY KEY (mailbox_id, uid)"
    ") WITHOUT ROWID;"
    "CREATE INDEX entry_by_modseq ON entry (mailbox_id, modseq);"
    "CREATE TABLE vanished ("
    "  mailbox_id INTEGER NOT NULL,"
    "  modseq INTEGER NOT NULL,"
    "  uid INTEGER NOT NULL,"
    "  createseq INTEGER NOT NULL,"
    "  id INTEGER NOT NULL,"
    "  PRIMARY KEY (mailbox_id, modseq, uid)"
    ") WITHOUT ROWID;"

    "CREATE TABLE message ("
    "  id INTEGER PRIMARY KEY,"
    "  mailbox_id INTEGER NOT NULL,"
    "  uid INTEGER NOT NULL,"
    "  received_s INTEGER NOT NULL,"
    "  cid INTEGER,"
    /* Where it was first, and where it would have gone had it not been diverted. */
    "  origin_mailbox_id INTEGER NOT NULL,"
    "  intended_mailbox_id INTEGER,"
    "  is_reject INTEGER NOT NULL DEFAULT 0,"
    "  is_forward INTEGER NOT NULL DEFAULT 0,"
    "  is_list INTEGER NOT NULL DEFAULT 0,"
    "  is_dsn INTEGER NOT NULL DEFAULT 0,"
    /* Who sent it, for rules, reputation and reports. NULL when it did not come by SMTP. */
    "  remote_ip TEXT,"
    "  masked_ip1 TEXT, masked_ip2 TEXT, masked_ip3 TEXT,"
    "  hello TEXT,"
    "  mail_from_localpart TEXT, mail_from_domain TEXT,"
    "  rcpt_localpart TEXT, rcpt_domain TEXT,"
    "  from_localpart TEXT, from_domain TEXT, from_org_domain TEXT,"
    "  hello_is_valid INTEGER, mail_from_is_valid INTEGER, from_is_valid INTEGER,"
    "  hello_validation INTEGER, mail_from_validation INTEGER, from_validation INTEGER,"
    "  dkim_domains TEXT," /* verified ones, separated by spaces */
    "  forwarded_hello TEXT, forwarded_dkim_domains TEXT,"
    "  tls_version INTEGER NOT NULL DEFAULT 0," /* 0 unknown, 1 none, else as on the wire */
    "  tls_cipher TEXT,"
    "  requiretls INTEGER NOT NULL DEFAULT 0,"
    /* Threads (spec 20 1.18). parents: message ids, 64 bit, closest first. */
    "  message_id TEXT, message_id_hash INTEGER,"
    "  subject_base TEXT, subject_hash INTEGER,"
    "  thread_id INTEGER NOT NULL,"
    "  parents BLOB,"
    "  missing_link INTEGER NOT NULL DEFAULT 0,"
    "  muted INTEGER NOT NULL DEFAULT 0,"
    "  collapsed INTEGER NOT NULL DEFAULT 0,"
    "  content_hash BLOB," /* SHA-256 of the file, of rejects */
    "  preview TEXT,"
    "  prefix BLOB,"
    "  structure BLOB NOT NULL" /* a mailrail.Structure */
    ");"
    "CREATE INDEX message_by_message_id ON message (message_id_hash)"
    "  WHERE message_id_hash IS NOT NULL;"
    "CREATE INDEX message_by_subject ON message (subject_hash, received_s)"
    "  WHERE subject_hash IS NOT NULL;"

    /* Whom the account wrote to: of messages in the mailbox with the Sent role. */
    "CREATE TABLE recipient ("
    "  message_id INTEGER NOT NULL,"
    "  domain TEXT NOT NULL,"
    "  localpart TEXT NOT NULL,"
    "  org_domain TEXT,"
    "  sent_s INTEGER NOT NULL,"
    "  PRIMARY KEY (message_id, domain, localpart)"
    ") WITHOUT ROWID;"

    /* Expunged messages whose row and file are still there. */
    "CREATE TABLE erase ("
    "  message_id INTEGER PRIMARY KEY,"
    "  expunged_s INTEGER NOT NULL,"
    "  size INTEGER NOT NULL"
    ");"
    /* What calls with this key did: a repeated call is answered from here. */
    "CREATE TABLE done ("
    "  key BLOB PRIMARY KEY,"
    "  at_s INTEGER NOT NULL,"
    "  result BLOB NOT NULL"
    ") WITHOUT ROWID;",

    /* RFC 8474: a copy remembers whose content it has; NULL: it is the first. */
    "ALTER TABLE message ADD COLUMN email_id INTEGER;",

    /* What changed since a modseq is known to change_log.h. */
    "DROP INDEX entry_by_modseq;",

    /* RFC 5464: notes about a mailbox, or (0) about the account. Removed: the value is NULL. */
    "CREATE TABLE annotation ("
    "  mailbox_id INTEGER NOT NULL,"
    "  name TEXT NOT NULL," /* lower case */
    "  value BLOB,"
    "  binary INTEGER NOT NULL," /* came as literal8, and goes out as one */
    "  modseq INTEGER NOT NULL,"
    "  PRIMARY KEY (mailbox_id, name)"
    ") WITHOUT ROWID;",

    /* What the junk filter is to learn (training.h), while somebody reads it. */
    "CREATE TABLE training ("
    "  sequence INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  message_id INTEGER NOT NULL,"
    "  from_state INTEGER NOT NULL," /* enum trained_as */
    "  to_state INTEGER NOT NULL"
    ");"
    "CREATE INDEX training_by_message ON training (message_id);"
    /* The reader: the rows up to here are gone, and up to there fixed. NULL: nobody reads. */
    "ALTER TABLE account ADD COLUMN training_acknowledged INTEGER;"
    "ALTER TABLE account ADD COLUMN training_given_out INTEGER;",

    /* The messages of a thread. Most are threads of their own, and cost nothing. */
    "CREATE INDEX message_by_thread ON message (thread_id) WHERE thread_id <> id;",

    /* Which version of what (enum upgrade_kind) all messages have, and, on the way to the next one,
     * the last message that was looked at. And the messages that have no thread yet. */
    "CREATE TABLE upgrade ("
    "  kind INTEGER PRIMARY KEY,"
    "  version INTEGER NOT NULL,"
    "  at INTEGER NOT NULL"
    ");"
    "INSERT INTO upgrade VALUES (1, 1, 0), (2, 2, 0);"
    "CREATE TABLE unthreaded (message_id INTEGER PRIMARY KEY);",

    /* Is there to be a text index (text_index.h)? */
    "ALTER TABLE account ADD COLUMN text_index INTEGER NOT NULL DEFAULT 1;",

    /* Without messages there is nothing to be parsed anew by the present STRUCTURE_VERSION. */
    "UPDATE upgrade SET version = 3 WHERE kind = 1 AND NOT EXISTS (SELECT 1 FROM message);",

    /* RFC 4314: what others may do with a mailbox. The owner may do everything and has no row. */
    "CREATE TABLE acl ("
    "  mailbox_id INTEGER NOT NULL,"
    "  account_id INTEGER NOT NULL," /* 0: anyone */
    "  negative INTEGER NOT NULL,"   /* these rights are taken away */
    "  identifier TEXT NOT NULL,"    /* as it was given, without \"-\" */
    "  rights INTEGER NOT NULL,"
    "  PRIMARY KEY (mailbox_id, account_id, negative)"
    ") WITHOUT ROWID;"
    /* Finds what is shared with an account. */
    "CREATE INDEX acl_account ON acl (account_id, negative, rights);"
    /* There sessions see mailboxes of others now. */
    "UPDATE OR IGNORE mailbox SET name = 'Own ' || name"
    "  WHERE name = 'Other Users' OR substr(name, 1, 12) = 'Other Users/';"
    "UPDATE OR IGNORE subscription SET name = 'Own ' || name"
    "  WHERE name = 'Other Users' OR substr(name, 1, 12) = 'Other Users/';",

    /* The modseq of the last change of messages, not of annotations. */
    "ALTER TABLE mailbox ADD COLUMN messages_modseq INTEGER NOT NULL DEFAULT 0;"
    "UPDATE mailbox SET messages_modseq = modseq;",

    /* Moves to other accounts that have begun (leaving.h). */
    "CREATE TABLE leaving ("
    "  key BLOB PRIMARY KEY,"
    "  to_account_id INTEGER NOT NULL,"
    "  mailbox_id INTEGER NOT NULL,"
    "  uids BLOB NOT NULL"
    ") WITHOUT ROWID;",

    /* One integer as the key of an entry: changing the flags of many costs half as much. */
    "CREATE TABLE placed ("
    "  place INTEGER PRIMARY KEY," /* PLACE */
    "  mailbox_id INTEGER NOT NULL AS (place >> 32),"
    "  uid INTEGER NOT NULL AS (place & 4294967295),"
    "  id INTEGER NOT NULL,"
    "  modseq INTEGER NOT NULL,"
    "  createseq INTEGER NOT NULL,"
    "  flags INTEGER NOT NULL,"
    "  keywords BLOB,"
    "  size INTEGER NOT NULL,"
    "  prefix_size INTEGER NOT NULL,"
    "  received_s INTEGER NOT NULL,"
    "  saved_s INTEGER,"
    "  zone INTEGER NOT NULL"
    ");"
    "INSERT INTO placed SELECT mailbox_id << 32 | uid, id, modseq, createseq, flags, keywords, "
    "size,"
    "  prefix_size, received_s, saved_s, zone FROM entry ORDER BY mailbox_id, uid;"
    "DROP TABLE entry;"
    "ALTER TABLE placed RENAME TO entry;",
};

#define MAILBOX_COLUMNS                                                                            \
    "id, name, parent_id, uidvalidity, uidnext, special_use, keywords, total, deleted, unread, "   \
    "unseen, size, createseq, modseq, messages_modseq"
#define ENTRY_REST                                                                                 \
    "id, modseq, createseq, flags, keywords, size, prefix_size, received_s, saved_s, zone"
#define ENTRY_COLUMNS "uid, " ENTRY_REST
/* Of an entry; by the columns mailbox_id and uid none is found. */
#define PLACE(mailbox, uid) "(" mailbox " << 32 | " uid ")"
#define UID_MAX "4294967295"
#define IN_MAILBOX(mailbox) "place BETWEEN " PLACE(mailbox, "0") " AND " PLACE(mailbox, UID_MAX)
#define ABOVE(mailbox, uid) "place > " PLACE(mailbox, uid) " AND place <= " PLACE(mailbox, UID_MAX)
#define BETWEEN "place BETWEEN " PLACE("?1", "?2") " AND " PLACE("?1", "?3")
#define ENTRY_OF_MESSAGE                                                                           \
    "entry.place = " PLACE("message.mailbox_id", "message.uid") " AND entry.id = message.id"
/* Of a live message: parents and all that a child inherits. */
#define THREAD_COLUMNS "id, thread_id, parents, muted, collapsed"
/* What a copy of a message has as the message has it. */
#define COPIED_COLUMNS                                                                             \
    "received_s, cid, origin_mailbox_id, intended_mailbox_id, is_reject, is_forward, is_list,"     \
    " is_dsn, remote_ip, masked_ip1, masked_ip2, masked_ip3, hello, mail_from_localpart,"          \
    " mail_from_domain, rcpt_localpart, rcpt_domain, from_localpart, from_domain,"                 \
    " from_org_domain, hello_is_valid, mail_from_is_valid, from_is_valid, hello_validation,"       \
    " mail_from_validation, from_validation, dkim_domains, forwarded_hello,"                       \
    " forwarded_dkim_domains, tls_version, tls_cipher, requiretls, message_id, message_id_hash,"   \
    " subject_base, subject_hash, thread_id, muted, collapsed, content_hash, preview, prefix,"     \
    " structure"
#define MEMBER_COLUMNS "id, parents, muted, collapsed, missing_link, mailbox_id, uid"
#define IS_LIVE "NOT EXISTS (SELECT 1 FROM erase WHERE erase.message_id = message.id)"

#define IS_HELD "EXISTS (SELECT 1 FROM training WHERE training.message_id = erase.message_id)"

static const char *const statements[ACCOUNT_STATEMENT_COUNT] = {
    [ACCOUNT_READ] = "SELECT modseq, last_message_id, unclean_from, text_index FROM account",
    [ACCOUNT_PURGED] = "SELECT purged_modseq FROM account",
    [ACCOUNT_ADD] = "INSERT INTO account (id, modseq, last_message_id, next_uidvalidity)"
                    " VALUES (1, ?, 0, ?)",
    [ACCOUNT_SET_TEXT_INDEX] = "UPDATE account SET text_index = ?",
    [ACCOUNT_JUNK_RULES] =
        "SELECT junk_rules, junk_pattern, neutral_pattern, notjunk_pattern FROM account",
    [ACCOUNT_SET_JUNK_RULES] = "UPDATE account SET junk_rules = ?, junk_pattern = ?,"
                               " neutral_pattern = ?, notjunk_pattern = ?",
    [ACCOUNT_SET_UNCLEAN] = "UPDATE account SET unclean_from = ?",
    [ACCOUNT_RAISE_MODSEQ] = "UPDATE account SET modseq = max(modseq, ?)",
    [ACCOUNT_RAISE_MESSAGE_ID] = "UPDATE account SET last_message_id = max(last_message_id, ?)",
    [ACCOUNT_TAKE_UIDVALIDITY] = "UPDATE account SET next_uidvalidity = next_uidvalidity + 1"
                                 " RETURNING next_uidvalidity - 1",
    [ACCOUNT_HIGHEST] =
        "SELECT (SELECT max(modseq) FROM mailbox), (SELECT max(id) FROM message),"
        " (SELECT sum(size) FROM mailbox), (SELECT sum(total + deleted) FROM mailbox),"
        " (SELECT sum(size) FROM erase),"
        " (SELECT count(*) FROM erase)",

    [MAILBOX_DELETED_SIZE] = "SELECT sum(size) FROM entry WHERE " IN_MAILBOX("?1") " AND flags & 8",
    [MAILBOX_BY_ID] = "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE id = ?",
    [MAILBOX_BY_NAME] = "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE name = ?",
    [MAILBOX_LIST] = "SELECT " MAILBOX_COLUMNS " FROM mailbox ORDER BY name",
    /* What ?1 may look up (RIGHT_LOOKUP is 1), without what the owner uses it for. ?3: 0, or again
     * ?1 when what is granted to anyone does not count. */
    [MAILBOX_SHARED] =
        "SELECT id, name, parent_id, uidvalidity, uidnext, NULL, NULL, total, deleted, unread,"
        " unseen, size, createseq, modseq, messages_modseq FROM mailbox"
        " WHERE id IN (SELECT mailbox_id FROM acl"
        "              WHERE account_id IN (?3, ?1) AND negative = 0 AND rights & 1)"
        " AND id NOT IN (SELECT mailbox_id FROM acl"
        "                WHERE account_id IN (0, ?1) AND negative = 1 AND rights & 1)"
        " ORDER BY name LIMIT ?2",
    /* "/" is followed by "0" in ASCII. */
    [MAILBOX_BELOW] = "SELECT " MAILBOX_COLUMNS " FROM mailbox"
                      " WHERE name > ?1 || '/' AND name < ?1 || '0' ORDER BY name",
    [MAILBOX_HAS_CHILDREN] = "SELECT 1 FROM mailbox WHERE name > ?1 || '/' AND name < ?1 || '0'",
    [MAILBOX_ADD] = "INSERT INTO mailbox (name, parent_id, uidvalidity, uidnext, special_use,"
                    " keywords, total, deleted, unread, unseen, size, createseq, modseq,"
                    " messages_modseq) VALUES (?, ?, ?, 1, ?, '', 0, 0, 0, 0, 0, ?5, ?5, ?5)",
    [MAILBOX_REMOVE] = "DELETE FROM mailbox WHERE id = ?",
    [MAILBOX_RENAME] = "UPDATE mailbox SET name = ?2, parent_id = ?3, uidvalidity = ?4, modseq = ?5"
                       " WHERE id = ?1",
    [MAILBOX_SAVE] = "UPDATE mailbox SET uidnext = ?2, keywords = ?3, total = ?4, deleted = ?5,"
                     " unread = ?6, unseen = ?7, size = ?8, modseq = ?9, messages_modseq = ?9"
                     " WHERE id = ?1",
    [MAILBOX_TOUCH] = "UPDATE mailbox SET modseq = ?2 WHERE id = ?1",
    [MAILBOX_BY_SPECIAL_USE] = "SELECT name FROM mailbox WHERE special_use = ?",
    [MAILBOX_CLEAR_SPECIAL_USE] = "UPDATE mailbox SET special_use = NULL, modseq = ?2"
                                  " WHERE special_use = ?1 RETURNING id",
    [MAILBOX_SET_SPECIAL_USE] = "UPDATE mailbox SET special_use = ?2 WHERE id = ?1",
    [MAILBOX_SET_PARENT] = "UPDATE mailbox SET parent_id = ?2 WHERE id = ?1",
    [FORMER_NAME_ADD] = "INSERT INTO former_name (name, uidvalidity) VALUES (?, ?)"
                        " ON CONFLICT (name) DO UPDATE"
                        " SET uidvalidity = max(uidvalidity, excluded.uidvalidity)",
    [FORMER_NAME_FIND] = "SELECT uidvalidity FROM former_name WHERE name = ?",

    [ANNOTATION_SET] = "INSERT INTO annotation (mailbox_id, name, value, binary, modseq)"
                       " VALUES (?, ?, ?, ?, ?) ON CONFLICT (mailbox_id, name) DO UPDATE"
                       " SET value = excluded.value, binary = excluded.binary,"
                       " modseq = excluded.modseq",
    [ANNOTATION_HAS] = "SELECT 1 FROM annotation"
                       " WHERE mailbox_id = ? AND name = ? AND value IS NOT NULL",
    [ANNOTATION_SUM] = "SELECT count(*), sum(length(CAST(name AS BLOB)) + length(value))"
                       " FROM annotation WHERE value IS NOT NULL",
    /* Of those that were removed the last 1000 are remembered. */
    [ANNOTATION_FORGET] = "DELETE FROM annotation WHERE value IS NULL AND modseq <="
                          " (SELECT modseq FROM annotation WHERE value IS NULL"
                          "  ORDER BY modseq DESC LIMIT 1 OFFSET 1000)",
    [ANNOTATION_SINCE] =
        "SELECT annotation.mailbox_id, ifnull(mailbox.name, ''), annotation.name,"
        " annotation.value, annotation.binary, annotation.modseq FROM annotation"
        " LEFT JOIN mailbox ON mailbox.id = annotation.mailbox_id"
        " WHERE annotation.modseq > ?1 AND (?1 > 0 OR annotation.value IS NOT NULL)"
        " ORDER BY annotation.mailbox_id, annotation.name",
    [ANNOTATION_HIGHEST] = "SELECT max(modseq) FROM annotation",
    [ANNOTATION_COPY] = "INSERT INTO annotation (mailbox_id, name, value, binary, modseq)"
                        " SELECT ?2, name, value, binary, ?3 FROM annotation"
                        " WHERE mailbox_id = ?1 AND value IS NOT NULL",
    [ANNOTATION_REMOVE_ALL] = "DELETE FROM annotation WHERE mailbox_id = ?",

    [ACL_LIST] = "SELECT account_id, negative, identifier, rights FROM acl WHERE mailbox_id = ?"
                 " ORDER BY account_id, negative",
    [ACL_SET] = "INSERT OR REPLACE INTO acl (mailbox_id, account_id, negative, identifier, rights)"
                " VALUES (?, ?, ?, ?, ?)",
    [ACL_REMOVE] = "DELETE FROM acl WHERE mailbox_id = ? AND account_id = ? AND negative = ?",
    [ACL_REMOVE_ALL] = "DELETE FROM acl WHERE mailbox_id = ?",
    [ACL_COPY] = "INSERT INTO acl (mailbox_id, account_id, negative, identifier, rights)"
                 " SELECT ?2, account_id, negative, identifier, rights FROM acl"
                 " WHERE mailbox_id = ?1",
    [ACL_OF] = "SELECT negative, rights, account_id FROM acl"
               " WHERE mailbox_id = ? AND account_id IN (0, ?)",
    /* And whether anything is granted. */
    [ACL_ACCOUNTS] = "SELECT account_id, min(negative) = 0 FROM acl GROUP BY account_id",
    [ACL_ROOM] = "SELECT count(*), ifnull(sum(length(CAST(name AS BLOB))), 0),"
                 " (SELECT count(*) FROM acl) FROM mailbox",
    [ACL_FORGET] = "DELETE FROM acl WHERE account_id = ?",
    [ACL_FORGET_LOST] = "DELETE FROM acl WHERE mailbox_id NOT IN (SELECT id FROM mailbox)",
    [ACL_SET_MAILBOX] = "UPDATE acl SET mailbox_id = ?2 WHERE mailbox_id = ?1",
    [ACL_HAS_READER] = "SELECT 1 FROM acl WHERE account_id = ? AND negative = 0",

    [SUBSCRIPTION_ADD] = "INSERT OR IGNORE INTO subscription (name) VALUES (?)",
    [SUBSCRIPTION_REMOVE] = "DELETE FROM subscription WHERE name = ?",
    [SUBSCRIPTION_LIST] = "SELECT name FROM subscription ORDER BY name",

    [ENTRY_ADD] = "INSERT INTO entry (place, " ENTRY_REST ")"
                  " VALUES (" PLACE("?", "?") ", ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [ENTRY_GET] = "SELECT " ENTRY_COLUMNS " FROM entry WHERE place = " PLACE("?", "?"),
    [ENTRY_IDS] = "SELECT id FROM entry",
    [ENTRY_FROM] =
        "SELECT " ENTRY_COLUMNS " FROM entry WHERE " ABOVE("?1", "?2") " ORDER BY place LIMIT ?3",
    [ENTRY_BETWEEN] = "SELECT " ENTRY_COLUMNS " FROM entry WHERE " BETWEEN " ORDER BY place",
    [ENTRY_ALL] = "SELECT " ENTRY_COLUMNS " FROM entry WHERE " IN_MAILBOX("?1") " ORDER BY place",
    [ENTRY_CHANGED] =
        "SELECT " ENTRY_COLUMNS " FROM entry WHERE " ABOVE("?1", "?3") " AND modseq > ?2"
                                                                       " ORDER BY place LIMIT ?4",
    [ENTRY_COUNT_CHANGED] = "SELECT count(*) FROM entry WHERE " IN_MAILBOX("?1") " AND modseq > ?2",
    [ENTRY_DELETED_BELOW] = "SELECT " ENTRY_COLUMNS " FROM entry WHERE place >= " PLACE(
        "?1", "0") " AND place < " PLACE("?1", "?2") " AND flags & 8 ORDER BY place",
    [ENTRY_SET_FLAGS] = "UPDATE entry SET flags = ?3, keywords = ?4, modseq = ?5"
                        " WHERE place = " PLACE("?1", "?2"),
    [ENTRY_SET_FLAGS_BETWEEN] = "UPDATE entry SET flags = (flags | ?4) & ~?5, modseq = ?6"
                                " WHERE " BETWEEN " AND modseq <= ?7"
                                " AND flags <> (flags | ?4) & ~?5",
    [ENTRY_HAS_TO_CHANGE] =
        "SELECT 1 FROM entry WHERE " BETWEEN " AND flags <> (flags | ?4) & ~?5 LIMIT 1",
    /* All of them, and those that are \Seen, \Deleted, both. */
    [ENTRY_COUNT_TO_CHANGE] =
        "SELECT count(*), sum(flags & 1), sum(flags & 8 = 8),"
        " sum(flags & 9 = 9) FROM entry WHERE " BETWEEN " AND flags <> (flags | ?4) & ~?5",
    [ENTRY_CHANGED_BY] = "SELECT uid FROM entry WHERE " BETWEEN " AND modseq = ?4",
    [ENTRY_REMOVE] = "DELETE FROM entry WHERE place = " PLACE("?", "?"),
    [ENTRY_REMOVE_ALL] = "DELETE FROM entry WHERE " IN_MAILBOX("?1"),
    [VANISHED_ADD] = "INSERT INTO vanished (mailbox_id, modseq, uid, createseq, id)"
                     " VALUES (?, ?, ?, ?, ?)",
    [VANISHED_SINCE] = "SELECT uid, modseq FROM vanished WHERE mailbox_id = ? AND modseq > ?"
                       " ORDER BY uid",
    [VANISHED_KNOWN] = "SELECT uid, modseq FROM vanished WHERE mailbox_id = ?1 AND modseq > ?2"
                       " AND createseq <= ?2 ORDER BY uid",
    [VANISHED_COUNT_SINCE] = "SELECT count(*) FROM vanished WHERE mailbox_id = ? AND modseq > ?",
    [VANISHED_REMOVE_ALL] = "DELETE FROM vanished WHERE mailbox_id = ?",

    [MESSAGE_ADD] =
        "INSERT INTO message (id, mailbox_id, uid, received_s, cid, origin_mailbox_id, is_dsn,"
        " remote_ip, masked_ip1, masked_ip2, masked_ip3, hello, mail_from_localpart,"
        " mail_from_domain, rcpt_localpart, rcpt_domain, from_localpart, from_domain, tls_version,"
        " tls_cipher, requiretls, message_id, message_id_hash, subject_base, subject_hash,"
        " thread_id, parents, missing_link, muted, collapsed, preview, prefix, structure)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
        " ?, ?, ?, ?, ?, ?)",
    [MESSAGE_TO_COPY] = "SELECT " THREAD_COLUMNS ","
                        " EXISTS (SELECT 1 FROM recipient WHERE message_id = message.id),"
                        " ifnull(email_id, id), " COPIED_COLUMNS " FROM message WHERE id = ?",
    [MESSAGE_COPY] =
        "INSERT INTO message (id, mailbox_id, uid, parents, missing_link, email_id, " COPIED_COLUMNS
        ") VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
        " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [MESSAGE_THREAD] = "SELECT " THREAD_COLUMNS " FROM message WHERE id = ?",
    [THREAD_MEMBERS] =
        "SELECT " MEMBER_COLUMNS " FROM message"
        " WHERE thread_id = id AND id = ?1 AND " IS_LIVE " UNION ALL SELECT " MEMBER_COLUMNS
        " FROM message WHERE thread_id <> id AND thread_id = ?1 AND " IS_LIVE " ORDER BY id",
    [THREAD_SET_MARKS] = "UPDATE message SET muted = ?2, collapsed = ?3 WHERE id = ?1",
    [MESSAGE_MOVE] = "UPDATE message SET mailbox_id = ?2, uid = ?3 WHERE id = ?1",
    [MESSAGE_EXPORT] = "SELECT prefix, mail_from_localpart, mail_from_domain FROM message"
                       " WHERE id = ?",
    [MESSAGE_CONTENT] = "SELECT prefix, structure, ifnull(email_id, id), thread_id"
                        " FROM message WHERE id = ?",
    [MESSAGE_PLACE] = "SELECT mailbox_id FROM message WHERE id = ?",
    [MESSAGE_STRUCTURE] = "SELECT structure FROM message WHERE id = ?",
    [MESSAGE_EXISTS] = "SELECT 1 FROM message WHERE id = ?",
    [MESSAGE_REMOVE] = "DELETE FROM message WHERE id = ?",
    /* The lowest live id; the subject counts unless ?3 is NULL. */
    [MESSAGE_THREAD_BY_ID] =
        "SELECT " THREAD_COLUMNS " FROM message"
        " WHERE message_id_hash = ?1 AND message_id = ?2"
        " AND (?3 IS NULL OR ifnull(subject_base, '') = ?3) AND id < ?4 AND " IS_LIVE
        " ORDER BY id LIMIT 1",
    [MESSAGE_THREAD_BY_SUBJECT] =
        "SELECT " THREAD_COLUMNS " FROM message"
        " WHERE subject_hash = ?1 AND received_s > ?4 AND received_s < ?5 AND subject_base = ?2"
        " AND origin_mailbox_id = ?3 AND id < ?6 AND " IS_LIVE
        " ORDER BY received_s DESC, id DESC LIMIT 1",

    [RECIPIENT_ADD] = "INSERT OR IGNORE INTO recipient (message_id, domain, localpart, sent_s)"
                      " VALUES (?, ?, ?, ?)",
    [RECIPIENT_COPY] = "INSERT INTO recipient (message_id, domain, localpart, org_domain, sent_s)"
                       " SELECT ?2, domain, localpart, org_domain, sent_s FROM recipient"
                       " WHERE message_id = ?1",
    [RECIPIENT_REMOVE] = "DELETE FROM recipient WHERE message_id = ?",

    [ERASE_ADD] = "INSERT INTO erase (message_id, expunged_s, size) VALUES (?, ?, ?)",
    [ERASE_DUE] = "SELECT message_id, size FROM erase WHERE expunged_s <= ?"
                  " AND NOT " IS_HELD " LIMIT ?",
    /* After the first time, or after the second when the junk filter has to read it. */
    [ERASE_NEXT] = "SELECT min(expunged_s + iif(" IS_HELD ", ?2, ?1)) FROM erase",
    [ERASE_OLDEST] = "SELECT message_id, size FROM erase WHERE NOT " IS_HELD
                     " ORDER BY expunged_s, message_id LIMIT ?",
    [ERASE_IDS] = "SELECT message_id FROM erase",
    [ERASE_REMOVE] = "DELETE FROM erase WHERE message_id = ? RETURNING size",

    [TRAINING_CHANGE] = "UPDATE training SET to_state = ?2 WHERE message_id = ?1"
                        " AND sequence > (SELECT training_given_out FROM account)",
    [TRAINING_REMOVE_VOID] = "DELETE FROM training WHERE message_id = ? AND from_state = to_state",
    [TRAINING_ADD] = "INSERT INTO training (message_id, from_state, to_state)"
                     " SELECT ?, ?, ? FROM account WHERE training_acknowledged IS NOT NULL",
    [TRAINING_READER] = "SELECT training_acknowledged, training_given_out FROM account",
    [TRAINING_HOLDS] = "SELECT 1 FROM training JOIN erase USING (message_id)"
                       " WHERE sequence <= ? LIMIT 1",
    [TRAINING_REMOVE] = "DELETE FROM training WHERE sequence <= ?",
    [TRAINING_ACKNOWLEDGE] = "UPDATE account SET training_acknowledged = ?",
    [TRAINING_READ] = "SELECT sequence, message_id, from_state, to_state FROM training"
                      " ORDER BY sequence LIMIT ?",
    [TRAINING_GIVE_OUT] = "UPDATE account SET training_given_out = ?1"
                          " WHERE training_given_out < ?1",
    [TRAINING_CLEAR] = "DELETE FROM training",
    [TRAINING_START] = "UPDATE account SET (training_acknowledged, training_given_out) ="
                       " (SELECT last, last FROM (SELECT ifnull((SELECT seq FROM sqlite_sequence"
                       "  WHERE name = 'training'), 0) AS last)) RETURNING training_acknowledged",
    [TRAINING_FILL] = "INSERT INTO training (message_id, from_state, to_state)"
                      " SELECT id, 0, iif(flags & 64, 1, 2) FROM entry"
                      " WHERE (flags & 192) IN (64, 128) ORDER BY id",
    [TRAINING_IS_LATE] = "SELECT 1 FROM erase WHERE expunged_s < ? AND " IS_HELD " LIMIT 1",
    [TRAINING_STOP] = "UPDATE account SET training_acknowledged = NULL, training_given_out = NULL",

    [DONE_FIND] = "SELECT result FROM done WHERE key = ?",
    [DONE_ADD] = "INSERT INTO done (key, at_s, result) VALUES (?, ?, ?)",
    [DONE_PURGE] = "DELETE FROM done WHERE at_s < ?",

    [LEAVING_ADD] = "INSERT OR REPLACE INTO leaving VALUES (?, ?, ?, ?)",
    [LEAVING_LIST] = "SELECT key, to_account_id, mailbox_id, uids FROM leaving",
    [LEAVING_REMOVE] = "DELETE FROM leaving WHERE key = ?",

    [UPGRADE_READ] = "SELECT version, at FROM upgrade WHERE kind = ?",
    [UPGRADE_SET] = "UPDATE upgrade SET version = ?2, at = ?3 WHERE kind = ?1",
    [UNTHREADED_FILL] = "INSERT OR IGNORE INTO unthreaded SELECT id FROM message",
    [UNTHREADED_FILL_SINCE] =
        "INSERT OR IGNORE INTO unthreaded SELECT id FROM message WHERE id >= ?1 AND thread_id IN"
        " (SELECT thread_id FROM message WHERE id >= ?1 AND missing_link <> 0)",
    [UNTHREADED_ADD] = "INSERT OR IGNORE INTO unthreaded VALUES (?)",
    [UNTHREADED_NEXT] = "SELECT message_id FROM unthreaded ORDER BY message_id LIMIT 1",
    [UNTHREADED_HAS] = "SELECT 1 FROM unthreaded WHERE message_id = ?",
    [UNTHREADED_REMOVE] = "DELETE FROM unthreaded WHERE message_id = ?",
    [MESSAGE_TEXTS_AFTER] = "SELECT id, prefix FROM message WHERE id > ? ORDER BY id LIMIT ?",
    [MESSAGE_STRUCTURES_AFTER] =
        "SELECT id, structure FROM message WHERE id > ? ORDER BY id LIMIT ?",
    [MESSAGE_SIZES_AFTER] =
        "SELECT message.id, message.mailbox_id, message.uid,"
        " ifnull(length(message.prefix), 0), entry.id IS NOT NULL,"
        " ifnull(entry.size, erase.size), ifnull(entry.prefix_size, -1)"
        " FROM message"
        " LEFT JOIN entry ON " ENTRY_OF_MESSAGE " LEFT JOIN erase ON erase.message_id = message.id"
        " WHERE message.id > ? ORDER BY message.id LIMIT ?",
    [MESSAGE_TO_THREAD] = "SELECT structure, is_dsn, received_s, origin_mailbox_id FROM message"
                          " WHERE id = ?",
    [MESSAGE_SET_STRUCTURE] = "UPDATE message SET structure = ?2, preview = ?3 WHERE id = ?1",
    [MESSAGE_SET_KEYS] = "UPDATE message SET message_id = ?2, message_id_hash = ?3,"
                         " subject_base = ?4, subject_hash = ?5, is_dsn = ?6 WHERE id = ?1",
    [MESSAGE_SET_THREAD] =
        "UPDATE message SET thread_id = ?2, parents = ?3, missing_link = ?4 WHERE id = ?1",
    [ENTRY_SET_SIZE] = "UPDATE entry SET size = ?3, prefix_size = ?4, modseq = ?5"
                       " WHERE place = " PLACE("?1", "?2"),
    [ERASE_SET_SIZE] = "UPDATE erase SET size = ?2 WHERE message_id = ?1",
    [MAILBOX_HIGHEST_UID] = "SELECT max(ifnull((SELECT max(place) FROM entry WHERE " IN_MAILBOX(
        "?1") ") & " UID_MAX ", 0),"
              " ifnull((SELECT max(uid) FROM vanished WHERE mailbox_id = ?1), 0))",
    [MAILBOX_TAKE_ID] = "UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'mailbox'"
                        " RETURNING seq",
    [MAILBOX_SET_ID] = "UPDATE mailbox SET id = ?2, uidvalidity = ?3, uidnext = ?4, modseq = ?5,"
                       " createseq = max(1, min(createseq, ?5))"
                       " WHERE id = ?1",
    [MAILBOX_SET_PARENTS] = "UPDATE mailbox SET parent_id = ?2 WHERE parent_id = ?1",
    /* ?3: UIDs from 1 on, which are changes; else the same ones. Modseqs that cannot be are mended:
     * none is above that of the change, ?4, or 0: no view would see the message. */
    [ENTRY_COPY_ALL] = "INSERT INTO entry (place, " ENTRY_REST ")"
                       " SELECT ?2 << 32 | iif(?3, row_number() OVER (ORDER BY place), uid), id,"
                       " iif(?3, ?4, max(1, min(modseq, ?4))), max(1, min(createseq, modseq, ?4)),"
                       " flags, keywords, size, prefix_size,"
                       " received_s, saved_s, zone FROM entry WHERE " IN_MAILBOX("?1"),
    [VANISHED_SET_MAILBOX] = "UPDATE vanished SET mailbox_id = ?2 WHERE mailbox_id = ?1",
    [MESSAGE_SET_MAILBOX] = "UPDATE message SET mailbox_id = entry.mailbox_id, uid = entry.uid"
                            " FROM entry WHERE " IN_MAILBOX("?1") " AND message.id = entry.id",
    [MESSAGE_SET_ORIGIN] =
        "UPDATE message SET"
        " origin_mailbox_id = iif(origin_mailbox_id = ?1, ?2, origin_mailbox_id),"
        " intended_mailbox_id = iif(intended_mailbox_id = ?1, ?2, intended_mailbox_id)"
        " WHERE origin_mailbox_id = ?1 OR intended_mailbox_id = ?1",
    [ANNOTATION_SET_MAILBOX] = "UPDATE annotation SET mailbox_id = ?2 WHERE mailbox_id = ?1",
    [ACCOUNT_RAISE_UIDVALIDITY] =
        "UPDATE account SET next_uidvalidity = (SELECT 1 + max(uidvalidity) FROM"
        " (SELECT uidvalidity FROM mailbox UNION ALL SELECT uidvalidity FROM former_name))"
        " WHERE next_uidvalidity <= (SELECT max(uidvalidity) FROM"
        " (SELECT uidvalidity FROM mailbox UNION ALL SELECT uidvalidity FROM former_name))"
        " RETURNING next_uidvalidity",

    /* Spec 20 1.23. Rows of the first two say what is wrong; the others are compared in C. */
    [VERIFY_ENTRIES] = "SELECT mailbox.name, entry.uid, entry.id,"
                       " entry.uid >= mailbox.uidnext, entry.modseq > mailbox.modseq,"
                       " entry.createseq = 0 OR entry.createseq > entry.modseq,"
                       " message.id IS NULL,"
                       " message.mailbox_id <> entry.mailbox_id OR message.uid <> entry.uid,"
                       " EXISTS (SELECT 1 FROM erase WHERE erase.message_id = entry.id),"
                       " ifnull(length(message.prefix), 0) <> entry.prefix_size,"
                       " message.thread_id = 0"
                       " FROM entry LEFT JOIN mailbox ON mailbox.id = entry.mailbox_id"
                       " LEFT JOIN message ON message.id = entry.id",
    [VERIFY_COUNTS] = "SELECT sum(flags & 8 = 0), sum(flags & 8 <> 0), sum(flags & 9 = 0),"
                      " sum(flags & 1 = 0), sum(size) FROM entry WHERE " IN_MAILBOX("?1"),
    [VERIFY_MAILBOXES] =
        "SELECT child.name, child.uidvalidity >= (SELECT next_uidvalidity FROM account),"
        " child.createseq = 0 OR child.createseq > child.modseq, parent.name"
        " FROM mailbox child LEFT JOIN mailbox parent ON parent.id = child.parent_id",
    [VERIFY_ACL] = "SELECT identifier, mailbox_id FROM acl"
                   " WHERE mailbox_id NOT IN (SELECT id FROM mailbox)",
    [VERIFY_VANISHED] =
        "SELECT mailbox.name, vanished.uid FROM vanished"
        " LEFT JOIN mailbox ON mailbox.id = vanished.mailbox_id"
        " WHERE mailbox.id IS NULL OR vanished.uid >= mailbox.uidnext"
        " OR vanished.modseq > mailbox.modseq"
        " OR vanished.createseq > vanished.modseq"
        " OR EXISTS (SELECT 1 FROM entry WHERE place = " PLACE("mailbox.id", "vanished.uid") ")",
    /* The size is NULL when the message is neither in a mailbox nor about to be erased. */
    [VERIFY_MESSAGES] = "SELECT message.id, ifnull(entry.size, erase.size),"
                        " erase.message_id IS NOT NULL, ifnull(length(message.prefix), 0)"
                        " FROM message"
                        " LEFT JOIN entry ON " ENTRY_OF_MESSAGE
                        " LEFT JOIN erase ON erase.message_id = message.id ORDER BY message.id",
    [VERIFY_PARENTS] = "SELECT id, thread_id, parents FROM message WHERE parents IS NOT NULL",
    /* The last row about a message, when it does not lead to what the flags say. */
    [VERIFY_TRAINING] =
        "SELECT last.message_id FROM"
        " (SELECT message_id, to_state, max(sequence) FROM training GROUP BY message_id) last"
        " LEFT JOIN message ON message.id = last.message_id"
        " LEFT JOIN entry ON " ENTRY_OF_MESSAGE
        " WHERE last.to_state <> CASE entry.flags & 192 WHEN 64 THEN 1 WHEN 128 THEN 2 ELSE 0 END",
    [VERIFY_THREAD] = "SELECT thread_id, parents FROM message WHERE id = ?",
    [VERIFY_STRUCTURES] = "SELECT message.id, message.structure, mailbox.name, message.uid"
                          " FROM message LEFT JOIN mailbox ON mailbox.id = message.mailbox_id"
                          " WHERE message.id > ? ORDER BY message.id LIMIT ?",
};

const struct db_schema account_schema = {
    .migrations = migrations,
    .migration_count = sizeof(migrations) / sizeof(migrations[0]),
    .statements = statements,
    .statement_count = ACCOUNT_STATEMENT_COUNT,
};
