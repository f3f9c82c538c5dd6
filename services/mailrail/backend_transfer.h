#ifndef SERVICES_MAILRAIL_BACKEND_TRANSFER_H
#define SERVICES_MAILRAIL_BACKEND_TRANSFER_H

#include "common/bus/call_key.h"
#include "common/mail/address.h"
#include "common/mail/mail_flags.h"
#include "services/mailrail/backend.h"

/*
 * The door `transfer` of store (proto/transfer.proto) as plain functions: the connection of one
 * import or export, for one account.
 *
 * All its calls may be repeated. A store that is away or restarts is waited for, for a minute.
 */

struct transfer;

#define TRANSFER_KEY_SIZE CALL_KEY_SIZE
#define TRANSFER_CONTENT_MAX 65536    /* a text up to here comes with its message */
#define TRANSFER_PIECE_MAX (1u << 20) /* a larger one in pieces */
#define TRANSFER_ITEMS_MAX 500        /* messages of a call */

/* `should_stop` (may be NULL) ends the waiting. Keeps settings and account. */
bool transfer_open(const struct settings *settings, struct str account, bool (*should_stop)(void),
                   struct transfer **ret, struct err *err) MUST_USE;
void transfer_close(struct transfer *t);

/* ---- Import; `key` has TRANSFER_KEY_SIZE bytes */

struct import_state {
    uint64_t messages;
    uint64_t position;
    bool is_committed;
};

struct import_item {
    struct str mailbox;
    struct str content; /* empty when the text came by transfer_add_text */
    uint64_t size;
    struct str structure;
    const struct mail_flags *flags;
    int64_t received_s;
    struct address mail_from; /* of the envelope; both parts empty: null, or not known */
};

bool transfer_begin(struct transfer *t, struct str key, struct import_state *ret,
                    struct err *err) MUST_USE;
bool transfer_add_text(struct transfer *t, struct str key, uint64_t sequence, uint64_t offset,
                       struct str bytes, struct err *err) MUST_USE;
bool transfer_add(struct transfer *t, struct str key, uint64_t sequence,
                  const struct import_item *items, size_t count, uint64_t position,
                  struct err *err) MUST_USE;
/* `keep_flags`: the mailboxes' rules for junk flags do not count. */
bool transfer_commit(struct transfer *t, struct str key, uint64_t messages, bool keep_flags,
                     const struct str *mailboxes, size_t count, struct err *err) MUST_USE;

/* What belongs to mailboxes beside messages. */
struct transfer_special_use {
    struct str mailbox;
    struct str special_use; /* "\\Sent" */
    struct str holder;      /* of a refused one: the mailbox that has it; empty: has another */
};

struct transfer_annotation {
    struct str mailbox; /* empty: of the account */
    struct str name;
    struct str value;
    bool is_binary;
};

struct transfer_settings {
    struct transfer_special_use *special_uses;
    size_t special_use_count;
    struct str *subscriptions;
    size_t subscription_count;
    struct transfer_annotation *annotations;
    size_t annotation_count;
};

/* What could not be added to what the account has. */
struct transfer_refused {
    struct transfer_special_use *special_uses;
    size_t special_use_count;
    uint64_t annotations;
};

/* A commit that adds settings too, where the account lacks them. */
bool transfer_commit_restore(struct transfer *t, struct str key, uint64_t messages,
                             const struct str *mailboxes, size_t count,
                             const struct transfer_settings *settings, struct arena *arena,
                             struct transfer_refused *ret, struct err *err) MUST_USE;
bool transfer_abort(struct transfer *t, struct str key, struct err *err) MUST_USE;

/* ---- Export; results in arena */

struct export_mailbox {
    uint64_t id;
    struct str name;
    struct str special_use; /* empty: none */
    uint64_t messages;
    uint64_t bytes;
};

struct export_entry {
    uint64_t id;
    uint32_t uid;
    int64_t received_s;
    uint64_t size;
    struct mail_flags *flags; /* of a message without keywords, shared */
};

struct export_message {
    uint64_t id;
    bool is_found;
    struct str prefix;
    struct str mail_from;
    uint64_t file_size;
    struct str content; /* the whole file, when it has at most TRANSFER_CONTENT_MAX bytes */
    struct str error;
};

bool transfer_mailboxes(struct transfer *t, struct arena *arena, struct export_mailbox **ret,
                        size_t *ret_count, struct err *err) MUST_USE;
/* Subscriptions and annotations; special uses come with the mailboxes. */
bool transfer_settings(struct transfer *t, struct arena *arena, struct transfer_settings *ret,
                       struct err *err) MUST_USE;
/* All messages of a mailbox; ERR_NOT_FOUND when it was deleted meanwhile. */
bool transfer_entries(struct transfer *t, struct arena *arena, uint64_t mailbox_id,
                      struct export_entry **ret, size_t *ret_count, struct err *err) MUST_USE;
/* The first `*ret_count` of `ids`, at least one. */
bool transfer_messages(struct transfer *t, struct arena *arena, const uint64_t *ids, size_t count,
                       struct export_message *ret, size_t *ret_count, struct err *err) MUST_USE;
bool transfer_text(struct transfer *t, struct arena *arena, uint64_t id, uint64_t offset,
                   struct str *ret, struct err *err) MUST_USE;

#endif
