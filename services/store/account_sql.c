#include "services/store/account_sql.h"

/*
 * The tables of one account.
 *
 * A message is two rows. `entry` is what every view of a mailbox needs: narrow, in the order of
 * (mailbox, UID), so that opening a mailbox is one scan. `message` is everything else: by message
 * id, which stays the same when the message moves. A message that was expunged leaves `entry` for
 * `vanished` at once, and `message` (with its file) only after the grace time, when its row in
 * `erase` is due.
 *
 * Each index costs every delivery some microseconds and a page of the write-ahead log. There are
 * three: entry_by_modseq (what changed since, asked by every session after every change), and two
 * by which a reply finds its thread. Both are on 64-bit hashes of the texts, which makes them five
 * times smaller; the texts are compared too. Looking up reputation (spec 20 1.15) will need more
 * when there is code that asks: an index is one migration away, a column might be lost data.
 *
 * Highest values are kept where they change anyway: the account's modseq is the largest of
 * account.modseq and all mailbox.modseq; the last message id is the largest of
 * account.last_message_id and all message.id; quota use is the sum of mailbox.size and erase.size.
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
    /* Automatic junk flags by mailbox name: extended regular expressions, NULL for none. */
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
    /* Junk filter: trained as 0 nothing, 1 junk, 2 not junk. */
    "  trained INTEGER NOT NULL DEFAULT 0,"
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
};

#define MAILBOX_COLUMNS                                                                            \
    "id, name, parent_id, uidvalidity, uidnext, special_use, keywords, total, deleted, unread, "   \
    "unseen, size, createseq, modseq"
#define ENTRY_COLUMNS                                                                              \
    "uid, id, modseq, createseq, flags, keywords, size, prefix_size, received_s, saved_s, zone"
/* Of a live message: parents and all that a child inherits. */
#define THREAD_COLUMNS "id, thread_id, parents, muted, collapsed"
#define IS_LIVE "NOT EXISTS (SELECT 1 FROM erase WHERE erase.message_id = message.id)"

static const char *const statements[ACCOUNT_STATEMENT_COUNT] = {
    [ACCOUNT_READ] = "SELECT modseq, last_message_id, unclean_from, junk_rules, junk_pattern,"
                     " neutral_pattern, notjunk_pattern FROM account",
    [ACCOUNT_ADD] = "INSERT INTO account (id, modseq, last_message_id, next_uidvalidity)"
                    " VALUES (1, ?, 0, ?)",
    [ACCOUNT_SET_UNCLEAN] = "UPDATE account SET unclean_from = ?",
    [ACCOUNT_RAISE_MODSEQ] = "UPDATE account SET modseq = max(modseq, ?)",
    [ACCOUNT_RAISE_MESSAGE_ID] = "UPDATE account SET last_message_id = max(last_message_id, ?)",
    [ACCOUNT_TAKE_UIDVALIDITY] = "UPDATE account SET next_uidvalidity = next_uidvalidity + 1"
                                 " RETURNING next_uidvalidity - 1",
    [ACCOUNT_HIGHEST] = "SELECT (SELECT max(modseq) FROM mailbox), (SELECT max(id) FROM message),"
                        " (SELECT sum(size) FROM mailbox), (SELECT sum(size) FROM erase)",

    [MAILBOX_BY_ID] = "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE id = ?",
    [MAILBOX_BY_NAME] = "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE name = ?",
    [MAILBOX_LIST] = "SELECT " MAILBOX_COLUMNS " FROM mailbox ORDER BY name",
    /* "/" is followed by "0" in ASCII. */
    [MAILBOX_BELOW] = "SELECT " MAILBOX_COLUMNS " FROM mailbox"
                      " WHERE name > ?1 || '/' AND name < ?1 || '0' ORDER BY name",
    [MAILBOX_HAS_CHILDREN] = "SELECT 1 FROM mailbox WHERE name > ?1 || '/' AND name < ?1 || '0'",
    [MAILBOX_ADD] = "INSERT INTO mailbox (name, parent_id, uidvalidity, uidnext, special_use,"
                    " keywords, total, deleted, unread, unseen, size, createseq, modseq)"
                    " VALUES (?, ?, ?, 1, ?, '', 0, 0, 0, 0, 0, ?5, ?5)",
    [MAILBOX_REMOVE] = "DELETE FROM mailbox WHERE id = ?",
    [MAILBOX_RENAME] = "UPDATE mailbox SET name = ?2, parent_id = ?3, uidvalidity = ?4, modseq = ?5"
                       " WHERE id = ?1",
    [MAILBOX_SAVE] = "UPDATE mailbox SET uidnext = ?2, keywords = ?3, total = ?4, deleted = ?5,"
                     " unread = ?6, unseen = ?7, size = ?8, modseq = ?9 WHERE id = ?1",
    [MAILBOX_CLEAR_SPECIAL_USE] = "UPDATE mailbox SET special_use = NULL, modseq = ?2"
                                  " WHERE special_use = ?1 RETURNING id",
    [MAILBOX_SET_SPECIAL_USE] = "UPDATE mailbox SET special_use = ?2 WHERE id = ?1",
    [MAILBOX_SET_PARENT] = "UPDATE mailbox SET parent_id = ?2 WHERE id = ?1",
    [FORMER_NAME_ADD] = "INSERT INTO former_name (name, uidvalidity) VALUES (?, ?)"
                        " ON CONFLICT (name) DO UPDATE"
                        " SET uidvalidity = max(uidvalidity, excluded.uidvalidity)",
    [FORMER_NAME_FIND] = "SELECT uidvalidity FROM former_name WHERE name = ?",

    [SUBSCRIPTION_ADD] = "INSERT OR IGNORE INTO subscription (name) VALUES (?)",
    [SUBSCRIPTION_REMOVE] = "DELETE FROM subscription WHERE name = ?",
    [SUBSCRIPTION_LIST] = "SELECT name FROM subscription ORDER BY name",

    [ENTRY_ADD] = "INSERT INTO entry (mailbox_id, " ENTRY_COLUMNS ")"
                  " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [ENTRY_GET] = "SELECT " ENTRY_COLUMNS " FROM entry WHERE mailbox_id = ? AND uid = ?",
    [ENTRY_FROM] = "SELECT " ENTRY_COLUMNS " FROM entry"
                   " WHERE mailbox_id = ? AND uid > ? ORDER BY uid LIMIT ?",
    [ENTRY_ALL] = "SELECT " ENTRY_COLUMNS " FROM entry WHERE mailbox_id = ? ORDER BY uid",
    [ENTRY_CHANGED] = "SELECT " ENTRY_COLUMNS " FROM entry INDEXED BY entry_by_modseq"
                      " WHERE mailbox_id = ? AND modseq > ? AND uid > ? ORDER BY uid LIMIT ?",
    [ENTRY_COUNT_CHANGED] = "SELECT count(*) FROM entry INDEXED BY entry_by_modseq"
                            " WHERE mailbox_id = ? AND modseq > ?",
    [ENTRY_DELETED_BELOW] = "SELECT " ENTRY_COLUMNS " FROM entry"
                            " WHERE mailbox_id = ? AND uid < ? AND flags & 8 ORDER BY uid",
    [ENTRY_SET_FLAGS] = "UPDATE entry SET flags = ?3, keywords = ?4, modseq = ?5"
                        " WHERE mailbox_id = ?1 AND uid = ?2",
    [ENTRY_REMOVE] = "DELETE FROM entry WHERE mailbox_id = ? AND uid = ?",
    [ENTRY_REMOVE_ALL] = "DELETE FROM entry WHERE mailbox_id = ?",
    [VANISHED_ADD] = "INSERT INTO vanished (mailbox_id, modseq, uid, createseq, id)"
                     " VALUES (?, ?, ?, ?, ?)",
    [VANISHED_SINCE] = "SELECT uid, modseq FROM vanished WHERE mailbox_id = ? AND modseq > ?"
                       " ORDER BY uid",
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
    [MESSAGE_COPY] =
        "INSERT INTO message (id, mailbox_id, uid, received_s, cid, origin_mailbox_id,"
        " intended_mailbox_id, is_reject, is_forward, is_list, is_dsn, remote_ip, masked_ip1,"
        " masked_ip2, masked_ip3, hello, mail_from_localpart, mail_from_domain, rcpt_localpart,"
        " rcpt_domain, from_localpart, from_domain, from_org_domain, hello_is_valid,"
        " mail_from_is_valid, from_is_valid, hello_validation, mail_from_validation,"
        " from_validation, dkim_domains, forwarded_hello, forwarded_dkim_domains, tls_version,"
        " tls_cipher, requiretls, message_id, message_id_hash, subject_base, subject_hash,"
        " thread_id, parents, missing_link, muted, collapsed, content_hash, preview, prefix,"
        " structure)"
        " SELECT ?2, ?3, ?4, received_s, cid, origin_mailbox_id,"
        " intended_mailbox_id, is_reject, is_forward, is_list, is_dsn, remote_ip, masked_ip1,"
        " masked_ip2, masked_ip3, hello, mail_from_localpart, mail_from_domain, rcpt_localpart,"
        " rcpt_domain, from_localpart, from_domain, from_org_domain, hello_is_valid,"
        " mail_from_is_valid, from_is_valid, hello_validation, mail_from_validation,"
        " from_validation, dkim_domains, forwarded_hello, forwarded_dkim_domains, tls_version,"
        " tls_cipher, requiretls, message_id, message_id_hash, subject_base, subject_hash,"
        " thread_id, ?5, 1, muted, collapsed, content_hash, preview, prefix,"
        " structure FROM message WHERE id = ?1",
    [MESSAGE_THREAD] = "SELECT " THREAD_COLUMNS " FROM message WHERE id = ?",
    [MESSAGE_MOVE] = "UPDATE message SET mailbox_id = ?2, uid = ?3 WHERE id = ?1",
    [MESSAGE_CONTENT] = "SELECT prefix, structure, preview FROM message WHERE id = ?",
    [MESSAGE_EXISTS] = "SELECT 1 FROM message WHERE id = ?",
    [MESSAGE_REMOVE] = "DELETE FROM message WHERE id = ?",
    /* The lowest live id; the subject counts unless ?3 is NULL. */
    [MESSAGE_THREAD_BY_ID] =
        "SELECT " THREAD_COLUMNS " FROM message"
        " WHERE message_id_hash = ?1 AND message_id = ?2"
        " AND (?3 IS NULL OR ifnull(subject_base, '') = ?3) AND " IS_LIVE " ORDER BY id LIMIT 1",
    [MESSAGE_THREAD_BY_SUBJECT] =
        "SELECT " THREAD_COLUMNS " FROM message"
        " WHERE subject_hash = ?1 AND received_s > ?4 AND received_s < ?5 AND subject_base = ?2"
        " AND origin_mailbox_id = ?3 AND " IS_LIVE " ORDER BY received_s DESC, id DESC LIMIT 1",

    [RECIPIENT_ADD] = "INSERT OR IGNORE INTO recipient (message_id, domain, localpart, sent_s)"
                      " VALUES (?, ?, ?, ?)",
    [RECIPIENT_COPY] = "INSERT INTO recipient (message_id, domain, localpart, org_domain, sent_s)"
                       " SELECT ?2, domain, localpart, org_domain, sent_s FROM recipient"
                       " WHERE message_id = ?1",
    [RECIPIENT_REMOVE] = "DELETE FROM recipient WHERE message_id = ?",

    [ERASE_ADD] = "INSERT INTO erase (message_id, expunged_s, size) VALUES (?, ?, ?)",
    [ERASE_DUE] = "SELECT message_id, size FROM erase WHERE expunged_s <= ? LIMIT ?",
    [ERASE_NEXT] = "SELECT min(expunged_s) FROM erase",
    [ERASE_REMOVE] = "DELETE FROM erase WHERE message_id = ?",

    [DONE_FIND] = "SELECT result FROM done WHERE key = ?",
    [DONE_ADD] = "INSERT INTO done (key, at_s, result) VALUES (?, ?, ?)",
    [DONE_PURGE] = "DELETE FROM done WHERE at_s < ?",

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
                      " sum(flags & 1 = 0), sum(size) FROM entry WHERE mailbox_id = ?",
    [VERIFY_MAILBOXES] =
        "SELECT child.name, child.uidvalidity >= (SELECT next_uidvalidity FROM account),"
        " child.createseq = 0 OR child.createseq > child.modseq, parent.name"
        " FROM mailbox child LEFT JOIN mailbox parent ON parent.id = child.parent_id",
    [VERIFY_VANISHED] = "SELECT mailbox.name, vanished.uid FROM vanished"
                        " LEFT JOIN mailbox ON mailbox.id = vanished.mailbox_id"
                        " WHERE mailbox.id IS NULL OR vanished.uid >= mailbox.uidnext"
                        " OR vanished.modseq > mailbox.modseq"
                        " OR vanished.createseq > vanished.modseq"
                        " OR EXISTS (SELECT 1 FROM entry WHERE entry.mailbox_id = mailbox.id"
                        "            AND entry.uid = vanished.uid)",
    /* The size is NULL when the message is neither in a mailbox nor about to be erased. */
    [VERIFY_MESSAGES] = "SELECT message.id, ifnull(entry.size, erase.size),"
                        " erase.message_id IS NOT NULL, ifnull(length(message.prefix), 0)"
                        " FROM message"
                        " LEFT JOIN entry ON entry.mailbox_id = message.mailbox_id"
                        "  AND entry.uid = message.uid AND entry.id = message.id"
                        " LEFT JOIN erase ON erase.message_id = message.id ORDER BY message.id",
    [VERIFY_PARENTS] = "SELECT id, thread_id, parents FROM message WHERE parents IS NOT NULL",
    [VERIFY_THREAD] = "SELECT thread_id, parents FROM message WHERE id = ?",
};

const struct db_schema account_schema = {
    .name = "index.db",
    .migrations = migrations,
    .migration_count = sizeof(migrations) / sizeof(migrations[0]),
    .statements = statements,
    .statement_count = ACCOUNT_STATEMENT_COUNT,
};
