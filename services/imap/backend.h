#ifndef SERVICES_IMAP_BACKEND_H
#define SERVICES_IMAP_BACKEND_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/mail/date.h"

/*
 * Everything this service asks of others, as plain functions with types of its own. Each function
 * is one RPC to store (doors `auth` and `mailboxes`; proto/ says what they do and how they fail),
 * blocks until the answer or a deadline, and may be called from any thread. Results are in the
 * arena of the call. Calls that change something carry a key, and are repeated once with the same
 * key when the answer was lost: that never does a thing twice.
 *
 * backend.c speaks the bus. Tests link an in-memory backend in its place
 * (tests/unit/services/imap/fake_backend.c).
 */

struct backend;

/* On whose behalf a call is made. */
struct backend_call {
    uint64_t cid;
    struct str token;
    struct arena *arena;
};

/* ---- Events: an account may have changed (proto/events.proto). */

struct backend_event {
    uint64_t account_id;
    uint64_t modseq;
    const uint64_t *mailbox_ids;
    size_t mailbox_count;
};
/* From the subscriber's thread. */
struct backend_events {
    void (*changed)(void *user, const struct backend_event *event);
    void (*reconnected)(void *user); /* events may have been missed */
    void *user;
};
/* Events of the account are wanted; counted. */
void backend_subscribe(struct backend *b, uint64_t account_id);
void backend_unsubscribe(struct backend *b, uint64_t account_id);

/* Both doors answer. */
bool backend_is_connected(const struct backend *b);
void backend_free(struct backend *b);

/* ---- Logging in */

struct backend_peer {
    struct str remote_ip;
    struct str local_ip;
    bool tls;
    struct str tls_version;
    struct str tls_cipher;
};

struct backend_binding {
    struct str type; /* "tls-exporter", ... */
    struct str data;
};

struct backend_auth {
    struct str mechanism; /* upper case */
    struct str state;     /* of the last result */
    bool has_response;
    struct str response;
    struct backend_peer peer;
    struct backend_binding bindings[3];
    size_t binding_count;
};

enum auth_outcome {
    AUTH_CONTINUE,
    AUTH_SUCCESS,
    AUTH_WRONG,         /* user or password */
    AUTH_AUTHORIZATION, /* the authorisation identity is somebody else */
    AUTH_BINDING,       /* channel binding failed: somebody may be in the middle */
    AUTH_PROTOCOL,      /* the exchange breaks the mechanism */
    AUTH_NO_SECRET,     /* none stored for this mechanism */
    AUTH_DISABLED,      /* right, but login is barred */
    AUTH_ENCODING,      /* bytes that cannot be a name or password */
};

struct backend_login {
    struct str token;
    int64_t expires_ms; /* wall clock */
    uint64_t account_id;
    struct str account;
    struct str login;
    const struct str *capabilities_disabled;
    size_t capabilities_disabled_count;
};

struct backend_auth_result {
    enum auth_outcome outcome;
    struct str challenge; /* also with success and failure: then sent before the end */
    struct str state;
    bool counts; /* against the client's address */
    struct str text;
    struct str login_tried;
    struct backend_login login;
};

bool backend_auth(struct backend *b, const struct backend_call *call,
                  const struct backend_auth *auth, struct backend_auth_result *ret,
                  struct err *err) MUST_USE;
/* A fresh token for call->token. */
bool backend_renew(struct backend *b, const struct backend_call *call, struct backend_login *ret,
                   struct err *err) MUST_USE;

/* ---- Mailboxes */

struct mailbox_info {
    uint64_t id;
    struct str name;
    uint32_t uidvalidity;
    uint32_t uidnext;
    uint64_t modseq;
    uint64_t total;   /* without \Deleted */
    uint64_t deleted; /* with it */
    uint64_t unseen;
    uint64_t size;
    struct str special_use; /* "\Sent", or empty */
    const struct str *keywords;
    size_t keyword_count;
};

struct mailbox_list {
    struct mailbox_info *mailboxes; /* by name */
    size_t len;
    const struct str *subscriptions; /* by name */
    size_t subscription_count;
};

bool backend_list(struct backend *b, const struct backend_call *call, struct mailbox_list *ret,
                  struct err *err) MUST_USE;

struct name_list {
    const struct str *names;
    size_t len;
};
/* The names that were made, parents first. */
bool backend_create(struct backend *b, const struct backend_call *call, struct str name,
                    struct str special_use, struct name_list *ret_created,
                    struct err *err) MUST_USE;
bool backend_delete(struct backend *b, const struct backend_call *call, struct str name,
                    struct err *err) MUST_USE;
bool backend_rename(struct backend *b, const struct backend_call *call, struct str from,
                    struct str to, struct err *err) MUST_USE;
bool backend_set_subscribed(struct backend *b, const struct backend_call *call, struct str name,
                            bool subscribed, struct err *err) MUST_USE;

/* ---- Views */

/* Columns are parallel, ascending by UID (proto/mailboxes.proto, Changes). */
struct changes {
    struct mailbox_info mailbox;
    bool gone;
    size_t len;
    const uint32_t *uid;
    const uint64_t *id;
    const uint64_t *modseq;
    const uint64_t *createseq;
    const uint32_t *flags;
    const uint64_t *size;
    const uint32_t *prefix_size;
    const int64_t *received_s;
    const int64_t *saved_s;
    const uint32_t *received_zone; /* minutes + 1440; NULL: all UTC */
    const uint32_t *keyword_end;   /* NULL: no keywords */
    const uint32_t *keyword_index; /* into mailbox.keywords; checked against it */
    size_t vanished_len;
    const uint32_t *vanished_uid;
    const uint64_t *vanished_modseq;
    bool more;
    uint32_t last_uid;
    uint64_t modseq_seen;
};

struct pull {
    struct str name; /* one of both */
    uint64_t mailbox_id;
    uint64_t since_modseq;
    uint32_t from_uid;
};
bool backend_pull(struct backend *b, const struct backend_call *call, const struct pull *pull,
                  struct changes *ret, struct err *err) MUST_USE;

struct message_row {
    uint64_t id;
    struct str prefix;
    struct str structure; /* common/mail/structure.h */
};
/* In request order; messages that are gone for good are left out. */
bool backend_messages(struct backend *b, const struct backend_call *call, uint64_t mailbox_id,
                      const uint64_t *ids, size_t count, bool prefix, bool structure,
                      struct message_row **ret_rows, size_t *ret_count, struct err *err) MUST_USE;

/* ---- Messages. `since` is the modseq up to which the caller's view is current. */

bool backend_check_append(struct backend *b, const struct backend_call *call, struct str name,
                          uint64_t *ret_room, struct err *err) MUST_USE;

struct append_item {
    struct str spool_name;
    uint64_t file_size;
    struct str structure;
    uint32_t flags;
    const struct str *keywords;
    size_t keyword_count;
    bool has_received;
    struct date received;
};
struct append {
    struct str name;
    const struct append_item *items;
    size_t len;
    uint64_t view_mailbox_id; /* 0: none is selected */
    uint64_t since_modseq;
};
struct append_result {
    uint32_t uidvalidity;
    const uint32_t *uids;
    size_t len;
    bool has_changes;
    struct changes changes;
};
bool backend_append(struct backend *b, const struct backend_call *call, const struct append *append,
                    struct append_result *ret, struct err *err) MUST_USE;

enum store_mode {
    STORE_REPLACE,
    STORE_ADD,
    STORE_REMOVE,
};
struct uid_list {
    const uint32_t *uids;
    size_t len;
};
struct store_flags {
    uint64_t mailbox_id;
    struct uid_list uids;
    enum store_mode mode;
    uint32_t flags;
    const struct str *keywords;
    size_t keyword_count;
    uint64_t since_modseq;
};
bool backend_store_flags(struct backend *b, const struct backend_call *call,
                         const struct store_flags *store, uint64_t *ret_modseq,
                         struct changes *ret_changes, struct err *err) MUST_USE;

struct copy {
    bool move;
    uint64_t mailbox_id;
    struct uid_list uids;
    struct str to;
    uint64_t since_modseq;
};
struct copy_result {
    uint32_t uidvalidity;
    struct uid_list source; /* parallel */
    struct uid_list target;
    struct changes changes;
};
bool backend_copy(struct backend *b, const struct backend_call *call, const struct copy *copy,
                  struct copy_result *ret, struct err *err) MUST_USE;

struct expunge {
    uint64_t mailbox_id;
    const struct uid_list *only; /* NULL: all with \Deleted */
    uint32_t below_uid;
    uint64_t since_modseq;
};
bool backend_expunge(struct backend *b, const struct backend_call *call,
                     const struct expunge *expunge, struct changes *ret_changes,
                     struct err *err) MUST_USE;

#endif
