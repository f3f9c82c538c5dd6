#include "services/store/directory_sql.h"

#include "common/base/bug.h"

/* Lists (separators, capabilities) are words joined by spaces. Account ids are never used again:
 * mail of a removed account may still be waiting to be erased under its id. */
static const char *const migrations[] = {
    "CREATE TABLE version(number INTEGER NOT NULL) STRICT;"
    "INSERT INTO version VALUES(1);"
    "CREATE TABLE account("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL UNIQUE,"
    " description TEXT NOT NULL,"
    " login_disabled TEXT NOT NULL,"
    " quota_bytes INTEGER NOT NULL,"
    " max_outgoing INTEGER NOT NULL,"
    " max_new_recipients INTEGER NOT NULL,"
    " capabilities_disabled TEXT NOT NULL,"
    " no_cram_md5 INTEGER NOT NULL) STRICT;"
    "CREATE TABLE domain("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " description TEXT NOT NULL,"
    " disabled INTEGER NOT NULL,"
    " case_sensitive INTEGER NOT NULL,"
    " separators TEXT NOT NULL,"
    " accept_any INTEGER NOT NULL,"
    " any_account_id INTEGER REFERENCES account) STRICT;"
    "CREATE TABLE address("
    " id INTEGER PRIMARY KEY,"
    " domain_id INTEGER NOT NULL REFERENCES domain,"
    " localpart TEXT NOT NULL,"
    " canonical TEXT NOT NULL,"
    " account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,"
    " mailbox TEXT NOT NULL,"
    " error_code INTEGER NOT NULL,"
    " error_text TEXT NOT NULL,"
    " UNIQUE(domain_id, canonical)) STRICT;"
    "CREATE INDEX address_account ON address(account_id);"
    "CREATE TABLE credential("
    " account_id INTEGER PRIMARY KEY REFERENCES account ON DELETE CASCADE,"
    " version INTEGER NOT NULL,"
    " hash TEXT NOT NULL,"
    " cram_md5 BLOB,"
    " scram_sha1 TEXT,"
    " scram_sha256 TEXT) STRICT;"
    "CREATE TABLE removed_account(account_id INTEGER PRIMARY KEY) STRICT;",
    /* Ids are never used again: sessions name the key that they began with. */
    "CREATE TABLE tls_key("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,"
    " fingerprint BLOB NOT NULL UNIQUE,"
    " algorithm TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " login TEXT NOT NULL,"
    " no_imap_preauth INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL) STRICT;"
    "CREATE INDEX tls_key_account ON tls_key(account_id);",

    /* Who has rights to mailboxes of whom (directory_shares.h); reader 0: anyone. */
    "CREATE TABLE share("
    " reader_id INTEGER NOT NULL,"
    " owner_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,"
    " PRIMARY KEY(reader_id, owner_id)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX share_owner ON share(owner_id);",
};

enum {
    GET_VERSION,
    NEXT_VERSION,
    LIST_DOMAINS,
    ADD_DOMAIN,
    SET_DOMAIN,
    REMOVE_DOMAIN,
    LIST_ACCOUNTS,
    ADD_ACCOUNT,
    SET_ACCOUNT,
    REMOVE_ACCOUNT,
    LAST_ACCOUNT_ID,
    SET_LAST_ACCOUNT_ID,
    ADD_LAST_ACCOUNT_ID,
    ADD_REMOVED,
    LIST_REMOVED,
    FORGET_REMOVED,
    LIST_ADDRESSES,
    ADD_ADDRESS,
    SET_CANONICAL,
    REMOVE_ADDRESS,
    FIND_CREDENTIAL,
    SET_CREDENTIAL,
    LIST_TLS_KEYS,
    ADD_TLS_KEY,
    SET_TLS_KEY,
    REMOVE_TLS_KEY,
    LIST_SHARES,
    ADD_SHARE,
    REMOVE_SHARE,
    REMOVE_SHARES_WITH,
};

static const char *const statements[] = {
    [GET_VERSION] = "SELECT number FROM version",
    [NEXT_VERSION] = "UPDATE version SET number=number+1",
    [LIST_DOMAINS] = "SELECT id,name,description,disabled,case_sensitive,separators,accept_any,"
                     "any_account_id FROM domain ORDER BY name",
    [ADD_DOMAIN] = "INSERT INTO domain(name,description,disabled,case_sensitive,separators,"
                   "accept_any,any_account_id) VALUES(?,?,?,?,?,?,?)",
    [SET_DOMAIN] = "UPDATE domain SET name=?,description=?,disabled=?,case_sensitive=?,"
                   "separators=?,accept_any=?,any_account_id=? WHERE id=?",
    [REMOVE_DOMAIN] = "DELETE FROM domain WHERE id=?",
    [LIST_ACCOUNTS] = "SELECT id,name,description,login_disabled,quota_bytes,max_outgoing,"
                      "max_new_recipients,capabilities_disabled,no_cram_md5,"
                      "(SELECT version FROM credential WHERE account_id=account.id)"
                      " FROM account ORDER BY id",
    [ADD_ACCOUNT] = "INSERT INTO account(name,description,login_disabled,quota_bytes,max_outgoing,"
                    "max_new_recipients,capabilities_disabled,no_cram_md5)"
                    " VALUES(?,?,?,?,?,?,?,?)",
    [SET_ACCOUNT] = "UPDATE account SET description=?,login_disabled=?,quota_bytes=?,"
                    "max_outgoing=?,max_new_recipients=?,capabilities_disabled=?,no_cram_md5=?"
                    " WHERE id=?",
    [REMOVE_ACCOUNT] = "DELETE FROM account WHERE id=?",
    [LAST_ACCOUNT_ID] = "SELECT seq FROM sqlite_sequence WHERE name='account'",
    [SET_LAST_ACCOUNT_ID] = "UPDATE sqlite_sequence SET seq=max(seq,?) WHERE name='account'",
    [ADD_LAST_ACCOUNT_ID] = "INSERT INTO sqlite_sequence(name,seq) SELECT 'account',?1 WHERE NOT"
                            " EXISTS(SELECT 1 FROM sqlite_sequence WHERE name='account')",
    [ADD_REMOVED] = "INSERT INTO removed_account VALUES(?)",
    [LIST_REMOVED] = "SELECT account_id FROM removed_account ORDER BY account_id",
    [FORGET_REMOVED] = "DELETE FROM removed_account WHERE account_id=?",
    [LIST_ADDRESSES] = "SELECT id,domain_id,localpart,canonical,account_id,mailbox,error_code,"
                       "error_text FROM address ORDER BY domain_id,canonical",
    [ADD_ADDRESS] = "INSERT INTO address(domain_id,localpart,canonical,account_id,mailbox,"
                    "error_code,error_text) VALUES(?,?,?,?,?,?,?)",
    [SET_CANONICAL] = "UPDATE address SET canonical=? WHERE id=?",
    [REMOVE_ADDRESS] = "DELETE FROM address WHERE id=?",
    [FIND_CREDENTIAL] = "SELECT account_id,version,hash,cram_md5,scram_sha1,scram_sha256"
                        " FROM credential WHERE account_id=?",
    [SET_CREDENTIAL] = "INSERT OR REPLACE INTO credential VALUES(?,?,?,?,?,?)",
    [LIST_TLS_KEYS] = "SELECT id,account_id,fingerprint,algorithm,name,login,no_imap_preauth,"
                      "created_ms FROM tls_key ORDER BY account_id,id",
    [ADD_TLS_KEY] = "INSERT INTO tls_key(account_id,fingerprint,algorithm,name,login,"
                    "no_imap_preauth,created_ms) VALUES(?,?,?,?,?,?,?)",
    [SET_TLS_KEY] = "UPDATE tls_key SET name=?,login=?,no_imap_preauth=? WHERE id=?",
    [REMOVE_TLS_KEY] = "DELETE FROM tls_key WHERE id=?",
    [LIST_SHARES] = "SELECT reader_id,owner_id FROM share ORDER BY reader_id,owner_id",
    [ADD_SHARE] = "INSERT OR IGNORE INTO share VALUES(?,?)",
    [REMOVE_SHARE] = "DELETE FROM share WHERE reader_id=? AND owner_id=?",
    [REMOVE_SHARES_WITH] = "DELETE FROM share WHERE reader_id=?",
};

static const struct db_schema schema = {
    .migrations = migrations,
    .migration_count = ARRAY_LEN(migrations),
    .statements = statements,
    .statement_count = ARRAY_LEN(statements),
};

struct db *directory_sql_open(const char *path, struct err *err)
{
    return db_open(path, &schema, DB_READ_WRITE, 256, err);
}

/* ---- Reading */

static struct str *split_words(struct str text, struct arena *arena, size_t *ret_count)
{
    size_t count = text.len > 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == ' ';
    *ret_count = count;
    struct str *words = arena_new_array(arena, count, struct str);
    for (size_t i = 0; words && i < count; i++)
        str_cut(text, ' ', &words[i], &text);
    return words;
}

static bool load_domains(struct db *db, struct arena *arena, struct directory_rows *rows,
                         struct err *err)
{
    struct db_query q = db_query(db, LIST_DOMAINS);
    while (db_step(&q)) {
        struct domain_row row = {
            .id = db_column_u64(&q, 0),
            .name = db_column_copy(&q, 1, arena),
            .description = db_column_copy(&q, 2, arena),
            .disabled = db_column_u64(&q, 3) != 0,
            .case_sensitive = db_column_u64(&q, 4) != 0,
            .accept_any = db_column_u64(&q, 6) != 0,
            .any_account_id = db_column_u64(&q, 7),
        };
        row.separators = split_words(db_column_copy(&q, 5, arena), arena, &row.separator_count);
        array_push(&rows->domains, row);
    }
    return db_done(&q, err);
}

static bool load_accounts(struct db *db, struct arena *arena, struct directory_rows *rows,
                          struct err *err)
{
    struct db_query q = db_query(db, LIST_ACCOUNTS);
    while (db_step(&q)) {
        struct directory_account row = {
            .id = db_column_u64(&q, 0),
            .name = db_column_copy(&q, 1, arena),
            .description = db_column_copy(&q, 2, arena),
            .login_disabled = db_column_copy(&q, 3, arena),
            .quota_bytes = db_column_i64(&q, 4),
            .max_outgoing = (uint32_t)db_column_u64(&q, 5),
            .max_new_recipients = (uint32_t)db_column_u64(&q, 6),
            .no_cram_md5 = db_column_u64(&q, 8) != 0,
            .credential_version = db_column_u64(&q, 9),
        };
        row.capabilities_disabled =
            split_words(db_column_copy(&q, 7, arena), arena, &row.capability_count);
        array_push(&rows->accounts, row);
    }
    return db_done(&q, err);
}

static bool load_addresses(struct db *db, struct arena *arena, struct directory_rows *rows,
                           struct err *err)
{
    struct db_query q = db_query(db, LIST_ADDRESSES);
    while (db_step(&q)) {
        struct address_row row = {
            .id = db_column_u64(&q, 0),
            .domain_id = db_column_u64(&q, 1),
            .localpart = db_column_copy(&q, 2, arena),
            .canonical = db_column_copy(&q, 3, arena),
            .account_id = db_column_u64(&q, 4),
            .mailbox = db_column_copy(&q, 5, arena),
            .error_code = (unsigned)db_column_u64(&q, 6),
            .error_text = db_column_copy(&q, 7, arena),
        };
        array_push(&rows->addresses, row);
    }
    return db_done(&q, err);
}

static bool load_tls_keys(struct db *db, struct arena *arena, struct directory_rows *rows,
                          struct err *err)
{
    struct db_query q = db_query(db, LIST_TLS_KEYS);
    while (db_step(&q)) {
        struct tls_key_row row = {
            .id = db_column_u64(&q, 0),
            .account_id = db_column_u64(&q, 1),
            .fingerprint = db_column_copy(&q, 2, arena),
            .algorithm = db_column_copy(&q, 3, arena),
            .name = db_column_copy(&q, 4, arena),
            .login = db_column_copy(&q, 5, arena),
            .no_imap_preauth = db_column_u64(&q, 6) != 0,
            .created_ms = db_column_i64(&q, 7),
        };
        array_push(&rows->tls_keys, row);
    }
    return db_done(&q, err);
}

static bool load_shares(struct db *db, struct directory_rows *rows, struct err *err)
{
    struct db_query q = db_query(db, LIST_SHARES);
    while (db_step(&q)) {
        struct share_row row = {db_column_u64(&q, 0), db_column_u64(&q, 1)};
        array_push(&rows->shares, row);
    }
    return db_done(&q, err);
}

bool directory_sql_load(struct db *db, struct arena *arena, struct directory_rows *ret,
                        struct err *err)
{
    *ret = (struct directory_rows){0};
    if (load_domains(db, arena, ret, err) && load_accounts(db, arena, ret, err) &&
        load_addresses(db, arena, ret, err) && load_tls_keys(db, arena, ret, err) &&
        load_shares(db, ret, err)) {
        if (!arena->exhausted)
            return true;
        err_set(err, ERR_LIMIT, "directory.db: too large");
    }
    directory_rows_release(ret);
    return false;
}

void directory_rows_release(struct directory_rows *rows)
{
    array_release(&rows->domains);
    array_release(&rows->addresses);
    array_release(&rows->accounts);
    array_release(&rows->tls_keys);
    array_release(&rows->shares);
}

bool directory_sql_version(struct db *db, uint64_t *ret, struct err *err)
{
    struct db_query q = db_query(db, GET_VERSION);
    uint64_t version = db_step(&q) ? db_column_u64(&q, 0) : 0;
    TRY(db_done(&q, err));
    *ret = version;
    return true;
}

bool directory_sql_find_credential(struct db *db, uint64_t account_id, struct arena *arena,
                                   struct credential_row *ret, struct err *err)
{
    struct db_query q = db_query(db, FIND_CREDENTIAL);
    db_bind_u64(&q, account_id);
    bool found = db_step(&q);
    struct credential_row row = {0};
    if (found) {
        row.account_id = db_column_u64(&q, 0);
        row.version = db_column_u64(&q, 1);
        row.hash = db_column_copy(&q, 2, arena);
        row.cram_md5 = db_column_copy(&q, 3, arena);
        row.scram_sha1 = db_column_copy(&q, 4, arena);
        row.scram_sha256 = db_column_copy(&q, 5, arena);
    }
    TRY(db_done(&q, err));
    if (!found)
        return err_set(err, ERR_NOT_FOUND, "account %llu has no password",
                       (unsigned long long)account_id);
    *ret = row;
    return true;
}

bool directory_sql_removed(struct db *db, uint64_t *ids, size_t max, size_t *ret_count,
                           struct err *err)
{
    struct db_query q = db_query(db, LIST_REMOVED);
    size_t count = 0;
    while (count < max && db_step(&q))
        ids[count++] = db_column_u64(&q, 0);
    TRY(db_done(&q, err));
    *ret_count = count;
    return true;
}

/* ---- Changes */

static void bind_words(struct db_query *q, const struct str *words, size_t count,
                       struct buf *joined)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_char(joined, ' ');
        buf_append(joined, words[i]);
    }
    BUG_ON(joined->overflow);
    db_bind_str(q, joined->len > 0 ? buf_str(joined) : STR(""));
}

/* NOT NULL columns: an absent text is an empty one. */
static void bind_text(struct db_query *q, struct str text)
{
    db_bind_str(q, str_is_null(text) ? STR("") : text);
}

static bool run_for(struct db *db, unsigned statement, uint64_t id, struct err *err)
{
    struct db_query q = db_query(db, statement);
    db_bind_u64(&q, id);
    return db_run(&q, err);
}

bool directory_sql_next_version(struct db *db, uint64_t *ret, struct err *err)
{
    struct db_query q = db_query(db, NEXT_VERSION);
    TRY(db_run(&q, err));
    return directory_sql_version(db, ret, err);
}

static bool write_domain(struct db_query *q, const struct domain_row *row, bool is_update,
                         struct err *err)
{
    struct buf joined;
    buf_init(&joined, 65536);
    bind_text(q, row->name);
    bind_text(q, row->description);
    db_bind_u64(q, row->disabled);
    db_bind_u64(q, row->case_sensitive);
    bind_words(q, row->separators, row->separator_count, &joined);
    db_bind_u64(q, row->accept_any);
    if (row->any_account_id != 0)
        db_bind_u64(q, row->any_account_id);
    else
        db_bind_null(q);
    if (is_update)
        db_bind_u64(q, row->id);
    bool ok = db_run(q, err);
    buf_release(&joined);
    return ok;
}

bool directory_sql_add_domain(struct db *db, const struct domain_row *row, struct err *err)
{
    struct db_query q = db_query(db, ADD_DOMAIN);
    return write_domain(&q, row, false, err);
}

bool directory_sql_set_domain(struct db *db, const struct domain_row *row, struct err *err)
{
    struct db_query q = db_query(db, SET_DOMAIN);
    return write_domain(&q, row, true, err);
}

bool directory_sql_remove_domain(struct db *db, uint64_t id, struct err *err)
{
    return run_for(db, REMOVE_DOMAIN, id, err);
}

/* Binds the settings behind what the caller bound, and runs the query. */
static bool write_account(struct db_query *q, const struct directory_account *account,
                          bool is_update, struct err *err)
{
    struct buf joined;
    buf_init(&joined, 65536);
    bind_text(q, account->description);
    bind_text(q, account->login_disabled);
    db_bind_i64(q, account->quota_bytes);
    db_bind_u64(q, account->max_outgoing);
    db_bind_u64(q, account->max_new_recipients);
    bind_words(q, account->capabilities_disabled, account->capability_count, &joined);
    db_bind_u64(q, account->no_cram_md5);
    if (is_update)
        db_bind_u64(q, account->id);
    bool ok = db_run(q, err);
    buf_release(&joined);
    return ok;
}

bool directory_sql_add_account(struct db *db, const struct directory_account *account,
                               uint64_t *ret_id, struct err *err)
{
    struct db_query q = db_query(db, ADD_ACCOUNT);
    bind_text(&q, account->name);
    TRY(write_account(&q, account, false, err));
    *ret_id = db_last_id(db);
    return true;
}

bool directory_sql_last_account_id(struct db *db, uint64_t *ret, struct err *err)
{
    struct db_query q = db_query(db, LAST_ACCOUNT_ID);
    *ret = db_step(&q) ? db_column_u64(&q, 0) : 0;
    return db_done(&q, err);
}

bool directory_sql_keep_account_ids(struct db *db, uint64_t last, struct err *err)
{
    return run_for(db, SET_LAST_ACCOUNT_ID, last, err) &&
           run_for(db, ADD_LAST_ACCOUNT_ID, last, err);
}

bool directory_sql_set_account(struct db *db, const struct directory_account *account,
                               struct err *err)
{
    struct db_query q = db_query(db, SET_ACCOUNT);
    return write_account(&q, account, true, err);
}

bool directory_sql_remove_account(struct db *db, uint64_t id, struct err *err)
{
    TRY(run_for(db, REMOVE_ACCOUNT, id, err));
    return run_for(db, ADD_REMOVED, id, err);
}

bool directory_sql_set_share(struct db *db, struct share_row share, bool is_there, struct err *err)
{
    struct db_query q = db_query(db, is_there ? ADD_SHARE : REMOVE_SHARE);
    db_bind_u64(&q, share.reader_id);
    db_bind_u64(&q, share.owner_id);
    return db_run(&q, err);
}

bool directory_sql_forget_removed(struct db *db, uint64_t id, struct err *err)
{
    return run_for(db, REMOVE_SHARES_WITH, id, err) && run_for(db, FORGET_REMOVED, id, err);
}

bool directory_sql_add_address(struct db *db, const struct address_row *row, struct err *err)
{
    struct db_query q = db_query(db, ADD_ADDRESS);
    db_bind_u64(&q, row->domain_id);
    bind_text(&q, row->localpart);
    bind_text(&q, row->canonical);
    db_bind_u64(&q, row->account_id);
    bind_text(&q, row->mailbox);
    db_bind_u64(&q, row->error_code);
    bind_text(&q, row->error_text);
    return db_run(&q, err);
}

bool directory_sql_set_canonical(struct db *db, uint64_t address_id, struct str canonical,
                                 struct err *err)
{
    struct db_query q = db_query(db, SET_CANONICAL);
    bind_text(&q, canonical);
    db_bind_u64(&q, address_id);
    return db_run(&q, err);
}

bool directory_sql_remove_address(struct db *db, uint64_t id, struct err *err)
{
    return run_for(db, REMOVE_ADDRESS, id, err);
}

bool directory_sql_set_credential(struct db *db, const struct credential_row *row, struct err *err)
{
    struct db_query q = db_query(db, SET_CREDENTIAL);
    db_bind_u64(&q, row->account_id);
    db_bind_u64(&q, row->version);
    db_bind_str(&q, row->hash);
    db_bind_blob(&q, row->cram_md5);
    db_bind_str(&q, row->scram_sha1);
    db_bind_str(&q, row->scram_sha256);
    return db_run(&q, err);
}

bool directory_sql_add_tls_key(struct db *db, const struct tls_key_row *row, struct err *err)
{
    struct db_query q = db_query(db, ADD_TLS_KEY);
    db_bind_u64(&q, row->account_id);
    db_bind_blob(&q, row->fingerprint);
    bind_text(&q, row->algorithm);
    bind_text(&q, row->name);
    bind_text(&q, row->login);
    db_bind_u64(&q, row->no_imap_preauth);
    db_bind_i64(&q, row->created_ms);
    return db_run(&q, err);
}

bool directory_sql_set_tls_key(struct db *db, const struct tls_key_row *row, struct err *err)
{
    struct db_query q = db_query(db, SET_TLS_KEY);
    bind_text(&q, row->name);
    bind_text(&q, row->login);
    db_bind_u64(&q, row->no_imap_preauth);
    db_bind_u64(&q, row->id);
    return db_run(&q, err);
}

bool directory_sql_remove_tls_key(struct db *db, uint64_t id, struct err *err)
{
    return run_for(db, REMOVE_TLS_KEY, id, err);
}
