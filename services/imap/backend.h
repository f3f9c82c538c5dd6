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
 * (tests/unit/services/imap/fake_backend.h).
 */

struct backend;

/* On whose behalf a call is made, and about whose mailboxes: names are those that the owner uses.
 */
struct backend_call {
    uint64_t cid;
    struct str token;
    uint64_t owner; /* account id; 0: an own mailbox */
    struct arena *arena;
};

/* ---- Events: an account may have changed (proto/events.proto). */

struct backend_event {
    uint64_t account_id;
    uint64_t modseq;
    const uint64_t *mailbox_ids;
    size_t mailbox_count;
    bool annotations_changed;
    bool rights_changed;
    bool mailboxes_changed; /* names, subscriptions */
};
/* From the subscriber's thread. */
struct backend_events {
    void (*changed)(void *user, const struct backend_event *event);
    void (*reconnected)(void *user); /* events may have been missed */
    void *user;
    /* A login at any door that counts against an address, or forgives it. NULL: not wanted. */
    void (*login_ended)(void *login_user, const char *ip, bool succeeded);
    void *login_user;
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
    struct str client_key; /* fingerprint of what TLS has proven; empty: nothing */
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
/* Whom the key of a TLS client logs in. */
struct backend_key {
    bool is_known;
    bool preauths; /* unasked */
    const struct str *capabilities_disabled;
    size_t capabilities_disabled_count;
};
bool backend_find_key(struct backend *b, const struct backend_call *call, struct str client_key,
                      struct backend_key *ret, struct err *err) MUST_USE;
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
    uint64_t messages_modseq; /* of the last change of messages */
    uint64_t total;           /* without \Deleted */
    uint64_t deleted;         /* with it */
    uint64_t unseen;
    uint64_t deleted_size; /* 0 until status_complete */
    bool has_status;       /* of LIST: what STATUS tells is known */
    uint64_t size;
    struct str special_use; /* "\Sent", or empty */
    const struct str *keywords;
    size_t keyword_count;
    /* Of a mailbox of another account, in a list. */
    uint64_t owner;  /* 0: an own one */
    unsigned rights; /* enum right; of an own one all */
};

struct mailbox_list {
    struct mailbox_info *mailboxes; /* by name */
    size_t len;
    const struct str *subscriptions; /* by name */
    size_t subscription_count;
    uint64_t modseq; /* of the account: changes up to it are in the list, and no later ones */
    /* With `others`: accounts that may share something. */
    const uint64_t *owners;
    size_t owner_count;
    const uint64_t *unread_owners; /* those whose mailboxes are missing for now */
    size_t unread_owner_count;
};

/* `others`: also mailboxes of others that the caller may know of, as "Other Users/<who>/<name>". */
bool backend_list(struct backend *b, const struct backend_call *call, bool others,
                  struct mailbox_list *ret, struct err *err) MUST_USE;

struct name_list {
    const struct str *names;
    size_t len;
};
/* The names that were made, parents first, and the mailbox. */
struct created_mailbox {
    struct name_list names;
    uint64_t id;
};
/* `ret_modseq`: of the owner's account with the change; 0: nothing changed. */
bool backend_create(struct backend *b, const struct backend_call *call, struct str name,
                    struct str special_use, struct created_mailbox *ret, uint64_t *ret_modseq,
                    struct err *err) MUST_USE;
bool backend_delete(struct backend *b, const struct backend_call *call, struct str name,
                    uint64_t *ret_modseq, struct err *err) MUST_USE;
bool backend_rename(struct backend *b, const struct backend_call *call, struct str from,
                    struct str to, uint64_t *ret_modseq, struct err *err) MUST_USE;
bool backend_set_subscribed(struct backend *b, const struct backend_call *call, struct str name,
                            bool subscribed, uint64_t *ret_modseq, struct err *err) MUST_USE;

/* ---- Rights (RFC 4314) */

/* Whose mailboxes "Other Users/<who>/..." are; 0: the caller's own. ERR_NOT_FOUND: nobody's. */
bool backend_find_owner(struct backend *b, const struct backend_call *call, struct str who,
                        uint64_t *ret_owner, struct err *err) MUST_USE;

struct rights_entry {
    struct str identifier; /* "-" in front: what it is denied */
    unsigned rights;       /* enum right */
};
struct rights_query {
    struct str name; /* one of both */
    uint64_t mailbox_id;
    bool all;              /* those of others too */
    struct str identifier; /* is this one the owner? */
};
struct rights_list {
    unsigned rights; /* the caller's */
    const struct rights_entry *entries;
    size_t len;
    bool identifier_is_owner;
};
bool backend_rights(struct backend *b, const struct backend_call *call,
                    const struct rights_query *query, struct rights_list *ret,
                    struct err *err) MUST_USE;

enum rights_mode {
    RIGHTS_REPLACE, /* by none: removes the identifier */
    RIGHTS_ADD,
    RIGHTS_REMOVE,
};
bool backend_set_rights(struct backend *b, const struct backend_call *call, struct str name,
                        const struct rights_entry *entry, enum rights_mode mode,
                        struct err *err) MUST_USE;

/* ---- Annotations (RFC 5464) */

struct annotation {
    uint64_t mailbox_id; /* 0: of the account */
    struct str mailbox;
    struct str name;
    struct str value; /* STR_NULL: removed */
    bool binary;
    uint64_t modseq;
};
struct annotation_query {
    bool one_mailbox; /* only those of `mailbox`; empty: of the account */
    struct str mailbox;
    uint64_t since_modseq; /* what changed after it, removals included; 0: all that there are */
};
bool backend_annotations(struct backend *b, const struct backend_call *call,
                         const struct annotation_query *query, const struct annotation **ret,
                         size_t *ret_count, uint64_t *ret_modseq, struct err *err) MUST_USE;
bool backend_annotate(struct backend *b, const struct backend_call *call, struct str mailbox,
                      const struct annotation *items, size_t count, uint64_t *ret_modseq,
                      struct err *err) MUST_USE;

/* ---- Views */

/* Flags added to or removed from messages, by one change. */
struct flag_change {
    const uint32_t *uids; /* ascending: those whose flags it alters, and others */
    size_t len;
    uint32_t added;
    uint32_t removed;
};
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
    const int64_t *saved_s;        /* NULL: not known */
    const uint32_t *received_zone; /* minutes + 1440; NULL: all UTC */
    const uint32_t *keyword_end;   /* NULL: no keywords */
    const uint32_t *keyword_index; /* into mailbox.keywords; checked against it */
    size_t vanished_len;
    const uint32_t *vanished_uid;
    const uint64_t *vanished_modseq;
    uint64_t purged_modseq; /* what vanished up to here may be forgotten; with expunged_only */
    bool more;
    uint32_t last_uid;
    uint64_t modseq_seen;
    /* What there is instead of messages when all that changed since is this, at modseq_seen. */
    struct flag_change derived; /* of no UIDs: nothing */
};

struct pull {
    struct str name; /* one of both */
    uint64_t mailbox_id;
    uint64_t since_modseq;
    uint32_t from_uid;
    bool expunged_only;    /* no messages */
    uint32_t limit;        /* messages in one answer; 0: the server's choice */
    uint64_t as_of_modseq; /* with everything: also what was there then and vanished since */
};
bool backend_pull(struct backend *b, const struct backend_call *call, const struct pull *pull,
                  struct changes *ret, struct err *err) MUST_USE;

struct message_row {
    uint64_t id;
    struct str prefix;
    struct str structure; /* common/mail/structure.h */
    uint64_t email_id;    /* RFC 8474 */
    uint64_t thread_id;
};
struct messages_query {
    uint64_t mailbox_id;
    const uint64_t *ids;
    size_t count;
    bool prefix;
    uint32_t structure; /* which pieces of it (structure.h) */
};
/* In request order; messages that are gone for good are left out. */
bool backend_messages(struct backend *b, const struct backend_call *call,
                      const struct messages_query *query, struct message_row **ret_rows,
                      size_t *ret_count, struct err *err) MUST_USE;

/* The same in two halves, for who goes through many: store reads the next ones while these are
 * used. What was asked ends with exactly one of the other two. */
struct messages_asked;
/* NULL: nothing was asked. The call's arena is free again afterwards. */
struct messages_asked *backend_messages_ask(struct backend *b, const struct backend_call *call,
                                            const struct messages_query *query,
                                            struct err *err) MUST_USE;
bool backend_messages_take(struct messages_asked *asked, struct arena *arena,
                           struct message_row **ret_rows, size_t *ret_count,
                           struct err *err) MUST_USE;
/* NULL is none. */
void backend_messages_abandon(struct messages_asked *asked);

/* What messages are sorted and threaded by (proto/mailboxes.proto, SortKey). */
enum sort_key {
    SORT_KEY_DATE = 1,
    SORT_KEY_SUBJECT = 2,
    SORT_KEY_FROM = 4,
    SORT_KEY_TO = 8,
    SORT_KEY_CC = 16,
    SORT_KEY_DISPLAY_FROM = 32,
    SORT_KEY_DISPLAY_TO = 64,
    SORT_KEY_THREAD = 128,
};
#define SORT_KEYS_NO_DATE INT64_MIN
/* Columns with a value for each message; those that were not asked for are NULL. */
struct sort_keys {
    const int64_t *sent_s;
    const struct str *subject; /* base subject */
    const struct str *from;
    const struct str *to;
    const struct str *cc;
    const struct str *display_from;
    const struct str *display_to;
    const int *is_reply;
    const struct str *message_id;
    const uint32_t *reference_end; /* as keyword_end; checked */
    const struct str *references;
};
/* `keys`: bits of enum sort_key. A message that is gone for good has empty values. */
bool backend_sort_keys(struct backend *b, const struct backend_call *call, uint64_t mailbox_id,
                       const uint64_t *ids, size_t count, unsigned keys, struct sort_keys *ret,
                       struct err *err) MUST_USE;

/* What store's text index knows of words (proto/mailboxes.proto, SearchText). */
enum text_field { TEXT_ANYWHERE, TEXT_FROM, TEXT_TO, TEXT_CC, TEXT_BCC, TEXT_SUBJECT };
struct text_needle {
    enum text_field field;
    struct str word;
};
struct id_run {
    uint64_t first;
    uint64_t end; /* the first one that is not in it */
};
struct id_runs {
    const struct id_run *items; /* ascending */
    size_t len;
};
struct text_hits {
    bool known;
    bool exact; /* all match; else they may */
    struct id_runs ids;
};
struct text_found {
    struct id_runs indexed;       /* it knows nothing about the others */
    const struct text_hits *hits; /* for each needle */
};
/* At most 64 needles. */
bool backend_search_text(struct backend *b, const struct backend_call *call,
                         const struct text_needle *needles, size_t count, struct text_found *ret,
                         struct err *err) MUST_USE;

/* ---- Messages. `since` is the modseq up to which the caller's view is current. */

/* `ret_room`: at least `size` when a message of it fits. */
bool backend_check_append(struct backend *b, const struct backend_call *call, struct str name,
                          uint64_t size, uint64_t *ret_room, struct err *err) MUST_USE;

/* RFC 9208; a limit of 0 is none. */
struct quota {
    uint64_t bytes;
    uint64_t bytes_max;
    uint64_t messages;
    uint64_t messages_max;
    uint64_t deleted_bytes; /* of the messages with \Deleted in the mailbox, if one is named */
};
bool backend_quota(struct backend *b, const struct backend_call *call, uint64_t mailbox_id,
                   struct quota *ret, struct err *err) MUST_USE;

struct append_item {
    struct str spool_name; /* empty: the text is `content` */
    struct str content;
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
    uint32_t replace_uid;     /* of the view, expunged together with it; 0: none */
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
    bool has_unchanged_since;
    uint64_t unchanged_since; /* RFC 7162 3.1.3: messages with a higher modseq stay as they are */
    uint64_t since_modseq;
};
struct store_result {
    uint64_t modseq;          /* of the mailbox, after */
    struct uid_list modified; /* failed `unchanged_since` */
    struct changes changes;
};
bool backend_store_flags(struct backend *b, const struct backend_call *call,
                         const struct store_flags *store, struct store_result *ret,
                         struct err *err) MUST_USE;

struct copy {
    bool move;
    uint64_t mailbox_id;
    struct uid_list uids;
    struct str to;
    uint64_t to_owner; /* as backend_call.owner */
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
struct expunge_result {
    size_t removed; /* messages */
    struct changes changes;
};
bool backend_expunge(struct backend *b, const struct backend_call *call,
                     const struct expunge *expunge, struct expunge_result *ret,
                     struct err *err) MUST_USE;

#endif
