#ifndef SERVICES_STORE_IMPORT_H
#define SERVICES_STORE_IMPORT_H

#include "common/bus/call_key.h"
#include "common/mail/address.h"
#include "services/store/import_settings.h"
#include "services/store/message.h"

/*
 * Imports (proto/transfer.proto, decision 0025): messages come in calls, wait where nobody sees
 * them, and appear all at once.
 *
 * An import is a directory `import/<key>/` of its account: staging.db (import_sql.c), and a file
 * for each message, named by its number from 1. It exists as long as staging.db does; that is made
 * first and removed first. A message is added by a synced file, then its row. The commit links the
 * files to the message tree and writes all rows in one change of the account, under the import's
 * key, so that nobody can make it twice; then the directory goes.
 *
 * One call at a time works on imports of an account.
 */

#define IMPORTS_MAX 16 /* of an account, under way */
#define IMPORT_ITEMS_MAX 1000
#define IMPORT_TEXT_MAX (1u << 20)
#define IMPORT_KEPT_S (24 * 3600)

struct import_state {
    uint64_t messages;
    uint64_t bytes;
    uint64_t position;
    bool is_committed;
};

/* Begins it, or finds it again; `key` has CALL_KEY_SIZE bytes, here and below. What fails, as on a
 * full disk, leaves nothing of it. ERR_LIMIT: IMPORTS_MAX others are under way. */
bool import_begin(struct account *account, struct str key, struct arena *arena,
                  struct import_state *ret, struct err *err) MUST_USE;

/* Writes a part of the text of a message that is added later, and is larger than
 * MESSAGE_CONTENT_MAX. At offset 0 it begins anew. */
bool import_add_text(struct account *account, struct str key, uint64_t sequence, uint64_t offset,
                     struct str bytes, struct err *err) MUST_USE;

struct import_item {
    struct str mailbox;         /* canonical */
    struct message_text text;   /* content, or only the size: it came by import_add_text */
    struct str structure_bytes; /* checked */
    uint32_t flags;
    struct keywords keywords;
    int64_t received_s;
    struct address mail_from; /* of the envelope; both parts empty: null, or not known */
};

struct import_add {
    uint64_t sequence; /* of the first */
    const struct import_item *items;
    size_t count;
    uint64_t position;
    uint64_t quota_bytes;
};

/* On disk when it returns, or none of them. Those that are here are passed over. */
bool import_add(struct account *account, struct str key, const struct import_add *op,
                struct import_state *ret, struct err *err) MUST_USE;

struct import_commit {
    /* Arguments. */
    uint64_t messages;
    const struct str *mailboxes; /* canonical; made though they may be empty */
    size_t mailbox_count;
    uint64_t quota_bytes;
    bool is_restore;                 /* what is made is subscribed by `settings` alone */
    struct import_settings settings; /* of a restore; with results */
    bool keeps_flags;                /* no rule about mailboxes changes them */
    /* Result. */
    uint64_t modseq;
    struct created created; /* the first ones */
};

bool import_commit(struct account *account, struct str key, struct import_commit *op,
                   struct arena *arena, struct err *err) MUST_USE;

/* Leaves no trace. ERR_STATE when it is committed. */
bool import_abort(struct account *account, struct str key, struct arena *arena,
                  struct err *err) MUST_USE;

/* Drops imports that nobody continued for IMPORT_KEPT_S; called by account_tend. */
bool import_expire(struct account *account, struct err *err) MUST_USE;

/* ---- For import_commit.c */

struct layout_path import_path(const struct account *account, struct str key);
/* NULL with ERR_NOT_FOUND when there is no such import. Closed by db_close. */
struct db *import_open(const struct account *account, struct str key, struct err *err);
bool import_read_state(struct db *db, struct import_state *ret, struct err *err) MUST_USE;
/* Harmless when there is none. */
bool import_remove(const char *path, struct err *err) MUST_USE;
/* Whether it was committed; then `op` gets the result. */
bool import_find_result(struct account *account, struct str key, struct arena *arena,
                        struct import_commit *op, bool *ret_found, struct err *err) MUST_USE;

#endif
